"""A trial whose loss is compiled, by the real compiler: that must not look like a submission that cheats."""

from __future__ import annotations

import shutil

import pytest

from algoperf.frameworks.torch.backend import COMPILERS
from algoperf.workload.registry import find_workload, model_module
from trial_runs import Run


@pytest.mark.full
@pytest.mark.skipif(not any(map(shutil.which, COMPILERS)), reason="needs a C++ compiler")
def test_a_compiled_loss_is_no_breach(prepare, repository, tmp_path):
    definition = find_workload("ogbg").at("mini")
    assert {"loss"} == model_module(definition, "pytorch").COMPILE
    options = {"workload": "ogbg", "scale": "mini", "torch_compile": "on", "max_global_steps": 2, "eval_every_steps": 2}
    submission = repository / "submissions" / "baselines" / "nadamw_pytorch"
    run = Run(submission, "pytorch", prepare(definition.dataset, "mini"), tmp_path, options)
    code, printed = run.finish()
    assert code == 0, printed
    assert run.status["status"] == "max_steps_reached"
    assert run.status["compilation"].startswith("compiled: loss; 0 of ")
    assert run.status["seconds"]["compile"] > 0
