"""`algoperf`, but each process is killed without warning at a point that the test names. See test_kill_and_resume.

The arguments are a file descriptor for answers and the command line. Every input line names one of POINTS. A new
process resumes the trial until it dies there, and its exit code is written as a line. (All processes are forks of this
one, which has imported what they need.) At a point of OF_PARENTS, it is the trial's parent that dies; it writes the
records, and the trial goes with it.
"""

import importlib
import os
import shutil
import signal
import sys
from pathlib import Path

import safetensors.numpy

from algoperf.checkpoint import files
from algoperf.cli import main
from algoperf.records.csv_file import CsvFile
from algoperf.records.trial_records import TrialRecords
from algoperf.trial.launch import IN_PROCESS_VARIABLE


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def half_a_file(content: object, path: Path) -> None:
    """Half of the model is on disk when the power fails."""
    safetensors_save(content, path)
    os.truncate(path, path.stat().st_size // 2)
    die()


def half_removed(path: Path) -> None:
    """The model of an old checkpoint is removed, but not yet its manifest."""
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
    "before the manifest": (files, "write_file", die),
    "before it is published": (files, "_publish", die),
    "before old ones go": (files, "_remove", die),
    "while old ones go": (shutil, "rmtree", half_removed),
    "before the rows": (CsvFile, "append", die),
    "in a row": (CsvFile, "append", torn_row),
    "between two rows": (CsvFile, "append", evaluation_file),
    "before the status": (TrialRecords, "write_status", die),
}
OF_PARENTS = [f"parent {point}" for point in ("before the rows", "in a row", "between two rows", "before the status")]


def main_until(point: str) -> None:
    """Run the command line; from the second evaluation of this process on, `point` is deadly."""
    owner, name, deadly = POINTS[point.removeprefix("parent ")]
    original, complete = getattr(owner, name), TrialRecords.append_scalar_metrics
    evaluations: list[int] = []

    def perhaps(*args: object, **kwargs: object) -> object:
        return deadly(*args, **kwargs) if evaluations else original(*args, **kwargs)

    def counted(self: TrialRecords, *args: object, **kwargs: object) -> None:
        complete(self, *args, **kwargs)
        if kwargs.get("is_eval"):
            evaluations.append(1)

    TrialRecords.append_scalar_metrics = counted  # type: ignore[method-assign]
    setattr(owner, name, perhaps)
    if point not in OF_PARENTS:
        os.environ[IN_PROCESS_VARIABLE] = "1"
    main(sys.argv[2:])


def forked(point: str) -> int:
    """The exit code of a process that dies at `point`."""
    child = os.fork()
    if child == 0:
        try:
            main_until(point)
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    importlib.import_module("algoperf.frameworks.jax.backend")  # this starts no devices or threads
    importlib.import_module("optax")
    for line in sys.stdin:
        os.write(int(sys.argv[1]), f"{forked(line.strip())}\n".encode())
