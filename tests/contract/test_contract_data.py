"""What every workload owes to submissions: batches and evaluation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from algoperf.data.contracts import Shard
from contract_case import BATCH_SIZE, EVAL
from contract_kinds import arrays, one_array


def test_training_batches(case):
    """Types and shapes are those that published submissions know."""
    case.kind.check_training_batch(case, case.train_batch(), BATCH_SIZE)


def test_training_batches_do_not_end(case):
    queue = case.opened.queue(500)
    sizes = {len(arrays(next(queue)["targets"])[0]) for _ in range(12)}
    assert sizes == {case.kind.num_rows(500)}


def test_evaluation_batches(case):
    """Every example of every split once; two calls give the same batches, with a mask and padding told apart."""
    for split in case.splits.values():
        batches = list(case.opened.data.evaluation(split, 100, 0))
        assert all(batch["real"].dtype == np.bool_ and batch["weights"].dtype == np.float32 for batch in batches)
        assert sum(int(batch["real"].sum()) for batch in batches) == case.workload.definition.num_examples(split)
        assert all(not np.any(batch["weights"][~batch["real"]]) for batch in batches)
        again = case.opened.data.evaluation(split, 100, 0)[0]
        for name in ("inputs", "targets"):
            for found, expected in zip(arrays(again[name]), arrays(batches[0][name]), strict=True):
                np.testing.assert_array_equal(found, expected)


def test_a_submission_cannot_ask_for_data_or_evaluations(case):
    """The names are published; the workload has neither data nor evaluations."""
    for ask in (case.workload._build_input_queue, case.workload.eval_model, case.workload._eval_model_on_split):
        with pytest.raises(PermissionError, match="batches come from the input queue"):
            ask(None, "train", "data", 100)


def test_evaluation_results(case):
    """Exactly the published names; numbers are plain."""
    results = case.evaluate(case.init(), case.workload.eval_batch_size)
    counts = {"validation/num_examples": case.workload.num_validation_examples}
    if "test" in case.splits:
        counts["test/num_examples"] = case.workload.num_test_examples
    metrics = {f"{split}/{metric}" for split in case.splits for metric in case.kind.metrics}
    assert results.keys() == metrics | counts.keys()
    assert {name: results[name] for name in counts} == counts
    assert all(type(value) in (int, float) and math.isfinite(value) for value in results.values())


def test_evaluation_counts_every_example_once(case):
    """Whatever the batch size: the same sums as one pass over the whole split, written out here."""
    model = case.stirred(seed=3)
    uneven = min(77, case.workload.num_validation_examples // 2 + 7)  # the last batches are not full
    at_once = case.evaluate(model, case.workload.eval_batch_size, step=5)
    for name, value in case.evaluate(model, uneven, step=5).items():
        # Rounding may exchange two graphs in the ranking that average precision looks at.
        tolerance = 1e-3 if name.endswith("mean_average_precision") else 1e-5
        assert value == pytest.approx(at_once[name], rel=tolerance), name
    opened = case.opened.data.dataset
    for split in case.splits.keys() - {"train"}:
        count = opened.num_examples(split)
        parts = []
        for batch in opened.evaluation(split, num_examples=count, batch_size=count, shard=Shard(), seed=0):
            logits, _ = case.forward(model, case.workload.place(batch), EVAL)
            parts.append([one_array(part)[batch["real"]] for part in (logits, batch["targets"], batch["weights"])])
        expected = case.kind.expected_metrics(*(np.concatenate(part) for part in zip(*parts, strict=True)))
        expected |= case.kind.further_metrics(case, model, batch)
        assert expected.keys() == set(case.kind.metrics)
        for name, value in expected.items():
            tolerance = 1e-9 if name == "accuracy" else 1e-4
            assert at_once[f"{split}/{name}"] == pytest.approx(value, rel=tolerance), name


def test_training_examples_of_an_evaluation_depend_on_the_step(case):
    model = case.stirred()
    size = case.workload.eval_batch_size
    loss = next(name for name in case.kind.metrics if name.endswith("loss"))
    first, again, other = (case.evaluate(model, size, step)[f"train/{loss}"] for step in (1, 1, 2))
    assert first == again
    assert first != other
