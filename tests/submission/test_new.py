"""`algoperf new`: what it writes is typed, tidy and runs; what it refuses, and how it says so."""

from __future__ import annotations

import filecmp
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from algoperf.cli import main
from algoperf.errors import UserError
from algoperf.submission.loading import load_submission
from algoperf.submission.new import NewSubmission, check_name, create, write
from algoperf.testing import train_on_digits
from algoperf.tuning.search_space import load_search_space
from algoperf_scoring.submission_info import FIELDS, mistakes, read_submission_info

KINDS = [(framework, ruleset) for framework in ("jax", "pytorch") for ruleset in ("external", "self")]
LONG_NAME = "an_optimizer_with_a_name_as_long_as_any"


@pytest.fixture(scope="module")
def created(tmp_path_factory) -> Path:
    """Root with a submission of each kind, named after it."""
    root = tmp_path_factory.mktemp("new") / "submissions"
    for framework, ruleset in KINDS:
        main_quietly("new", f"{LONG_NAME}_{framework}_{ruleset}", "--framework", framework, "--ruleset", ruleset,
                     "--authors", 'Ada "A." Lovelace: &co', "--output-dir", str(root))  # fmt: skip
    return root


def main_quietly(*arguments: str) -> None:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    assert not end.value.code


def folder(root: Path, framework: str, ruleset: str) -> Path:
    return root / {"external": "external_tuning", "self": "self_tuning"}[ruleset] / f"{LONG_NAME}_{framework}_{ruleset}"


@pytest.mark.parametrize(
    ("framework", "ruleset"),
    [
        ("jax", "external"),
        ("pytorch", "self"),
        pytest.param("jax", "self", marks=pytest.mark.full),
        pytest.param("pytorch", "external", marks=pytest.mark.full),
    ],
)
def test_its_own_test_passes(created, repository, framework, ruleset):
    """As its author calls it: real steps in processes of their own."""
    done = own_test(folder(created, framework, ruleset), created)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_tests_of_several_submissions_are_found_together(created):
    done = own_test(created, created, "--collect-only")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(KINDS)} tests collected" in done.stdout


LION = """
class Lion(torch.optim.Optimizer):
    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})

    def step(self, closure=None):
        for group in self.param_groups:
            for param in group["params"]:
                mean = self.state[param].setdefault("mean", torch.zeros_like(param))
                param.data -= group["lr"] * torch.sign(0.9 * mean + 0.1 * param.grad)
                mean.lerp_(param.grad, 0.01)


def make_optimizer(params, settings):
    return Lion(params, settings["learning_rate"])


init_optimizer_state = make_init_optimizer_state(make_optimizer, SETTINGS)
"""
FORGETFUL = """
_others, _count = update_params, 0


def update_params(**arguments):
    global _count
    _count += 1
    state = arguments["optimizer_state"], arguments["current_param_container"], arguments["model_state"]
    return state if _count < 6 else _others(**arguments)
"""


@pytest.mark.parametrize(
    ("rate", "more", "told"),
    [
        ("1e-4", LION, None),
        pytest.param("-3e-3", "", "the loss rises: is the sign of the update wrong", marks=pytest.mark.full),
        pytest.param("0.0", "", "No parameter changes from step 10 to step 40", marks=pytest.mark.full),
        pytest.param("float('nan')", "", "The loss is not finite: [nan", marks=pytest.mark.full),
        ("3e-3", FORGETFUL, "After an interruption it trains differently: parameters end "),
    ],
    ids=["Lion", "uphill", "standing still", "nan", "forgetful"],
)
def test_its_own_test_tells_sound_from_wrong(created, tmp_path, rate, more, told):
    changed = tmp_path / "changed"
    shutil.copytree(folder(created, "pytorch", "self"), changed)
    code = (changed / "submission.py").read_text()
    assert '"learning_rate": 3e-3' in code
    (changed / "submission.py").write_text(code.replace('"learning_rate": 3e-3', f'"learning_rate": {rate}') + more)
    done = own_test(changed, tmp_path)
    assert done.returncode == (1 if told else 0), done.stdout + done.stderr
    assert (told or "1 passed") in done.stdout


def own_test(submission: Path, root: Path, *options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pytest", "-q", "--rootdir", str(root), "-p", "no:cacheprovider", *options]
    return subprocess.run([*command, str(submission)], capture_output=True, text=True, cwd=root, check=False)


@pytest.mark.parametrize(("framework", "ruleset"), KINDS)
def test_what_is_written(created, framework, ruleset):
    where = folder(created, framework, ruleset)
    submission = load_submission(where)
    assert submission.prepare_for_eval is None
    assert submission.get_batch_size("imagenet_vit") == 1024
    assert (where / "tuning_search_space.json").exists() == (ruleset == "external")
    if ruleset == "external":
        load_search_space(where / "tuning_search_space.json")
    info = where / "submission_info.yml"
    assert mistakes(info) == []
    read = read_submission_info(info)
    assert (read.authors, read.framework.lower()) == ('Ada "A." Lovelace: &co', framework)
    assert f"submission_folder: {where.as_posix()}" in info.read_text().replace('"', "")
    assert all(line.startswith("#") for line in (where / "requirements.txt").read_text().splitlines())
    assert (where / "submission.py").read_text().startswith("# SPDX-License-Identifier: Apache-2.0\n")


@pytest.mark.parametrize(
    ("arguments", "entry", "data"),
    [
        (["--ruleset", "self"], "SUBMISSION={}/self_tuning/mine", ""),
        (["--ruleset", "external"], "SUBMISSION={}/external_tuning/mine RULESET=external", ""),
        (["--track", "model"], "MODEL={}/models/mine", " SCALE=mini"),
        (["--track", "model", "--workload", "mnist"], "MODEL={}/models/mine", " WORKLOADS=mnist SCALE=mini"),
    ],
)
def test_what_is_next_names_no_default(tmp_path, capsys, arguments, entry, data):
    main_quietly("new", "mine", "--framework", "pytorch", "--authors", "A", "--output-dir", str(tmp_path), *arguments)
    said, entry = capsys.readouterr().out, entry.format(tmp_path)
    assert said.partition("Next:\n")[2].splitlines()[:-1] == [
        f"  make train {entry}{data}", f"  make compare {entry}{data}", f"  make smoke {entry}", f"  make check {entry}"
    ]  # fmt: skip


@pytest.mark.parametrize("tool", ["ruff check --config", "ruff format --check --config", "mypy --config-file"])
def test_it_keeps_the_projects_own_rules(created, repository, tool):
    """Types in JAX: what is written for PyTorch is the template, which mypy looks at anyway."""
    files = [folder(created, "jax", "external") / "submission.py"] if "mypy" in tool else [created]
    done = subprocess.run(
        [sys.executable, "-m", *tool.split(), repository / "pyproject.toml", *files],
        capture_output=True, text=True, cwd=repository, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_template_is_what_is_written(repository, tmp_path):
    template = Path("submissions/template")
    settings = {"framework": "pytorch", "ruleset": "external", "authors": "AlgoPerf Cubes"}
    written = write(NewSubmission(folder=template, **settings), tmp_path)
    names = [file.name for file in written]
    tracked = {file.name for file in (repository / template).iterdir() if file.is_file()}
    assert tracked == set(names)
    _, differing, missing = filecmp.cmpfiles(tmp_path / template, repository / template, names, shallow=False)
    assert not differing + missing, "write it anew: see CONTRIBUTING.md"


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("My Idea", "my_idea"), ("7up", "my_7up"), ("nadamw-v2", "nadamw_v2"), ("class", "my_class"),
     ("", "my_submission"), ("../up", "up"), ("_x", "x")],
)  # fmt: skip
def test_names_that_will_not_do(name, nearest):
    with pytest.raises(UserError, match=f"Try '{nearest}'"):
        check_name(name)
    check_name(nearest)


def test_a_name_is_taken_only_once(tmp_path):
    taken = NewSubmission(folder=tmp_path / "self_tuning" / "mine", framework="jax", ruleset="self", authors="A")
    create(taken, tmp_path)
    again = NewSubmission(
        folder=tmp_path / "external_tuning" / "mine", framework="jax", ruleset="external", authors="A"
    )
    for new in (taken, again):
        with pytest.raises(UserError, match=r"already: .*self_tuning/mine.*'mine_2'"):
            create(new, tmp_path)
    assert not again.folder.exists()
    again.folder.mkdir(parents=True)
    (tmp_path / "self_tuning" / "mine" / "submission.py").unlink()
    with pytest.raises(UserError, match=r"already: .*external_tuning/mine"):
        create(again, tmp_path)


def test_the_helper_of_tests_says_what_went_wrong(tmp_path):
    (tmp_path / "submission.py").write_text("import no_such_package\n")
    with pytest.raises(AssertionError, match="algoperf train ended with 2") as caught:
        train_on_digits(tmp_path, framework="pytorch", ruleset="self", num_steps=4)
    assert "submission.py does not define get_batch_size, " in str(caught.value)


def test_the_schema_in_the_documents_is_the_one_in_the_code(repository):
    section = (repository / "docs/submitting.md").read_text().split("## submission_info.yml")[1]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("| `")
    ]
    expected = [
        [f"`{each.name}`", "yes" if each.required else "no", each.what,
         ", ".join(f"`{value}`" for value in each.allowed) or "any text"]
        for each in FIELDS
    ]  # fmt: skip
    assert rows == expected
