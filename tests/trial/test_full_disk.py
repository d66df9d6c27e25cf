"""A disk that is full at any point of a trial: one error, one exit code, and a trial that goes on with more room."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from algoperf.records.layout import RESERVE_FILE
from algoperf.trial.apart.remote import SNAPSHOT
from algoperf.trial.settings import TrialSettings
from places import TEST_SUBMISSIONS
from trial_runs import Run

NUM_STEPS = 6
PAGE = 4096


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A file system in memory, whose size `resize` changes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={PAGE}", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a file system needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def resize(folder: Path, num_pages: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={num_pages * PAGE}", str(folder)], check=True)


def assert_says_so(code: int, output: str, folder: Path) -> None:
    assert code == 2, output
    assert f"error: Not enough disk space in {folder}" in output
    assert "needed" in output
    assert "most recent call last" not in output


def leftovers(run: Run) -> list[str]:
    names = [path.name for path in run.trial.iterdir()] if run.trial.exists() else []
    unfinished = (".checkpoint", ".removed", SNAPSHOT, RESERVE_FILE)
    return [name for name in names if name.endswith(".part") or name.startswith(unfinished)]


def test_a_disk_that_is_full_at_any_point_of_a_trial(disk, data_root, monkeypatch, capsys):
    monkeypatch.setattr(TrialSettings, "budget_sec", float("inf"))
    options = {"max_global_steps": NUM_STEPS, "eval_every_steps": 2}
    run = Run(TEST_SUBMISSIONS / "faulty", "pytorch", data_root, disk / "runs", options)
    seen = set()
    for num_pages in range(1, 60):
        resize(disk, num_pages)
        code = run.here()
        output = capsys.readouterr()
        if code == 0:
            break
        assert_says_so(code, output.err, disk)
        assert leftovers(run) == []
        if (run.trial / "status.json").exists():
            status = run.status
            assert (status["status"], status["finished"]) == ("interrupted", False)
            seen.add(status["global_step"])
    assert code == 0
    assert len(seen) >= 2, "the disk was full at several steps"
    assert [row["global_step"] for row in run.rows] == ["2", "4", "6"]
    assert run.status["status"] == "max_steps_reached"
    assert leftovers(run) == []


class LoggedElsewhere(Run):
    """Its output does not go to the full disk."""

    @property
    def log(self) -> Path:
        return self.output.parents[1] / "log.txt"


@pytest.mark.full
@pytest.mark.parametrize(("evaluation", "sizes"), [("together", (3, 8, 12, 30, 36)), ("apart", (12, 36))])
def test_a_disk_that_is_full_while_the_parent_writes_records(disk, data_root, evaluation, sizes):
    """The parent has the error, and the trial says it. Snapshots for evaluations apart do not fit either."""
    options = {"max_global_steps": NUM_STEPS, "eval_every_steps": 2, "evaluation": evaluation}
    run = LoggedElsewhere(TEST_SUBMISSIONS / "faulty", "pytorch", data_root, disk / "runs", options)
    for num_pages in sizes:
        resize(disk, num_pages)
        code, output = run.finish()
        assert_says_so(code, output, disk)
        assert leftovers(run) == []
    resize(disk, 60)
    code, output = run.finish()
    assert code == 0, output
    assert [row["global_step"] for row in run.rows] == ["2", "4", "6"]
    account = json.loads((run.trial / "referee.json").read_text())
    assert (account["evaluation"], account["problems"]) == (evaluation, [])
    assert leftovers(run) == []
