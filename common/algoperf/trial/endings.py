"""How a trial of one or several processes ended: what its parent makes of their last messages and exit codes."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Sequence
from typing import Any

from algoperf import checkpoint
from algoperf.errors import AlgoperfError, DiskFull
from algoperf.records.json_file import write_json
from algoperf.records.layout import RESERVE_FILE, STATUS_FILE
from algoperf.records.prune_order import PruneOrder
from algoperf.records.status import Status, read_status
from algoperf.trial import failures
from algoperf.trial.clock import Times
from algoperf.trial.failures import Failure
from algoperf.trial.log import TrialLog
from algoperf.trial.machine_watch import MachineWatch
from algoperf.trial.member import Member
from algoperf.trial.recorder import Recorder
from algoperf.trial.settings import TrialSettings
from algoperf.trial.state import TrialState

_RESUMES = "the same command resumes it"
_CRASHES = {signal.SIGSEGV: "segmentation fault", signal.SIGBUS: "bus error", signal.SIGILL: "illegal instruction",
            signal.SIGFPE: "arithmetic error", signal.SIGABRT: "abort"}  # fmt: skip


def conclude(
    settings: TrialSettings,
    members: Sequence[Member],
    num_signals: int,
    watch: MachineWatch,
    recorder: Recorder,
    order: PruneOrder | None = None,
) -> int:
    """Complete the records after all processes have ended; returns the exit code of the trial.

    `recorder` has written what they said. `order` is the one by which the processes were stopped, if they were.

    Raises AlgoperfError if an error that is no regular end of a trial stopped a process.
    """
    directory = settings.directory
    other, deaths = failures.of_another_process(directory), _deaths(members, num_signals, watch.memory_ran_out())
    failures.clear(directory)
    is_new = bool(recorder.status)
    content = recorder.status or read_status(directory) or {}
    is_running = is_new and content.get("status") == Status.RUNNING.label
    error = _error(members, explained=bool(deaths), other=other)
    ended = None
    if deaths and error is None and not (is_new and _is_final(content, len(members))):
        ended = deaths[0]
    elif other and error is None and (is_running or _has_crashed(members)):
        ended = (other.status, other.message)
    if order is not None and error is None and _is_interrupted(ended, content if is_new else {}, members):
        ended = (Status.PRUNED, order.reason)
        content, is_new = {**_with_end(settings, content, *ended), "pruned": order.as_dict()}, True
        print(f"{ended[0].label}: {ended[1]}", flush=True)
    elif ended is not None:
        print(f"{ended[0].label}: {ended[1]}", flush=True)
        if is_new or not _was_stopped_before_it_began(members, num_signals):
            content, is_new = _with_end(settings, content, *ended), True
    elif error is not None and is_running:  # it had no room to say so
        content = {**content, "status": Status.INTERRUPTED.label, "message": str(error)}
    checkpoint.remove_leftovers(directory)
    if is_new:
        with contextlib.suppress(DiskFull):  # the error that is raised says it
            (directory / RESERVE_FILE).unlink(missing_ok=True)
            recorder.write_status({**content, "machine": watch.record(ended=True)})
    if error is not None:
        raise error
    if ended is not None:
        return ended[0].exit_code
    told = next((code for member in members if member.said is not None and (code := int(member.said["code"]))), 0)
    if is_new:  # also if a process died after that, or ended in another way because another one did
        code = Status.from_label(content["status"]).exit_code
        if code == Status.RULE_BREACH.exit_code != told:  # by the verdict of this process
            print(f"{content['status']}: {content['message']}", flush=True)
        return code
    return told


def prune(settings: TrialSettings, order: PruneOrder) -> int:
    """Record that a trial that does not run is pruned; returns its exit code. What it has measured stays."""
    content = _with_end(settings, read_status(settings.directory) or {}, Status.PRUNED, order.reason)
    write_json(settings.directory / STATUS_FILE, {**content, "pruned": order.as_dict()})
    print(f"{Status.PRUNED.label}: {order.reason}", flush=True)
    return Status.PRUNED.exit_code


def _is_interrupted(ended: tuple[Status, str] | None, content: dict[str, Any], members: Sequence[Member]) -> bool:
    """Whether the processes only did what they were told: to stop. `content` is what they recorded."""
    if ended is not None:
        return ended[0] is Status.INTERRUPTED
    if content:
        return bool(content.get("status") == Status.INTERRUPTED.label)
    return any(member.said is not None and member.said["code"] == Status.INTERRUPTED.exit_code for member in members)


def _is_final(content: dict[str, Any], num_members: int) -> bool:
    """Whether a recorded end stands although a process died afterwards.

    Of several processes, the first may have recorded only that it lost the one that died.
    """
    status = content.get("status")
    if content.get("finished") or status == Status.RULE_BREACH.label:
        return True
    return num_members == 1 and status != Status.RUNNING.label


def _with_end(settings: TrialSettings, content: dict[str, Any], status: Status, message: str) -> dict[str, Any]:
    """The status of a trial, which may have none yet, with another end."""
    if not content:
        TrialLog(settings).end(status, message, TrialState(), Times())
        content = read_status(settings.directory) or {}
    return {**content, "status": status.label, "finished": status.finished, "message": message}


def _was_stopped_before_it_began(members: Sequence[Member], num_signals: int) -> bool:
    """Whether the user stopped the trial so early that there is nothing to say about it."""
    return num_signals > 0 and all(member.stage in ("starting", "ready") for member in members)


def _deaths(members: Sequence[Member], num_signals: int, ran_out: bool) -> list[tuple[Status, str]]:
    """What ended the processes that have not said that they end; those that we had to kill come last."""
    silent = [member for member in members if member.said is None]
    silent.sort(key=lambda member: (member.was_killed, member.ended_at))
    found = []
    for member in silent:
        which = "The trial's process" if len(members) == 1 else f"Process {member.rank}"
        found.append(_death(which, member.code or 0, num_signals, ran_out))
    return found


def _death(which: str, code: int, num_signals: int, ran_out: bool) -> tuple[Status, str]:
    if code >= 0:
        text = f"{which} ended with exit code {code} in the middle of the trial, as after os._exit({code})."
        return Status.SUBMISSION_ERROR, text
    number = signal.Signals(-code)
    if number in _CRASHES:
        text = f"{which} crashed ({number.name}, {_CRASHES[number]}) in native code of the submission or of a library."
        return Status.SUBMISSION_ERROR, text
    if num_signals:
        return Status.INTERRUPTED, f"Stopped by a signal; {_RESUMES}."
    if number == signal.SIGKILL and ran_out:
        return Status.OUT_OF_MEMORY, f"{which} was killed by the system ({number.name}), because memory ran out."
    return Status.INTERRUPTED, f"{which} was killed ({number.name}); {_RESUMES}."


def _has_crashed(members: Sequence[Member]) -> bool:
    return any(member.said is not None and member.said.get("crashed") for member in members)


def _error(members: Sequence[Member], explained: bool, other: Failure | None) -> AlgoperfError | None:
    """The first error that nothing explains.

    Processes also crash because another one is gone: because it died (`explained`), stopped with an error that is no
    crash, or noted its regular end before the crash (`other`).
    """
    errors = [member.said for member in members if member.said is not None and member.said["kind"] == "error"]
    explained |= any(not each["crashed"] for each in errors)
    for said in errors:
        if said["crashed"] and (explained or (other is not None and other.noted_at < said["at"])):
            continue
        error = AlgoperfError(str(said["message"]))
        error.exit_code = int(said["code"])
        return error
    return None
