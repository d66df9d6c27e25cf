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
from algoperf.trial.state import Snapshot


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
    content = checkpoint.State(
        params=backend.bare_model(training.params),
        model_state=training.model_state,
        process={"optimizer_state": training.optimizer_state, "random": _random_state(backend)},
        trial={
            "state": asdict(snapshot.state),
            "times": asdict(snapshot.times),
            "queue_position": snapshot.queue.position,
        },
    )
    checkpoint.save(directory, snapshot.state.global_step, content, fingerprint, backend, keep)


def restore(path: Path, snapshot: Snapshot, fingerprint: Mapping[str, Any], backend: Backend) -> None:
    """Load the state of a checkpoint into a newly set up trial.

    Raises CheckpointMismatch if other code or settings wrote it.
    """
    manifest = checkpoint.read_manifest(path)
    checkpoint.check_fingerprint(path, manifest["fingerprint"], fingerprint)
    training, trial = snapshot.training, manifest["trial"]
    bare = backend.bare_model(training.params)
    process = {"optimizer_state": training.optimizer_state, "random": _random_state(backend)}
    state = checkpoint.State(bare, training.model_state, process, {})
    checkpoint.restore(path, state, backend)
    if bare is training.params:  # a wrapped module was filled in place
        training.params = state.params
    training.model_state = state.model_state
    training.optimizer_state = state.process["optimizer_state"]
    _set_random_state(state.process["random"], backend)
    snapshot.queue.position = trial["queue_position"]
    vars(snapshot.times).update(trial["times"])
    vars(snapshot.state).update(trial["state"])
    snapshot.state.eval_results = [(step, metrics) for step, metrics in trial["state"]["eval_results"]]


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
