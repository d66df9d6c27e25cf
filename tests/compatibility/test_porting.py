"""The examples of docs/porting.md are complete: each trains as it stands, in the form of what `algoperf new` writes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from algoperf.submission.new import NewSubmission, write
from algoperf.testing import train_on_digits
from places import REPOSITORY

EXAMPLES = re.findall(
    r"^```python\n(.*?)^```", (REPOSITORY / "docs" / "porting.md").read_text(), re.MULTILINE | re.DOTALL
)
GLUE = ("__all__", "init_optimizer_state", "update_params")


def framework_of(example: str) -> str:
    return "jax" if "import jax" in example else "pytorch"


def test_there_is_an_example_for_each_way():
    assert [framework_of(example) for example in EXAMPLES] == ["pytorch", "jax", "pytorch", "jax"]


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_loss_falls(tmp_path, number):
    folder = tmp_path / f"example_{number}"
    folder.mkdir()
    (folder / "submission.py").write_text(EXAMPLES[number])
    losses = train_on_digits(folder, framework=framework_of(EXAMPLES[number]), ruleset="self", num_evaluations=2)
    assert losses[-1] < 0.8 * losses[0], losses


@pytest.mark.parametrize("example", EXAMPLES[:2], ids=framework_of)
def test_an_optimizer_has_the_form_of_what_new_writes(tmp_path, example):
    new = NewSubmission(folder=Path("mine"), framework=framework_of(example), ruleset="self", authors="A")
    write(new, tmp_path)
    assert form(example) == form((tmp_path / "mine" / "submission.py").read_text())


def form(code: str) -> list[str]:
    """What every submission of an optimizer has: imports of algoperf, head of make_optimizer, what is made of it."""
    found = []
    for node in ast.parse(code).body:
        if isinstance(node, ast.FunctionDef) and node.name == "make_optimizer":
            found.append(f"{ast.unparse(node.args)} -> {ast.unparse(node.returns)}")
        is_import = isinstance(node, ast.ImportFrom) and node.module.startswith("algoperf")
        is_glue = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in GLUE
        if is_import or is_glue:
            found.append(ast.unparse(node))
    return found
