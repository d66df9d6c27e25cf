"""`algoperf evaluate`: metrics from checkpoints."""

from __future__ import annotations

import itertools
from pathlib import Path

import click

from algoperf.commands import options


@click.command()
@options.workload
@options.data_dir
@options.output_dir
@click.option(
    "--scores-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write to, with subfolders like those of the runs.  [default: OUTPUT_DIR]",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=1e-3,
    show_default=True,
    help="Largest relative difference between recorded and recomputed metrics; 0 requires equality.",
)
def evaluate(workload: str, data_dir: Path, output_dir: Path, scores_dir: Path | None, tolerance: float) -> None:
    """Evaluate the checkpoints of a workload's runs again, without loading any code of the submission.

    Writes evaluation.json per trial: recomputed metrics beside the recorded ones. Exit code 6 if they differ.
    """
    from algoperf.errors import EvaluationMismatch
    from algoperf.records.json_file import write_json
    from algoperf.reevaluate import evaluate_checkpoint, find_checkpoints
    from algoperf.workload.registry import find_workload

    definition = find_workload(workload)
    mismatches = []
    found = find_checkpoints(output_dir, definition.name)
    for trial, paths in itertools.groupby(found, key=lambda path: path.parent):
        results = [evaluate_checkpoint(path, definition, data_dir, tolerance) for path in paths]
        target = (scores_dir or output_dir) / trial.relative_to(output_dir)
        target.mkdir(parents=True, exist_ok=True)
        write_json(target / "evaluation.json", {"trial": str(trial.relative_to(output_dir)), "checkpoints": results})
        for result in results:
            recorded = result["recorded"] or {}
            click.echo(f"{trial.relative_to(output_dir)}, {result['checkpoint']}:")
            for name, value in result["recomputed"].items():
                beside = f"recorded {recorded[name]:.8g}" if name in recorded else "not recorded"
                verdict = "  MISMATCH" if name in result["mismatches"] else ""
                click.echo(f"  {name:28} {value:<14.8g} {beside}{verdict}")
            mismatches += [f"{trial}/{result['checkpoint']}: {name}" for name in result["mismatches"]]
    if mismatches:
        raise EvaluationMismatch("Recomputed and recorded metrics differ:\n  " + "\n  ".join(mismatches))
