"""Paths that the system refuses are named in a sentence, whatever command they were given to."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

import algoperf
from algoperf.cli import main
from algoperf.errors import UserError, explaining_bad_paths, nearest_path

LONG = "a" * 300
TRAIN = ["train", "--workload", "digits", "--ruleset", "self", "--submission"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--workload", LONG, "--submission", "{repo}/submissions/template", "--ruleset", "self"],
        [*TRAIN, LONG],
        [*TRAIN, "{repo}/submissions/template", "--data-dir", LONG],
        ["score", LONG],
        ["report", LONG],
        ["check", LONG],
        ["check-runs", LONG],
        ["preprocess", "--workload", "digits", "--data-dir", LONG],
        ["download", "--workload", "digits", "--raw-dir", LONG],
        ["evaluate", "--output-dir", LONG],
        ["check", "{file}/below"],
    ],
)
def test_a_path_that_cannot_be_is_named(repository, tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(SystemExit) as ended:
        main([argument.format(repo=repository, file=file) for argument in arguments])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.startswith("error: ")
    assert len(said) < 500
    assert ("aaaa...' cannot be used: File name too long" in said) == (LONG in arguments)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    "arguments",
    [
        [*TRAIN, ""],
        [*TRAIN, "{repo}/submissions/template", "--output-dir", ""],
        ["score", ""],
        ["score", "{repo}", "--output", ""],
        ["check-runs", "", "--ruleset", "self"],
        ["preprocess", "--workload", "digits", "--data-dir="],
    ],
)
def test_an_empty_path_is_not_the_folder_one_is_in(repository, tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main([argument.format(repo=repository) for argument in arguments])
    assert ended.value.code == 2
    assert "the path is empty. Leave it out for the default" in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


def test_what_is_no_refusal_of_a_path_stays_what_it_is():
    for error in (OSError(5, "Input/output error", "disk"), FileNotFoundError("no path"), ValueError("x")):
        with pytest.raises(type(error)) as found, explaining_bad_paths():
            raise error
        assert found.value is error
    with pytest.raises(UserError, match=r"'here' cannot be used: Is a directory"), explaining_bad_paths():
        raise IsADirectoryError(21, os.strerror(21), "here")


def test_missing_data_is_said_before_anybody_waits_for_devices(repository, tmp_path, monkeypatch, capsys):
    from algoperf.trial import launch, parent

    monkeypatch.setattr(parent, "Line", None)  # waiting would fail
    monkeypatch.delenv(launch.IN_PROCESS_VARIABLE, raising=False)
    runs = tmp_path / "runs"
    with pytest.raises(SystemExit) as ended:
        main([*TRAIN, f"{repository}/submissions/template", "--data-dir", f"{tmp_path}/x", "--output-dir", str(runs)])
    assert ended.value.code == 5
    assert "algoperf preprocess --workload digits" in capsys.readouterr().err
    assert not runs.exists()


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("demo/run", "demo/runs"),
        ("Demo/RUNS", "demo/runs"),
        ("dmeo/runs/mine", "demo/runs/mine"),
        ("{here}/demo/run", "{here}/demo/runs"),
        ("demo/runs/mine/qqqq", None),
        ("zzz/runs", None),
        ("demo/notes.txt/x", None),
        ("demo/runs", "demo/runs"),
    ],
)
def test_the_nearest_path_is_found_part_by_part(tmp_path, monkeypatch, given, meant):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo/runs/mine").mkdir(parents=True)
    (tmp_path / "demo/notes.txt").touch()
    found = nearest_path(Path(given.format(here=tmp_path)))
    assert found == (None if meant is None else Path(meant.format(here=tmp_path)))


@pytest.mark.parametrize(
    "arguments",
    [
        ["status", "demo/run"],
        ["score", "demo/run"],
        ["report", "demo/run"],
        ["check-runs", "demo/run"],
        ["export", "demo/run", "--to", "tensorboard"],
        ["evaluate", "--output-dir", "demo/run"],
        ["campaign", "status", "demo/run"],
        ["campaign", "run", "demo/run"],
        ["campaign", "replay", "demo/run"],
        ["score", "demo/runs", "--submission", "mine", "--against", "demo/run"],
        ["check-runs", "demo/runs", "--submissions", "demo/run"],
        ["check", "{repo}/submissions/template", "--search-space", "demo/run"],
        [*TRAIN[:3], "--ruleset", "external", "--submission", "{repo}/submissions/template", "--search-space",
         "demo/run"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)  # fmt: skip
def test_a_folder_that_is_not_there_is_said_with_the_nearest_one(repository, tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo/runs").mkdir(parents=True)
    with pytest.raises(SystemExit) as ended:
        main([argument.format(repo=repository) for argument in arguments])
    assert ended.value.code == 2
    assert re.search(r"Did you mean '\S*demo/runs'\?", capsys.readouterr().err)


def test_python_names_the_nearest_folder_too(tmp_path):
    (tmp_path / "runs").mkdir()
    with pytest.raises(UserError, match=f"Did you mean '{tmp_path}/runs'"):
        algoperf.runs(tmp_path / "run")
