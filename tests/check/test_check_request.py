"""What the check finds out by itself: framework and ruleset."""

from __future__ import annotations

import pytest

from algoperf.errors import UserError
from algoperf_check.request import infer_ruleset
from algoperf_check.static.framework import infer_framework


@pytest.mark.parametrize(
    ("files", "framework"),
    [
        ({"submission.py": "import jax.numpy as jnp\n"}, "jax"),
        ({"submission.py": "def f():\n    from torch import nn\n"}, "pytorch"),
        ({"submission.py": "from algoperf import jax_sharding_utils\n"}, "jax"),
        ({"submission.py": "from algorithmic_efficiency.pytorch_utils import pytorch_setup\n"}, "pytorch"),
        ({"submission.py": "from algoperf.blocks.torch_step import train_step\n"}, "pytorch"),
        ({"submission.py": "import jax\n", "notes.py": "import torch\n"}, "jax"),
        ({"submission.py": "from .steps import step\n", "steps.py": "import optax\n"}, "jax"),
        ({"submission.py": "import jax, torch\n"}, None),
        ({"submission.py": "import numpy\n"}, None),
    ],
)
def test_framework(write, files, framework):
    file = write(files) / "submission.py"
    assert infer_framework(file, required=False) == framework
    if framework is None:
        with pytest.raises(UserError, match="Say --framework jax or --framework pytorch"):
            infer_framework(file, required=True)


def test_a_file_that_cannot_be_read_is_a_finding_not_a_question(write):
    assert infer_framework(write({"submission.py": "import numpy\ndef f(:\n"}) / "submission.py", required=True) is None


@pytest.mark.parametrize(
    ("place", "has_space", "ruleset"),
    [
        ("external_tuning/mine", False, "external"),
        ("self_tuning/mine", True, "self"),
        ("external_tuning/self_tuning/mine", True, "self"),
        ("mine", True, "external"),
        ("mine", False, "self"),
    ],
)
def test_ruleset(write, place, has_space, ruleset):
    folder = write({"tuning_search_space.json": "[]"} if has_space else {}, place)
    assert infer_ruleset(folder / "submission.py") == ruleset
