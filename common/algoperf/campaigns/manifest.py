"""The manifest of a campaign: every run, fixed before the first one begins. `manifest.json`, one line per run."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from algoperf.data.files import write_file
from algoperf.errors import UserError, did_you_mean_path
from algoperf.readers.json_text import read_json
from algoperf.readers.text_file import UnreadableFile
from algoperf.records.layout import trial_dir
from algoperf.submission.track import Track

FORMAT_VERSION = 2
MINI = "mini"
"""The ladder's first step, at the scale of this name."""
THREADS = "OMP_NUM_THREADS"
"""The environment variable with the number of threads of a run."""
_PLAIN = re.compile(r"[\w@%+=:,./ -]*", re.ASCII)  # what shlex.quote leaves as it is, and spaces


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """One trial of the campaign.

    Attributes:
      submission, workload, framework, study, trial: which one it is; names as in run folders.
      seed: of the trial, derived from the user's; point: its hyperparameters, None under self-tuning.
      command: `algoperf train ...`, with paths relative to the manifest's root where they lie below it.
      step: of the campaign's ladder; "" without one.
    """

    submission: str
    workload: str
    framework: str
    study: int
    trial: int
    seed: int
    point: Mapping[str, Any] | None
    command: tuple[str, ...]
    step: str = ""

    @property
    def folder(self) -> str:
        """The run's folder, below that of all runs of its scale."""
        return trial_dir(Path(), self.submission, self.study, self.workload, self.framework, self.trial).as_posix()

    @property
    def id(self) -> str:
        """Its name in commands and messages: its folder, which those at scale mini of a ladder share with others."""
        return f"{MINI}/{self.folder}" if self.step == MINI else self.folder

    @property
    def place(self) -> str:
        """Its workload as the manifest calls it, which has a second entry for the ladder's first step."""
        return f"{MINI}/{self.workload}" if self.step == MINI else self.workload

    def as_dict(self) -> dict[str, Any]:
        """The run as it is written."""
        return {"id": self.id, **dataclasses.asdict(self), "command": shlex.join(self.command)}


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A whole campaign.

    Attributes:
      campaign: an identifier that no other campaign has; jobs and containers are called by it.
      algoperf: version of the software that planned it; harness_hash: SHA-256 of its code.
      root: the folder that relative paths start from.
      version, ruleset, scale, track: of the benchmark. Only the ladder's first step may have another scale.
      launcher: "process", or the container engine that every run is started with.
      rules: numbers that decide how often a run is tried again; see `outcomes.Rules`.
      ladder: steps and the rule by which submissions pass them; empty if all runs are made; see `ladder`.
      data: folders `data_dir` and `raw_dir`.
      threads: OMP_NUM_THREADS of every run; 0 if it has none, and PyTorch and JAX choose. None in plans from before it
        was planned: then it is that of whoever begins the run.
      submissions: by name: path, hash, and hashes of the files that the hash covers.
      workloads: by `PlannedRun.place`: where its cube is, scale, dataset, budget and estimate in seconds, hashes of
        cube (and of its `files`), data and image.
        The last two are null until the data and images are staged, which is before the first run.
      runs: all runs, in the order in which they are begun.
    """

    campaign: str
    algoperf: str
    harness_hash: str
    root: str
    version: str
    ruleset: str
    scale: str
    launcher: str
    rules: Mapping[str, int]
    ladder: Mapping[str, Any]
    data: Mapping[str, str]
    submissions: Mapping[str, Mapping[str, Any]]
    workloads: Mapping[str, Mapping[str, Any]]
    runs: Sequence[PlannedRun]
    track: Track = "algorithm"  # plans from before there was another have none
    threads: int | None = None
    by_id: Mapping[str, PlannedRun] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_id", {run.id: run for run in self.runs})
        if len(self.by_id) != len(self.runs):
            twice = next(name for name, times in Counter(run.id for run in self.runs).items() if times > 1)
            raise UserError(
                f"Two runs of the campaign would have the same folder, {twice}: give every submission its own name."
            )

    def workload_of(self, run: PlannedRun) -> Mapping[str, Any]:
        """What the manifest says of the workload of a run."""
        return self.workloads[run.place]

    def header(self) -> dict[str, Any]:
        """Everything but the runs."""
        names = [each.name for each in dataclasses.fields(self) if each.name not in ("runs", "by_id")]
        return {"format_version": FORMAT_VERSION, **{name: getattr(self, name) for name in names}}

    def text(self) -> str:
        """The manifest as it is written: the runs come last, one per line."""
        head = json.dumps(self.header(), indent=2).rstrip("}").rstrip()
        lines = ",\n".join(f"    {json.dumps(run.as_dict())}" for run in self.runs)
        return f'{head},\n  "runs": [\n{lines}\n  ]\n}}\n'

    def write(self, path: Path) -> None:
        """Write it to a file, which holds the old manifest or the new one, whatever happens."""
        write_file(path, self.text().encode())


def read_manifest(path: Path) -> Manifest:
    """The manifest in a file. Raises UserError if there is none, or none of this format."""
    if not path.is_file():
        raise UserError(
            f"{path.parent} holds no campaign: {path.name} is not there.{did_you_mean_path(path.parent)} Make one: "
            "algoperf campaign plan"
        )
    try:
        content = read_json(path)
    except UnreadableFile as error:
        raise UserError(f"The campaign cannot be read. {error}") from None
    found = content.get("format_version") if isinstance(content, dict) else None
    if found != FORMAT_VERSION:
        raise UserError(f"{path} has format version {found!r}; this program reads {FORMAT_VERSION}. Plan it again.")
    try:
        runs = [_run(dict(line)) for line in content.pop("runs")]
        content.pop("format_version")
        return Manifest(**content, runs=runs)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path} is not a whole manifest ({error}). Restore it, or plan a new campaign.") from error


def _run(line: dict[str, Any]) -> PlannedRun:
    given = line.pop("id")
    run = PlannedRun(**{**line, "command": _words(line["command"])})
    if run.id != given:
        raise ValueError(f"the run {given} is called {run.id}")
    return run


def _words(command: str) -> tuple[str, ...]:
    """The words of a command line. Most need no shell's rules, which take 100 times as long."""
    return tuple(command.split() if _PLAIN.fullmatch(command) else shlex.split(command))
