"""`benchmarks/gpu.py` at scale mini, where every row runs on a processor."""

from __future__ import annotations

import importlib
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from places import REPOSITORY

HIDE = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {names}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hidden())
"""
NUMBERS = ("steps/s", "first step s", "compile s", "eval ms", "save ms", "restore ms", "checkpoint bytes")


def run(tmp_path: Path, *arguments: str, hidden: tuple[str, ...] = ()) -> tuple[int, str, list[dict]]:
    """Exit code, output and rows of one run, in which some packages cannot be imported."""
    (tmp_path / "sitecustomize.py").write_text(HIDE.format(names=set(hidden) or "()"))
    file = tmp_path / "out.json"
    done = subprocess.run(
        [sys.executable, REPOSITORY / "benchmarks" / "gpu.py", "--json", file, *arguments],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=290,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr, json.loads(file.read_text())["rows"] if file.exists() else []


def of(rows: list[dict]) -> dict[tuple[str, str], str]:
    return {(row["workload"], row["framework"]): row["result"] for row in rows}


def test_a_row_per_workload_and_framework(tmp_path):
    code, output, rows = run(tmp_path, "--scale", "mini", "--workloads", "digits,ogbg", "--seconds", "270")
    pairs = [(workload, framework) for workload in ("digits", "ogbg") for framework in ("jax", "pytorch")]
    assert of(rows) == dict.fromkeys(pairs, "measured"), output
    assert code == 0
    for row in rows:
        assert all(math.isfinite(row[name]) for name in NUMBERS)
        assert row["steps/s"] > 0
        assert row["checkpoint bytes"] > 0
        assert (row["resumed"], row["guard"]) == ("equal", "no breach")
        assert row["compiled"]
    for workload, framework in pairs:
        assert re.search(rf"^\| {workload} \| {framework} \| measured \|", output, re.MULTILINE)


def test_missing_packages_are_named(tmp_path):
    """And what only reads real images is not missed."""
    options = ("--scale", "mini", "--workloads", "digits,imagenet_vit", "--seconds", "270")
    code, output, rows = run(tmp_path, *options, hidden=("jax", "optax", "simplejpeg"))
    assert of(rows) == {
        ("digits", "jax"): "left out: without jax and optax",
        ("digits", "pytorch"): "measured",
        ("imagenet_vit", "jax"): "left out: without jax and optax",
        ("imagenet_vit", "pytorch"): "measured",
    }, output
    for package in ("jax", "optax"):
        assert f"The package {package} is missing, which leaves out digits (jax), imagenet_vit (jax)." in output
    assert code == 0


@pytest.mark.parametrize(
    ("hidden", "sentence"),
    [
        (("numpy",), "The package numpy is missing, which leaves out all rows."),
        (("scipy",), "The package scipy is missing, which leaves out imagenet_vit (pytorch)."),
        (("torch",), "The package torch is missing, which leaves out imagenet_vit (pytorch)."),
    ],
)
def test_nothing_can_be_measured(tmp_path, hidden, sentence):
    code, output, _ = run(tmp_path, "--workloads", "imagenet_vit", "--frameworks", "pytorch", hidden=hidden)
    assert sentence in output
    assert code == 1


def test_too_little_time(tmp_path):
    code, output, rows = run(tmp_path, "--workloads", "digits", "--frameworks", "pytorch", "--seconds", "1")
    assert of(rows) == {("digits", "pytorch"): "left out: no time was left of 1 s"}, output
    assert code == 1


def test_no_gpu(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    code, output, rows = run(tmp_path, "--workloads", "digits", "--frameworks", "pytorch", "--seconds", "270")
    assert of(rows) == {
        ("digits", "pytorch"): "failed: setting up: pytorch sees no GPU; on a processor, use --scale mini"
    }, output
    assert code == 1


@pytest.mark.parametrize(
    ("cells", "code", "result"),
    [
        ({"stage": "done"}, 0, "measured"),
        ({"stage": "resuming"}, None, "failed: resuming was not done after 15 s"),
        ({"stage": "resuming", "failed": "x differs"}, 1, "failed: resuming: x differs"),
        ({"stage": "checkpoint"}, -9, "failed: checkpoint: the process ended with exit code -9"),
        ({}, 1, "failed: starting: the process ended with exit code 1"),
        ({"stage": "setting up", "failed": "No module named 'x'", "missing": "x"}, 1, "left out: without x"),
    ],
)
def test_how_a_row_ended(monkeypatch, cells, code, result):
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
    gpu = importlib.import_module("gpu")
    assert gpu.result_of(cells, code, timeout=15.0) == result


def test_unknown_names(tmp_path):
    code, output, _ = run(tmp_path, "--workloads", "digitz")
    assert code == 2
    assert "digits" in output
    code, output, _ = run(tmp_path, "--frameworks", "keras")
    assert code == 2
    assert "jax, pytorch" in output
