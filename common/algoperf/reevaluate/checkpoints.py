"""Evaluates checkpoints again, one by one, and compares with the records."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from algoperf import checkpoint
from algoperf.errors import AlgoperfError, DataError, EvaluationMismatch, UserError, did_you_mean_path
from algoperf.frameworks import load_backend
from algoperf.records.csv_file import CsvFile
from algoperf.records.json_file import read_object
from algoperf.records.layout import EVAL_FILE, REFEREE_FILE
from algoperf.records.verification import SWAPPED
from algoperf.reevaluate.apart import ModelProcess, WorkloadApart
from algoperf.reevaluate.blindness import flaws
from algoperf.reevaluate.restoring import bind, model_needed, open_data, restore_model, trial_keys
from algoperf.submission.model import SubmittedModel
from algoperf.text import counted
from algoperf.trial.evaluation import Evaluator
from algoperf.workload.definition import WorkloadDefinition
from algoperf.workload.registry import find_workload

SPLITS = ("train/", "validation/", "test/")


def find_checkpoints(root: Path, workload: str | None = None, step: int | None = None) -> list[Path]:
    """All complete checkpoints of a workload's runs below `root`, or of all workloads. UserError if there are none.

    If `step` is given, only those of this step. Trials that were moved aside are skipped: their folder names begin
    with a dot.
    """
    found = sorted(
        path.parent
        for path in root.rglob("checkpoint_*/manifest.json")
        if not any(part.startswith(".") for part in path.relative_to(root).parts)
    )
    found = [path for path in found if step is None or path.name == f"checkpoint_{step}"]
    matching = [path for path in found if workload in (None, _workload_of(path))]
    if not matching and step is not None:
        raise UserError(f"There is no checkpoint of step {step} below {root}.{did_you_mean_path(root)}")
    if not matching:
        others = f"{len(found)} of other workloads" if found else "none at all"
        of = "" if workload is None else f" of {workload}"
        hint = did_you_mean_path(root)
        raise UserError(f"There is no checkpoint{of} below {root} ({others}).{hint} Train first, with checkpoints.")
    return matching


def _workload_of(path: Path) -> str:
    """The workload of a checkpoint, by its manifest; by the name of its folder if that cannot be read."""
    try:
        return str(checkpoint.read_manifest(path)["fingerprint"]["workload"])
    except (AlgoperfError, KeyError, TypeError):
        return path.parents[1].name.rpartition("_")[0]


@dataclass(frozen=True)
class Failure:
    """A checkpoint that could not be evaluated: which, and why."""

    path: Path
    error: AlgoperfError

    def record(self) -> dict[str, Any]:
        """What evaluation.json says about it."""
        return {"checkpoint": self.path.name, "error": str(self.error)}

    @property
    def is_lasting(self) -> bool:
        """Whether the checkpoint is at fault, rather than the data or packages of this machine."""
        return not isinstance(self.error, DataError | UserError)


def try_checkpoint(
    path: Path,
    definition: WorkloadDefinition | None,
    data_root: Path,
    tolerance: float,
    model: SubmittedModel | None = None,
) -> dict[str, Any] | Failure:
    """`evaluate_checkpoint`, but whatever goes wrong is returned: one bad run must not keep others from evaluation."""
    try:
        known = find_workload(_workload_of(path)) if definition is None else definition
        return evaluate_checkpoint(path, known, data_root, tolerance, model)
    except AlgoperfError as error:
        return Failure(path, error)
    except Exception as error:  # a stranger's checkpoint may hold anything
        return Failure(path, AlgoperfError(f"{path} cannot be evaluated: {type(error).__name__}: {error}"))


def verdict(results: Iterable[dict[str, Any] | Failure]) -> str:
    """All results in a sentence."""
    results = list(results)
    compared = [one for one in results if isinstance(one, dict) and (one["recorded"] or one["mismatches"])]
    agree = sum(not one["mismatches"] for one in compared)
    failed = sum(isinstance(one, Failure) for one in results)
    counts = (
        (len(compared) - agree, "differ"),
        (len(results) - len(compared) - failed, "have no record to compare with"),
        (failed, "could not be evaluated"),
    )
    others = "".join(f", {number} {what}" for number, what in counts if number)
    return f"{agree} of {counted(len(results), 'checkpoint agrees', 'checkpoints agree')} with the records{others}."


def raise_worst(results: Iterable[dict[str, Any] | Failure]) -> None:
    """Raise EvaluationMismatch if any metrics differ, else the error of a checkpoint that could not be evaluated."""
    results = list(results)
    mismatches = [f"{one['path']}: {name}" for one in results if isinstance(one, dict) for name in one["mismatches"]]
    failures = [one for one in results if isinstance(one, Failure)]
    told = "\n  ".join([*mismatches, *(str(one.error) for one in failures)])
    if mismatches:
        raise EvaluationMismatch(f"Recomputed and recorded metrics differ:\n  {told}")
    if failures:
        codes = {one.error.exit_code for one in failures}
        kind = type(failures[0].error) if len(codes) == 1 else AlgoperfError
        raise kind(f"{counted(len(failures), 'checkpoint')} could not be evaluated:\n  {told}")


def evaluate_checkpoint(
    path: Path,
    definition: WorkloadDefinition,
    data_root: Path,
    tolerance: float,
    model: SubmittedModel | None = None,
) -> dict[str, Any]:
    """Compute the metrics of one checkpoint, and compare them with the recorded ones.

    If the checkpoint is of a submitted model, `model` is that, and its flaws (`reevaluate.blindness`) are mismatches.

    Returns a record with `recomputed`, `recorded` (None if that step has no row), `differences` (absolute), `seconds`
    that the evaluation took, the checkpoint's hash (`sha256`), and `mismatches`: names of metrics that differ by more
    than `tolerance`, relative to the larger value. A checkpoint that is not the one whose hash the parent of the trial
    took when the target was reached is not evaluated: its `mismatches` say that.
    """
    found_hash = checkpoint.content_hash(path)
    if _is_swapped(path, found_hash):
        return _record_of_swapped(path, found_hash)
    run = checkpoint.read_manifest(path)
    fingerprint, global_step = run["fingerprint"], run["global_step"]
    recomputed, seconds, flaws_found = _recompute(path, definition, data_root, global_step, model)
    recorded = _recorded(path.parent, global_step)
    evaluated = any(step == global_step for step, _ in run["trial"]["state"]["eval_results"])
    differences = {name: abs(recomputed[name] - value) for name, value in (recorded or {}).items()}
    mismatches = [
        name
        for name, value in (recorded or {}).items()
        if not math.isclose(value, recomputed[name], rel_tol=tolerance, abs_tol=1e-12)
        and not (math.isnan(value) and math.isnan(recomputed[name]))
    ]
    if recorded is None and evaluated:
        mismatches.append(f"{EVAL_FILE} lacks the row of this step")
    mismatches += flaws_found
    return {
        "checkpoint": path.name,
        "global_step": global_step,
        "workload": fingerprint["workload"],
        "framework": fingerprint["framework"],
        "recomputed": recomputed,
        "recorded": recorded,
        "differences": differences,
        "tolerance": tolerance,
        "mismatches": mismatches,
        "seconds": seconds,
        "sha256": found_hash,
    }


def _is_swapped(path: Path, found_hash: str | None) -> bool:
    """Whether the parent of the trial took another hash of this checkpoint."""
    snapshot = (read_object(path.parent / REFEREE_FILE) or {}).get("snapshot")
    return (
        isinstance(snapshot, dict) and snapshot.get("checkpoint") == path.name and snapshot.get("sha256") != found_hash
    )


def _record_of_swapped(path: Path, found_hash: str | None) -> dict[str, Any]:
    step = int(path.name.rpartition("_")[2])
    return {
        "checkpoint": path.name,
        "global_step": step,
        "recomputed": {},
        "recorded": _recorded(path.parent, step),
        "mismatches": [SWAPPED],
        "sha256": found_hash,
    }


def _recompute(
    path: Path, definition: WorkloadDefinition, data_root: Path, global_step: int, given: SubmittedModel | None
) -> tuple[dict[str, float], float, list[str]]:
    """The metrics, the seconds that they took, and what a submitted model does in its evaluation that it must not."""
    fingerprint = checkpoint.read_manifest(path)["fingerprint"]
    model = model_needed(path, fingerprint, given)
    if model is None:
        restored = restore_model(path, definition, data_root)
        evaluator = Evaluator(restored.workload, restored.data, restored.backend)
        key = restored.keys.of_step(global_step - 1)[-1]
        return *_timed(evaluator, restored.params, restored.model_state, key, global_step), []
    backend = load_backend(fingerprint["framework"])
    workload = bind(fingerprint, definition, backend)
    data = open_data(path, fingerprint, definition.with_model(model), data_root, backend)
    hidden = [root / data.definition.dataset.name for root in (data_root, data_root / "raw")]
    with ModelProcess(path, str(definition.folder), model, [folder for folder in hidden if folder.is_dir()]) as process:
        evaluator = Evaluator(WorkloadApart(workload, process), data, backend)
        metrics, seconds = _timed(
            evaluator, None, None, trial_keys(fingerprint).of_step(global_step - 1)[-1], global_step
        )
        return metrics, seconds, flaws(process.outputs, data, workload.eval_batch_size)


def _timed(evaluator: Evaluator, params: Any, model_state: Any, key: Any, step: int) -> tuple[dict[str, float], float]:
    """The metrics of a model, and how many seconds it took to compute them."""
    begin = time.monotonic()
    metrics = evaluator.metrics(params, model_state, key, step)
    return metrics, time.monotonic() - begin


def _recorded(trial: Path, global_step: int) -> dict[str, float] | None:
    rows = [row for row in CsvFile.read(trial / EVAL_FILE) if row.get("global_step") == str(global_step)]
    if not rows:
        return None
    return {name: float(value) for name, value in rows[-1].items() if name.startswith(SPLITS) and value}
