"""The static check judges what `submission.py` can reach by its imports, and nothing else in the folder."""

from __future__ import annotations

import pytest

from check_snippets import HEADER

BREACH = "import threading\n"
NOT_REACHED = {
    "tests/speed_test.py": "from unittest import mock\nmock.patch('time.time').start()\nfrom parts import rates\n",
    "examples/cifar.py": "from torchvision import datasets\nimport torch\ntorch.use_deterministic_algorithms(True)\n",
    "notes/draft.py": "def f(:\n",
}
VENDOR = "import os, sys\nsys.path.insert(0, os.path.join(os.path.dirname(__file__), 'vendor'))\n"
# How `submission.py`, alone or through another file, reaches the file with a breach.
REACHED = {
    "by name": {"submission.py": "import far\n", "far.py": BREACH},
    "by name, in a function": {"submission.py": "def f():\n    import far\n", "far.py": BREACH},
    "relative": {"submission.py": "from . import far\n", "far.py": BREACH},
    "relative, from a package": {
        "submission.py": "from .parts import near\n",
        "parts/near.py": "from ..far import x\n",
        "far.py": BREACH,
    },
    "by a package without __init__": {"submission.py": "import parts.far\n", "parts/far.py": BREACH},
    "the package of what is imported": {
        "submission.py": "from parts.near import x\n",
        "parts/__init__.py": BREACH,
        "parts/near.py": "x = 1\n",
    },
    "a name of a package": {"submission.py": "from parts import far\n", "parts/far.py": BREACH},
    "all names of a package": {"submission.py": "from parts import *\n", "parts/far.py": BREACH},
    "by the folder's own name": {"submission.py": "from mine.parts import far\n", "parts/far.py": BREACH},
    "by the longer name": {"submission.py": "import submissions.self_tuning.mine.far\n", "far.py": BREACH},
    "beside the importer": {
        "submission.py": "import parts.near\n",
        "parts/near.py": "import far\n",
        "parts/far.py": BREACH,
    },
    "import_module": {"submission.py": "import importlib\nx = importlib.import_module('far')\n", "far.py": BREACH},
    "import_module, relative": {
        "submission.py": "from importlib import import_module\nx = import_module('.far', 'parts')\n",
        "parts/far.py": BREACH,
    },
    "__import__": {"submission.py": "x = __import__('far')\n", "far.py": BREACH},
    "by an own import path": {
        "submission.py": f"{VENDOR}import lib.far\n",
        "vendor/lib/far.py": BREACH,
    },
}  # fmt: skip
UNKNOWN = [
    "import importlib\nx = importlib.import_module(name)\n",
    "from importlib import import_module as get\nx = get('other')\n",
    "import importlib\nx = getattr(importlib, name)('far')\n",
    "import importlib as i\nx = i.find(name)\n",
    "import importlib.util\nx = importlib.util.spec_from_file_location('far', place)\n",
    "x = __import__('fa' + 'r')\n",
    "import runpy\nx = runpy.run_path(place)\n",
    "from pickle import loads\nx = loads(b'cfar\\nx\\n.')\n",
    "exec(code)\n",
]
PLACE = "submissions/self_tuning/mine"


def broken(findings) -> set[tuple[str, str | None]]:
    return {(found.rule.number, found.file) for found in findings if found.rule.number in ("6.1", "12.1")}


def test_tests_and_examples_are_not_judged(write, check):
    assert check(write({**NOT_REACHED, "submission.py": "import torch\n"})) == []


@pytest.mark.parametrize("way", REACHED)
def test_what_is_imported_is_judged(write, check, way):
    files = {**NOT_REACHED, **REACHED[way]}
    (place,) = (name for name, code in files.items() if code == BREACH)
    assert broken(check(write(files, PLACE))) == {("6.1", place)}


@pytest.mark.parametrize("code", UNKNOWN)
def test_after_an_import_of_an_unknown_name_all_files_are_judged(write, check, code):
    found = broken(check(write({"submission.py": code, "far.py": BREACH, "bad.py": "def f(:\n"})))
    assert {("6.1", "far.py"), ("12.1", "bad.py")} <= found


def test_an_own_module_that_is_imported_by_the_wrong_name(write, check):
    files = {
        "submission.py": "from parts.rates import rate\n",
        "parts/__init__.py": "",
        "parts/rates.py": "from rate_table import RATE\n",
        "parts/rate_table.py": "RATE = 0.1\n",
    }
    (found,) = check(write(files))
    assert (found.rule.number, found.place) == ("10.10", "parts/rates.py:1")
    assert "write 'parts.rate_table'" in found.what
    path = "import os, sys\nsys.path.insert(0, os.path.join(os.path.dirname(__file__), 'parts'))\n"
    assert check(write({**files, "submission.py": path + files["submission.py"]})) == []


def test_the_framework_of_tests_does_not_count(write):
    from algoperf_check.static.framework import infer_framework

    folder = write({"submission.py": HEADER + "import far\n", "far.py": "import jax\n", "tests/x.py": "import torch\n"})
    assert infer_framework(folder / "submission.py", required=True) == "jax"
