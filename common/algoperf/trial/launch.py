"""Runs a trial: skips it if it is finished, resumes it if it was interrupted, and starts its processes."""

from __future__ import annotations

import os
import sys
import time
from contextlib import closing
from pathlib import Path

from algoperf.checkpoint import checkpoints
from algoperf.data.files import make_directory, open_locked
from algoperf.errors import AlgoperfError, CheckpointMismatch, DataError, UserError
from algoperf.records.status import Status, read_status
from algoperf.trial import process_failures, processes
from algoperf.trial.request import Request, settle
from algoperf.trial.settings import TrialSettings
from algoperf.workload.registry import model_module


def train(request: Request, arguments: list[str]) -> int:
    """Run a trial and return its exit code. `arguments` is the command line, for further processes."""
    settings = settle(request)
    rank = int(os.environ.get("RANK", "0"))
    if processes.is_member():
        return _train_as_member(settings, rank, arguments)
    if request.resume and (code := _code_of_finished(settings)) is not None:
        return code
    if rank != 0:
        return train_in_this_process(settings, rank, arguments)
    make_directory(settings.directory)
    lock = open_locked(settings.directory / ".lock")
    if lock is None:
        raise UserError(f"Another process is working on {settings.directory}. Wait for it, or stop it first.")
    with lock:
        # Without a checkpoint the trial starts over: its rows must not mix with those of an earlier attempt.
        if not request.resume or not checkpoints(settings.directory):
            _move_aside(settings.directory)
        process_failures.clear(settings.directory)
        num_processes = 1 if "LOCAL_RANK" in os.environ else _num_processes(request)
        if num_processes == 1:
            return train_in_this_process(settings, rank, arguments)
        return _train_in_processes(settings, arguments, num_processes)


def _code_of_finished(settings: TrialSettings) -> int | None:
    """The exit code of a trial that has ended for good, by the rules or by breaking them; None for any other.

    Raises CheckpointMismatch if it ended under other settings.
    """
    directory = settings.directory
    status = read_status(directory)
    if status is None or not (status.get("finished") or status.get("status") == Status.RULE_BREACH.label):
        return None
    differences = [
        f"  {key}: it has {status['identity'].get(key, 'nothing')!r}, now it would be {value!r}"
        for key, value in {**dict.fromkeys(status["identity"]), **settings.identity()}.items()
        if status["identity"].get(key) != value
    ]
    if differences:
        raise CheckpointMismatch(
            f"{directory} holds a finished trial of other code or settings:\n" + "\n".join(differences) + "\n"
            "Choose another --output-dir, or start over with --no-resume."
        )
    print(f"already finished: {directory} ({status['status']}: {status['message']})")
    return Status.from_label(status["status"]).exit_code


def _move_aside(directory: Path) -> None:
    """Move the files of an earlier trial to a hidden folder, which scoring ignores."""
    entries = [entry for entry in directory.iterdir() if entry.name != ".lock"]
    if not entries:
        return
    kept = directory.with_name(f".{directory.name}.replaced-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}")
    kept.mkdir()
    for entry in entries:
        entry.rename(kept / entry.name)
    print(f"the earlier trial was moved to {kept}")


def train_in_this_process(settings: TrialSettings, rank: int, arguments: list[str]) -> int:
    """Run a trial, or this process's part of it; returns the exit code. DataError if the data is missing."""
    if not settings.data_dir.is_dir():
        name, scale = settings.definition.name, settings.definition.scale
        raise DataError(
            f"There is no data at {settings.data_dir}. Make it with:\n"
            f"  algoperf download --workload {name} --scale {scale}\n"
            f"  algoperf preprocess --workload {name} --scale {scale} --data-dir {settings.data_dir.parents[1]}"
        )
    from algoperf.frameworks import load_backend
    from algoperf.submission.loading import load_submission
    from algoperf.trial.log import TrialLog
    from algoperf.trial.loop import Trial, make_guard
    from algoperf.trial.progress import Progress, make_display

    backend = load_backend(settings.framework)
    model_module(
        settings.definition, settings.framework
    )  # imported before the guard is made, so that the guard seals it too
    with closing(make_guard(settings)) as guard:
        submission = load_submission(settings.submission_file)
        log = TrialLog(settings, rank, {"command": ["algoperf", *arguments]})
        progress = Progress(settings, make_display(rank))
        try:
            return Trial(settings, submission, backend, log, progress, guard=guard).run().exit_code
        except KeyboardInterrupt:  # asked to stop twice
            return Status.INTERRUPTED.exit_code


def _num_processes(request: Request) -> int:
    if request.framework != "pytorch":
        if request.num_processes not in (None, 1):
            raise UserError("--num-processes is for PyTorch; in JAX one process drives all devices.")
        return 1
    if request.num_processes is not None:
        return request.num_processes
    from algoperf.frameworks import visible_gpus

    return max(1, visible_gpus())


def _train_in_processes(settings: TrialSettings, arguments: list[str], num_processes: int) -> int:
    """Run one process per device. This process reports once what stopped them."""
    exit_codes = processes.run([sys.executable, "-m", "algoperf", *arguments], num_processes)
    return process_failures.explain_end(settings.directory, exit_codes)


def _train_as_member(settings: TrialSettings, rank: int, arguments: list[str]) -> int:
    """Run the part of one of several processes. The process that started them has done the rest."""
    processes.die_with_parent()
    try:
        return train_in_this_process(settings, rank, arguments)
    except Exception as error:
        process_failures.note_error(settings.directory, rank, error)
        return AlgoperfError.exit_code
