"""`algoperf.write_submission`: functions become a file that stands alone."""

from __future__ import annotations

import runpy
import subprocess
import sys
import textwrap

import pytest

import algoperf
from algoperf.errors import UserError

SETTINGS = {"learning_rate": 1e-3, "warmup_factor": 0.05, "momentum": 0.9}

CELLS = """
import linecache, sys
import algoperf

def cell(number, text):
    # as a notebook does it: no file, but known to linecache
    name = f"<cell {number}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    exec(compile(text, name, "exec"), globals())

cell(1, '''
import functools
import math as m
import torch
from torch.optim.optimizer import Optimizer as Base

SCALE, UNUSED = 0.5, object()
''')
cell(2, '''
def scaled(value):
    return m.fabs(value) * SCALE

class Signs(Base):
    def __init__(self, params, momentum):
        super().__init__(params, {"lr": 0.0, "momentum": scaled(momentum)})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for param in group["params"]:
                param.add_(param.grad.sign(), alpha=-group["lr"])
''')
cell(3, '''
@functools.cache
def helper():
    return Signs

def make_optimizer(params, settings):
    return helper()(params, momentum=settings["momentum"])
''')
"""


def in_notebook(code: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", CELLS + textwrap.dedent(code)], capture_output=True, text=True, check=False
    )


def test_what_an_optimizer_uses_of_a_notebook_goes_along(tmp_path):
    folder = tmp_path / "mine"
    code = f"print(algoperf.write_submission({str(folder)!r}, make_optimizer, settings={SETTINGS!r}))"
    done = in_notebook(code)
    assert done.stdout == f"{folder}\n", done.stderr
    written = (folder / "submission.py").read_text()
    found = runpy.run_path(str(folder / "submission.py"))
    import torch

    weight = torch.nn.Parameter(torch.zeros(2))
    optimizer = found["make_optimizer"]([weight], SETTINGS)
    assert optimizer.param_groups[0]["momentum"] == 0.45
    assert {"init_optimizer_state", "update_params", "get_batch_size", "data_selection"} <= found.keys()
    assert "UNUSED" not in written
    assert "jax" not in written


def test_the_same_call_replaces_its_file_but_no_other(tmp_path):
    """Cells are run again and again."""
    folder = tmp_path / "mine"
    code = f"for _ in range(2): algoperf.write_submission({str(folder)!r}, make_optimizer, settings={SETTINGS!r})"
    assert in_notebook(code).returncode == 0
    (folder / "submission.py").write_text("# my own\n")
    done = in_notebook(code)
    assert "was written by somebody else" in done.stderr
    assert (folder / "submission.py").read_text() == "# my own\n"


def test_a_value_that_cannot_be_written_is_named(tmp_path):
    code = f"""
    model = torch.nn.Linear(1, 1)
    cell(4, "def make_optimizer(params, settings): return model")
    algoperf.write_submission({str(tmp_path / "mine")!r}, make_optimizer, settings={SETTINGS!r})
    """
    done = in_notebook(code)
    assert "make_optimizer uses model, a Linear, which cannot be written into a file" in done.stderr
    assert not (tmp_path / "mine").exists()


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    return {}


def update_params(**arguments):
    return arguments


def make_optimizer(settings):
    return settings


def something_else():
    pass


@pytest.mark.parametrize(
    ("functions", "settings", "words"),
    [
        ((init_optimizer_state,), None, "A submission needs update_params"),
        ((something_else,), None, "Unknown function of a submission: 'something_else'"),
        ((make_optimizer,), None, "needs settings, with learning_rate and warmup_factor"),
        ((make_optimizer,), {"learning_rate": 1.0}, "needs settings, with learning_rate and warmup_factor"),
        ((make_optimizer,), SETTINGS, "uses neither JAX nor PyTorch"),
        ((make_optimizer, update_params), SETTINGS, "update_params cannot be given beside make_optimizer"),
        ((init_optimizer_state, update_params), SETTINGS, "Settings are for make_optimizer"),
    ],
)
def test_mistakes_are_explained_and_leave_nothing(tmp_path, functions, settings, words):
    with pytest.raises(UserError, match=words):
        algoperf.write_submission(tmp_path / "mine", *functions, settings=settings)
    assert not (tmp_path / "mine").exists()


def test_functions_of_the_api_are_taken_as_they_are(tmp_path):
    folder = algoperf.write_submission(tmp_path / "mine", init_optimizer_state, update_params)
    found = runpy.run_path(str(folder / "submission.py"))
    assert found["init_optimizer_state"](None, None, None, None, None) == {}
    assert found["get_batch_size"]("digits") == 128
