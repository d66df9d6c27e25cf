"""What trying a submission on tiny workloads finds; tests/cheats has more."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from algoperf.versions import load_version, version_names
from algoperf_check import probe
from algoperf_check.probe import memory
from algoperf_check.probe.session import KEYWORDS, POSITIONAL, _signatures
from algoperf_check.request import CheckRequest
from places import TEST_SUBMISSIONS


def try_it(submission: Path, framework: str, tasks=None):
    request = CheckRequest(submission=submission, framework=framework, ruleset="self", version=load_version())
    return probe.run(request, tasks)


def test_each_fault_is_found_where_it_is(repository):
    """One submission with another fault on each tiny workload, and some in its interface."""
    found = try_it(TEST_SUBMISSIONS / "many_faults", "pytorch")
    assert [finding.what.partition("\n")[0] for finding in found if finding.rule.number == "13.3"] == [
        "The batch size 262145 for criteo1tb cannot be divided among 8 devices.",
        "get_batch_size('ogbg') raised KeyError: 'ogbg'",
        "get_batch_size('wmt') returned '128'. Allowed: a positive integer.",
    ]
    where = {(finding.rule.number, found_on(finding)) for finding in found if finding.rule.number != "13.3"}
    assert where == {
        ("13.4", ""),
        ("14.1", "images"),
        ("13.5", "images"),  # the trial itself refuses it, too
        ("13.5", "text"),  # where the model has no such layer
        ("15.5", "clicks"),
        ("15.2", "tokens"),
        ("14.2", "speech"),
        ("13.5", "pictures"),
        ("16.1", ""),
    }
    (memory_use,) = (finding.what for finding in found if finding.rule.number == "16.1")
    assert memory_use.startswith("criteo1tb: about 32.4 GB of 16 GB per device")


def test_what_a_state_holds_once_is_not_multiplied(tmp_path):
    """A generator, a table and a history are as large on every workload; copies of the parameters are not."""
    code = (
        STATE_CODE.format(state=CONSTANT),
        STATE_CODE.format(state=f"{{**{CONSTANT}, 'copies': copies(model_params)}}"),
    )
    for number, text in enumerate(code):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}" / "submission.py").write_text(text)
    assert [found.rule.number for found in try_it(tmp_path / "0", "pytorch")] == []
    assert [found.rule.number for found in try_it(tmp_path / "1", "pytorch")] == ["16.1"]


def test_a_mask_of_tokens_is_not_one_of_rows(tmp_path):
    """Rows of wmt have a mask (B, length). What can use only masks (B,) must not fail for the first time there."""
    code = STATE_CODE.format(state="{}").replace('batch.get("weights")', "rows")
    rows = (
        'rows = batch["weights"].reshape(len(batch["targets"])) if "weights" in batch else None\n    model.zero_grad()'
    )
    (tmp_path / "submission.py").write_text(code.replace("model.zero_grad()", rows))
    assert {(found.rule.number, found_on(found)) for found in try_it(tmp_path, "pytorch")} == {("13.5", "tokens")}


def test_an_optimizer_that_does_nothing_is_seen(tmp_path):
    """The sign of NaN, made 0: the gradient never comes through. Statistics of the model still change."""
    code = STATE_CODE.format(state="{}")
    update = "p.sub_(0.01 * torch.nan_to_num(torch.sign(p.grad * float('nan'))))"
    (tmp_path / "submission.py").write_text(code.replace("p.sub_(0.01 * p.grad)", update))
    (found,) = try_it(tmp_path, "pytorch", ["images"])
    assert (found.rule.number, found.rule.level) == ("14.5", "warning")
    assert "after 6 steps all parameters have their initial values" in found.what


CONSTANT = "{'generator': torch.Generator().manual_seed(1), 'table': torch.zeros(3, 1000), 'losses': torch.zeros(500)}"
STATE_CODE = """
import torch
from algoperf import spec


def get_batch_size(workload_name):
    return 64


def copies(model):
    return [[p.detach().clone() for p in model.parameters()] for _ in range(12)]


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    return {state}


def data_selection(workload, input_queue, optimizer_state, params, model_state, hyperparameters, global_step, rng):
    return next(input_queue)


def update_params(workload, current_param_container, current_params_types, model_state, hyperparameters, batch,
                  loss_type, optimizer_state, eval_results, global_step, rng):
    model = current_param_container
    model.zero_grad()
    logits, _ = workload.model_fn(model, batch, None, spec.ForwardPassMode.TRAIN, None, True)
    loss = workload.loss_fn(batch["targets"], logits, batch.get("weights"))
    (loss["summed"] / loss["n_valid_examples"]).backward()
    with torch.no_grad():
        for p in model.parameters():
            p.sub_(0.01 * p.grad)
    return optimizer_state, model, model_state
"""


def found_on(finding) -> str:
    found = re.match(r"tiny (\w+) ", " ".join(finding.on))
    return found[1] if found else ""


@pytest.mark.parametrize(
    ("name", "function", "complaint"),
    [
        ("data_selection", lambda workload, input_queue: None, "too many positional arguments"),
        ("update_params", lambda workload, batch: None, "unexpected keyword argument"),
        ("prepare_for_eval", lambda **arguments: None, None),
        ("prepare_for_eval", lambda workload, train_state, **arguments: None, None),
        ("get_batch_size", 8, "a int, not a function"),
    ],
)
def test_signatures(name, function, complaint):
    good = {function: lambda *a, **k: None for function in (*POSITIONAL, *KEYWORDS)}
    found = list(_signatures(SimpleNamespace(**{**good, name: function})))
    if complaint is None:
        assert found == []
    else:
        ((rule, what),) = found
        assert (rule, complaint in what, name in what) == ("13.2", True, True)


def test_a_baseline_in_jax_is_fine(repository):
    assert try_it(repository / "submissions" / "baselines" / "nadamw_jax", "jax", ["clicks"]) == []


def test_what_cannot_be_imported_is_a_finding(tmp_path):
    (tmp_path / "submission.py").write_text("import no_such_module\n")
    (found,) = try_it(tmp_path, "pytorch")
    assert found.rule.number == "13.1"
    assert "no_such_module" in found.what


@pytest.mark.parametrize("version", version_names())
def test_memory_is_estimated_for_every_scored_workload(version):
    """Two moments fit everywhere; ten would not fit criteo1tb's table on the smallest devices."""
    rules = load_version(version)
    assert set(rules.scored) <= set(memory.PARAMETER_COUNTS)
    assert list(memory.findings(rules, 8.0)) == []
    gigabytes = memory.device_bytes(rules) / 1e9
    needed = memory.PARAMETER_COUNTS["criteo1tb"] * 4 * 12 / 1e9
    found = {finding.rule.number for finding in memory.findings(rules, 40.0) if "criteo1tb" in finding.what}
    assert found == ({"16.1"} if needed > gigabytes else {"16.2"} if needed > 0.85 * gigabytes else set())
