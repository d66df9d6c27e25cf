"""What a submitted model must not look at in its evaluation is noticed: other rows, earlier batches, later tokens."""

from __future__ import annotations

import numpy as np
import pytest

from algoperf.data.contracts import Padded
from algoperf.reevaluate.blindness import _flaws, _sentences

ROWS = np.random.default_rng(0).normal(size=(8, 6)).astype(np.float32)
TOKENS = np.random.default_rng(0).integers(0, 50, (8, 6)).astype(np.int32)


def outputs(function):
    return lambda batch: {"output_0": np.asarray(function(batch["inputs"]))}


def found(function, inputs, is_text=False):
    return list(_flaws(outputs(function), {"inputs": inputs, "targets": None}, is_text))


def test_a_blind_model_has_no_flaws():
    assert found(lambda x: x @ np.ones((6, 3)), ROWS) == []
    assert found(lambda x: np.cumsum(x, axis=1), TOKENS, is_text=True) == []
    padded = Padded(ROWS, np.full(8, 4))
    assert found(lambda x: x.values * x.lengths[:, None], padded) == []


def test_a_model_that_normalises_over_its_batch_is_found():
    (flaw,) = found(lambda x: x - x.mean(0), ROWS)
    assert "depend on the other examples" in flaw
    (flaw,) = found(lambda x: x.values - x.values.mean(0), Padded(ROWS, np.full(8, 4)))
    assert "depend on the other examples" in flaw


def test_a_model_that_changes_while_it_is_evaluated_is_found():
    calls = []

    def drifting(x):
        calls.append(1)
        return x * len(calls)

    (flaw,) = found(drifting, ROWS)
    assert "change from one evaluation to the next" in flaw


@pytest.mark.parametrize("is_text", [True, False])
def test_a_model_that_reads_ahead_is_found_where_tokens_are_labels(is_text):
    flaws = found(lambda x: x + np.roll(x, -1, axis=1), TOKENS, is_text)
    assert [("later tokens" in flaw) for flaw in flaws] == ([True] if is_text else [])


def test_what_is_behind_the_end_of_a_sentence_does_not_count():
    """A decoder may stop when all sentences of its batch have ended."""
    first = np.array([[5, 2, 7, 9], [5, 6, 2, 9]])
    assert _sentences(outputs(lambda x: x), 2)({"inputs": first, "targets": np.zeros((2, 6))})["output_0"].tolist() == [
        [5, 2, 0, 0, 0, 0], [5, 6, 2, 0, 0, 0],
    ]  # fmt: skip


def test_decoded_tokens_may_differ_in_few_rows_only():
    """A rounding error turns a close decision, and all tokens behind it; a model that adapts turns all."""
    tokens = np.tile(TOKENS, (8, 1))
    rows = np.arange(len(tokens))[:, None]

    def off_in(number):
        return lambda x: x + (rows < number) * (x[-1, 0] != tokens[-1, 0])

    assert tokens[0, 0] != tokens[-1, 0]
    assert found(off_in(1), tokens) == []
    (flaw,) = found(off_in(32), tokens)
    assert "depend on the other examples" in flaw


def test_graphs_share_arrays_and_have_no_rows():
    assert found(lambda x: x[0] - x[0].mean(0), (ROWS,)) == []
