"""What both framework bindings share: a `spec.Workload` made from a definition and a version's limits."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from algoperf import seeds, spec
from algoperf.data.batches.queue import InputQueue
from algoperf.data.contracts import Batch, OpenDataset, Shard, Split
from algoperf.errors import AlgoperfError, DataError
from algoperf.integrity.audit import refuse_submission
from algoperf.versions import Limits
from algoperf.workload.definition import Framework, WorkloadDefinition


class BoundWorkload(spec.Workload):
    """A workload definition bound to a framework. The bindings add model, loss and placement."""

    framework: Framework
    num_devices: int  # evaluation batches are padded to a multiple of it

    def __init__(self, definition: WorkloadDefinition, limits: Limits, seed: int, shard: Shard) -> None:
        super().__init__()
        self.definition = definition
        self.limits = limits
        self._seed = seed
        self._shard = shard
        self._datasets: dict[str, OpenDataset] = {}
        vars(self).update(definition.properties)

    # --- what the framework adds ------------------------------------------------------------------------

    @abc.abstractmethod
    def place(self, batch: Batch) -> Batch:
        """A numpy batch as the framework's arrays on this process's devices."""

    @abc.abstractmethod
    def place_training(self, batch: Batch) -> Batch:
        """The same for a training batch, as submissions get it."""

    @abc.abstractmethod
    def evaluation_step(
        self, params: spec.ParameterContainer, model_state: spec.ModelAuxiliaryState, rng: spec.RandomState
    ) -> Callable[[Batch], Mapping[str, Any]]:
        """The device function of the workload's evaluation, for placed batches."""

    @abc.abstractmethod
    def gather(self, value: Any) -> list[Any]:
        """The values of all processes, in every process."""

    # --- data ---------------------------------------------------------------------------------------------

    def dataset(self, data_dir: str) -> OpenDataset:
        """The dataset in `data_dir`, after checking that it is the one the definition speaks of.

        All ways to examples lead through here, and none is for submissions: they are given an input queue.
        """
        refuse_submission("the data behind the input queue")
        if data_dir not in self._datasets:
            self._datasets[data_dir] = self._open_dataset(data_dir)
        return self._datasets[data_dir]

    def _open_dataset(self, data_dir: str) -> OpenDataset:
        opened = self.definition.dataset.open(Path(data_dir))
        for split in ("train", "validation", "test"):
            expected = self.definition.num_examples(split)
            found = opened.num_examples(split) if expected is not None else None
            if found != expected:
                raise DataError(
                    f"{data_dir} holds {found} examples in split {split}, but {self.definition.name} at scale "
                    f"{self.definition.scale} has {expected}. Is this the data of another scale?"
                )
        return opened

    def input_queue(self, data_dir: str, global_batch_size: int, position: int = 0) -> InputQueue:
        """Training batches from `position` on, in the order that the trial's seed decides."""
        batches = self.dataset(data_dir).training(
            seed=seeds.derive(self._seed, "order"), batch_size=global_batch_size, shard=self._shard
        )
        return InputQueue(batches, self.place_training, position)

    def evaluation_batches(self, data_dir: str, split: Split, batch_size: int, global_step: int) -> Iterable[Batch]:
        """Numpy batches of one evaluation; `eval_train` is another sample at every step."""
        num_examples = self.definition.num_examples(split)
        assert num_examples is not None
        padded_batch_size = -(-batch_size // self.num_devices) * self.num_devices
        return self.dataset(data_dir).evaluation(
            split,
            num_examples=num_examples,
            batch_size=padded_batch_size,
            shard=self._shard,
            seed=seeds.derive(self._seed, "eval_train", global_step),
        )

    def _build_input_queue(
        self,
        data_rng: spec.RandomState,
        split: str,
        data_dir: str,
        global_batch_size: int,
        cache: bool | None = None,
        repeat_final_dataset: bool | None = None,
        num_batches: int | None = None,
    ) -> Iterator[dict[str, Any]]:
        del data_rng, cache  # the order comes from the trial's seed, and stores need no cache
        if split == "train":
            return self.input_queue(data_dir, global_batch_size)
        return self._evaluation_queue(split, data_dir, global_batch_size, repeat_final_dataset, num_batches)  # type: ignore[arg-type]

    def _evaluation_queue(
        self, split: Split, data_dir: str, batch_size: int, repeat: bool | None, num_batches: int | None
    ) -> Iterator[Batch]:
        yielded = 0
        while True:
            for batch in self.evaluation_batches(data_dir, split, batch_size, global_step=0):
                if yielded == num_batches:
                    return
                yield self.place(batch)
                yielded += 1
            if not repeat:
                return

    # --- evaluation ---------------------------------------------------------------------------------------

    def _eval_model_on_split(
        self,
        split: str,
        num_examples: int,
        global_batch_size: int,
        params: spec.ParameterContainer,
        model_state: spec.ModelAuxiliaryState,
        rng: spec.RandomState,
        data_dir: str,
        global_step: int = 0,
    ) -> dict[str, float]:
        step = self.evaluation_step(params, model_state, rng)
        accumulator = self.definition.evaluation.accumulator()
        counted = 0
        for batch in self.evaluation_batches(data_dir, split, global_batch_size, global_step):  # type: ignore[arg-type]
            outputs = step(self.place(batch))
            accumulator.add({name: np.asarray(value) for name, value in outputs.items()}, batch)
            counted += int(batch["real" if "real" in batch else "weights"].sum())
        (accumulator, counted), *others = self.gather((accumulator, counted))
        for other, other_counted in others:
            accumulator.merge(other)
            counted += other_counted
        if counted != num_examples:
            raise AlgoperfError(f"The {split} split was evaluated on {counted} examples instead of {num_examples}.")
        return accumulator.result(num_examples)

    # --- what the definition and the limits say -----------------------------------------------------------

    @property
    def target_metric_name(self) -> str:
        return self.limits.metric

    @property
    def validation_target_value(self) -> float:
        return self.limits.validation_target

    @property
    def test_target_value(self) -> float | None:
        return self.limits.test_target

    def has_reached_validation_target(self, eval_result: Mapping[str, float]) -> bool:
        return self.limits.reached(eval_result[f"validation/{self.limits.metric}"])

    def has_reached_test_target(self, eval_result: Mapping[str, float]) -> bool:
        if self.num_test_examples is None:
            return True
        return self.limits.test_reached(eval_result[f"test/{self.limits.metric}"])

    @property
    def max_allowed_runtime_sec(self) -> float:
        return self.limits.max_runtime_sec

    @property
    def eval_period_time_sec(self) -> float:
        return self.limits.eval_period_sec

    @property
    def step_hint(self) -> int:
        return self.limits.step_hint

    @property
    def loss_type(self) -> spec.LossType:
        return self.definition.loss_type

    @property
    def num_train_examples(self) -> int:
        return self.definition.num_train_examples

    @property
    def num_eval_train_examples(self) -> int:
        return self.definition.num_eval_train_examples

    @property
    def num_validation_examples(self) -> int:
        return self.definition.num_validation_examples

    @property
    def num_test_examples(self) -> int | None:
        return self.definition.num_test_examples

    @property
    def eval_batch_size(self) -> int:
        return self.definition.eval_batch_size

    @property
    def train_mean(self) -> Any:
        return self._input_stats[0]

    @property
    def train_stddev(self) -> Any:
        return self._input_stats[1]

    @property
    def _input_stats(self) -> tuple[Any, Any]:
        if self.definition.input_stats is None:
            raise AttributeError(f"The inputs of {self.definition.name} are not normalised.")
        return self.definition.input_stats

    def is_output_params(self, param_key: spec.ParameterKey) -> bool:
        return param_key in self.definition.output_params[self.framework]
