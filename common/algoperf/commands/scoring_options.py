"""Options and helpers shared by commands that read folders of runs."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from algoperf.commands import options
from algoperf.commands.planned import plan_of
from algoperf.errors import UserError, unknown
from algoperf.waiting import waiting

if TYPE_CHECKING:
    from algoperf.versions import Version
    from algoperf_scoring import Leaderboard
    from algoperf_scoring.health import Health

_FOLDER = options.Place()

_CHOICE = (
    click.option("--version", "version_name", default="v0.6", show_default=True, help="Benchmark version."),
    click.option("--ruleset", help="external or self; needed if there are runs of both, or their files do not say."),
    click.option("--scale", help="full or mini; needed if there are runs of both."),
    click.option("--track", help="algorithm or model; needed if there are runs of both."),
    click.option("--workloads", help="Score over these workloads, comma-separated, instead of the version's."),
)
_OPTIONS = (
    *_CHOICE,
    click.option("--as-published", is_flag=True, help="Score like the published tables: see docs/scoring.md."),
    click.option("--strict", is_flag=True, help="Refuse unless the runs are exactly those that the version requires."),
    click.option("--reference", help="Reference submission for speedups.  [default: baseline]"),
    click.option("--submission", help="Name or path of a submission that must be among those scored."),
    click.option("--against", type=_FOLDER, help="Compare --submission with the other submissions in this folder."),
    click.option(
        "--submissions",
        "info_folders",
        type=_FOLDER,
        multiple=True,
        help="Folder with submission_info.yml files of the authors; may be given several times.",
    ),
)


_PAGE = (
    click.option("--no-checks", is_flag=True, help="Leave the health checks of the runs out of the page."),
    click.option(
        "--logs",
        "logs_url",
        metavar="URL",
        help="Address of the published runs, for links to logs.  [default: the runs that the page lies among, if any]",
    ),
)


@dataclass(frozen=True, kw_only=True)
class ScoringOptions:
    """The values of the shared options."""

    version_name: str
    ruleset: str | None
    scale: str | None
    track: str | None
    workloads: str | None
    as_published: bool
    strict: bool
    reference: str | None
    submission: str | None
    against: Path | None
    info_folders: Sequence[Path]


def scoring_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the shared options to a command that takes `**options`, for `ScoringOptions(**options)`."""
    return _with(_OPTIONS, command)


def choosing_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say which runs are meant: `version_name`, `ruleset`, `scale`, `track`, `workloads`."""
    return _with(_CHOICE, command)


def page_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of the report's page: `no_checks`, `logs_url`."""
    return _with(_PAGE, command)


def _with(options: Sequence[Callable[..., Any]], command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(options):
        command = option(command)
    return command


def listed(names: str | None) -> list[str] | None:
    """The names in a comma-separated list; None for None."""
    return None if names is None else [name for part in names.split(",") if (name := part.strip())]


def score_runs(path: Path, options: ScoringOptions) -> Leaderboard:
    """Score the runs in `path` as the options say. Raises UserError if the options do not fit the runs."""
    require_scoring()
    import algoperf_scoring

    name = None if options.submission is None else _submission_name(options.submission)
    with waiting(f"reading and scoring the runs in {path}"):
        chosen = algoperf_scoring.sources(path, name if options.against else None, options.against)
        board = algoperf_scoring.score(
            chosen,
            load_version_with_cubes(options.version_name),
            options.ruleset,
            options.scale,
            listed(options.workloads),
            rule=algoperf_scoring.AS_PUBLISHED if options.as_published else algoperf_scoring.DOCUMENTED,
            strict=options.strict,
            reference=options.reference,
            info_folders=options.info_folders,
            track=options.track,
            plan=plan_of(chosen),
        )
    if name is not None:
        _require_submission(name, [entry.submission for entry in board.shown], path)
    return board


def checked(path: Path, board: Leaderboard, options: ScoringOptions) -> Health:
    """The health of the runs in `path` that a leaderboard compares; it says which others are not checked."""
    from algoperf_scoring import sources
    from algoperf_scoring.folders import unchecked_in_words
    from algoperf_scoring.health import check_runs

    compared = board.comparison
    kind = compared.ruleset, options.info_folders, compared.scale, compared.track
    health = check_runs(path, compared.version, *kind, plan=plan_of(sources(path)))
    return dataclasses.replace(health, unchecked=unchecked_in_words(compared.trials, path))


def load_version_with_cubes(name: str) -> Version:
    """A version, with the limits from the cubes' own files."""
    from algoperf.versions import load_version
    from algoperf.versions.version import with_cube_limits
    from algoperf.workload.registry import cube_folders

    version = load_version(name)
    for cube in cube_folders().values():
        version = with_cube_limits(version, cube)
    return version


def require_scoring() -> None:
    """Raise UserError if the scoring package is not installed, as in a cube's image."""
    if importlib.util.find_spec("algoperf_scoring") is None:
        raise UserError(
            "The scoring package is not installed here: algoperf_scoring cannot be imported. "
            "Install the whole project: pip install -e . in the repository."
        )


def _submission_name(given: str) -> str:
    """The name of a submission given by name or by path."""
    from algoperf.submission.loading import submission_file, submission_name
    from algoperf.submission.track import is_model

    if is_model(Path(given)):
        return Path(given).resolve().name
    return submission_name(submission_file(Path(given))) if Path(given).exists() else given


def _require_submission(name: str, scored: list[str], path: Path) -> None:
    """Raise UserError if a submission has no runs in `path`."""
    if not any(entry == name or entry.startswith(f"{name} (") for entry in scored):
        raise unknown(f"submission in {path}:", name, scored, "Train it first: make train SUBMISSION=...")
