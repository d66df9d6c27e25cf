"""Runs trials one after another, each in a process of its own: one that fails does not keep the others from running.

Trials never run at the same time: they would disturb each other's times.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from algoperf.data.prepare import prepare
from algoperf.errors import AlgoperfError
from algoperf.make_words import in_words_of_the_caller
from algoperf.records.status import Status, exit_code_name, read_status
from algoperf.system import STOPS, followed
from algoperf.text import counted
from algoperf.trial import launch
from algoperf.trial.machine_watch import LOAD_IS_SAID, load_warnings
from algoperf.trial.settings import TrialSettings
from algoperf.versions import Scale
from algoperf.workload.definition import WorkloadDefinition


@dataclass(frozen=True)
class DataPlace:
    """Where the data of all datasets are, or will be made: scale, folder of raw data, folder of stores."""

    scale: Scale
    raw_dir: Path
    data_dir: Path


@dataclass(frozen=True)
class PlannedTrial:
    """One trial: what it is called in messages, its settings, and the command that runs it."""

    title: str
    settings: TrialSettings
    command: Sequence[str]


@dataclass
class Outcome:
    """How the trials went so far: exit codes by title; why a trial was not begun; what was edited, a line each."""

    codes: dict[str, int] = field(default_factory=dict)
    not_begun: dict[str, str] = field(default_factory=dict)
    edits: Sequence[str] = ()

    @property
    def exit_code(self) -> int:
        """0 if all is well, the code of all failures if they have the same one, else 1."""
        codes = {code for code in self.codes.values() if code}
        return (codes.pop() if len(codes) == 1 else 1) if codes else 0

    def summary(self) -> str:
        """What failed where, in a line per trial, after a line of counts."""
        good = sum(code == 0 for code in self.codes.values())
        lines = [f"{good} of {counted(len(self.codes) + len(self.not_begun), 'trial')} ended by the rules."]
        lines += [
            f"  {title}: exit code {code}, {exit_code_name(code)}" for title, code in self.codes.items() if code != 0
        ]
        lines += [f"  {title}: not begun, {why}" for title, why in self.not_begun.items()]
        return "\n".join(lines)


def refuse_other_code(trials: Sequence[PlannedTrial], identities: Sequence[Mapping[str, Any]]) -> None:
    """Raise CheckpointMismatch if what is found of a trial is of other code or settings than its identity here.

    Call it before the first trial begins: else those that are not there yet would be trained beside older ones of other
    code.
    """
    for trial, identity in zip(trials, identities, strict=True):
        launch.refuse_other_code(trial.settings, identity)


def run(
    trials: Sequence[PlannedTrial],
    place: DataPlace,
    edits: Callable[[int], Sequence[str]] = lambda number: (),
) -> Outcome:
    """Run trials in order, each after the data of its workload was made. A signal ends the trial and the sequence.

    `edits` is asked before each begins, by its number, what was edited since it was planned: no other begins then.
    """
    outcome, data = Outcome(), _Data(place)
    with _Runner().obeying_signals() as runner:
        for number, trial in enumerate(trials):
            if runner.stopped or outcome.edits:
                why = "because of the interruption" if runner.stopped else "because of the edit"
                outcome.not_begun[trial.title] = why
                continue
            before = read_status(trial.settings.directory)
            code = data.prepare(trial.settings.definition)
            if code == 0:
                outcome.edits = edits(number)  # now: to make data may take hours
                if outcome.edits:
                    outcome.not_begun[trial.title] = "because of the edit"
                    continue
                code = runner.run(trial.command)
            outcome.codes[trial.title] = code
            status = read_status(trial.settings.directory) or {}
            if status != before and load_warnings(status):  # once is enough
                runner.variables[LOAD_IS_SAID] = "1"
            runner.stopped |= code == Status.INTERRUPTED.exit_code
    return outcome


class _Data:
    """Makes the data of every workload once."""

    def __init__(self, place: DataPlace) -> None:
        self._place = place
        self._codes: dict[str, int] = {}

    def prepare(self, definition: WorkloadDefinition) -> int:
        """0, or the exit code of what prevented it, which is said once."""
        if definition.name not in self._codes:
            place = self._place
            try:
                prepare(definition.dataset, place.scale, place.raw_dir, place.data_dir)
                self._codes[definition.name] = 0
            except AlgoperfError as error:
                self._codes[definition.name] = error.exit_code
                print(f"error: {in_words_of_the_caller(str(error))}", file=sys.stderr, flush=True)
        return self._codes[definition.name]


class _Runner:
    """Runs one process at a time, and passes signals on to it."""

    def __init__(self) -> None:
        self.stopped = False
        self.variables: dict[str, str] = {}  # of the processes, beside those of this one
        self._process: subprocess.Popen[bytes] | None = None

    @contextmanager
    def obeying_signals(self) -> Iterator[_Runner]:
        """Until the end of the block, a signal stops the sequence instead of this process."""
        handlers = {number: signal.signal(number, self._stop) for number in STOPS}
        try:
            yield self
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.stopped = True
        if self._process is None:
            raise KeyboardInterrupt  # data are being made: that resumes
        self._process.send_signal(number)

    def run(self, command: Sequence[str]) -> int:
        """Run a process to its end and return its exit code; 128 + N if signal N killed it.

        It has a process group of its own, so that Ctrl-C in a terminal reaches it once, through this process. It ends,
        resumably, when this process is gone.
        """
        environment = {**os.environ, **self.variables, **followed()}
        with subprocess.Popen(command, process_group=0, env=environment) as self._process:
            code = self._process.wait()
        self._process = None
        return code if code >= 0 else 128 - code
