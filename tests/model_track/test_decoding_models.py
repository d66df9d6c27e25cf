"""A submitted model that decodes: it gets inputs alone, its metric is the published model's, and cheats are found."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from algoperf.datasets.wmt.dataset import WMT_MINI
from algoperf.errors import SubmissionError, UserError
from algoperf.frameworks import load_backend
from algoperf.metrics.translation import DecodedTranslations, TranslationMetrics
from algoperf.submission.decoding import decoded
from algoperf.submission.model import SubmittedModel, require_in_track
from algoperf.trial.data import TrialData
from algoperf.trial.evaluation import Evaluator
from algoperf.workload.definition import Examples
from bound_workload import find, limits_of
from contract_case import kit_of
from places import SUPPORT
from trial_runs import Run

MODELS = SUPPORT / "models"
FEW = {"examples": Examples(train=8_000, eval_train=16, validation=48, test=16), "eval_batch_size": 16}
IDS = np.array([[5, 6, 7, 5, 2], [7, 3, 4, 2, 0]])
BATCH = {
    "inputs": IDS, "targets": np.array([[5, 6, 7, 5, 2, 0], [7, 3, 5, 2, 0, 0]]), "weights": np.ones((2, 6)),
    "real": np.array([True, True]),
}  # fmt: skip


class Letters:
    """A tokenizer of ten words."""

    def __len__(self):
        return 10

    def decode(self, ids):
        return " ".join(map(str, ids))


def write_known_words(framework, params):
    """Change embeddings so that a model that has not been trained writes words, and ends its sentences."""
    if framework == "jax":
        import jax.numpy as jnp

        table = params["shared_embedding"]["embedding"]
        params["shared_embedding"]["embedding"] = jnp.asarray(sharpened(table))
    else:
        import torch

        with torch.no_grad():
            params.shared_embedding.weight.copy_(torch.from_numpy(sharpened(params.shared_embedding.weight.numpy())))


def sharpened(table):
    """A table of embeddings with which tokens differ more, ends are frequent, and unknown words hardly ever best."""
    table = 2 * np.array(table)
    table[2] *= 3
    table[0] = 0
    return table


@pytest.mark.parametrize("framework", ["jax", "pytorch"])
def test_the_published_model_scores_the_same_through_the_hook_of_submissions(framework, prepare):
    data_root, backend, kit = prepare(WMT_MINI, "mini"), load_backend(framework), kit_of(framework)
    published = find("wmt", "mini").with_fields(FEW)
    submitted = published.with_model(SubmittedModel(MODELS / "published_wmt"))
    found, written = [], []
    for definition in (published, submitted):
        workload = backend.bind(definition, limits_of(published))
        params, model_state = workload.init_model_fn(kit.key(0))
        write_known_words(framework, params)
        data = TrialData(definition, WMT_MINI.open(data_root / "wmt" / "mini"), backend.shard, 0)
        found.append(Evaluator(workload, data, backend).metrics(params, model_state, kit.key(1), 1))
        batch = workload.place(data.evaluation("validation", 16, 1)[0])
        written.append(workload.fetch(workload.evaluation_step(params, model_state, kit.key(1))(batch))["translations"])
    np.testing.assert_array_equal(*written)
    assert len(np.unique(written[0], axis=0)) > 1, "the sentences differ"
    expected, given = found
    assert {name for name in expected if "loss" in name or "accuracy" in name} == expected.keys() - given.keys()
    assert given == {name: expected[name] for name in given}


def test_a_decoder_that_finds_the_references_is_not_verified(prepare, tmp_path):
    options = {"submission": None, "model": MODELS / "peeking_decoder", "ruleset": None, "workload": "wmt",
               "scale": "mini", "max_global_steps": None, "eval_every_steps": 2}  # fmt: skip
    run = Run(MODELS / "peeking_decoder", "pytorch", prepare(WMT_MINI, "mini"), tmp_path, options)
    code, output = run.finish()
    assert (code, run.status["status"]) == (6, "target_reached"), output
    assert "0 of 1 checkpoint agrees" in output
    assert {name for name in run.rows[0] if name.startswith("validation/")} == {
        "validation/bleu", "validation/num_examples",
    }  # fmt: skip


def test_a_model_without_a_decoder_is_refused_where_one_is_needed():
    definition = find("wmt", "mini").with_model(SubmittedModel(MODELS / "two_layers"))
    with pytest.raises(
        UserError, match=r"does not define decode\. .* The metric of wmt is .* decode\(model, inputs, num_tokens\)"
    ):
        load_backend("pytorch").bind(definition, limits_of(find("wmt", "mini")))


def test_a_cube_that_does_not_say_how_submitted_models_are_evaluated_is_not_in_the_track():
    with pytest.raises(UserError, match="tokens is not in the model track"):
        require_in_track(find("tokens", "full"), "jax")


def test_a_decoder_is_given_inputs_alone(tmp_path):
    def decode(model, variables, inputs, num_tokens):
        return np.concatenate([variables["params"], variables["stats"], inputs[0]])[:num_tokens]

    given = (decode, tmp_path / "model_jax.py", "jax", 4, None, [1], {"stats": [2]}, BATCH, None)
    assert decoded(*given)["translations"].tolist() == [1, 2, 5, 6]


@pytest.mark.parametrize(
    ("function", "message"),
    [(lambda *given: [[1]], "returned list"), (lambda *given: 1 / 0, "ZeroDivisionError")],
)
def test_what_goes_wrong_in_a_decoder_is_said_to_be_its_own(tmp_path, function, message):
    with pytest.raises(SubmissionError, match=message):
        decoded(function, tmp_path / "model_jax.py", "jax", 4, None, {}, None, BATCH, None)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (IDS.astype(float), "float64"),
        (IDS[0], "allowed: integers"),
        (IDS[:1], "allowed: 2 rows of 1 to 6"),
        (np.zeros((2, 7), int), "allowed: 2 rows of 1 to 6"),
        (IDS - 1, "ids from -1 to 6; allowed: 0 to 9"),
        (IDS + 3, "ids from 3 to 10"),
    ],
)
def test_what_is_decoded_is_checked(ids, message):
    with pytest.raises(SubmissionError, match=message):
        DecodedTranslations(Letters()).add({"translations": ids}, BATCH)


def test_rows_of_padding_do_not_count_and_processes_merge():
    whole, first, second = (DecodedTranslations(Letters()) for _ in range(3))
    whole.add({"translations": IDS}, BATCH)
    for each, real in ((first, [True, False]), (second, [False, True])):
        each.add({"translations": IDS}, {**BATCH, "real": np.array(real)})
    first.merge(second)
    assert first.result(2) == whole.result(2)
    published = TranslationMetrics(Letters())
    published.add({"translations": IDS, "loss": np.ones(()), "accuracy": np.ones(())}, BATCH)
    assert 0 < whole.result(2)["bleu"] == published.result(2)["bleu"] < 100


def test_the_task_names_the_end_of_a_sentence():
    from algoperf.workload.tasks import task_of

    tasks = [task_of(find(name, "mini"), "jax") for name in ("wmt", "mnist")]
    assert [task.end_id for task in tasks] == [2, None]
    assert dataclasses.asdict(tasks[0])["num_classes"] == WMT_MINI.vocab_size
