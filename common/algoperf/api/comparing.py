"""`algoperf.score`, `algoperf.compare` and `algoperf.check`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from algoperf.api.run import Run, runs
from algoperf.api.training import SubmissionPlace, entry_of, place_of, run_command
from algoperf.api.words import errors_in_python_words
from algoperf.submission.track import Track
from algoperf.text import counted
from algoperf.tuning.ruleset import Ruleset
from algoperf.versions import DEFAULT_VERSION, Scale
from algoperf.workload.definition import Framework

if TYPE_CHECKING:
    from algoperf_check.report import Report
    from algoperf_scoring import Leaderboard


@dataclass(frozen=True, repr=False)
class Scores:
    """How submissions did against each other.

    Attributes:
      board: all of it, as `algoperf_scoring` has it.
      values: the same as plain values; docs/scoring.md describes them.
    """

    board: Leaderboard
    values: dict[str, Any]

    @property
    def scores(self) -> dict[str, float]:
        """Score by submission, best first."""
        return dict(sorted(self.values["scores"].items(), key=lambda item: -item[1]))

    @property
    def seconds(self) -> dict[str, dict[str, float | None]]:
        """Seconds to target by submission and workload; None where it was not reached or nothing is known."""
        found: dict[str, dict[str, float | None]] = self.values["time_to_target"]
        return found

    def __repr__(self) -> str:
        return f"<Scores: {self.scores}>"

    def __str__(self) -> str:
        from algoperf_scoring.markdown import markdown

        return markdown(self.board)

    def _repr_markdown_(self) -> str:
        return str(self)


@errors_in_python_words
def score(
    path: Path | str = "runs",
    *,
    version: str = DEFAULT_VERSION,
    ruleset: Ruleset | None = None,
    scale: Scale | None = None,
    track: Track | None = None,
    workloads: list[str] | None = None,
    submission: SubmissionPlace | None = None,
    against: Path | str | None = None,
    strict: bool = False,
    reference: str | None = None,
) -> Scores:
    """Score the submissions in a folder of runs against each other, as `algoperf score` does.

    Args:
      path: the folder, with one folder per submission.
      version: of the benchmark.
      ruleset, scale, track: needed if there are runs of both.
      workloads: score over these instead of the version's.
      submission, against: compare this submission with the others in another folder.
      strict: refuse unless the runs are exactly those that the version requires.
      reference: submission for speedups.

    Raises UserError if the runs are not comparable.
    """
    from algoperf.commands.scoring_options import ScoringOptions, score_runs
    from algoperf_scoring import to_json

    board = score_runs(
        Path(path),
        ScoringOptions(
            version_name=version, ruleset=ruleset, scale=scale, track=track,
            workloads=None if workloads is None else ",".join(workloads), as_published=False, strict=strict,
            reference=reference, submission=None if submission is None else str(place_of(submission)),
            against=None if against is None else Path(against), info_folders=(),
        ),
    )  # fmt: skip
    return Scores(board, to_json(board))


@dataclass(frozen=True, repr=False)
class Comparison:
    """What training two submissions in turn has found.

    Attributes:
      text: what their times tell.
      runs: of both, by submission.
    """

    text: str
    runs: dict[str, list[Run]]

    def __repr__(self) -> str:
        counts = ", ".join(f"{name} ({counted(len(runs), 'run')})" for name, runs in self.runs.items())
        return f"<Comparison of {counts}; print it to read it>"

    def __str__(self) -> str:
        return self.text


@errors_in_python_words
def compare(
    submission: SubmissionPlace | None = None,
    workloads: str | list[str] | None = None,
    *,
    model: SubmissionPlace | None = None,
    baseline: str | None = None,
    framework: Framework | None = None,
    ruleset: Ruleset = "self",
    studies: int = 3,
    trials: int = 5,
    seed: int = 0,
    scale: Scale = "full",
    version: str = DEFAULT_VERSION,
    data_dir: Path | str = "data",
    output_dir: Path | str = "comparison",
    resume: bool = True,
    share: bool = False,
    show: bool = True,
) -> Comparison:
    """Train a submission and a baseline on this machine, in turn, and compare their times, as `algoperf compare` does.

    Args:
      submission: its folder, file or module.
      workloads: names or folders of cubes.
      model: the model track, instead of `submission`: a model's folder.
      baseline: one by name, or a path; None for NAdamW in the submission's framework, or for the published model.
      framework, ruleset, seed, scale, version, data_dir: see `train`.
      studies: repetitions, each with seeds of its own.
      trials: of each study under external tuning; self-tuning has one.
      output_dir: root of the runs of both.
      resume: False starts both over; their earlier runs are kept aside.
      share: train beside other trials instead of waiting for the devices; marks the runs, whose times are longer.
      show: print what the trials print.

    Raises AlgoperfError, or a class below it, with the message of the command.
    """
    names = [workloads] if isinstance(workloads, str) else workloads or []
    entry, found_framework = entry_of(submission, model, framework)
    options = {
        **{f"--{name}": path for name, path in entry.items()}, "--framework": found_framework,
        "--workloads": ",".join(names), "--studies": studies, "--trials": trials, "--ruleset": ruleset, "--seed": seed,
        "--scale": scale, "--version": version, "--with": baseline, "--raw-dir": Path(data_dir, "raw"),
        "--data-dir": data_dir, "--output-dir": output_dir,
    }  # fmt: skip
    words = [str(word) for option, value in options.items() if value is not None for word in (option, value)]
    flags = ["--resume" if resume else "--no-resume", *(["--share"] if share else [])]
    said = run_command(["compare", *words, *flags], show=show)
    found: dict[str, list[Run]] = {}
    for run in runs(output_dir):
        found.setdefault(run.status["submission"], []).append(run)
    return Comparison(said.rpartition("ended by the rules.\n")[2].strip(), found)


@errors_in_python_words
def check(
    submission: SubmissionPlace,
    *,
    framework: Framework | None = None,
    ruleset: Ruleset | None = None,
    version: str = DEFAULT_VERSION,
    static_only: bool = False,
) -> Report:
    """Check whether a submission keeps the rules, as `algoperf check` does; `errors` of the report is empty if so.

    Args:
      submission: its folder, file or module.
      framework, ruleset: None for what the submission is written for.
      version: of the benchmark.
      static_only: only read the code; run none of it.
    """
    from algoperf.commands.check import check_submission

    return check_submission(
        place_of(submission), framework=framework, ruleset=ruleset, version_name=version, static_only=static_only
    )
