"""The submission to check, and what is known about it without importing it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from algoperf.submission.loading import SEARCH_SPACE_FILE, submission_file, submission_name
from algoperf.submission.model import SubmittedModel, find_model
from algoperf.submission.track import Track
from algoperf.tuning.ruleset import RULESET_FOLDERS, Ruleset
from algoperf.versions import Version
from algoperf.workload.definition import Framework


@dataclass(frozen=True, kw_only=True)
class CheckRequest:
    """One submission to check.

    Attributes:
      submission: the given folder or `.py` file.
      framework: the submission's framework; None is allowed only for a static check.
      track: "algorithm" or "model".
      ruleset: "external": the harness draws hyperparameters from a search space; "self": the submission sets them.
      version: the benchmark version whose numbers apply.
      smoke: also train on workloads at scale mini.
      given_space: a search space other than the one in the folder.
    """

    submission: Path
    framework: Framework | None
    ruleset: Ruleset
    version: Version
    smoke: bool = False
    given_space: Path | None = None
    track: Track = "algorithm"

    @functools.cached_property
    def file(self) -> Path:
        """The submission's main Python file. UserError if there is none."""
        model = self.model
        if model is None:
            return submission_file(self.submission)
        return model.file(self.framework or model.frameworks[0])

    @property
    def model(self) -> SubmittedModel | None:
        """The submitted model; None in the other track."""
        return find_model(self.submission) if self.track == "model" else None

    @property
    def owns_folder(self) -> bool:
        """Whether everything in the folder is part of the submission."""
        return self.track == "model" or self.file.stem == "submission"

    @property
    def folder(self) -> Path:
        """The submission's folder; positions of findings are relative to it."""
        return self.file.parent

    @property
    def name(self) -> str:
        """The submission's name in run folders and tables."""
        return submission_name(self.file) if self.track == "algorithm" else self.folder.name

    @property
    def search_space(self) -> Path:
        """The search space file of external tuning, if it exists."""
        return self.given_space or self.folder / SEARCH_SPACE_FILE


def ruleset_folder(folder: Path) -> Ruleset | None:
    """The ruleset named by the nearest parent folder that is named like one."""
    rulesets = {name: ruleset for ruleset, name in RULESET_FOLDERS.items()}
    return next((rulesets[part.name] for part in folder.parents if part.name in rulesets), None)


def infer_ruleset(file: Path) -> Ruleset:
    """The ruleset from a submission's location; otherwise external if it has a search space."""
    by_place = ruleset_folder(file.parent)
    return by_place or ("external" if (file.parent / SEARCH_SPACE_FILE).is_file() else "self")
