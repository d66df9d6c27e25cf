"""Works on one run, on the machine that shall carry it out: every engine calls this, and nothing else.

The process that works holds the lock of the run's job folder, and its trial holds it too: whoever gets the lock knows
that nobody works on the run. It may be killed at any moment; the next one closes what it has left open.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO

from algoperf.campaigns import mlcube, scratch, staging
from algoperf.campaigns.changes import difference
from algoperf.campaigns.containers import MLCUBE, Box, container_name, engine_of, require_same_image
from algoperf.campaigns.folder import DONE, LOCK, LOG, Campaign
from algoperf.campaigns.manifest import THREADS, PlannedRun
from algoperf.campaigns.outcomes import Next, cause_of, next_of
from algoperf.campaigns.states import waited_sec
from algoperf.data.files import make_directory, open_locked
from algoperf.errors import AlgoperfError
from algoperf.records.csv_file import CsvFile
from algoperf.records.json_file import write_json
from algoperf.records.layout import EVAL_FILE
from algoperf.records.status import Status, read_status
from algoperf.submission.track import PUBLISHED
from algoperf.system import STOPS, algoperf_command, follow

BUSY = 75
"""Exit code if another process works on the run: ask again later."""
HELD = 76
"""Exit code if another run of the kind was stopped or failed while this one was in an engine's queue."""
CHANGED = 77
"""Exit code if the submission's code is not what was planned."""
_GRACE_SEC = 60
_POLL_SEC = 0.2
_TAIL_BYTES = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a run is carried out.

    Attributes:
      engine: name of the campaign's engine; job: the engine's name for the job, if it has one.
      slot: number of the local slot; None elsewhere.
      cores, gpus: devices that are this run's alone; None for all that this process may use.
      patience_sec: how long to wait for another process that still works on the run.
      share: train beside other trials, and mark the run.
      when_interrupted: a command to call once the run was stopped by a signal; not if the campaign was cancelled.
      container_arguments: further ones for the container engine.
      scratch: folder of the machine's own disk that data are copied to; "" to read them where they are.
    """

    engine: str
    job: str = ""
    slot: int | None = None
    cores: Sequence[int] | None = None
    gpus: Sequence[str] | None = None
    patience_sec: float = 10.0
    share: bool = False
    when_interrupted: Sequence[str] = ()
    container_arguments: Sequence[str] = ()
    scratch: str = ""


@dataclass
class _Attempt:
    """One attempt at a run, as it is recorded."""

    file: Path
    content: dict[str, Any] = field(default_factory=dict)

    def note(self, **more: Any) -> None:
        self.content |= more
        write_json(self.file, self.content)


def work(campaign: Campaign, run: PlannedRun, place: Place) -> int:
    """Bring a run to its end, or as far as it gets; returns its exit code, or BUSY, or HELD.

    Everything that is known afterwards is in the run's job folder. A signal to stop is passed on to the trial.
    """
    job = campaign.job(run)
    make_directory(job)
    lock = _locked(job / LOCK, place.patience_sec)
    if lock is None:
        return BUSY
    with lock, _Signals() as signals:
        if (job / DONE).exists():
            return 0
        if campaign.is_cancelled:
            return Status.INTERRUPTED.exit_code
        if why := campaign.held_back(run):
            print(f"{run.id} is not begun: {why}")
            return HELD
        code = _attempt(campaign, run, place, lock, signals)
    if next_of(code) is Next.RESUME and signals.count and not campaign.is_cancelled and place.when_interrupted:
        subprocess.run(place.when_interrupted, check=False)
    return code


def _attempt(campaign: Campaign, run: PlannedRun, place: Place, lock: BinaryIO, signals: _Signals) -> int:
    """One attempt, recorded from its begin to its end; DONE is written last."""
    job = campaign.job(run)
    waited_before = sum(float(each.get("waited_sec") or 0.0) for each in campaign.attempts(run))
    attempt = _open(campaign, run, place)
    said_before = _size(job / LOG)
    code, message = _carry_out(campaign, run, place, lock, signals, attempt)
    status = read_status(campaign.records(run)) or {}
    if code == 0 and not status:
        code, message = 1, "it ended with exit code 0, but has left no records"
    attempt.note(
        ended=_now(), exit_code=code, next=next_of(code).value,
        cause=message or _cause(code, status, job / LOG, said_before),
        steps=_step(campaign.records(run)) - attempt.content["step"], asked_to_stop=signals.count > 0,
        waited_sec=round(max(0.0, waited_sec(status) - waited_before), 3),
    )  # fmt: skip
    if next_of(code) is Next.FINISHED:
        write_json(job / DONE, {"status": status.get("status"), "message": status.get("message"), "ended": _now()})
    return code


class _Signals:
    """Signals to stop that have come, and the trial that they are passed on to."""

    def __init__(self) -> None:
        self.count = 0
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> _Signals:
        self._handlers = {number: signal.signal(number, self._on_stop) for number in STOPS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.count += 1
        if self.process is not None:
            self.process.send_signal(number)


def _locked(path: Path, patience_sec: float) -> BinaryIO | None:
    """The lock of a run; None if it was not free for so long."""
    deadline = time.monotonic() + patience_sec
    while (lock := open_locked(path)) is None and time.monotonic() < deadline:
        time.sleep(_POLL_SEC)
    return lock


def _open(campaign: Campaign, run: PlannedRun, place: Place) -> _Attempt:
    """Note that a new attempt begins, and that an earlier one without an end was lost."""
    earlier = campaign.attempts(run)
    step = _step(campaign.records(run))
    if earlier and "ended" not in earlier[-1]:
        lost = {**earlier[-1], "ended": _now(), "next": Next.RESUME.value, "cause": "its process or machine was lost"}
        lost["steps"] = step - int(lost.get("step", 0))
        write_json(campaign.job(run) / f"attempt_{lost['number']}.json", lost)
    number = earlier[-1]["number"] + 1 if earlier else 1
    attempt = _Attempt(campaign.job(run) / f"attempt_{number}.json")
    attempt.note(
        number=number, engine=place.engine, job=place.job, slot=place.slot, host=os.uname().nodename,
        process_id=os.getpid(), began=_now(), step=step,
    )  # fmt: skip
    return attempt


def _carry_out(
    campaign: Campaign, run: PlannedRun, place: Place, lock: BinaryIO, signals: _Signals, attempt: _Attempt
) -> tuple[int, str]:
    """Exit code of the trial, or of what kept it from being begun, with the reason."""
    manifest = campaign.manifest
    if changed := difference(campaign, run.submission):
        return CHANGED, changed
    try:
        staging.require_same_data(campaign, run.place)
        make_directory(campaign.records(run).parent)
        data_dir = _data_dir(campaign, run, place, signals)
        command, stop = _command(campaign, run, place, data_dir)
    except AlgoperfError as error:
        return error.exit_code, str(error)
    except scratch.Stopped as error:
        return Status.INTERRUPTED.exit_code, str(error)
    with (campaign.job(run) / LOG).open("ab") as log:
        if signals.count:
            return Status.INTERRUPTED.exit_code, "stopped before it began"
        stop()
        prepare = partial(_prepare, os.getpid(), place.cores)
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=campaign.root, process_group=0,
            env=_environment(place, manifest.threads), pass_fds=[lock.fileno()],
            preexec_fn=prepare,  # noqa: PLW1509 - this process has one thread
        ) as process:  # fmt: skip
            signals.process = process
            attempt.note(trial_process_id=process.pid)
            if signals.count:  # it came between the two lines above
                process.send_signal(signal.SIGTERM)
            code = process.wait()
            signals.process = None
        stop()
    return (code if code >= 0 else 128 - code), ""


def _data_dir(campaign: Campaign, run: PlannedRun, place: Place, signals: _Signals) -> Path:
    """The folder of preprocessed data for a run: the campaign's, or a copy on this machine's own disk."""
    if not place.scratch:
        return campaign.root / campaign.manifest.data["data_dir"]
    with (campaign.job(run) / LOG).open("a") as log:
        return scratch.on_scratch(
            place.scratch,
            staging.store_of(campaign, run.place),
            stopped=lambda: signals.count > 0,
            say=lambda text: print(text, file=log, flush=True),
        )


def _command(campaign: Campaign, run: PlannedRun, place: Place, data_dir: Path) -> tuple[list[str], Callable[[], None]]:
    """The command that carries out a run, and what to call before and after it: no container may be left."""
    manifest = campaign.manifest
    share = ["--share"] if place.share else []
    if manifest.launcher == "process":
        program, *arguments = run.command
        if program == "algoperf":
            command = algoperf_command(*(_with_data(arguments, data_dir) if place.scratch else arguments))
        else:
            command = [program, *arguments]
        return [*command, *share], lambda: None
    workload = manifest.workload_of(run)
    image = workload["image_digest"] if manifest.launcher in ("docker", "podman") else workload["image"]
    box = Box(
        engine=engine_of(manifest.launcher),
        name=container_name(manifest.campaign, list(manifest.by_id).index(run.id)),
        image=image,
        data_dir=data_dir,
        submission=_folder(campaign, run),
        records=campaign.records(run).parent,
        runs_dir=campaign.runs_dir(run),
        cores=place.cores,
        gpus=_visible_gpus() if place.gpus is None else place.gpus,
        memory=workload["memory"],
        tmp=workload["tmp"],
        threads=manifest.threads,
        arguments=place.container_arguments,
    )
    words, stop = [*run.command, *share], partial(box.stop, _GRACE_SEC)
    if manifest.launcher == MLCUBE:  # its image has a name only, which may mean another one by now
        require_same_image(MLCUBE, image, workload["image_digest"])
        return mlcube.command(box, campaign.root / workload["cube"], words, campaign.job(run) / MLCUBE), stop
    return box.command(words), stop


def _folder(campaign: Campaign, run: PlannedRun) -> Path | None:
    """The folder of a run's submission; None for the published model, which images have."""
    if campaign.manifest.track == "model" and run.submission == PUBLISHED:
        return None
    file = campaign.root / campaign.manifest.submissions[run.submission]["path"]
    return file.parent if file.suffix == ".py" else file


def _with_data(command: Sequence[str], data_dir: Path) -> list[str]:
    """The command with other data."""
    words = list(command)
    words[words.index("--data-dir") + 1] = str(data_dir)
    return words


def _visible_gpus() -> list[str]:
    """The GPUs that the cluster has given to this job."""
    return [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name not in ("", "-1")]


def _environment(place: Place, threads: int | None) -> dict[str, str]:
    """The environment of a run: whoever begins it, all runs of a campaign have the same number of threads."""
    found = dict(os.environ)
    if place.gpus is not None:
        found["CUDA_VISIBLE_DEVICES"] = ",".join(place.gpus)
    if threads is not None:
        found.pop(THREADS, None)
        found |= {THREADS: str(threads)} if threads else {}
    return found


def _prepare(parent: int, cores: Sequence[int] | None) -> None:
    """In the trial's process, before it begins: it keeps to its cores, and stops as asked when this one is gone."""
    if cores is not None:
        os.sched_setaffinity(0, cores)
    follow(parent, signal.SIGTERM)


def _cause(code: int, status: dict[str, Any], log: Path, said_before: int) -> str:
    """Why a run ended: its own word for it if it said one, in its records or at the end of its log."""
    if status and Status.from_label(status["status"]).exit_code == code != 1:
        said = str(status["message"])
        return said if code == 0 else f"{cause_of(code)}: {said}"
    said = _last_error(log, said_before)
    return f"{cause_of(code)}: {said}" if said else cause_of(code)


def _last_error(log: Path, begin: int) -> str:
    """The last error that a log tells after its first `begin` bytes, ours or an engine's; "" if there is none."""
    with log.open("rb") as file:
        file.seek(max(begin, _size(log) - _TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return next((line[len("error: ") :] for line in reversed(lines) if line.lower().startswith("error: ")), "")


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _step(records: Path) -> int:
    """The last step of a run that is known: its status has it after an end, its evaluations while it trains."""
    known = [int((read_status(records) or {}).get("global_step") or 0)]
    known += [int(row["global_step"]) for row in CsvFile.read(records / EVAL_FILE)[-1:]]
    return max(known)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
