"""Restores the model of a checkpoint, and opens the data that its trial was evaluated on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from algoperf import checkpoint, seeds
from algoperf.data.contracts import Batch, dataset_dir
from algoperf.errors import CheckpointMismatch, DataError, UserError
from algoperf.frameworks import load_backend
from algoperf.frameworks.backend import Backend
from algoperf.spec import ForwardPassMode
from algoperf.submission.model import SubmittedModel
from algoperf.trial.data import TrialData
from algoperf.trial.settings import MODEL_FILE
from algoperf.versions import Scale, load_version
from algoperf.versions.version import with_cube_limits
from algoperf.workload.bound import BoundWorkload
from algoperf.workload.definition import WorkloadDefinition

Fingerprint = Mapping[str, Any]


@dataclass(frozen=True)
class RestoredModel:
    """The model of a checkpoint, and what its trial trained it on."""

    workload: BoundWorkload
    backend: Backend
    data: TrialData
    keys: seeds.TrialKeys
    params: Any
    model_state: Any


def restore_model(path: Path, definition: WorkloadDefinition, data_root: Path) -> RestoredModel:
    """The model of a checkpoint; `definition` is that of its workload, at any scale.

    Raises DataError if the data differs from that of the trial, CheckpointMismatch if the checkpoint is damaged,
    UserError if the model is a submission's, whose code this process must not run.
    """
    fingerprint = checkpoint.read_manifest(path)["fingerprint"]
    model_needed(path, fingerprint, None)
    backend = load_backend(fingerprint["framework"])
    workload = bind(fingerprint, definition, backend)
    data = open_data(path, fingerprint, definition, data_root, backend)
    keys = trial_keys(fingerprint)
    return RestoredModel(workload, backend, data, keys, *restore_parameters(path, workload, backend, keys))


def model_needed(path: Path, fingerprint: Fingerprint, given: SubmittedModel | None) -> SubmittedModel | None:
    """The submitted model that a checkpoint is of; None for a published model.

    Raises UserError if it is of another model than the given one, CheckpointMismatch if it is of another version of it.
    """
    recorded = {key: digest for key, digest in fingerprint.items() if key.startswith(MODEL_FILE)}
    if not recorded:
        return None
    name = fingerprint["submission"]
    if given is None or given.name != name:
        also = "" if given is None else f", not of {given.name}"
        raise UserError(
            f"{path} is of the submitted model {name}{also}: without its code it cannot be rebuilt. Give the folder of "
            "the code, once you have read it: --model FOLDER. It runs in a process that has no labels and no network."
        )
    found = {f"{MODEL_FILE}{file}": digest for file, digest in given.code_hashes(fingerprint["framework"]).items()}
    differing = sorted(key for key in recorded.keys() | found.keys() if recorded.get(key) != found.get(key))
    if differing:
        raise CheckpointMismatch(
            f"{path} was trained with other code than that in {given.folder}: {', '.join(differing)}. "
            "Give the folder as it was."
        )
    return given


def trial_keys(fingerprint: Fingerprint) -> seeds.TrialKeys:
    """The keys of all randomness of a trial."""
    return seeds.TrialKeys(_trial_seed(fingerprint))


def _trial_seed(fingerprint: Fingerprint) -> int:
    return seeds.derive(
        *(fingerprint[part] for part in ("version", "submission", "workload", "study", "trial", "seed"))
    )


def bind(fingerprint: Fingerprint, definition: WorkloadDefinition, backend: Backend) -> BoundWorkload:
    """The workload at the scale and with the limits of a trial."""
    definition = definition.at(cast(Scale, fingerprint["scale"]))
    version = with_cube_limits(load_version(fingerprint["version"]), definition.folder)
    return backend.bind(definition, version.limits(definition.name, definition.scale))


def open_data(
    path: Path, fingerprint: Fingerprint, definition: WorkloadDefinition, data_root: Path, backend: Backend
) -> TrialData:
    """The data of a trial. Raises DataError if it is not the data that the checkpoint at `path` was trained on."""
    definition = definition.at(cast(Scale, fingerprint["scale"]))
    data_dir = dataset_dir(data_root, definition.dataset, definition.scale)
    data = TrialData.open(definition, data_dir, backend.shard, _trial_seed(fingerprint))
    if data.dataset.hash != fingerprint["dataset"]:
        raise DataError(
            f"{path} was trained on data with hash {fingerprint['dataset']}, but {data_dir} has {data.dataset.hash}."
        )
    return data


def restore_parameters(path: Path, workload: BoundWorkload, backend: Backend, keys: seeds.TrialKeys) -> tuple[Any, Any]:
    """Parameters and model state of a checkpoint."""
    params, model_state = workload.init_model_fn(keys.model_init)
    template = backend.outline({"params": params, "model_state": model_state})
    del params, model_state
    model = checkpoint.restore_model(path, template, backend.codecs)
    return model["params"], model["model_state"]


def outputs_of(model: RestoredModel, batch: Batch) -> np.ndarray:
    """What a model makes of a batch on the host, in evaluation mode."""
    logits, _ = model.workload.model_fn(
        model.params, model.workload.place(batch), model.model_state, ForwardPassMode.EVAL, None, False
    )
    return model.workload.fetch({"logits": logits})["logits"]
