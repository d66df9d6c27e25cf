"""What identifies and limits a trial. It is known before a framework is imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from algoperf import seeds
from algoperf.checkpoint import Keep
from algoperf.records.environment import python_hash
from algoperf.records.layout import trial_dir
from algoperf.submission.earlier import changed_lines
from algoperf.submission.identity import code_hashes, combined_hash, search_space_hash
from algoperf.submission.loading import submission_name
from algoperf.submission.model import SubmittedModel
from algoperf.submission.track import PUBLISHED, Track
from algoperf.text import fate
from algoperf.tuning.ruleset import Ruleset
from algoperf.tuning.search_space import SearchSpace
from algoperf.versions import Version
from algoperf.workload.definition import Framework, WorkloadDefinition

CODE_FILE = "submission file "
MODEL_FILE = "model file "
SEARCH_SPACE = "search space"
CompilePolicy = Literal["auto", "on", "off"]


@dataclass(frozen=True, kw_only=True)
class TrialSettings:
    """One trial: which workload, which submission, which point, within which limits.

    Attributes:
      definition: the workload at the trial's scale.
      version: the benchmark version whose limits apply.
      submission_file: the Python file of the training algorithm.
      track: "algorithm": the submission is that file; "model": it is the model of the definition.
      study, trial: the trial's place in the tuning ruleset; `seed` is the user's.
      fixed_trial_seed: `trial_seed`, if it must not depend on names; None for real trials.
      hyperparameters: the point of an external tuning trial; None under self-tuning.
      search_space: the space of the point; None under self-tuning.
      data_dir: the workload's preprocessed data; output_dir: root of all run folders.
      max_global_steps: stop after this many steps; None for no limit.
      eval_every_steps: evaluate after this many steps instead of by time; such runs are not official.
      skip_evals: never evaluate; the budget still applies.
      to_the_end: neither a target nor a budget ends the trial; such runs are not official.
      keep_checkpoints: "last", "all", or None for no checkpoints.
      compile_policy: "auto" compiles as published on GPUs only.
    """

    definition: WorkloadDefinition
    version: Version
    framework: Framework
    submission_file: Path
    track: Track = "algorithm"
    ruleset: Ruleset
    study: int
    trial: int
    seed: int
    hyperparameters: Mapping[str, Any] | None
    search_space: SearchSpace | None = None
    data_dir: Path
    output_dir: Path
    max_global_steps: int | None = None
    eval_every_steps: int | None = None
    skip_evals: bool = False
    to_the_end: bool = False
    keep_checkpoints: Keep | None = "last"
    compile_policy: CompilePolicy = "auto"
    fixed_trial_seed: int | None = None

    @property
    def submission(self) -> str:
        """The submission's name."""
        if self.track == "algorithm":
            return submission_name(self.submission_file)
        return PUBLISHED if self.model is None else self.model.name

    @property
    def model(self) -> SubmittedModel | None:
        """The submitted model; None for the published one."""
        source = self.definition.model_source
        assert source is None or isinstance(source, SubmittedModel)
        return source

    @property
    def submission_folder(self) -> Path:
        """The folder of the code that is on trial. A baseline that trains a submitted model is not."""
        return self.submission_file.parent if self.model is None else self.model.folder

    @property
    def directory(self) -> Path:
        """The folder of the trial's records."""
        return trial_dir(self.output_dir, self.submission, self.study, self.definition.name, self.framework, self.trial)

    @property
    def trial_seed(self) -> int:
        """The seed of all randomness in the trial."""
        if self.fixed_trial_seed is not None:
            return self.fixed_trial_seed
        return seeds.derive(self.version.name, self.submission, self.definition.name, self.study, self.trial, self.seed)

    @property
    def budget_sec(self) -> float:
        """Submission time allowed, in seconds."""
        return self.version.max_runtime_sec(self.definition.name, self.ruleset, self.definition.scale)

    def describe(self) -> dict[str, Any]:
        """The settings as plain values, for records and fingerprints."""
        return {
            "workload": self.definition.name,
            "scale": self.definition.scale,
            "version": self.version.name,
            "framework": self.framework,
            "submission": self.submission,
            "track": self.track,
            "ruleset": self.ruleset,
            "study": self.study,
            "trial": self.trial,
            "seed": self.seed,
            "hyperparameters": None if self.hyperparameters is None else dict(self.hyperparameters),
            "max_global_steps": self.max_global_steps,
            "eval_every_steps": self.eval_every_steps,
            "skip_evals": self.skip_evals,
            "compile_policy": self.compile_policy,
            **({"to_the_end": True} if self.to_the_end else {}),  # records from before it existed lack it
        }

    def _model_hashes(self) -> dict[str, str]:
        hashes = {} if self.model is None else self.model.code_hashes(self.framework)
        return {f"{MODEL_FILE}{name}": digest for name, digest in hashes.items()}

    def identity(self) -> dict[str, Any]:
        """Settings, submission and cube: what must be equal for a trial to count as done or to be resumed."""
        files = {f"{CODE_FILE}{name}": digest for name, digest in code_hashes(self.submission_file).items()}
        return {
            **self.describe(),
            **files,
            **self._model_hashes(),
            SEARCH_SPACE: search_space_hash(self.search_space),
            "cube code": python_hash(self.definition.folder),
        }


def submission_hash(identity: Mapping[str, Any]) -> str:
    """One SHA-256 over the code of a submission with this identity, and over the search space used."""
    code = {
        key.removeprefix(CODE_FILE): value for key, value in identity.items() if key.startswith((CODE_FILE, MODEL_FILE))
    }
    space = identity[SEARCH_SPACE]
    return combined_hash({**code, **({} if space is None else {SEARCH_SPACE: space})})


def identity_differences(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The keys in which a recorded identity differs from one of today.

    Identities once held every file of the submission's folder and no search space. Of these, only code counts. They
    once had no track, of which there was one.
    """
    recorded = {"track": "algorithm", **recorded}
    if SEARCH_SPACE not in recorded:
        recorded = {
            **{key: value for key, value in recorded.items() if key in now or not key.startswith(CODE_FILE)},
            SEARCH_SPACE: now[SEARCH_SPACE],
        }
    return [key for key in {**recorded, **now} if recorded.get(key) != now.get(key)]


def difference_in_words(key: str, recorded: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> str:
    """What has become of a setting, or of a file of the submission in `folder`, as a line of a message.

    Of a changed file, some changed lines follow if what it was can be found.
    """
    file = key.removeprefix(CODE_FILE)
    told = fate(file, recorded.get(key), now.get(key))
    if told is None:
        return f"  {key}: it has {recorded.get(key, 'nothing')!r}, now it would be {now.get(key, 'nothing')!r}"
    lines = changed_lines(folder / file, recorded.get(key)) if key.startswith(CODE_FILE) else []
    return "\n    ".join([f"  {told}", *lines])
