"""A submission that misses a function is refused by its text, before anything is imported or prepared."""

from __future__ import annotations

from pathlib import Path

import pytest

from algoperf.cli import main
from algoperf.errors import UserError
from algoperf.submission.framework import framework_to_train
from algoperf.submission.functions import require_functions
from algoperf.submission.track import MODEL_FILES
from places import REPOSITORY

UPDATE = "def update_params(**arguments): ...\n"
OTHERS = ("get_batch_size", "init_optimizer_state", "data_selection")
REST = "".join(f"def {name}(*arguments): ...\n" for name in OTHERS)
IMPORTED = "import pathlib, torch\npathlib.Path(__file__).with_name('imported').touch()\n"


def write(folder: Path, code: str, name: str = "submission.py") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(code)
    return folder / name


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (REST, "does not define update_params. It defines: data_selection, get_batch_size, init_optimizer_state. "),
        (REST + UPDATE.replace("update_params", "update_parms"), "Did you mean update_params by update_parms?"),
        (REST + "update_parms = make(1)\n", "Did you mean update_params by update_parms?"),
        (REST + "class A:\n    def update_params(self): ...\n", "does not define update_params. It defines: A, "),
        (REST + "def outer():\n    def update_params(): ...\n", "does not define update_params. It defines: "),
        (REST + "from mine import update_params as update\n", "does not define update_params"),
        ("import torch\n", "init_optimizer_state, update_params, data_selection. It defines: no function."),
    ],
)
def test_what_is_missing_is_named_with_what_is_alike(tmp_path, code, says):
    with pytest.raises(UserError) as caught:
        require_functions(write(tmp_path, code))
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "code",
    [
        UPDATE,
        "update_params = make(1)\n",
        "first, update_params = make(2)\n",
        "update_params: object = make(1)\n",
        "from mine import update as update_params\n",
        "import update_params\n",
        "if True:\n    from mine import update_params\n",
        "try:\n    import jax\nexcept ImportError:\n    update_params = None\n",
        "def later():\n    global update_params\n    update_params = 1\nlater()\n",
        "from mine import *\n",
        "globals()['update_params'] = 1\n",
        "import sys\nsetattr(sys.modules[__name__], 'update_params', 1)\n",
        "import sys\nsys.modules[__name__].update_params = 1\n",
        "def __getattr__(name): ...\n",
        "def broken(:\n",  # said by whoever reads it for its framework
    ],
)
def test_what_may_be_there_is_left_to_the_import(tmp_path, code):
    require_functions(write(tmp_path, REST + code))


def test_no_submission_of_the_repository_is_refused():
    files = [*REPOSITORY.glob("submissions/**/submission.py"), *REPOSITORY.glob("tests/**/submission.py")]
    files = [file for file in files if "update_params" in file.read_text()]
    assert len(files) > 20
    for file in files:
        require_functions(file)


def test_models_of_an_attribute_called_modules_or_eval_hide_nothing(tmp_path):
    """Both are methods of every model in PyTorch."""
    code = REST + "def other(model):\n    model.eval()\n    return list(model.modules())\n"
    with pytest.raises(UserError, match="does not define update_params"):
        require_functions(write(tmp_path, code))


COMMANDS = {
    "train": ["train", "--workload", "digits", "--ruleset", "self", "--submission"],
    "train-all": ["train-all", "--workloads", "digits", "--ruleset", "self", "--submission"],
    "smoke": ["smoke", "--submission"],
    "compare": ["compare", "--workloads", "digits", "--ruleset", "self", "--submission"],
    "plan": ["campaign", "plan", "--workloads", "digits", "--submissions"],
    "check": ["check"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_refuses_it_at_once(tmp_path, monkeypatch, capsys, command):
    """Nothing is imported, no data is made, and no folder is left."""
    monkeypatch.chdir(tmp_path)
    file = write(tmp_path / "mine", IMPORTED + REST + UPDATE.replace("update_params", "update_parms"))
    with pytest.raises(SystemExit) as end:
        main([*COMMANDS[command], "mine"])
    said = capsys.readouterr()
    assert end.value.code == (8 if command == "check" else 2), said
    assert "Did you mean update_params by update_parms?" in " ".join((said.out + said.err).split())
    assert not file.with_name("imported").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine"]


def test_check_says_it_beside_what_else_it_reads(tmp_path, capsys):
    write(tmp_path, IMPORTED + REST + "import time\ntime.sleep(1)\n")
    with pytest.raises(SystemExit):
        main(["check", str(tmp_path)])
    out = capsys.readouterr().out
    assert "error 13.1: It cannot be loaded" in out
    assert "error 11.2: Waiting" in out
    assert "read only" in out, "what cannot be loaded is not tried"


@pytest.mark.parametrize(
    ("workload", "code", "says"),
    [
        ("digits", "def biuld(task): ...\n", "does not define build. Did you mean build by biuld?"),
        ("wmt", "def build(task): ...\ndef decoder(): ...\n", "decode. Did you mean decode by decoder?"),
        ("wmt", "def build(task): ...\n", "decode(model, inputs, num_tokens)"),
    ],
)
def test_a_model_is_refused_at_once_too(tmp_path, monkeypatch, capsys, workload, code, says):
    monkeypatch.chdir(tmp_path)
    file = write(tmp_path / "mine", IMPORTED + code, MODEL_FILES["pytorch"])
    for command in (["train", "--workload", workload], ["train-all", "--workloads", workload, "--scale", "mini"]):
        with pytest.raises(SystemExit) as end:
            main([*command, "--model", "mine"])
        assert end.value.code == 2
        assert says in capsys.readouterr().err
    assert not file.with_name("imported").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine"]


def test_a_models_own_algorithm_needs_its_functions(tmp_path):
    write(tmp_path, "import torch\n" + REST)
    write(tmp_path, "def build(task): ...\n", MODEL_FILES["pytorch"])
    with pytest.raises(UserError, match="does not define update_params"):
        framework_to_train(tmp_path / "submission.py", None)
    with pytest.raises(SystemExit):
        main(["train", "--workload", "digits", "--model", str(tmp_path)])
