"""Runs a trial: skips it if it is finished, resumes it if it was interrupted, waits for devices, starts its processes.

All of it but the training happens in the trial's parent, which imports no framework.
"""

from __future__ import annotations

import dataclasses
import io
import os
import signal
import sys
import traceback
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from algoperf.checkpoint import checkpoints
from algoperf.data.files import make_directory
from algoperf.errors import AlgoperfError, CheckpointMismatch, UserError, explaining_bad_paths, explaining_full_disk
from algoperf.records.prune_order import read_order
from algoperf.records.status import Status, read_status
from algoperf.system import STOPS
from algoperf.trial import endings, failures, messages, parent, verification
from algoperf.trial.data import missing_data
from algoperf.trial.devices import has_gpu_driver
from algoperf.trial.folder import leaving_no_empty_folder, locked, move_aside
from algoperf.trial.request import Request, settle
from algoperf.trial.settings import TrialSettings, difference_in_words, identity_differences
from algoperf.trial.summary import summary
from algoperf.workload.registry import model_module

IN_PROCESS_VARIABLE = "ALGOPERF_IN_PROCESS"
"""If set, the trial runs in the calling process, without a parent: for debuggers and tests."""


def train(request: Request, arguments: list[str]) -> int:
    """Run a trial and return its exit code. `arguments` is the command line, for further processes."""
    settings = settle(request)
    rank = int(os.environ.get("RANK", "0"))
    if messages.has_parent():
        return _train_as_member(settings, rank, arguments)
    if request.resume and (code := _code_of_finished(settings)) is not None:
        return code
    if rank != 0:
        return train_in_this_process(settings, rank, arguments)
    num_processes = 1 if "LOCAL_RANK" in os.environ else _num_processes(request)
    _require_data(settings)  # before anybody waits for devices
    is_first = not settings.output_dir.exists()
    make_directory(settings.directory)
    with locked(settings.directory), leaving_no_empty_folder(settings, is_first):
        if request.resume and (order := read_order(settings.directory)) is not None:
            return endings.prune(settings, order)
        if request.resume:
            refuse_other_code(settings, settings.identity())  # before a framework is imported
        # Without a checkpoint the trial starts over: its rows must not mix with those of an earlier attempt.
        if not request.resume or not checkpoints(settings.directory):
            move_aside(settings.directory)
        failures.clear(settings.directory)
        if "LOCAL_RANK" in os.environ or IN_PROCESS_VARIABLE in os.environ:
            return train_in_this_process(settings, rank, arguments)
        return parent.supervise(settings, request, num_processes, arguments)


def _code_of_finished(settings: TrialSettings) -> int | None:
    """The exit code of a trial that has ended for good, by the rules or by breaking them; None for any other.

    Raises CheckpointMismatch if it ended under other settings.
    """
    directory = settings.directory
    status = read_status(directory)
    if status is None or not _has_ended(directory, status):
        return None
    refuse_other_code(settings, settings.identity())
    print(f"already finished: {directory} ({status['status']}: {status['message']})", *summary(settings)[:-1], sep="\n")
    return verification.exit_code(settings, Status.from_label(status["status"]).exit_code)


def _has_ended(directory: Path, status: Mapping[str, Any]) -> bool:
    """Whether a trial has ended for good. A pruned one has not, once the order to prune it is withdrawn."""
    if status["status"] == Status.PRUNED.label and read_order(directory) is None:
        return False
    return bool(status.get("finished")) or status["status"] == Status.RULE_BREACH.label


def refuse_other_code(settings: TrialSettings, identity: Mapping[str, Any]) -> None:
    """Raise CheckpointMismatch if the trial found, finished or to be resumed, is not of this identity."""
    directory = settings.directory
    status = read_status(directory)
    if status is None:
        return
    ended = _has_ended(directory, status)
    if not ended and not checkpoints(directory):
        return  # it starts over
    recorded = dict(status.get("identity") or {})
    place = settings.submission_file.parent
    differing = identity_differences(recorded, identity)
    differences = [difference_in_words(key, recorded, identity, place) for key in differing]
    if differences:
        found = "a finished" if ended else "an unfinished"
        raise CheckpointMismatch(
            f"{directory} holds {found} trial of other code or settings:\n" + "\n".join(differences) + "\n"
            "Choose another --output-dir, or start over with --no-resume."
        )


def train_in_this_process(settings: TrialSettings, rank: int, arguments: list[str]) -> int:
    """Run a trial, or this process's part of it; returns the exit code. DataError if the data is missing."""
    _require_data(settings)
    from algoperf.frameworks import load_backend
    from algoperf.submission.loading import load_submission
    from algoperf.trial.log import TrialLog
    from algoperf.trial.loop import Trial, make_guard
    from algoperf.trial.progress import Progress, make_display

    backend = load_backend(settings.framework)
    model_module(settings.definition, settings.framework)  # before the submission, whose folder may hide its imports
    with closing(make_guard(settings)) as guard:
        identity = settings.identity()
        submission = load_submission(settings.submission_file)
        if changed := identity_differences(identity, settings.identity()):  # records would name what did not run
            raise UserError(
                f"{settings.submission} changed while it was loaded: {', '.join(changed)}. It was edited, or changes "
                "its own files. Give the same command again."
            )
        if settings.model is not None:
            name, folder = settings.submission, settings.submission_folder
            submission = dataclasses.replace(submission, name=name, shown_folder=folder)
        log = TrialLog(settings, rank, {"command": ["algoperf", *arguments]}, identity)
        progress = Progress(settings, make_display(rank))
        try:
            with explaining_full_disk(settings.directory):
                return Trial(settings, submission, backend, log, progress, guard=guard).run().exit_code
        except KeyboardInterrupt:  # asked to stop at once
            return Status.INTERRUPTED.exit_code


def _require_data(settings: TrialSettings) -> None:
    if not settings.data_dir.is_dir():
        raise missing_data(settings.definition, settings.data_dir)


def _num_processes(request: Request) -> int:
    if request.framework != "pytorch":
        if request.num_processes not in (None, 1):
            raise UserError("--num-processes is for PyTorch; in JAX one process drives all devices.")
        return 1
    if request.num_processes is not None:
        return request.num_processes
    from algoperf.frameworks import visible_gpus

    return max(1, visible_gpus()) if has_gpu_driver() else 1


def _train_as_member(settings: TrialSettings, rank: int, arguments: list[str]) -> int:
    """Run this process's part of the trial. The parent has done the rest, and is told how it ended."""
    for number in STOPS:  # until the trial is ready for them; else Python would show where it was
        signal.signal(number, signal.SIG_DFL)
    messages.connect()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)  # they are pipes to the parent, which shows lines at once
    try:
        with explaining_bad_paths():
            code = train_in_this_process(settings, rank, arguments)
    except Exception as error:
        crashed = not isinstance(error, AlgoperfError)
        message = "".join(traceback.format_exception(error)) if crashed else str(error)
        code = getattr(error, "exit_code", AlgoperfError.exit_code)
        messages.tell("error", code=code, message=message, crashed=crashed)
    else:
        messages.tell("end", code=code)
    return code
