"""Runs a trial: skips it if it is finished, resumes it if it was interrupted, waits for devices, starts its processes.

All of it but the training happens in the trial's parent, which imports no framework.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from algoperf.checkpoint import checkpoints
from algoperf.data.files import make_directory, open_locked
from algoperf.data.sightings import changed, sightings
from algoperf.errors import AlgoperfError, CheckpointMismatch, UserError, explaining_bad_paths, explaining_full_disk
from algoperf.make_words import in_words_of_the_caller
from algoperf.records.layout import EVAL_FILE, LOG_FILE, MEASUREMENTS_FILE
from algoperf.records.prune_order import read_order
from algoperf.records.status import Status, read_status
from algoperf.system import STOPS, algoperf_command, keep_memory_private, usable_cores
from algoperf.trial import endings, failures, messages, verification
from algoperf.trial.apart.evaluations import EvaluationsApart
from algoperf.trial.data import missing_data
from algoperf.trial.devices import Line, devices, has_gpu_driver
from algoperf.trial.machine_watch import MachineWatch
from algoperf.trial.recorder import Recorder
from algoperf.trial.referee import Referee
from algoperf.trial.request import Request, settle, where_evaluated
from algoperf.trial.screen import Screen
from algoperf.trial.settings import TrialSettings, difference_in_words, identity_differences
from algoperf.trial.summary import summary
from algoperf.trial.supervisor import Hear, Supervisor
from algoperf.workload.registry import model_module

IN_PROCESS_VARIABLE = "ALGOPERF_IN_PROCESS"
"""If set, the trial runs in the calling process, without a parent: for debuggers and tests."""
_LOCK_FILE = ".lock"


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
    with _locked(settings.directory), _leaving_no_empty_folder(settings, is_first):
        if request.resume and (order := read_order(settings.directory)) is not None:
            return endings.prune(settings, order)
        # Without a checkpoint the trial starts over: its rows must not mix with those of an earlier attempt.
        if not request.resume or not checkpoints(settings.directory):
            _move_aside(settings.directory)
        failures.clear(settings.directory)
        if "LOCAL_RANK" in os.environ or IN_PROCESS_VARIABLE in os.environ:
            return train_in_this_process(settings, rank, arguments)
        return _train_supervised(settings, arguments, num_processes, request)


def _locked(directory: Path) -> BinaryIO:
    """The lock of a trial's folder, to be closed. Raises UserError while another process has it."""
    lock = open_locked(directory / _LOCK_FILE)
    if lock is None:
        raise UserError(f"Another process is working on {directory}. Wait for it, or stop it first.")
    return lock


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
    differences = [difference_in_words(key, recorded, identity) for key in identity_differences(recorded, identity)]
    if differences:
        found = "a finished" if ended else "an interrupted"
        raise CheckpointMismatch(
            f"{directory} holds {found} trial of other code or settings:\n" + "\n".join(differences) + "\n"
            "Choose another --output-dir, or start over with --no-resume."
        )


def set_aside(directories: Iterable[Path]) -> None:
    """Move earlier trials aside, all or none, as `--no-resume` does. Raises UserError if one is being worked on."""
    found = [directory for directory in directories if directory.is_dir()]
    with ExitStack() as locks:
        for directory in found:
            locks.enter_context(_locked(directory))
        for directory in found:
            _move_aside(directory)


def _move_aside(directory: Path) -> None:
    """Move the files of an earlier trial to a hidden folder, which scoring ignores; remove what measured nothing."""
    entries = [entry for entry in directory.iterdir() if entry.name != _LOCK_FILE]
    if not {EVAL_FILE, MEASUREMENTS_FILE} & {entry.name for entry in entries}:
        for entry in entries:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        return
    kept = directory.with_name(f".{directory.name}.replaced-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}")
    kept.mkdir()
    for entry in entries:
        entry.rename(kept / entry.name)
    print(f"the earlier trial was moved to {kept}")


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
        submission = load_submission(settings.submission_file)
        if settings.model is not None:
            name, folder = settings.submission, settings.submission_folder
            submission = dataclasses.replace(submission, name=name, shown_folder=folder)
        log = TrialLog(settings, rank, {"command": ["algoperf", *arguments]})
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


@contextmanager
def _leaving_no_empty_folder(settings: TrialSettings, is_first: bool) -> Iterator[None]:
    """Remove the trial's folder, and those above it, if nothing was recorded: a mistake leaves nothing behind.

    If the trial `is_first`, the folder of all runs goes too.
    """
    try:
        yield
    finally:
        left = {entry.name for entry in settings.directory.iterdir()}
        if left <= {_LOCK_FILE, LOG_FILE} and not _moved_back(settings.directory):
            for name in left:
                (settings.directory / name).unlink()
            with contextlib.suppress(OSError):  # another trial's folder is there
                for folder in (settings.directory, *settings.directory.parents):
                    if folder == settings.output_dir and not is_first:
                        break
                    folder.rmdir()
                    if folder == settings.output_dir:
                        break


def _moved_back(directory: Path) -> bool:
    """Put back the earlier trial that this process moved aside; whether there is one."""
    aside = sorted(directory.parent.glob(f".{directory.name}.replaced-*-{os.getpid()}"))
    if not aside:
        return False
    for entry in list(aside[-1].iterdir()):
        entry.rename(directory / entry.name)
    aside[-1].rmdir()
    print(f"the earlier trial is back in {directory}")
    return True


def _train_supervised(settings: TrialSettings, arguments: list[str], num_processes: int, request: Request) -> int:
    """Wait for the devices, run one process per GPU, or one, and report once how the trial ended."""
    share = request.share
    what = f"{settings.submission} on {settings.definition.name}, study {settings.study}, trial {settings.trial}"
    line = Line(devices(has_gpu_driver()), f"{what} (process {os.getpid()}, in {settings.directory.resolve()})")
    command = algoperf_command(*arguments)
    earlier = (read_status(settings.directory) or {}).get("machine")
    place = line.beside_others() if share else line.alone(_say)
    supervisor = Supervisor(is_pruned=lambda: read_order(settings.directory) is not None)
    screen = Screen(settings.directory / LOG_FILE, ["algoperf", *arguments])
    try:
        with screen, supervisor.obeying_signals(), place as waited_sec:
            screen.doing("starting, which imports the framework")
            watch = MachineWatch(
                _say, earlier, shared=share, waited_sec=waited_sec, threads=_unchosen_threads(settings, num_processes),
                is_shared_now=line.is_shared,
            )  # fmt: skip
            if line.problem:
                watch.warn(line.problem)
            limits = settings.version.limits(settings.definition.name, settings.definition.scale)
            referee = Referee(settings.directory, limits, settings.budget_sec)
            recorder = Recorder(settings.directory, referee, watch.record)
            referee.evaluation = where_evaluated(request, num_processes)
            apart = _apart(request, settings, referee) if referee.evaluation == "apart" else None
            record: Hear = recorder.hear
            if apart is not None:
                referee.stood_sec, record = apart.stood_sec, apart.listening(recorder.hear)

            def hear(message: Mapping[str, Any], at: float) -> Mapping[str, Any] | None:
                screen.hear(message)
                return record(message, at)

            keep_memory_private()
            data = sightings(settings.data_dir)
            members = supervisor.run(command, num_processes, watch, hear, apart)
            watch.warn_at_end()
            referee.stop(members[0].ended_at)
            for name in changed(data, settings.data_dir):
                referee.note(f"the stored data changed while the trial ran: {name}")
            recorder.close()
            referee.conclude(recorder.hashes())
            order = read_order(settings.directory) if supervisor.was_pruned else None
            code = endings.conclude(settings, members, supervisor.signals, watch, recorder, order)
            if request.verify and not supervisor.signals:  # while no other trial may use the devices
                screen.doing("verifying")
                verification.verify(settings, request.workload, request.data_dir, apart)
                referee.note_verification()
                verification.note(settings)
            _say("\n".join(summary(settings)))
            return verification.exit_code(settings, code)
    except KeyboardInterrupt:
        print("interrupted: Stopped by a signal while waiting.", flush=True)
        return Status.INTERRUPTED.exit_code


def _apart(request: Request, settings: TrialSettings, referee: Referee) -> EvaluationsApart:
    order = {
        "workload": request.workload,
        "scale": request.scale,
        "version": request.version_name,
        "framework": request.framework,
        "trial_seed": settings.trial_seed,
        "data_dir": str(settings.data_dir),
    }
    return EvaluationsApart(order, settings.directory, referee.note)


def _say(text: str) -> None:
    print(in_words_of_the_caller(text), flush=True)


def _unchosen_threads(settings: TrialSettings, num_processes: int) -> int | None:
    """Threads that PyTorch will compute with if the user has not chosen their number; None if he has."""
    if settings.framework != "pytorch" or "OMP_NUM_THREADS" in os.environ or num_processes > 1 or has_gpu_driver():
        return None
    return usable_cores()


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
