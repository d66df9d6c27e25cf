"""What the static check finds in the files around the code: search space, requirements, licence, facts, data."""

from __future__ import annotations

import importlib.metadata
import json
import shutil

import pytest

from algoperf_check.static import packages
from algoperf_check.static.packages import harness_packages, pins
from check_snippets import INFO, step

POINT = {"learning_rate": 0.1, "beta": 0.9}
READS = step("rate = hyperparameters.learning_rate * hyperparameters.beta")
SPACE = "tuning_search_space.json"


def space(content) -> dict[str, str]:
    return {SPACE: json.dumps(content), "submission.py": READS}


HELPER = "CHOSEN = {}\ndef helper(hyperparameters):\n    return hyperparameters.beta\n"
SPACES = [
    (space([POINT] * 5), set()),
    (space({"learning_rate": {"min": 1, "max": 2, "scaling": "log"}, "beta": {"feasible_points": [0.9]}}), set()),
    ({"submission.py": READS}, {"9.3"}),
    (space([POINT] * 4), {"9.4"}),
    (space([POINT] * 6), {"9.4"}),
    ({SPACE: "{", "submission.py": READS}, {"9.5"}),
    (space([POINT] * 4 + [{"beta": 1}]), {"9.5"}),
    (space({"learning_rate": {"min": 2, "max": 1, "scaling": "log"}}), {"9.5"}),
    (space({"learning_rate": {"min": 1, "max": "2", "scaling": "log"}}), {"9.5"}),
    (space({"learning_rate": 0.1}), {"9.5"}),
    ({SPACE: '{"beta": {"feasible_points": [1]}, "beta": {"feasible_points": [2]}}', "submission.py": READS}, {"9.5"}),
    ({SPACE: '{"beta": {"min": 1, "max": 1e999, "scaling": "log"}}', "submission.py": READS}, {"9.5"}),
    (space([{"learning_rate": {"min": 0, "max": 1}}] * 5), {"9.5"}),
    ({SPACE: "[" * 5000, "submission.py": READS}, {"9.5"}),
    ({**space([POINT] * 5), "tuning_search_space_wmt.json": "[]"}, {"9.6"}),
    (space([{"learning_rate": 0.1}] * 5), {"9.7"}),
    (space([{**POINT, "gamma": 1}] * 5), {"9.8"}),
    (space([{**POINT, "dropout_rate": 0.1}] * 5), set()),  # the harness applies it
    (space([{**POINT, "wmt": 1}] * 5), {"2.1", "9.8"}),
    ({**space([POINT] * 5), "submission.py": step("a = getattr(hyperparameters, 'gamma', 0)")}, {"9.8"}),
    (
        {
            **space([POINT] * 5),
            "submission.py": READS + "def f(hyperparameters):\n"
            "    if hasattr(hyperparameters, 'gamma'):\n        return hyperparameters.gamma\n",
        },
        set(),
    ),
    (
        {**space([POINT] * 5), "submission.py": step("a = hyperparameters._asdict()['learning_rate'] + x['beta']")},
        set(),
    ),
]


@pytest.mark.parametrize(("files", "broken"), SPACES, ids=range(len(SPACES)))
def test_external_search_space(rules, files, broken):
    assert rules(files, ruleset="external") == broken


def test_the_number_of_points_is_the_version_s(write, check):
    (found,) = check(write(space([POINT] * 4)), version="v0.5")
    assert "4 points" in found.what
    assert "5 trials" in found.what


def test_a_dropout_rate_that_nothing_applies(write, check):
    files = space([{**POINT, "dropout_rate": 0.1}] * 5)
    assert {found.rule.number for found in check(write(files), version="v1.0")} == {"9.8"}
    files["submission.py"] = "from algorithmic_efficiency import spec\n" + READS
    assert check(write(files, "older"), version="v1.0") == []


@pytest.mark.parametrize(
    ("place", "code", "broken"),
    [
        ("self_tuning/mine", "", {"9.1"}),
        ("mine", "", {"9.2"}),
        ("mine", READS, {"9.2", "9.9"}),
        ("mine", step("rate = hyperparameters.beta if hyperparameters else 1"), {"9.2"}),
        ("mine", step("if hyperparameters is None: pass\nrate = hyperparameters.beta"), {"9.2"}),
        ("mine", step("hyperparameters = x\nrate = hyperparameters.beta"), {"9.2"}),
        ("mine", HELPER + step("rate = helper(CHOSEN)"), {"9.2"}),
        ("mine", HELPER + step("rate = helper(hyperparameters=CHOSEN)"), {"9.2"}),
        ("mine", HELPER + step("hyperparameters = CHOSEN\nrate = helper(hyperparameters)"), {"9.2"}),
        ("mine", HELPER + step("rate = helper(hyperparameters)"), {"9.2", "9.9"}),
        ("mine", HELPER + step("rate = helper(CHOSEN) + helper(hyperparameters)"), {"9.2", "9.9"}),
    ],
)
def test_search_space_under_self_tuning(write, check, place, code, broken):
    folder = write({SPACE: json.dumps([POINT] * 5), "submission.py": code}, place)
    assert {found.rule.number for found in check(folder, ruleset="self")} == broken


TORCH = pins()["torch"]
REQUIREMENTS = [
    ("einops==0.8.1  # rearranges kernels\n", set()),
    ("# Rearranges kernels.\neinops==0.8.1\n", set()),
    ("\n# A note on the file.\n\n", set()),
    ("einops==0.8.1 \\\n    --hash=sha256:abc  # rearranges\n", set()),
    ("torch  # the framework\n", set()),
    (f"torch=={TORCH}  # the framework\n", set()),
    ("torch>=2.0  # the framework\n", set()),
    ("Torch == 2.5.1  # faster\n", {"10.2"}),
    ("optax==0.2.6  # schedule-free\n", {"10.2"}),
    ("optax<0.1; python_version < '3'  # old\n", set()),
    ("einops==0.8.1\n", {"10.4"}),
    ("einops  # rearranges\n", {"10.5"}),
    ("einops>=0.8  # rearranges\n", {"10.5"}),
    ("numpy=1.26.4=py311h64a7726_0\n", {"10.1"}),
    ("q\nwhat is this\n", {"10.1", "10.4", "10.5"}),
    ("-e git+https://github.com/google/learned_optimization@2892faec#egg=x  # learned\n", {"10.3"}),
    ("x @ git+https://github.com/a/b  # why\n", {"10.3"}),
    ("https://example.org/x-1.0-py3-none-any.whl  # why\n", {"10.3"}),
    ("./wheels/x.whl  # why\n", {"10.3"}),
    ("--index-url https://example.org\n", {"10.7"}),
    ("-r other.txt\n", {"10.7"}),
    ("\xff\xfe".encode("latin-1") + "numpy".encode("utf-16-le"), {"2.2", "10.1"}),
]


@pytest.mark.parametrize(("content", "broken"), REQUIREMENTS, ids=range(len(REQUIREMENTS)))
def test_requirements(rules, content, broken):
    assert rules({"requirements.txt": content}) == broken


def test_a_conda_list_is_recognised(write, check):
    folder = write({"requirements.txt": "# packages in environment at /x:\nabsl-py=2.1.0=pypi_0\nzlib=1.2=h1\n"})
    (found,) = check(folder)
    assert found.place == "requirements.txt:2"
    assert found.what == "2 lines look like a list made by conda, such as 'absl-py=2.1.0=pypi_0'."


@pytest.mark.parametrize(
    ("code", "requirements", "broken"),
    [
        ("import einops\n", "", {"10.6"}),
        ("import einops.layers as layers\n", "einops==0.8.1  # why\n", set()),
        ("try:\n    import einops\nexcept ImportError:\n    einops = None\n", "", set()),
        ("import json, torch, numpy, optax, yaml\nfrom jax import numpy as jnp\n", "", set()),
        ("from mine.helper import x\nfrom . import helper\n", "", set()),
        ("import beside\n", "", {"10.6"}),
        ("import some_package\n", "Some.Package==1.0  # why\n", set()),
    ],
)
def test_imports_have_a_requirement(rules, code, requirements, broken):
    files = {
        "submission.py": code, "requirements.txt": requirements, "helper.py": "x = 1\n", "../beside.py": "x = 1\n",
    }  # fmt: skip
    assert rules(files) == broken


def test_pins_without_the_repository(monkeypatch, tmp_path):
    """An installed package has no constraints.txt; then what is installed is what official runs have."""
    monkeypatch.setattr(packages, "CONSTRAINTS", tmp_path / "constraints.txt")
    assert packages.pins.__wrapped__()["numpy"] == importlib.metadata.version("numpy")


def test_packages_of_the_harness():
    assert {"numpy", "torch", "jax", "jaxlib", "flax", "optax"} <= harness_packages()
    assert not {"pytest", "ruff", "algoperf"} & harness_packages()


APACHE = "Apache License\nVersion 2.0, January 2004\n"
FORMALITIES = [
    ({"LICENSE": APACHE, "submission.py": "# SPDX is absent\n"}, set()),
    ({"LICENSE": "MIT License\n", "submission.py": "# SPDX is absent\n"}, {"12.3"}),
    ({"submission.py": "# Licensed under the Apache License, Version 2.0 (SPDX is absent)\n"}, set()),
    ({"submission.py": "# SPDX-License-Identifier: GPL-3.0-only\n"}, {"12.3"}),
    ({"submission.py": "# SPDX is absent\n"}, {"12.2"}),
    ({"submission.py": "# SPDX is absent\n", "submission_info.yml": INFO + "license: Apache-2.0\n"}, set()),
    ({"submission_info.yml": INFO + "license: BSD\n"}, {"12.3"}),
    ({"submission_info.yml": "authors: [A\n"}, {"12.4"}),
    ({"submission_info.yml": "text\n"}, {"12.4"}),
    ({"submission_info.yml": INFO + "authors: B\n"}, {"12.4"}),
    ({"submission_info.yml": INFO + "a: &a [x]\nb: [*a, *a]\n"}, {"12.4"}),
    ({"submission_info.yml": "submission_name: A\n"}, {"12.5"}),
    ({"submission_info.yml": INFO.replace("PyTorch", "JAX")}, {"12.5"}),
    ({"submission_info.yml": INFO + "submission_folder: self_tuning/other\n"}, {"12.5"}),
    ({"submission_info.yml": INFO + "submission_folder: self_tuning/mine\n"}, set()),
    (
        {
            "submission_info.yml": INFO.replace(
                "description: C",
                "description: What is new, in one sentence. This is AdamW with linear warm-up and cosine decay.",
            )
        },
        {"12.9"},
    ),
    ({"submission_info.yml": INFO.replace("authors: B", "authors: Your name")}, {"12.9"}),
    ({"submission_info.yml": INFO.replace("authors: B", "authors: Tod O.")}, set()),
    (
        {"README.md": "# A\n\nSay here what the algorithm is, what is new about it, and where it comes from.\n"},
        {"12.9"},
    ),
    ({"README.md": "# A\n\nSay here what you want.\n"}, set()),
    ({"weights.npy": b"\x93NUMPY\0"}, {"2.2"}),
    ({"table.txt": "1 " * (1 << 20)}, {"2.2"}),
    ({"README.md": "text\n", "notes/log.txt": "1\n"}, set()),
    ({"fast.so": b"\x7fELF"}, {"7.1"}),
    ({"kernel.cu": "__global__"}, {"7.1"}),
    ({"__pycache__/x.pyc": b"\0"}, set()),
]


@pytest.mark.parametrize(("files", "broken"), FORMALITIES, ids=range(len(FORMALITIES)))
def test_formalities(rules, files, broken):
    assert rules(files) == broken


def test_the_licence_of_the_repository_counts(write, check, tmp_path):
    (tmp_path / "LICENSE").write_text(APACHE)
    plain = {"submission.py": "# SPDX is absent\n"}
    assert {found.rule.number for found in check(write(plain, "elsewhere/mine"))} == {"12.2"}
    assert check(write(plain, "submissions/self_tuning/mine")) == []
    (tmp_path / "LICENSE").write_text("GPL")
    assert {found.rule.number for found in check(write(plain, "submissions/self_tuning/mine"))} == {"12.3"}
    (tmp_path / "submissions" / ".git").mkdir()
    assert {found.rule.number for found in check(write(plain, "submissions/self_tuning/mine"))} == {"12.2"}


def test_the_info_is_compared_with_the_folder(write, check):
    info = {"submission_info.yml": INFO + "ruleset: external\n"}
    assert [found.rule.number for found in check(write(info, "self_tuning/mine"))] == ["12.5"]
    assert check(write({"submission_info.yml": INFO + "ruleset: self-tuning\n"}, "self_tuning/other")) == []


def test_copies_are_found_whatever_their_comments(write, check, tmp_path, repository):
    baseline = repository / "submissions/baselines/nadamw_jax"
    copy = tmp_path / "copied"
    shutil.copytree(baseline, copy)
    code = copy / "submission.py"
    code.write_text("# Copied.\n# SPDX-License-Identifier: Apache-2.0\n" + code.read_text())
    (found,) = check(copy, framework="jax")
    assert found.rule.number == "12.6"
    assert "baselines/nadamw_jax" in found.what
    code.write_text(code.read_text() + "\nEPSILON = 1e-9\n")
    assert check(copy, framework="jax") == []


def test_copies_are_looked_for_in_the_own_tree(write, check):
    write({"submission.py": "x = 1\n"}, "submissions/self_tuning/first")
    (found,) = check(write({"submission.py": "x = 1  # mine\n"}, "submissions/self_tuning/second"))
    assert found.what == "Code and search space are those of submissions/self_tuning/first."
