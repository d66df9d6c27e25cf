"""This machine: a fixed number of slots, each with cores and GPUs of its own, and a process per run.

Runs have sessions of their own. When the process that began them is killed, they go on, and the next one finds them by
their locks and waits for them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psutil

from algoperf.campaigns import containers
from algoperf.campaigns.engines.base import Engine
from algoperf.campaigns.folder import Campaign
from algoperf.campaigns.manifest import PlannedRun
from algoperf.campaigns.site import Site
from algoperf.campaigns.states import RunState
from algoperf.errors import UserError
from algoperf.system import algoperf_command
from algoperf.trial.devices import CAMPAIGN_VARIABLE, devices, has_gpu_driver

_POLL_SEC = 0.1


@dataclass(frozen=True)
class _Slot:
    """A part of the machine."""

    number: int
    cores: tuple[int, ...]
    gpus: tuple[str, ...]

    def options(self) -> list[str]:
        """The options of `algoperf campaign execute` that keep a run inside."""
        gpus = ["--gpus", ",".join(self.gpus)] if self.gpus else []
        return ["--slot", str(self.number), "--cores", ",".join(map(str, self.cores)), *gpus]


class Local(Engine):
    """Processes, or containers, on this machine."""

    stages_itself = False
    outlives_caller = False

    def __init__(self, campaign: Campaign, site: Site) -> None:
        self._campaign, self._settings = campaign, site.local
        self._slots = _slots(self._settings.at_once)
        self._processes: dict[str, tuple[_Slot, subprocess.Popen[bytes]]] = {}
        # Runs of an earlier process that have not ended, and the slots they are in.
        self._adopted = {run.id: self._slot_of(run) for run in campaign.manifest.runs if campaign.is_worked_on(run)}

    def at_work(self, begun: Sequence[RunState]) -> Mapping[str, bool]:
        """By their locks, of runs of this machine."""
        here = [state.run for state in begun if state.last.get("host") == os.uname().nodename]
        return {run.id: self._campaign.is_worked_on(run) for run in here}

    def live(self) -> Mapping[str, str]:
        """Runs of this process and of earlier ones."""
        self._processes = {run: each for run, each in self._processes.items() if each[1].poll() is None}
        manifest = self._campaign.manifest
        self._adopted = {
            run: slot for run, slot in self._adopted.items() if self._campaign.is_worked_on(manifest.by_id[run])
        }
        return dict.fromkeys([*self._adopted, *self._processes], "running")

    def room(self, live: Mapping[str, str]) -> int:
        """Slots that no run is in."""
        del live
        return len(self._free())

    def start(self, runs: Sequence[PlannedRun]) -> None:
        """One process per run, in a free slot."""
        environment = {**os.environ, CAMPAIGN_VARIABLE: self._campaign.manifest.campaign}
        for run, slot in zip(runs, self._free(), strict=False):
            words = ["campaign", "execute", str(self._campaign.path), "--run", run.id, "--engine", "local"]
            share = ["--share"] if self._settings.share else []
            command = algoperf_command(*words, *slot.options(), *share)
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, env=environment)
            self._processes[run.id] = (slot, process)

    def wait(self) -> None:
        """Return when a run has ended, or soon."""
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline and all(each[1].poll() is None for each in self._processes.values()):
            time.sleep(_POLL_SEC)

    def stop(self) -> None:
        """Pass the wish on to all runs, whoever has begun them."""
        workers = {process.pid: process for process in self._workers()}
        for _, own in self._processes.values():
            if own.poll() is None and own.pid not in workers:  # it has not said yet that it works
                own.terminate()
        for process in workers.values():
            _signal(process, signal.SIGTERM)

    def cancel(self, grace_sec: float) -> None:
        """Ask all runs to end; kill those that do not, with everything that they have started."""
        asked: set[int] = set()
        deadline = time.monotonic() + grace_sec
        while any(self._campaign.is_worked_on(run) for run in self._campaign.manifest.runs):
            is_late = time.monotonic() > deadline
            for process in self._workers():
                if is_late:
                    for each in (process, *_descendants(process)):
                        _signal(each, signal.SIGKILL)
                elif process.pid not in asked:
                    _signal(process, signal.SIGTERM)
                asked.add(process.pid)
            time.sleep(_POLL_SEC)
        launcher = self._campaign.manifest.launcher
        if launcher != "process":
            containers.remove_all(containers.engine_of(launcher), self._campaign.manifest.campaign)

    def _free(self) -> list[_Slot]:
        taken = set(self._adopted.values()) | {slot.number for slot, _ in self._processes.values()}
        if None in taken:  # it may be anywhere
            return []
        return [slot for slot in self._slots if slot.number not in taken]

    def _slot_of(self, run: PlannedRun) -> int | None:
        """The slot that a run of an earlier process is in; None if it has another number of slots, or says nothing."""
        attempts = self._campaign.attempts(run)
        slot = attempts[-1].get("slot") if attempts else None
        return slot if isinstance(slot, int) and slot < len(self._slots) else None

    def _workers(self) -> list[psutil.Process]:
        """The processes that work on runs: of each the one that leads, or its trial if that one is gone."""
        found = []
        for run in self._campaign.manifest.runs:
            attempts = self._campaign.attempts(run)
            if attempts and "ended" not in attempts[-1] and self._campaign.is_worked_on(run):
                names = ("process_id", "trial_process_id")
                found += [process for name in names if (process := _process(attempts[-1].get(name), self._campaign))][
                    :1
                ]
        return found


def _process(number: object, campaign: Campaign) -> psutil.Process | None:
    """The process of an attempt, unless its number belongs to another one by now."""
    try:
        process = psutil.Process(number if isinstance(number, int) else -1)
        is_ours = process.environ().get(CAMPAIGN_VARIABLE) == campaign.manifest.campaign
    except (psutil.Error, ValueError):
        return None
    return process if is_ours else None


def _signal(process: psutil.Process, number: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _slots(count: int) -> list[_Slot]:
    """The machine in equal parts. Raises UserError if a part would have no core or, where there are GPUs, no GPU."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    gpus = [name.removeprefix("gpu_") for name in devices(uses_gpus=has_gpu_driver()) if name.startswith("gpu_")]
    if count > len(cores) or (gpus and count > len(gpus)):
        have = f"{len(cores)} cores" + (f" and {len(gpus)} GPUs" if gpus else "")
        raise UserError(
            f"{count} runs at a time need devices of their own, but this machine has {have}. Allowed: fewer."
        )
    share, gpu_share = len(cores) // count, len(gpus) // count
    return [
        _Slot(number, tuple(cores[number * share : (number + 1) * share]),
              tuple(gpus[number * gpu_share : (number + 1) * gpu_share]))
        for number in range(count)
    ]  # fmt: skip
