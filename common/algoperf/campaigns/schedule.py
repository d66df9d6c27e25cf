"""Carries a campaign out: begins what is to be begun, as long as there is something, whatever happened before."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, Protocol

from algoperf.campaigns.changes import Changes, changed_in_words
from algoperf.campaigns.engines.base import Engine, EngineAway
from algoperf.campaigns.folder import STAGING, Campaign
from algoperf.campaigns.ladder import Verdict, standings
from algoperf.campaigns.manifest import PlannedRun
from algoperf.campaigns.outcomes import ENDED, advice
from algoperf.campaigns.states import Phase, RunState
from algoperf.errors import AlgoperfError, UserError
from algoperf.records.json_file import read_object
from algoperf.records.status import Status
from algoperf.system import STOPS
from algoperf.text import counted, typed

Say = Callable[[str], None]
_SILENT_STARTS = 6


class Pruning(Protocol):
    """Says which runs are not needed, and which to begin first."""

    def order(self) -> Iterable[str]:
        """Order all runs to be pruned that are not needed; a line for each. Those that are live stop by themselves."""
        ...

    def in_order(self, waiting: Sequence[PlannedRun]) -> list[PlannedRun]:
        """Runs that wait, in the order in which to begin them."""
        ...


def carry_out(campaign: Campaign, engine: Engine, say: Say, pruning: Pruning | None = None) -> int:
    """Run everything that has not ended; returns the exit code: 0 if all runs have ended by the rules.

    A run that waits and is ordered to be pruned is begun, too: its command records that it is pruned.

    A signal ends it: runs are asked to save their state, or go on without this process, as the engine has it.
    """
    told, starts, changes, asked = _Telling(campaign, say), _Starts(campaign, engine), Changes(campaign), 0
    with _signals() as signals:
        while True:
            stopping = bool(signals) or campaign.is_cancelled
            try:
                live = engine.live()
            except EngineAway as error:
                told.once(f"waiting: {error}")
                if stopping:
                    return Status.INTERRUPTED.exit_code
                engine.wait()
                continue
            room = 0 if stopping else engine.room(live)
            states = changes.hold(campaign.states(live), look=room > 0)
            told.tell(states)
            waiting = [state.run for state in states if state.phase is Phase.WAITING]
            _require_staging(campaign, engine, live)
            if (not waiting and not live) or (stopping and (engine.outlives_caller or not live)):
                break
            if len(signals) > asked:
                asked = len(signals)
                engine.stop()
            if pruning is not None and not stopping:
                for line in pruning.order():
                    say(line)
                waiting = pruning.in_order(waiting)
            if room and waiting:
                try:
                    starts.begin(waiting[:room])
                except EngineAway as error:
                    told.once(f"waiting: {error}")
                    engine.wait()
            else:
                engine.wait()
    say(told.summary(states, stopping))
    return Status.INTERRUPTED.exit_code if stopping else exit_code(states)


class _Starts:
    """Begins runs, and notices those that leave no word of it."""

    def __init__(self, campaign: Campaign, engine: Engine) -> None:
        self._campaign, self._engine = campaign, engine
        self._silent: Counter[tuple[str, int]] = Counter()

    def begin(self, runs: Sequence[PlannedRun]) -> None:
        """Let the engine begin runs. Raises AlgoperfError if one has been begun in vain again and again."""
        for run in runs:
            key = (run.id, len(self._campaign.attempts(run)))
            if self._silent[key] >= _SILENT_STARTS:
                raise AlgoperfError(
                    f"{run.id} was begun {_SILENT_STARTS} times and has left no word in {self._campaign.job(run)}. "
                    f"See what the engine says of its job (Slurm: the logs in {self._campaign.path}/slurm; SkyPilot: "
                    "`sky jobs queue` and `sky jobs logs --controller`), or begin it by hand: "
                    f"algoperf campaign execute {self._campaign.path} --run {run.id}"
                )
            self._silent[key] += 1
        self._engine.start(runs)


def exit_code(states: Sequence[RunState]) -> int:
    """0 if all runs have ended by the rules or are left out by the ladder; else the code of those that were stopped, or
    failed, or wait for their code, if they have the same one, or 1.
    """
    ends = (Phase.STOPPED, Phase.FAILED)
    codes = {int(state.last.get("exit_code") or 1) for state in states if state.phase in ends}
    codes |= {UserError.exit_code for state in states if state.phase is Phase.CHANGED}
    unfinished = any(state.phase not in (Phase.FINISHED, Phase.DROPPED) for state in states)
    return codes.pop() if len(codes) == 1 else int(unfinished)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """The signals to stop that have come, instead of what they would do."""
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        came.append(number)

    handlers = {number: signal.signal(number, note) for number in STOPS}
    try:
        yield came
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _require_staging(campaign: Campaign, engine: Engine, live: Mapping[str, str]) -> None:
    """Raise what kept the engine's own staging from its end, once nothing waits for it any more."""
    failed: dict[str, Any] | None = read_object(campaign.path / STAGING) if engine.stages_itself and not live else None
    if failed is not None:
        error = AlgoperfError(str(failed["error"]))
        error.exit_code = int(failed["exit_code"])
        raise error


class _Telling:
    """Says what has changed since the last time, each thing once."""

    def __init__(self, campaign: Campaign, say: Say) -> None:
        self._campaign, self._say = campaign, say
        self._known: dict[str, tuple[Phase, int]] = {}
        self._standings: set[str] = set()
        self._changed: set[str] = set()
        self._last = ""

    def once(self, text: str) -> None:
        """Say it unless it was the last thing said."""
        if text != self._last:
            self._say(text)
        self._last = text

    def tell(self, states: Sequence[RunState]) -> None:
        """Say what is new of these runs, of changed submissions, and of those on the ladder."""
        ended = sum(state.phase is Phase.FINISHED for state in states)
        for state in states:
            now = (state.phase, len(state.attempts))
            before = self._known.get(state.run.id)
            self._known[state.run.id] = now
            if now == before or (before is None and not state.attempts):
                continue
            if text := self._text(state, before is None):
                self.once(f"[{ended}/{len(states)}] {state.run.id}: {text}")
        changed = changed_in_words(states)
        for difference in changed.keys() - self._changed:
            self.once(changed[difference])
        self._changed = set(changed)
        if self._campaign.manifest.ladder:
            self._tell_ladder(states)

    def _tell_ladder(self, states: Sequence[RunState]) -> None:
        for line in standings(self._campaign.manifest.ladder, states).values():
            for each in line[:-1]:  # nothing follows the last step
                if each.verdict is not Verdict.OPEN and str(each) not in self._standings:
                    self._standings.add(str(each))
                    self.once(f"ladder: {each}")

    def _text(self, state: RunState, is_first: bool) -> str:
        if state.phase is Phase.FINISHED:
            return "" if is_first or state.done is None else f"{state.done['status']}: {state.done['message']}"
        if state.phase in (Phase.STOPPED, Phase.FAILED):
            return f"{state.phase.name}, exit code {state.last.get('exit_code')}, {state.reason}"
        if state.phase in (Phase.HELD, Phase.NOT_RUN):
            return f"{state.phase.in_words}: {state.reason}"
        if state.phase in (Phase.LATER, Phase.DROPPED, Phase.CHANGED) or (
            state.phase is Phase.WAITING and not state.attempts
        ):
            return ""
        if state.phase is Phase.LIVE:
            has_begun = bool(state.attempts) and "ended" not in state.last  # else the file of its attempt is to come
            return "" if is_first or not has_begun else f"attempt {len(state.attempts)}"
        if is_first and state.last.get("asked_again"):  # its failure was told when it was new
            return ""
        return (
            f"{state.last.get('next', 'resume')} after attempt {len(state.attempts)}: {state.last.get('cause', 'lost')}"
        )

    def summary(self, states: Sequence[RunState], stopping: bool) -> str:
        """Counts, what was stopped why, what goes on, and how to go on with the rest."""
        cancelled = self._campaign.is_cancelled
        counts = Counter(state.phase.value for state in states)
        stopped = [state for state in states if state.phase in (Phase.STOPPED, Phase.FAILED)]
        lines = [f"{counts[Phase.FINISHED.value]} of {counted(len(states), 'run')} ended by the rules."]
        lines += [f"  {state.run.id}: {state.phase.value}, {state.reason.partition(chr(10))[0]}" for state in stopped]
        for phase, why in (
            (Phase.NOT_RUN, "Not run, because others of their submission and workload failed by an error of its own"),
            (Phase.HELD, "Not begun, because others of their workload were stopped"),
            (Phase.CHANGED, "Waiting, because the code of their submissions is not what was planned"),
            (Phase.DROPPED, "Left out, because their submissions failed a step"),
            (Phase.LATER, "Waiting for an earlier step"),
            (
                Phase.LIVE,
                "They are being ended"
                if cancelled
                else "They go on without this command, in the engine's queue or on its machines",
            ),
        ):
            if number := counts[phase.value]:
                lines.append(f"  {why}: {counted(number, 'run')}.")
        command = f"algoperf campaign run {typed(self._campaign.path)}"
        if stopping:
            number, what = counts[Phase.WAITING.value], "Cancelled" if cancelled else "Stopped by a signal"
            wait = f"; {counted(number, 'run')} {'waits' if number == 1 else 'wait'}" if number else ""
            lines.append(f"{what}{wait}. To go on: {command}")
        if stopped and all(state.phase.is_final for state in states):
            lines.append(ENDED)
        failed = [state.last.get("exit_code") for state in stopped if state.phase is Phase.FAILED]
        lines += advice(len(failed) < len(stopped), failed, command)
        return "\n".join(lines)
