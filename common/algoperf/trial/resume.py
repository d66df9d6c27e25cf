"""Saves the state of a trial in a checkpoint, and restores it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from algoperf import checkpoint, seeds
from algoperf.frameworks.backend import Backend
from algoperf.trial.state import Snapshot, Training


def seed_global_generators(trial_seed: int, rank: int) -> None:
    """Seed Python's and NumPy's global generators, so that submissions that draw from them are reproducible."""
    random.seed(seeds.derive(trial_seed, "python", rank))
    np.random.seed(seeds.derive(trial_seed, "numpy", rank))


def save(
    directory: Path,
    snapshot: Snapshot,
    fingerprint: Mapping[str, Any],
    backend: Backend,
    keep: checkpoint.Keep,
) -> None:
    """Write a checkpoint. All processes must call this together."""
    training = snapshot.training
    backend.synchronise_model(training.params, training.model_state)
    trial = {
        "state": asdict(snapshot.state),
        "times": asdict(snapshot.times),
        "queue_position": snapshot.queue.position,
    }
    notes = {"fingerprint": fingerprint, "trial": trial}
    step = snapshot.state.global_step
    reached = snapshot.state.target_reached_at  # this checkpoint proves the time to target
    checkpoint.save(
        directory,
        step,
        _model(training, backend),
        _process(training, backend),
        notes,
        backend,
        keep,
        spare=None if reached is None else int(reached["global_step"]),
    )


def restore(path: Path, snapshot: Snapshot, fingerprint: Mapping[str, Any], backend: Backend) -> None:
    """Load the state of a checkpoint into a newly set up trial.

    What the snapshot has is given up before, so that a state takes its memory only once. Raises CheckpointMismatch if
    other code or settings wrote the checkpoint.
    """
    manifest = checkpoint.read_manifest(path)
    checkpoint.check_fingerprint(path, manifest["fingerprint"], fingerprint)
    training, trial = snapshot.training, manifest["trial"]
    model, process = backend.outline(_model(training, backend)), backend.outline(_process(training, backend))
    is_wrapped = backend.bare_model(training.params) is not training.params
    wrapper = training.params if is_wrapped else None
    training.params = training.model_state = training.optimizer_state = None
    model, process = checkpoint.restore(path, model, process, backend)
    training.params = wrapper if is_wrapped else model["params"]  # a wrapped module was filled in place
    training.model_state = model["model_state"]
    training.optimizer_state = process["optimizer_state"]
    _set_random_state(process["random"], backend)
    snapshot.queue.position = trial["queue_position"]
    vars(snapshot.times).update(trial["times"])
    vars(snapshot.state).update(trial["state"])
    snapshot.state.eval_results = [(step, metrics) for step, metrics in trial["state"]["eval_results"]]


def _model(training: Training, backend: Backend) -> dict[str, Any]:
    return {"params": backend.bare_model(training.params), "model_state": training.model_state}


def _process(training: Training, backend: Backend) -> dict[str, Any]:
    return {"optimizer_state": training.optimizer_state, "random": _random_state(backend)}


def _random_state(backend: Backend) -> dict[str, Any]:
    return {
        "python": list(random.getstate()),
        "numpy": list(np.random.get_state()),
        "framework": backend.random_state(),
    }


def _set_random_state(state: dict[str, Any], backend: Backend) -> None:
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    np.random.set_state(tuple(state["numpy"]))
    backend.set_random_state(state["framework"])
