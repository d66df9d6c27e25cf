"""A workload of one framework with its data, as a trial has them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from algoperf.data.batches.queue import InputQueue
from algoperf.data.contracts import Batch, Split
from algoperf.frameworks import load_backend
from algoperf.frameworks.backend import Backend
from algoperf.trial.data import TrialData
from algoperf.trial.evaluation import Evaluator
from algoperf.versions import Limits, load_version
from algoperf.versions.version import with_cube_limits
from algoperf.workload.bound import BoundWorkload
from algoperf.workload.definition import Framework, WorkloadDefinition
from algoperf.workload.registry import find_workload
from places import PROBE_CUBES

# Settings of models where tests do not need those of scale mini: the same layers in less time, and no masks of speech,
# which are random in training whatever the dropout rate.
SMALL_MODELS: dict[str, dict[str, Any]] = {
    "fastmri": {"num_channels": 2, "num_pool_layers": 1},
    "finewebedu_lm": {"width": 16, "depth": 1, "mlp_dim": 32, "num_heads": 2},
    "librispeech_conformer": {"use_specaug": False, "encoder_dim": 16, "num_encoder_layers": 1},
    "librispeech_deepspeech": {"use_specaug": False, "encoder_dim": 16, "num_lstm_layers": 1},
    "wmt": {"width": 16, "num_heads": 2, "num_layers": 1, "mlp_width": 16},
}


def find(name: str, scale: str) -> WorkloadDefinition:
    """A workload at a scale, by name; the probe workloads of the tests lie outside the repository's cubes."""
    probe = PROBE_CUBES / name
    return find_workload(str(probe) if probe.is_dir() else name).at(scale)


def limits_of(definition: WorkloadDefinition) -> Limits:
    """The limits of the default version, or of a cube's own file."""
    return with_cube_limits(load_version(), definition.folder).limits(definition.name, definition.scale)


def bind(name: str, scale: str, framework: Framework, **model: Any) -> BoundWorkload:
    """The workload alone; `model` are settings of the model that differ."""
    definition = find(name, scale).with_fields({"model": model})
    return load_backend(framework).bind(definition, limits_of(definition))


@dataclass(frozen=True)
class WithData:
    """A bound workload, and the data that a trial with some seed would train on and evaluate."""

    workload: BoundWorkload
    backend: Backend
    data: TrialData

    @classmethod
    def open(cls, name: str, scale: str, framework: Framework, data_dir: Path, seed: int = 0, **model: Any) -> WithData:
        backend = load_backend(framework)
        workload = bind(name, scale, framework, **model)
        return cls(workload, backend, TrialData.open(workload.definition, data_dir, backend.shard, seed))

    def queue(self, batch_size: int) -> InputQueue:
        return self.data.input_queue(batch_size, self.workload.place_training)

    def first_evaluated(self, split: Split, batch_size: int) -> Batch:
        """The first batch of an evaluation, on the device."""
        return self.workload.place(next(iter(self.data.evaluation(split, batch_size, 0))))

    def evaluate(
        self, params: Any, model_state: Any, key: Any, global_step: int, batch_size: int | None = None
    ) -> dict[str, float]:
        evaluator = Evaluator(self.workload, self.data, self.backend, batch_size)
        return evaluator.metrics(params, model_state, key, global_step)
