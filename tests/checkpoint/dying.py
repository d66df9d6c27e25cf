"""`algoperf`, but it is killed without warning at a place of which the test tells. Run by test_kill_and_resume.

The first argument is one of the names in POINTS; the rest is the command line.
"""

import os
import shutil
import signal
import sys
from pathlib import Path

import safetensors.numpy

from algoperf import checkpoint
from algoperf.cli import main
from algoperf.records import CsvFile, TrialRecords


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def half_a_file(content: object, path: Path) -> None:
    """The disk has half of the model when the power fails."""
    safetensors_save(content, path)
    os.truncate(path, path.stat().st_size // 2)
    die()


def half_removed(path: Path) -> None:
    """An old checkpoint has lost its model, but not yet its manifest."""
    (path / "model.safetensors").unlink()
    die()


def torn_row(self: CsvFile, row: dict, durable: bool = True) -> None:
    if "accumulated_eval_time" in row:
        with self._path.open("a") as file:
            file.write("0.123,4")
        die()
    csv_append(self, row, durable)


def evaluation_file(self: CsvFile, row: dict, durable: bool = True) -> None:
    if self._path.name == "eval_measurements.csv":
        die()
    csv_append(self, row, durable)


safetensors_save, csv_append = safetensors.numpy.save_file, CsvFile.append
POINTS = {
    "half a file": (safetensors.numpy, "save_file", half_a_file),
    "before the manifest": (checkpoint, "write_file", die),
    "before it is published": (checkpoint, "_publish", die),
    "before old ones go": (checkpoint, "_remove", die),
    "while old ones go": (shutil, "rmtree", half_removed),
    "before the rows": (CsvFile, "append", die),
    "in a row": (CsvFile, "append", torn_row),
    "between two rows": (CsvFile, "append", evaluation_file),
    "before the status": (TrialRecords, "write_status", die),
}

if __name__ == "__main__":
    owner, name, deadly = POINTS[sys.argv[1]]
    calls = 0
    original = getattr(owner, name)

    def later(*args: object, **kwargs: object) -> object:
        """Let the first evaluation of this process pass."""
        global calls
        calls += 1
        return deadly(*args, **kwargs) if evaluations else original(*args, **kwargs)

    evaluations: list[int] = []
    complete = TrialRecords.append_scalar_metrics

    def counted(self: TrialRecords, *args: object, **kwargs: object) -> None:
        complete(self, *args, **kwargs)
        if kwargs.get("is_eval"):
            evaluations.append(1)

    TrialRecords.append_scalar_metrics = counted
    setattr(owner, name, later)
    main(sys.argv[2:])
