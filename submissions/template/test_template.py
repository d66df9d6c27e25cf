# SPDX-License-Identifier: Apache-2.0
"""Trains on digits: `pytest` in this folder, in the environment of AlgoPerf Cubes."""

from pathlib import Path

from algoperf.testing import check_on_digits


def test_it_trains() -> None:
    """A few real steps: they change parameters, stay finite, and go on from a checkpoint. Add what yours should do."""
    losses = check_on_digits(Path(__file__).parent, framework="pytorch", ruleset="external")
    told = f"the loss rises: is the sign of the update wrong, or the learning rate too large? {losses}"
    assert losses[-1] < 1.5 * losses[0], told
