"""Re-evaluates checkpoints, without loading any code of the submission, and compares with the records."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, cast

from algoperf import checkpoint, seeds
from algoperf.data.contracts import dataset_dir
from algoperf.errors import DataError, UserError
from algoperf.frameworks import load_backend
from algoperf.records.csv_file import CsvFile
from algoperf.records.layout import EVAL_FILE
from algoperf.trial.data import TrialData
from algoperf.trial.evaluation import Evaluator
from algoperf.versions import Scale, load_version
from algoperf.versions.version import with_cube_limits
from algoperf.workload.definition import WorkloadDefinition

SPLITS = ("train/", "validation/", "test/")


def find_checkpoints(root: Path, workload: str) -> list[Path]:
    """All complete checkpoints of a workload's runs below `root`. UserError if there are none.

    Trials that were moved aside are skipped: their folder names begin with a dot.
    """
    found = sorted(
        path.parent
        for path in root.rglob("checkpoint_*/manifest.json")
        if not any(part.startswith(".") for part in path.relative_to(root).parts)
    )
    matching = [path for path in found if checkpoint.read_manifest(path)["fingerprint"]["workload"] == workload]
    if not matching:
        others = f"{len(found)} of other workloads" if found else "none at all"
        raise UserError(f"There is no checkpoint of {workload} below {root} ({others}). Train first, with checkpoints.")
    return matching


def evaluate_checkpoint(
    path: Path, definition: WorkloadDefinition, data_root: Path, tolerance: float
) -> dict[str, Any]:
    """Compute the metrics of one checkpoint, and compare them with the recorded ones.

    Returns a record with `recomputed`, `recorded` (None if that step has no row), `differences` (absolute) and
    `mismatches`: names of metrics that differ by more than `tolerance`, relative to the larger value.
    """
    run = checkpoint.read_manifest(path)
    fingerprint, global_step = run["fingerprint"], run["global_step"]
    recomputed = _recompute(path, definition.at(cast(Scale, fingerprint["scale"])), data_root, fingerprint, global_step)
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
    }


def _recompute(
    path: Path, definition: WorkloadDefinition, data_root: Path, fingerprint: dict[str, Any], global_step: int
) -> dict[str, float]:
    version = with_cube_limits(load_version(fingerprint["version"]), definition.folder)
    backend = load_backend(fingerprint["framework"])
    trial_seed = seeds.derive(
        *(fingerprint[part] for part in ("version", "submission", "workload", "study", "trial", "seed"))
    )
    workload = backend.bind(definition, version.limits(definition.name, definition.scale))
    data_dir = dataset_dir(data_root, definition.dataset, definition.scale)
    data = TrialData.open(definition, data_dir, backend.shard, trial_seed)
    found_hash = data.dataset.hash
    if found_hash != fingerprint["dataset"]:
        raise DataError(
            f"{path} was trained on data with hash {fingerprint['dataset']}, but {data_dir} has {found_hash}."
        )
    keys = seeds.TrialKeys(trial_seed)
    params, model_state = workload.init_model_fn(keys.model_init)
    model = checkpoint.restore_model(path, {"params": params, "model_state": model_state}, backend.codecs)
    eval_key = keys.of_step(global_step - 1)[-1]
    return Evaluator(workload, data, backend).metrics(model["params"], model["model_state"], eval_key, global_step)


def _recorded(trial: Path, global_step: int) -> dict[str, float] | None:
    rows = [row for row in CsvFile.read(trial / EVAL_FILE) if row.get("global_step") == str(global_step)]
    if not rows:
        return None
    return {name: float(value) for name, value in rows[-1].items() if name.startswith(SPLITS) and value}
