"""`algoperf evaluate`: metrics from checkpoints."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from algoperf.commands import options
from algoperf.records.verification import SWAPPED

if TYPE_CHECKING:
    from algoperf.reevaluate.checkpoints import Failure


@click.command()
@click.option("--workload", help="A workload by name, or the folder of a cube.  [default: all in OUTPUT_DIR]")
@options.data_dir
@options.output_dir
@click.option(
    "--scores-dir",
    type=options.Place(file_okay=False),
    help="Folder to write to, with subfolders like those of the runs.  [default: OUTPUT_DIR]",
)
@click.option(
    "--tolerance",
    type=options.Number(0, example="0.001"),
    default=1e-3,
    show_default=True,
    help="Largest relative difference between recorded and recomputed metrics; 0 requires equality.",
)
@click.option("--step", type=options.Whole(0), help="Only checkpoints of this step.  [default: all]")
@click.option(
    "--model",
    type=options.Place(),
    help="Folder of the submitted model that the runs are of. Its code runs in a process without labels and network.",
)
@click.option("--quiet", is_flag=True, help="Print only the verdict.")
def evaluate(
    workload: str | None,
    data_dir: Path,
    output_dir: Path,
    scores_dir: Path | None,
    tolerance: float,
    step: int | None,
    model: Path | None,
    quiet: bool,
) -> None:
    """Evaluate the checkpoints of runs again, without loading any code of the submission into this process.

    Writes evaluation.json per trial: recomputed metrics beside the recorded ones. Goes on after a checkpoint that
    cannot be read. Exit code 6 if metrics differ; otherwise, that of what kept a checkpoint from being evaluated.
    """
    from algoperf.records.json_file import write_json
    from algoperf.records.layout import EVALUATION_FILE
    from algoperf.reevaluate.checkpoints import Failure, find_checkpoints, raise_worst, try_checkpoint, verdict
    from algoperf.submission.model import find_model
    from algoperf.waiting import waiting
    from algoperf.workload.registry import find_workload

    submitted = None if model is None else find_model(model)
    definition = None if workload is None else find_workload(workload)
    found = find_checkpoints(output_dir, None if definition is None else definition.name, step)
    everything: list[dict[str, Any] | Failure] = []
    for trial, paths in itertools.groupby(found, key=lambda path: path.parent):
        place = trial.relative_to(output_dir)
        records = []
        for path in paths:
            with waiting(f"evaluating {path.name}" + (f" of {place}" if place.parts else "")):
                result = try_checkpoint(path, definition, data_dir, tolerance, submitted)
            if not quiet:
                _print(f"{place}, {path.name}:", result)
            if not isinstance(result, Failure):
                records.append(result)
                everything.append({**result, "path": path})
                continue
            everything.append(result)
            if result.is_lasting:
                records.append(result.record())
        if records:
            target = (scores_dir or output_dir) / place
            target.mkdir(parents=True, exist_ok=True)
            write_json(target / EVALUATION_FILE, {"trial": str(place), "checkpoints": records})
    click.echo(verdict(everything))
    raise_worst(everything)


def _print(title: str, result: dict[str, Any] | Failure) -> None:
    click.echo(title)
    if not isinstance(result, dict):
        click.echo(f"  NOT EVALUATED: {result.error}")
        return
    if SWAPPED in result["mismatches"]:
        click.echo(f"  NOT EVALUATED: {SWAPPED}.")
    recorded = result["recorded"] or {}
    for name, value in result["recomputed"].items():
        beside = f"recorded {recorded[name]:.8g}" if name in recorded else "not recorded"
        click.echo(f"  {name:28} {value:<14.8g} {beside}{'  MISMATCH' if name in result['mismatches'] else ''}")
