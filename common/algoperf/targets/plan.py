"""The two campaigns of target setting: the search over points, and the repeats of the best one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from algoperf.campaigns.folder import Campaign, place_plan
from algoperf.campaigns.outcomes import Rules
from algoperf.campaigns.plan import PlanRequest, Trial, in_turn, make_manifest
from algoperf.data.files import make_directory
from algoperf.records.json_file import write_json
from algoperf.sequence import PlannedTrial
from algoperf.submission.loading import SEARCH_SPACE_FILE, submission_file, submission_name
from algoperf.targets.protocol import Curve
from algoperf.tuning.search_space import SearchSpace, load_search_space
from algoperf.versions import Limits, Scale, Version
from algoperf.workload.definition import Framework

# The published space of NAdamW, whose baseline lists five points that were once found in it.
_SEARCH, _REPEATS = "search", "repeats"  # folders of the campaigns
_NADAMW, _LISTED = "nadamw_search_space.json", ("nadamw_jax", "nadamw_pytorch")
PlanTrial = Callable[[str, dict[str, Any], int, int], PlannedTrial]
"""Plans a trial of the campaign of this name, with options of `algoperf train`, study and trial."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What to run.

    Attributes:
      workload: a name, or the folder of a cube; scale, version: of the benchmark; limits: the workload's present ones.
      algorithms: paths of submissions, all in one framework.
      trials: points per algorithm; repeats: runs of the best one.
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
    repeats: int
    steps: int
    eval_every_steps: int
    seed: int
    raw_dir: Path
    data_dir: Path
    output: Path


def search_space(algorithm: Path) -> Path:
    """The file with the published search space of an algorithm: a range, where it has one."""
    file = submission_file(algorithm)
    if submission_name(file) in _LISTED:
        return Path(str(resources.files("algoperf.targets").joinpath(_NADAMW)))
    return file.parent / SEARCH_SPACE_FILE


def num_points(space: SearchSpace, trials: int) -> int:
    """How many points there are to try: a list may have fewer than are asked for."""
    return min(trials, len(space)) if isinstance(space, list) else trials


def search(setting: Setting, plan_trial: PlanTrial) -> Campaign:
    """The campaign that tries points of all algorithms, in its folder."""
    spaces = {algorithm: search_space(algorithm) for algorithm in setting.algorithms}
    counts = {algorithm: num_points(load_search_space(space), setting.trials) for algorithm, space in spaces.items()}

    def plan(algorithm: Path, workload: str, study: int, trial: int) -> PlannedTrial | None:
        del workload
        options = {"submission": algorithm, "search_space": spaces[algorithm], "seed": setting.seed,
                   "num_studies": 1, "num_trials": counts[algorithm]}  # fmt: skip
        return plan_trial(_SEARCH, options, study, trial) if trial <= counts[algorithm] else None

    trials = in_turn(setting.algorithms, [setting.workload], 1, setting.trials, plan)
    return _planned(setting, _SEARCH, [trial for trial in trials if trial is not None])


def repeats(setting: Setting, chosen: Curve, plan_trial: PlanTrial) -> Campaign:
    """The campaign that repeats the chosen run's point: a study per repeat, since studies have seeds of their own."""
    algorithm = next(each for each in setting.algorithms if submission_name(submission_file(each)) == chosen.submission)
    make_directory(setting.output / _REPEATS)
    space = setting.output / _REPEATS / "point.json"
    write_json(space, [dict(chosen.point)])
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
        Trial(dataclasses.replace(trial.settings, version=setting.version), _command(trial.command)) for trial in trials
    ]
    manifest = make_manifest(request, known, {})
    conflict = f"{folder} holds runs that were planned otherwise:"
    place_plan(folder, manifest, conflict, "Give the same options again, or choose another --output.")
    return Campaign(folder)


def _command(words: Sequence[str]) -> list[str]:
    """The command as campaigns have it: `algoperf`, whichever interpreter runs it."""
    return ["algoperf", *words[3:]]


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
