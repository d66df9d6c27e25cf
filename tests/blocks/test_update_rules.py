"""Every baseline's update rule is its formula, in float64 over 60 steps, in both frameworks and on two devices."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from places import SUPPORT
from update_formulas import EVALUATED, RULES, initial, largest_difference, run_formula

TOLERANCE = 1e-10  # of differences, in parts of the largest movement of a parameter
SCRIPT = SUPPORT / "update_rules_run.py"
LAUNCHER = {
    "jax": ["-W", "error"],
    "pytorch": ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"],
}


def run_all(framework: str, out: Path) -> Path:
    """Folder with the results of all rules: one file per rule and process."""
    environment = {
        **os.environ,
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, *LAUNCHER[framework], str(SCRIPT), framework, str(out), *RULES]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def jax_results(tmp_path_factory) -> Path:
    return run_all("jax", tmp_path_factory.mktemp("jax"))


@pytest.fixture(scope="module")
def pytorch_results(tmp_path_factory) -> Path:
    return run_all("pytorch", tmp_path_factory.mktemp("pytorch"))


def read(folder: Path, rule: str, rank: int = 0) -> dict[int, dict[str, np.ndarray]]:
    with np.load(folder / f"{rule}.{rank}.npz") as arrays:
        return {step: {name: arrays[f"{step}/{name}"] for name in initial()} for step in EVALUATED}


@functools.cache
def formula(rule: str) -> dict[int, dict[str, np.ndarray]]:
    return run_formula(RULES[rule])


@pytest.mark.parametrize("framework", ["jax", "pytorch"])
@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_its_formula(request, rule, framework):
    found = read(request.getfixturevalue(f"{framework}_results"), rule)
    expected = formula(rule)
    for step in EVALUATED:
        assert largest_difference(found[step], expected[step]) < TOLERANCE, step


@pytest.mark.parametrize("rule", RULES)
def test_the_frameworks_agree(jax_results, pytorch_results, rule):
    jax, torch = read(jax_results, rule), read(pytorch_results, rule)
    for step in EVALUATED:
        assert largest_difference(torch[step], jax[step]) < TOLERANCE, step


@pytest.mark.parametrize("rule", RULES)
def test_processes_stay_together(pytorch_results, rule):
    first, second = (read(pytorch_results, rule, rank) for rank in (0, 1))
    for step in EVALUATED:
        for name, array in first[step].items():
            np.testing.assert_array_equal(array, second[step][name])


@pytest.mark.parametrize("rule", RULES)
def test_every_setting_matters(rule):
    """Else a mistake in a part of the rule would not show."""
    chosen = RULES[rule]
    expected = formula(rule)
    for name, value in chosen.settings.items():
        other = value + 1 if isinstance(value, int) else 0.5 * value + 0.1
        changed = run_formula(type(chosen)(**{**vars(chosen), "settings": {**chosen.settings, name: other}}))
        assert largest_difference(changed[EVALUATED[-1]], expected[EVALUATED[-1]]) > 1e3 * TOLERANCE, name


def test_every_baseline_has_a_formula(repository):
    folders = {path.parent.name for path in (repository / "submissions" / "baselines").glob("*/submission.py")}
    assert folders == {f"{rule}_{framework}" for rule in RULES for framework in ("jax", "pytorch")}
