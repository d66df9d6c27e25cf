"""The two campaigns of target setting: the search over points, and the repeats of the best one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from algoperf.campaigns.folder import Campaign, place_plan
from algoperf.campaigns.outcomes import Rules
from algoperf.campaigns.plan import PlanRequest, Trial, make_manifest
from algoperf.data.files import make_directory
from algoperf.errors import UserError
from algoperf.records.json_file import write_json
from algoperf.sequence import PlannedTrial
from algoperf.submission.loading import submission_file, submission_name
from algoperf.system import in_short
from algoperf.targets.points import num_points, own_point, search_space
from algoperf.targets.protocol import Curve
from algoperf.tuning.search_space import load_search_space
from algoperf.versions import Limits, Scale, Version
from algoperf.workload.definition import Framework

_SEARCH, _REPEATS = "search", "repeats"  # folders of the campaigns
_DRAWN_STUDY, _OWN_STUDY = 1, 2  # of the search
PlanTrial = Callable[[str, dict[str, Any], int, int], PlannedTrial]
"""Plans a trial of the campaign of this name, with options of `algoperf train`, study and trial."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What to run.

    Attributes:
      workload: a name, or the folder of a cube; scale, version: of the benchmark; limits: the workload's present ones.
      algorithms: paths of submissions, all in one framework.
      trials: quasi-random points per algorithm; own_points: whether the one that it comes with is tried, too.
      repeats: runs of the best point.
      steps: of every run, for which its schedule is planned; eval_every_steps: between evaluations.
      seed: all randomness follows from it; the repeats have the next one.
      output: folder of both campaigns.
    """

    workload: str
    scale: Scale
    version: Version
    limits: Limits
    framework: Framework
    algorithms: tuple[Path, ...]
    trials: int
    own_points: bool
    repeats: int
    steps: int
    eval_every_steps: int
    seed: int
    raw_dir: Path
    data_dir: Path
    output: Path


def search(setting: Setting, plan_trial: PlanTrial) -> Campaign:
    """The campaign that tries points of all algorithms, in its folder: first their own, then quasi-random ones.

    UserError if an algorithm has none.
    """
    own = {each: point for each in setting.algorithms if setting.own_points and (point := own_point(each))}
    spaces = {each: search_space(each) for each in setting.algorithms}
    drawn = {each: num_points(load_search_space(space), setting.trials) for each, space in spaces.items()}
    missing = [str(each) for each in setting.algorithms if each not in own and not drawn[each]]
    if missing:
        raise UserError(
            f"There is no point of {', '.join(missing)} to try: only baselines come with one. Allow points of its "
            "search space with --trials, such as --trials 1."
        )
    listed = {
        each: _list(setting, _SEARCH, submission_name(submission_file(each)), point) for each, point in own.items()
    }
    # Studies keep the two apart: points of a range depend on how many are drawn from it.
    trials = [
        *_trials(setting, _OWN_STUDY, listed, dict.fromkeys(own, 1), plan_trial),
        *_trials(setting, _DRAWN_STUDY, spaces, drawn, plan_trial),
    ]
    return _planned(setting, _SEARCH, trials)


def _trials(
    setting: Setting, study: int, spaces: Mapping[Path, Path], counts: Mapping[Path, int], plan_trial: PlanTrial
) -> list[PlannedTrial]:
    """So many trials of each algorithm with points of its file, the first ones of all before the second ones."""
    return [
        plan_trial(_SEARCH, {"submission": each, "search_space": spaces[each], "seed": setting.seed,
                             "num_studies": study, "num_trials": counts[each]}, study, trial)
        for trial in range(1, max(counts.values(), default=0) + 1)
        for each in counts
        if trial <= counts[each]
    ]  # fmt: skip


def _list(setting: Setting, folder: str, name: str, point: Mapping[str, Any]) -> Path:
    """A new search space with this one point."""
    make_directory(setting.output / folder)
    file = setting.output / folder / f"{name}.json"
    write_json(file, [dict(point)])
    return file


def repeats(setting: Setting, chosen: Curve, plan_trial: PlanTrial) -> Campaign:
    """The campaign that repeats the chosen run's point: a study per repeat, since studies have seeds of their own."""
    algorithm = next(each for each in setting.algorithms if submission_name(submission_file(each)) == chosen.submission)
    space = _list(setting, _REPEATS, "point", chosen.point)
    options = {"submission": algorithm, "search_space": space, "seed": setting.seed + 1,
               "num_studies": setting.repeats, "num_trials": 1}  # fmt: skip
    trials = [plan_trial(_REPEATS, options, study, 1) for study in range(1, setting.repeats + 1)]
    return _planned(setting, _REPEATS, trials)


def _planned(setting: Setting, name: str, trials: Sequence[PlannedTrial]) -> Campaign:
    """The campaign of these trials, which is the one in the folder if a run has begun. UserError if that differs."""
    folder = setting.output / name
    request = PlanRequest(
        version=setting.version.name, ruleset="external", scale=setting.scale, launcher="process", accelerator="cpu",
        rules=Rules(), data_dir=setting.data_dir, raw_dir=setting.raw_dir, logs={setting.scale: ()},
    )  # fmt: skip
    # Times are estimated from the version's budget: these runs have none.
    known = [
        Trial(dataclasses.replace(trial.settings, version=setting.version), in_short(trial.command)) for trial in trials
    ]
    manifest = make_manifest(request, known, {})
    conflict = f"{folder} holds runs that were planned otherwise:"
    place_plan(folder, manifest, conflict, "Give the same options again, or choose another --output.")
    return Campaign(folder)


def train_options(setting: Setting) -> Mapping[str, Any]:
    """Options of `algoperf train` that all runs share."""
    return {
        "framework": setting.framework,
        "ruleset": "external",
        "scale": setting.scale,
        "version_name": setting.version.name,
        "data_dir": setting.data_dir,
        "max_global_steps": setting.steps,
        "eval_every_steps": setting.eval_every_steps,
        "to_the_end": True,
        "share": False,
    }
