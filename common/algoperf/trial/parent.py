"""The parent of a trial: waits for the devices, starts the processes, hears and records them, and has it verified.

It imports no framework and nothing of the submission.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from algoperf.data.sightings import changed, sightings
from algoperf.make_words import in_words_of_the_caller
from algoperf.records.layout import LOG_FILE
from algoperf.records.prune_order import read_order
from algoperf.records.status import Status, read_status
from algoperf.system import algoperf_command, keep_memory_private, usable_cores
from algoperf.trial import endings, verification
from algoperf.trial.apart.evaluations import EvaluationsApart
from algoperf.trial.devices import Line, devices, has_gpu_driver
from algoperf.trial.machine_watch import MachineWatch
from algoperf.trial.member import Hear
from algoperf.trial.recorder import Recorder
from algoperf.trial.referee import Referee
from algoperf.trial.request import Request, where_evaluated
from algoperf.trial.screen import Screen
from algoperf.trial.settings import TrialSettings
from algoperf.trial.summary import summary
from algoperf.trial.supervisor import Supervisor


def supervise(settings: TrialSettings, request: Request, num_processes: int, arguments: list[str]) -> int:
    """Run a trial in processes of its own, and report once how it ended; returns the exit code.

    `arguments` is the command line, for the processes.
    """
    what = f"{settings.submission} on {settings.definition.name}, study {settings.study}, trial {settings.trial}"
    line = Line(devices(has_gpu_driver()), f"{what} (process {os.getpid()}, in {settings.directory.resolve()})")
    earlier = (read_status(settings.directory) or {}).get("machine")
    place = line.beside_others() if request.share else line.alone(_say)
    supervisor = Supervisor(is_pruned=lambda: read_order(settings.directory) is not None)
    screen = Screen(settings.directory / LOG_FILE, ["algoperf", *arguments], line.awaited)
    try:
        with screen, supervisor.obeying_signals(), place as waited_sec:
            screen.doing("starting, which imports the framework")
            watch = MachineWatch(
                _say,
                earlier,
                shared=request.share,
                waited_sec=waited_sec,
                threads=_unchosen_threads(settings, num_processes),
                is_shared_now=line.is_shared,
            )
            if line.problem:
                watch.warn(line.problem)
            return _run(settings, request, algoperf_command(*arguments), num_processes, supervisor, screen, watch)
    except KeyboardInterrupt:
        print("interrupted: Stopped by a signal while waiting.", flush=True)
        return Status.INTERRUPTED.exit_code


def _run(
    settings: TrialSettings,
    request: Request,
    command: list[str],
    num_processes: int,
    supervisor: Supervisor,
    screen: Screen,
    watch: MachineWatch,
) -> int:
    """Run `command` in `num_processes` processes on devices that are ours, complete the records, and verify."""
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
