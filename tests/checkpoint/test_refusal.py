"""What is there already: finished, another's, damaged, in use. Nothing is destroyed, and the reason is named."""

import json
import re
import resource
import shutil
import subprocess
import sys
import textwrap
import time

import pytest

from algoperf.datasets.digits import DIGITS
from git_history import commit_all
from places import TEST_SUBMISSIONS
from trial_runs import Run


@pytest.fixture(scope="module")
def broken(tmp_path_factory, repository, data_root):
    """A trial that failed at step 25, with a checkpoint of step 20. Tests work on copies of it."""
    root = tmp_path_factory.mktemp("broken")
    folder = root / "submissions" / "faulty"
    shutil.copytree(TEST_SUBMISSIONS / "faulty", folder)
    (folder / "helper.py").write_text("RATE = 1\n")
    with (folder / "submission.py").open("a") as file:
        file.write("import helper\n")
    options = {"ruleset": "external", "max_global_steps": 40, "eval_every_steps": 20, "num_trials": 1}
    run = Run(folder, "pytorch", data_root, root / "runs", options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAULT", "update_params 25 raise")
        assert run.here() == 3
    assert run.checkpoint.name == "checkpoint_20"
    return run


@pytest.fixture
def found(broken, tmp_path):
    """A copy of that trial and of its submission."""
    root = tmp_path / "copy"
    shutil.copytree(broken.output.parent, root)
    return Run(root / "submissions" / "faulty", "pytorch", broken.data_root, root / "runs", broken.options)


def everything(run: Run) -> dict[str, bytes]:
    files = (path for path in run.output.rglob("*") if path.is_file() and path.name not in ("log.txt", ".lock"))
    return {str(path.relative_to(run.output)): path.read_bytes() for path in files}


def test_the_same_trial_goes_on(found, capsys):
    assert found.here() == 0
    assert "resumed from checkpoint_20" in capsys.readouterr().out
    assert [row["global_step"] for row in found.rows] == ["20", "40"]


EDITS = {
    "README.md": "Now with a description.\n",
    "submission_info.yml": "authors: somebody else\n",
    "tests/test_rates.py": "import pytest\n",
    "tuning_search_space_wide.json": "{}\n",
    "notes.py": "x = 1\n",
}


@pytest.mark.parametrize("finished", [False, True])
def test_what_the_code_does_not_use_may_change(found, capsys, finished):
    if finished:
        assert found.here() == 0
    for name, text in EDITS.items():
        (found.submission / name).parent.mkdir(exist_ok=True)
        (found.submission / name).write_text(text)
    space = found.submission / "tuning_search_space.json"
    space.write_text(json.dumps(json.loads(space.read_text()), indent=4))
    capsys.readouterr()
    assert found.here() == 0
    assert ("already finished" if finished else "resumed from checkpoint_20") in capsys.readouterr().out
    if not finished:
        assert set(EDITS) <= set(found.status["other_submission_files"])


def test_a_finished_trial_recorded_by_all_files_of_the_folder_still_counts(found, capsys):
    assert found.here() == 0
    status = found.status
    del status["identity"]["search space"]
    status["identity"] |= {f"submission file {name}": "a hash of then" for name in EDITS}
    (found.trial / "status.json").write_text(json.dumps(status))
    capsys.readouterr()
    assert found.here() == 0
    assert "already finished" in capsys.readouterr().out
    other_code(found, None)
    assert found.here() == 2
    assert "  helper.py has changed since" in capsys.readouterr().err


def other_code(run, monkeypatch):
    (run.submission / "helper.py").write_text("RATE = 2\n")
    return {}


def changed_code(run, monkeypatch):
    with (run.submission / "submission.py").open("a") as file:
        file.write("# a comment\n")
    return {}


def other_batch_size(run, monkeypatch):
    monkeypatch.setenv("BATCH_SIZE", "32")
    return {}


def other_point(run, monkeypatch):
    points = json.loads((run.submission / "tuning_search_space.json").read_text())
    other = run.output.parent / "space.json"
    other.write_text(json.dumps([{"learning_rate": 0.7}, *points[1:]]))
    return {"search_space": other, "num_trials": 3, "num_studies": 1}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda *_: {"seed": 1}, "  seed: it has 0, now it would be 1"),
        (lambda *_: {"eval_every_steps": 10}, "  eval_every_steps: it has 20, now it would be 10"),
        (lambda *_: {"max_global_steps": 50}, "  max_global_steps: it has 40, now it would be 50"),
        (changed_code, "  submission.py has changed since\n"),
        (other_code, "  helper.py has changed since\n"),
        (other_batch_size, "  batch size: checkpoint_20 has 64, this run has 32"),
        (other_point, "  hyperparameters: it has {'learning_rate': 0."),
    ],
    ids=["seed", "evaluations", "steps", "changed code", "changed helper", "batch size", "point"],
)
def test_a_checkpoint_of_other_code_or_settings_is_refused(found, monkeypatch, capsys, change, named):
    options = change(found, monkeypatch)
    before = everything(found)
    assert found.here(**options) == 2
    error = capsys.readouterr().err
    assert named in error
    expected = 2 if change is other_point else 1  # the search space differs too
    assert error.count("\n  ") == expected, "more is said to differ than does"
    assert "start over with --no-resume" in error
    assert "Traceback" not in error
    assert not re.search("[0-9a-f]{12}", error.partition("settings:")[2]), "a hash says nothing"
    assert everything(found) == before


def test_changed_lines_are_said_where_git_has_the_earlier_code(found, capsys):
    commit_all(found.submission)
    other_code(found, None)
    assert found.here() == 2
    error = capsys.readouterr().err
    assert f"{found.trial} holds an unfinished trial of other code or settings:\n" in error
    assert "  helper.py has changed since\n    @@ -1 +1 @@\n    -RATE = 1\n    +RATE = 2\n" in error


def test_a_checkpoint_of_other_data_is_refused(found, monkeypatch, capsys):
    class Other:
        hash = "another hash"

        def __init__(self, opened):
            self._opened = opened

        def __getattr__(self, name):
            return getattr(self._opened, name)

    opened = type(DIGITS).open
    monkeypatch.setattr(type(DIGITS), "open", lambda self, directory: Other(opened(self, directory)))
    before = everything(found)
    assert found.here() == 2
    assert "  dataset has changed since checkpoint_20\n" in capsys.readouterr().err
    assert everything(found) == before


def test_another_number_of_processes_is_refused(tmp_path, repository, data_root):
    """The message comes once, from the process that was asked, and not from each that found out."""
    folder = TEST_SUBMISSIONS / "faulty"
    run = Run(folder, "pytorch", data_root, tmp_path, {"max_global_steps": 40, "eval_every_steps": 20})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAULT", "update_params 25 raise")
        assert run.here() == 3
    before = everything(run)
    code, output = run.finish(num_processes=2)
    assert code == 2
    assert output.count("  processes: checkpoint_20 has 1, this run has 2") == 1
    assert "Traceback" not in output
    assert everything(run) == before


@pytest.mark.parametrize("name", ["model.safetensors", "process_0.json", "process_0.safetensors", "manifest.json"])
def test_a_damaged_checkpoint_is_named_and_kept(found, capsys, name):
    file = found.checkpoint / name
    file.write_bytes(file.read_bytes()[: -file.stat().st_size // 2])
    before = everything(found)
    assert found.here() == 1
    error = capsys.readouterr().err
    assert f"The checkpoint {found.checkpoint} is damaged" in error
    assert "Remove it to resume from an earlier one or start over" in error
    assert everything(found) == before


def test_a_checkpoint_of_another_format_is_refused(found, capsys):
    file = found.checkpoint / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "format": 99}))
    assert found.here() == 2
    assert "has format 99" in capsys.readouterr().err


def _children_cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_a_finished_trial_is_not_repeated_and_needs_no_framework(found):
    assert found.here() == 0
    before = everything(found)
    script = f"""
    import sys
    from algoperf.cli import main
    try:
        main({found.arguments()!r})
    finally:
        print([name for name in ("jax", "torch", "flax", "optax") if name in sys.modules])
    """
    begin = _children_cpu_seconds()
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"already finished: {found.trial} (max_steps_reached: ")
    assert done.stdout.endswith("[]\n")
    assert _children_cpu_seconds() - begin < 10
    assert everything(found) == before


def test_a_finished_trial_of_other_settings_is_refused(found, capsys):
    assert found.here() == 0
    before = everything(found)
    assert found.here(seed=3) == 2
    error = capsys.readouterr().err
    assert "holds a finished trial of other code or settings:\n  seed: it has 0, now it would be 3\n" in error
    changed_code(found, None)
    assert found.here() == 2
    error = capsys.readouterr().err
    assert "\n  submission.py has changed since\n" in error
    assert everything(found) == before


@pytest.mark.parametrize("finished", [False, True])
def test_no_resume_starts_over_and_keeps_the_earlier_trial_aside(found, capsys, finished):
    if finished:
        assert found.here() == 0
    before = everything(found)
    capsys.readouterr()
    assert found.here(no_resume=True, seed=9) == 0
    output = capsys.readouterr().out
    assert "resumed" not in output
    (kept,) = (path for path in found.trial.parent.iterdir() if path.name.startswith(".trial_1.replaced-"))
    assert str(kept) in output
    for name, content in before.items():
        inside = name.split("trial_1/", 1)[1]
        assert (kept / inside).read_bytes() == content
    assert [row["global_step"] for row in found.rows] == ["20", "40"]
    assert found.status["seed"] == 9
    assert found.status["preemption_count"] == 0


def test_a_trial_in_progress_is_left_alone(tmp_path, repository, data_root, capsys):
    folder = TEST_SUBMISSIONS / "faulty"
    run = Run(folder, "pytorch", data_root, tmp_path, {"max_global_steps": 40})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAULT", "update_params 1 hang")
        first = run.start()
        try:
            deadline = time.monotonic() + 250
            while not (run.trial / "status.json").exists():
                assert first.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            before = everything(run)
            for options in ({}, {"no_resume": True}):
                assert run.here(**options) == 2
                assert f"Another process is working on {run.trial}" in capsys.readouterr().err
            assert everything(run) == before
        finally:
            first.kill()
            first.wait()
    assert run.here(max_global_steps=12) == 0


def test_code_that_changes_while_it_is_loaded_is_not_trained(tmp_path, data_root):
    """Else the records would name code that did not run."""
    folder = tmp_path / "changing"
    shutil.copytree(TEST_SUBMISSIONS / "faulty", folder)
    (folder / "helper.py").write_text("RATE = 1\n")
    with (folder / "submission.py").open("a") as file:
        file.write("import pathlib\nimport helper\npathlib.Path(helper.__file__).write_text('RATE = 2\\n')\n")
    run = Run(folder, "pytorch", data_root, tmp_path / "runs", {"max_global_steps": 1})
    code, output = run.finish()
    assert code == 2
    assert "changing changed while it was loaded: submission file helper.py" in output
    assert not (run.trial / "eval_measurements.csv").exists()
