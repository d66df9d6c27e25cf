# SPDX-License-Identifier: Apache-2.0
"""Trains on digits: `pytest` in this folder, in the environment of AlgoPerf Cubes."""

from pathlib import Path

from algoperf.testing import train_on_digits


def test_loss_falls() -> None:
    """A few real steps in a process of their own."""
    losses = train_on_digits(Path(__file__).parent, framework="pytorch", ruleset="external")
    told = f"the loss does not fall: is the learning rate too small, or the sign wrong? {losses}"
    assert losses[-1] < 0.8 * losses[0], told
