"""The folder of a campaign, and what its files say of every run.

    manifest.json                       every run, as planned
    .fixed.json                         the manifest when the first run began: what it must still be
    engine.json                         which engine works on it, with which settings
    runs/<run>/                         the records of the runs, in the published layout: for scoring
    runs_mini/<run>/                    the same for those of a ladder's first step
    jobs/<run>/attempt_<n>.json         when, where and by whom the run was worked on, and how that ended
    jobs/<run>/log.txt                  all that it printed
    jobs/<run>/DONE                     written last, when the run has ended by the rules
    CANCELLED                           nothing is begun while this is there

There is no other state: whoever reads these files knows as much as the process that wrote them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from algoperf.campaigns.differences import require_equal
from algoperf.campaigns.ladder import Verdict, barrier, standings
from algoperf.campaigns.manifest import MINI, Manifest, PlannedRun, read_manifest
from algoperf.campaigns.outcomes import Next, Rules, decide, is_result
from algoperf.campaigns.states import Phase, RunState
from algoperf.data.files import make_directory, open_locked
from algoperf.errors import DataError, UserError
from algoperf.records.json_file import read_object
from algoperf.records.status import read_status

MANIFEST, FIXED, ENGINE, CANCELLED, DONE = "manifest.json", ".fixed.json", "engine.json", "CANCELLED", "DONE"
STAGING, LOG, LOCK = "staging.json", "log.txt", ".lock"
ROOT_VARIABLE = "ALGOPERF_CAMPAIGN_ROOT"
_NOT_BEGUN = (Phase.WAITING, Phase.HELD)
_ATTEMPT = re.compile(r"attempt_(\d+)\.json")


def place_plan(folder: Path, manifest: Manifest, conflict: str, remedy: str) -> bool:
    """Put a plan into its folder, and say whether a run of it has begun; then the plan stays as it is.

    Raises UserError, which begins with `conflict` and ends with `remedy`, if runs of another plan have begun there.
    """
    fixed = folder / FIXED
    if fixed.exists():
        require_equal(read_manifest(fixed), manifest, conflict, remedy)
        return True
    make_directory(folder)
    manifest.write(folder / MANIFEST)
    return False


class Campaign:
    """A campaign in its folder."""

    def __init__(self, path: Path) -> None:
        """Read its manifest. Raises UserError if there is none."""
        self.path = path.absolute()
        self.manifest: Manifest = read_manifest(self.path / MANIFEST)
        self.rules = Rules(**self.manifest.rules)
        self._finished: dict[str, RunState] = {}

    @cached_property
    def root(self) -> Path:
        """The folder that relative paths of the manifest start from; on another machine, a variable says which."""
        return Path(os.environ.get(ROOT_VARIABLE) or self.manifest.root)

    def runs_dir(self, run: PlannedRun) -> Path:
        """The records of all runs that may be scored together with this one."""
        return runs_dir(self.path, run.step)

    def job(self, run: PlannedRun) -> Path:
        """The campaign's own files about a run. Submissions in containers cannot write there."""
        return self.path / "jobs" / run.id

    def records(self, run: PlannedRun) -> Path:
        """The folder of the run's records."""
        return self.runs_dir(run) / run.folder

    def find(self, run_id: str) -> PlannedRun:
        """A run by its name. Raises UserError if the campaign has none such."""
        if run_id not in self.manifest.by_id:
            raise UserError(f"The campaign has no run {run_id!r}. They are listed in {self.path / MANIFEST}.")
        return self.manifest.by_id[run_id]

    # --- one at a time ------------------------------------------------------------------------------------------

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only one that begins runs. Raises UserError if another process is that."""
        lock = open_locked(self.path / LOCK)
        if lock is None:
            raise UserError(
                f"Another `algoperf campaign run` works on {self.path}. Look at it: algoperf campaign status"
            )
        with lock:
            yield

    def is_worked_on(self, run: PlannedRun) -> bool:
        """Whether a process of this machine works on the run."""
        if not self.job(run).is_dir():
            return False
        lock = open_locked(self.job(run) / LOCK)
        if lock is None:
            return True
        lock.close()
        return False

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody has asked for an end."""
        return (self.path / CANCELLED).exists()

    # --- what was planned ---------------------------------------------------------------------------------------

    @property
    def is_fixed(self) -> bool:
        """Whether data and images are staged, and the manifest is complete."""
        return (self.path / FIXED).is_file()

    def fix(self, manifest: Manifest) -> None:
        """Replace the manifest by its completed form; from now on it must not change."""
        manifest.write(self.path / MANIFEST)
        manifest.write(self.path / FIXED)
        self.manifest = manifest

    def require_unchanged(self) -> None:
        """Raise UserError, with the difference, if the manifest is not what it was when the first run began."""
        fixed, now = self.path / FIXED, self.path / MANIFEST
        # Every run asks: to parse two long manifests each time would take seconds in large campaigns.
        if self.is_fixed and fixed.read_bytes() != now.read_bytes():
            require_equal(
                read_manifest(fixed), self.manifest,
                f"{now} was changed after the first run had begun:",
                f"Undo the change (the manifest in use is {FIXED}), or plan a new campaign in another folder.",
            )  # fmt: skip

    # --- where the runs stand -----------------------------------------------------------------------------------

    def attempts(self, run: PlannedRun) -> list[dict[str, Any]]:
        """The attempts at a run so far, in order."""
        folder = self.job(run)
        if not folder.is_dir():
            return []
        numbers = sorted(int(found[1]) for path in folder.iterdir() if (found := _ATTEMPT.fullmatch(path.name)))
        return [read_object(folder / f"attempt_{number}.json") or {"number": number} for number in numbers]

    def state(self, run: PlannedRun, live: Mapping[str, str]) -> RunState:
        """Where one run stands; `live` are the runs that the engine has, with the engine's word for their state."""
        if run.id in self._finished:
            return self._finished[run.id]
        done = read_object(self.job(run) / DONE)
        if done is not None:
            self._finished[run.id] = RunState(run, Phase.FINISHED, self.attempts(run), done)
            return self._finished[run.id]
        attempts = self.attempts(run)
        if run.id in live:
            return RunState(run, Phase.LIVE, attempts, reason=live[run.id])
        if decide(attempts, self.rules) is Next.STOP:
            status = read_status(self.records(run)) or {}
            phase = Phase.FAILED if is_result(attempts[-1].get("exit_code"), status.get("status")) else Phase.STOPPED
            return RunState(run, phase, attempts, reason=str(attempts[-1].get("cause", "lost again and again")))
        return RunState(run, Phase.WAITING, attempts)

    def states(self, live: Mapping[str, str]) -> list[RunState]:
        """Where all runs stand. Runs like one that was stopped or failed are held back, and later steps of a ladder."""
        found = [self.state(run, live) for run in self.manifest.runs]
        holders = _holders(found)
        held = [_held(state, holders) for state in found]
        return _climbing(self.manifest.ladder, held) if self.manifest.ladder else held

    def held_back(self, run: PlannedRun) -> str:
        """Why a run that waits is not to be begun: another one of its kind was stopped or failed; "" if it is."""
        others = [each for each in self.manifest.runs if each.place == run.place and each.id != run.id]
        state = _held(self.state(run, {}), _holders([self.state(each, {}) for each in others]))
        return state.reason if state.phase in (Phase.HELD, Phase.NOT_RUN) else ""


def runs_dir(folder: Path, step: str) -> Path:
    """Where the records of a campaign's runs are, by their step of the ladder: those of its first step are apart."""
    return folder / ("runs_mini" if step == MINI else "runs")


def _climbing(ladder: Mapping[str, Any], states: list[RunState]) -> list[RunState]:
    """The states, in which runs wait or are dropped as long as their submission has not passed the step before."""
    order = [step["step"] for step in ladder["steps"]]
    barriers = {name: barrier(each) for name, each in standings(ladder, states).items()}
    found = []
    for state in states:
        at = barriers[state.run.submission]
        if at is None or order.index(state.run.step) <= order.index(at.step) or state.phase not in _NOT_BEGUN:
            found.append(state)
        else:
            phase = Phase.DROPPED if at.verdict is Verdict.FAILED else Phase.LATER
            found.append(RunState(state.run, phase, state.attempts, reason=str(at)))
    return found


def _holders(states: Sequence[RunState]) -> dict[tuple[str, ...], RunState]:
    """By kind, the first run that failed, else the first that was stopped."""
    found: dict[tuple[str, ...], RunState] = {}
    for phase in (Phase.FAILED, Phase.STOPPED):
        for state in states:
            if state.phase is phase:
                found.setdefault(_kind(state), state)
    return found


def _kind(state: RunState) -> tuple[str, ...]:
    """Which runs one that was stopped or failed holds back: missing data, all of its workload; else those of its
    submission.
    """
    if state.last.get("exit_code") == DataError.exit_code:
        return (state.run.place,)
    return (state.run.place, state.run.submission)


def _held(state: RunState, holders: Mapping[tuple[str, ...], RunState]) -> RunState:
    """The state of a run in view of others of its kind. One that has begun goes on after the failure of another one:
    its end, too, is a result.
    """
    run = state.run
    own, all_of_place = holders.get((run.place, run.submission)), holders.get((run.place,))
    if state.phase is not Phase.WAITING:
        return state
    if own is not None and own.phase is Phase.FAILED and not state.attempts:
        return RunState(run, Phase.NOT_RUN, state.attempts, reason=f"same error as {own.run.id}")
    stopped = next((each for each in (all_of_place, own) if each is not None and each.phase is Phase.STOPPED), None)
    if stopped is None:
        return state
    return RunState(run, Phase.HELD, state.attempts, reason=f"{stopped.run.id} was stopped")
