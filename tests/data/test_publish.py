import signal
import subprocess
import sys
from pathlib import Path

import pytest

from algoperf.data.publish import publishing
from algoperf.errors import UserError

HOLDER = """
import sys, time
from pathlib import Path
from algoperf.data.publish import publishing
with publishing(Path(sys.argv[1])) as temporary:
    (temporary / "file").write_text("theirs")
    print("writing", flush=True)
    sys.stdin.readline()
print("published", flush=True)
"""


def start_holder(directory: Path) -> subprocess.Popen[str]:
    """A process in the middle of publishing `directory`; ends when it gets a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    return process


def publish(directory: Path, text: str = "ours") -> None:
    with publishing(directory) as temporary:
        (temporary / "file").write_text(text)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_appears_only_when_complete(tmp_path):
    with publishing(tmp_path / "new" / "out") as temporary:
        (temporary / "file").write_text("ours")
        assert not (tmp_path / "new" / "out").exists()
    assert (tmp_path / "new" / "out" / "file").read_text() == "ours"
    assert names(tmp_path / "new") == ["out"]


def test_replaces_an_empty_directory(tmp_path):
    (tmp_path / "out").mkdir()
    publish(tmp_path / "out")
    assert names(tmp_path / "out") == ["file"]


def test_follows_a_symbolic_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    publish(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "elsewhere" / "file").read_text() == "ours"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_failure_leaves_nothing(tmp_path, error):
    def fail() -> None:
        with publishing(tmp_path / "out") as temporary:
            (temporary / "file").touch()
            raise error

    with pytest.raises(error):
        fail()
    assert names(tmp_path) == []


def test_killed_leaves_nothing_under_the_name_and_is_cleaned_by_the_next(tmp_path):
    process = start_holder(tmp_path / "out")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(names(tmp_path)) == 1  # the leftover ...
    assert not (tmp_path / "out").exists()
    publish(tmp_path / "out")
    assert names(tmp_path) == ["out"]  # ... is gone
    assert (tmp_path / "out" / "file").read_text() == "ours"


def test_leftovers_of_other_names_are_left_alone(tmp_path):
    stranger = tmp_path / ".other.unpublished-0"
    stranger.mkdir()
    publish(tmp_path / "out")
    assert stranger.exists()


def test_the_loser_of_a_race_keeps_what_the_winner_published(tmp_path, capfd):
    process = start_holder(tmp_path / "out")
    publish(tmp_path / "out")  # we are faster, and do not take the living process's files for a leftover
    out, _ = process.communicate("\n")
    assert process.returncode == 0
    assert "written by another process in the meantime" in out
    assert (tmp_path / "out" / "file").read_text() == "ours"
    assert names(tmp_path) == ["out"]


def test_many_at_once_publish_exactly_one(tmp_path):
    processes = [start_holder(tmp_path / "out") for _ in range(3)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sum("in the meantime" in out for out in outputs) == 2
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["file"]


def test_places_that_cannot_be_published_to(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is a file"):
        publish(tmp_path / "file")
    mount = next(path for path in (Path("/dev/shm"), Path("/proc")) if path.is_mount())
    with pytest.raises(UserError, match=r"mount point.*inside it"):
        publish(mount)
    with pytest.raises(UserError, match="Cannot write /proc/out"):
        publish(Path("/proc/out"))  # not even root may
