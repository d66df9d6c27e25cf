"""The model of a trial in a process without the submission: built from the trial's settings, filled from a snapshot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from algoperf import checkpoint, seeds
from algoperf.frameworks import load_backend
from algoperf.trial.data import TrialData
from algoperf.trial.evaluation import Evaluator
from algoperf.versions import load_version
from algoperf.versions.version import with_cube_limits
from algoperf.workload.definition import WorkloadDefinition


class CleanModel:
    """Evaluates snapshots of the model of one trial."""

    def __init__(
        self, definition: WorkloadDefinition, framework: str, version_name: str, trial_seed: int, data_dir: Path
    ) -> None:
        """`definition` is at the trial's scale."""
        version = with_cube_limits(load_version(version_name), definition.folder)
        self._backend = load_backend(framework)
        workload = self._backend.bind(definition, version.limits(definition.name, definition.scale))
        data = TrialData.open(definition, data_dir, self._backend.shard, trial_seed)
        self._evaluator = Evaluator(workload, data, self._backend)
        self._keys = seeds.TrialKeys(trial_seed)
        params, model_state = workload.init_model_fn(self._keys.model_init)
        self._template: Any = self._backend.outline({"params": params, "model_state": model_state})

    def metrics(self, path: Path, global_step: int) -> dict[str, float]:
        """What the evaluation of the trial at this step finds. AlgoperfError if the snapshot is damaged."""
        model = checkpoint.restore_model(path, self._template, self._backend.codecs)
        key = self._keys.of_step(global_step - 1)[-1]
        found = self._evaluator.metrics(model["params"], model["model_state"], key, global_step)
        del model
        self._backend.release_memory()  # the trial needs it when it goes on
        return found
