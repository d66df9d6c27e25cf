"""Pruning of a campaign: by which rules, remembered in its folder, and what they say about its runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from algoperf.commands import options

if TYPE_CHECKING:
    from algoperf.campaigns.folder import Campaign
    from algoperf.campaigns.manifest import PlannedRun
    from algoperf.versions import Version
    from algoperf_scoring.pruning.pruner import Pruner

FILE = "pruning.json"
DEFAULT_ERROR = 0.05

prune = click.option(
    "--prune",
    type=options.Choice(["none", "exact", "futility"]),
    help="Stop and skip runs: exact, only what cannot change a score; futility, also what is too far behind: see "
    "docs/pruning.md.  [default: as before, else none]",
)
error = click.option(
    "--error",
    type=options.Number(0, 1, example="0.05"),
    help=f"With futility: the share of successful runs that may be stopped.  [default: {DEFAULT_ERROR}]",
)
references = click.option(
    "--references",
    type=options.Place(file_okay=False),
    help="With futility: recorded runs to learn from, of the same version, ruleset and scale.",
)


class CampaignPruning:
    """Prunes the runs of a campaign (`schedule.Pruning`)."""

    def __init__(self, campaign: Campaign, version: Version, pruner: Pruner) -> None:
        from algoperf.campaigns.manifest import MINI
        from algoperf_scoring.pruning.live import LivePruning, Planned

        self._planned = {
            run.id: Planned(run.submission, run.workload, run.framework, run.study, run.trial, campaign.records(run))
            for run in campaign.manifest.runs
            if run.step != MINI  # its scores do not count
        }
        self._ids = {planned: run_id for run_id, planned in self._planned.items()}
        self._runs = campaign.manifest.by_id
        self._live = LivePruning(list(self._planned.values()), version, campaign.manifest.scale, pruner)

    def order(self) -> Iterator[str]:
        """Order all runs to be pruned that are not needed; a line for each."""
        for advice in self._live.order():
            yield f"{self._ids[advice.planned]}: pruned ({advice.verdict.rule}). {advice.verdict.reason}"

    def in_order(self, waiting: Sequence[PlannedRun]) -> list[PlannedRun]:
        """Runs that wait, in the order that saves most; those that cannot be pruned come first."""
        first = [run for run in waiting if run.id not in self._planned]
        ordered = self._live.in_order([self._planned[run.id] for run in waiting if run.id in self._planned])
        return [*first, *(self._runs[self._ids[planned]] for planned in ordered)]


def choose(
    campaign: Campaign, prune: str | None, error: float | None, references: Path | None
) -> CampaignPruning | None:
    """The rules asked for, else those of the last time; None if there are none. They are remembered.

    Raises UserError if the options do not fit together, or there is nothing to learn from.
    """
    from algoperf.errors import UserError
    from algoperf.records.json_file import read_object, write_json

    asked: dict[str, Any] = read_object(campaign.path / FILE) or {"prune": "none"}
    if prune is not None:
        asked = {"prune": prune}
    given = {"error": error, "references": None if references is None else str(references.absolute())}
    if asked["prune"] != "futility" and any(value is not None for value in given.values()):
        raise UserError("--error and --references are for --prune futility.")
    asked |= {name: value for name, value in given.items() if value is not None}
    if asked["prune"] == "futility":
        asked.setdefault("error", DEFAULT_ERROR)
        if "references" not in asked:
            raise UserError("--prune futility learns from recorded runs: name their folder with --references.")
    if asked["prune"] == "none":
        (campaign.path / FILE).unlink(missing_ok=True)
        return None
    found = _made(campaign, asked)
    write_json(campaign.path / FILE, asked)
    return found


def _made(campaign: Campaign, asked: dict[str, Any]) -> CampaignPruning:
    from algoperf.commands.scoring_options import load_version_with_cubes, require_scoring

    require_scoring()
    from algoperf_scoring import read_comparison, sources
    from algoperf_scoring.pruning.live import exact_pruner, futility_pruner

    manifest = campaign.manifest
    version = load_version_with_cubes(manifest.version)
    if asked["prune"] == "exact":
        return CampaignPruning(campaign, version, exact_pruner(version, manifest.scale))
    recorded = read_comparison(sources(Path(asked["references"])), version, manifest.ruleset, manifest.scale)
    return CampaignPruning(campaign, version, futility_pruner(recorded, asked["error"]))
