"""The framework of a submission: by its submission_info.yml and its imports; another one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from algoperf import blocks
from algoperf.errors import UserError
from algoperf.submission.framework import choose_framework

BLOCKS_FOLDER = Path(blocks.__file__).parent
BLOCKS = "from algoperf.blocks.torch_step import TrainStep\n"


@pytest.fixture
def file(tmp_path):
    def write(code, info=None, **helpers):
        (tmp_path / "submission.py").write_text(code)
        for name, text in helpers.items():
            (tmp_path / f"{name}.py").write_text(text)
        if info is not None:
            (tmp_path / "submission_info.yml").write_text(f"framework: {info}\n")
        return tmp_path / "submission.py"

    return write


@pytest.mark.parametrize(
    ("code", "info", "framework"),
    [
        ("import torch\n", None, "pytorch"),
        ("import torch\n", "PyTorch", "pytorch"),
        ("", "JAX", "jax"),
        ("import helper\n", None, "jax"),
        ("import torch\nimport helper\n", None, "pytorch"),
        ("import torch\nimport helper\n", "JAX", "jax"),
        (BLOCKS, "something", "pytorch"),
        (BLOCKS, "[a\n", "pytorch"),
    ],
)
def test_it_is_known_without_being_given(file, code, info, framework):
    assert choose_framework(file(code, info, helper="import jax\n"), None) == framework


@pytest.mark.parametrize(
    ("code", "info", "asked"),
    [
        ("import torch\n", "JAX", "pytorch"),  # code counts more than what is said about it
        ("import torch\nimport jax\n", "JAX", "pytorch"),
        ("", None, "jax"),
    ],
)
def test_what_is_given_may_be_right(file, code, info, asked):
    assert choose_framework(file(code, info), asked) == asked


@pytest.mark.parametrize(
    ("code", "info", "asked", "complaint"),
    [
        ("import torch\n", "PyTorch", "jax", "written for PyTorch: it imports PyTorch and not JAX, and its sub"),
        ("import helper\n", None, "pytorch", "written for JAX: it imports JAX and not PyTorch. Leave it out"),
        ("", "PyTorch", "jax", "written for PyTorch: its submission_info.yml says PyTorch"),
        ("import torch\n", "JAX", None, "imports PyTorch, and submission_info.yml says JAX. Say --framework"),
        ("import torch, jax\n", None, None, "imports JAX and PyTorch, and no submission_info.yml"),
        ("", None, None, "imports neither JAX nor PyTorch"),
        ("x = 1\ndef f(:\n", None, None, "line 2\n.*\n.*\nSyntaxError"),
        ("import torch\ndef f(:\n", "PyTorch", "pytorch", "line 2\n.*\n.*\nSyntaxError"),
        ("import torch\0\n", None, None, "null bytes"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(file, code, info, asked, complaint):
    with pytest.raises(UserError, match=complaint):
        choose_framework(file(code, info, helper="import jax\n"), asked)


@pytest.mark.parametrize("module", sorted(path.stem for path in BLOCKS_FOLDER.glob("[a-z]*.py")))
def test_every_block_of_a_framework_tells_it(file, module):
    framework = {"jax": "jax", "torch": "pytorch"}.get(module.partition("_")[0])
    path = file(f"from algoperf.blocks.{module} import something\n")
    if framework is not None:
        assert choose_framework(path, None) == framework
    else:
        with pytest.raises(UserError, match="neither JAX nor PyTorch"):
            choose_framework(path, None)
