"""A workload, a framework and a clock that follow a script, to test the rules of the timed loop.

The rest is real: loop, records, settings, submission calls. Time only passes where a script lets it pass.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from algoperf import random_utils, spec
from algoperf.checkpoint.tree import NumpyCodec
from algoperf.data.contracts import Shard, TrainingBatches
from algoperf.metrics.base import Evaluation
from algoperf.records.status import Status
from algoperf.submission.loading import Submission
from algoperf.trial.clock import Clock
from algoperf.trial.log import TrialLog
from algoperf.trial.loop import Trial
from algoperf.trial.progress import Progress, SilentDisplay
from algoperf.trial.settings import TrialSettings
from algoperf.versions import Limits, Version, load_version
from algoperf.workload.bound import BoundWorkload
from algoperf.workload.definition import WorkloadDefinition
from algoperf.workload.registry import find_workload

NEVER = {"validation/accuracy": 0.0, "test/accuracy": 0.0}
VALIDATION_ONLY = {"validation/accuracy": 1.0, "test/accuracy": 0.0}
TEST_ONLY = {"validation/accuracy": 0.0, "test/accuracy": 1.0}
BOTH = {"validation/accuracy": 1.0, "test/accuracy": 1.0}


class Time:
    """A clock that only moves when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds


class Numbered(TrainingBatches):
    """Batches that only hold their number."""

    def batch(self, position: int) -> dict[str, int]:
        return {"position": position}


class ScriptedDataset:
    """Numbered training batches, and evaluations of one batch that says which split it is of."""

    name = hash = "scripted"
    input_stats = None
    num_classes = None

    def __init__(self, definition: WorkloadDefinition, batches: TrainingBatches) -> None:
        self._definition, self._batches = definition, batches

    def open(self, data_dir: Path) -> Any:
        return self

    def num_examples(self, split: str) -> int | None:
        return self._definition.num_examples(split)

    def warm(self) -> None:
        pass

    def training(self, **_: Any) -> TrainingBatches:
        return self._batches

    def evaluation(self, split: str, *, num_examples: int, **_: Any) -> list[Any]:
        return [{"split": split, "real": np.ones(num_examples, bool)}]


class ScriptedMetrics:
    """The entry of the script for the split that was evaluated."""

    def add(self, outputs: Any, batch: Any) -> None:
        part = {"eval_train": "train"}.get(batch["split"], batch["split"])
        self._found = {name.split("/")[1]: value for name, value in outputs.items() if name.startswith(f"{part}/")}

    def result(self, num_examples: int) -> dict[str, float]:
        return self._found


class ScriptedWorkload(BoundWorkload):
    """Evaluations take `eval_sec` and return, or raise, the entries of a script; its last entry repeats."""

    framework = "pytorch"

    def __init__(self, definition, limits, time: Time, script: list[Any], eval_sec: float) -> None:
        super().__init__(definition, limits)
        self._time, self._script, self._eval_sec = time, script, eval_sec
        self.evaluated_params: list[Any] = []

    def evaluation_step(self, params: Any, model_state: Any, rng: Any) -> Callable[[Any], Any]:
        self._time.pass_(self._eval_sec)
        self.evaluated_params.append(params)
        outcome = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if isinstance(outcome, Exception):
            raise outcome
        return lambda batch: outcome

    def _as_it_is(self, value: Any) -> Any:
        return value

    place = place_training = fetch = _as_it_is

    def init_model_fn(self, rng: Any) -> spec.ModelInitState:
        self._param_types, self._param_shapes = {}, {}
        return {"weight": 0}, None

    def _unused(self, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("not part of the loop")

    model_fn = loss_fn = _constant = _unused


class ScriptedBackend:
    """One process, one device, no framework."""

    name, rank, num_processes, num_devices, compile_note = "pytorch", 0, 1, 1, "nothing"
    shard = Shard()

    def __init__(self, workload: ScriptedWorkload) -> None:
        self.codecs = {"numpy": NumpyCodec()}
        self.released = 0
        self.waits = 0
        self._workload = workload

    def bind(self, *_: Any) -> ScriptedWorkload:
        return self._workload

    def compile(self, workload: Any, params: Any, policy: str) -> Any:
        return params

    bare_model = staticmethod(lambda params: params)
    compile_seconds = staticmethod(lambda: 0.0)
    agree = staticmethod(lambda *decisions: decisions)
    gather = staticmethod(lambda value: [value])
    synchronise_model = staticmethod(lambda params, model_state: None)
    random_state = staticmethod(lambda: None)
    model_form = staticmethod(lambda params, model_state: {})
    checksums = staticmethod(lambda params: {})
    set_random_state = staticmethod(lambda state: None)
    environment = staticmethod(lambda: {"versions": {}, "devices": []})
    is_out_of_memory = staticmethod(lambda error: isinstance(error, MemoryError))

    def wait(self, *trees: Any) -> None:
        self.waits += 1

    def peak_device_bytes(self) -> None:
        """There is no device."""

    def release_memory(self) -> None:
        self.released += 1


@dataclasses.dataclass
class Run:
    """A finished scripted trial."""

    status: Status
    trial: Trial
    workload: ScriptedWorkload
    backend: ScriptedBackend
    calls: list[str]

    @property
    def evaluated_at(self) -> list[int]:
        return [step for step, _ in self.trial.state.eval_results]

    def column(self, name: str) -> list[float]:
        return [metrics[name] for _, metrics in self.trial.state.eval_results]


def limits(**changes: Any) -> Limits:
    base = dict(metric="accuracy", goal="max", validation_target=0.9, test_target=0.9,
                max_runtime_sec=100.0, eval_period_sec=10.0, step_hint=100)  # fmt: skip
    return Limits(**{**base, **changes})


def run_scripted(
    directory: Path,
    script: list[Any],
    *,
    step_sec: float | Iterator[float] = 1.0,
    eval_sec: float = 5.0,
    update: Callable[..., Any] | None = None,
    prepare: Callable[..., Any] | None = None,
    limit_changes: dict[str, Any] | None = None,
    get_batch_size: Callable[[str], int] = lambda name: 8,
    batches: TrainingBatches | None = None,
    **settings: Any,
) -> Run:
    """Run a trial on the digits definition with scripted evaluations and steps of `step_sec` seconds."""
    random_utils.use_framework("pytorch")
    time, calls = Time(), []
    durations = step_sec if isinstance(step_sec, Iterator) else None

    def default_update(**kwargs: Any) -> Any:
        calls.append("update_params")
        time.pass_(next(durations) if durations else step_sec)
        return kwargs["optimizer_state"], kwargs["current_param_container"], kwargs["model_state"]

    def select(*args: Any) -> Any:
        calls.append("data_selection")
        return next(args[1])

    the_update = default_update
    if update is not None:

        def the_update(**kwargs: Any) -> Any:
            default_update(**kwargs)
            return update(time=time, **kwargs)

    the_prepare = None
    if prepare is not None:

        def the_prepare(**kwargs: Any) -> Any:
            calls.append("prepare_for_eval")
            return prepare(time=time, **kwargs)

    submission = Submission(
        file=Path(__file__), name="scripted", init_optimizer_state=lambda *args: {}, update_params=the_update,
        data_selection=select, prepare_for_eval=the_prepare, get_batch_size=get_batch_size, wants_train_state=True,
    )  # fmt: skip
    version = _version(limits(**(limit_changes or {})))
    digits = find_workload("digits")
    dataset = ScriptedDataset(digits, batches or Numbered())
    evaluation = Evaluation("scripted", lambda dataset: ScriptedMetrics())
    given = dict(
        definition=dataclasses.replace(digits, dataset=dataset, evaluation=evaluation),
        version=version, framework="pytorch", submission_file=Path(__file__), ruleset="external", study=1, trial=1,
        seed=0, hyperparameters={"x": 1}, data_dir=Path("nowhere"), output_dir=directory,
    )  # fmt: skip
    trial_settings = TrialSettings(**{**given, **settings})
    workload = ScriptedWorkload(trial_settings.definition, version.limits("digits"), time, list(script), eval_sec)
    backend = ScriptedBackend(workload)
    log = TrialLog(trial_settings)
    trial = Trial(trial_settings, submission, backend, log, Progress(trial_settings, SilentDisplay()), Clock(time))
    return Run(trial.run(), trial, workload, backend, calls)


def _version(digits: Limits) -> Version:
    version = load_version("v0.6")
    return dataclasses.replace(version, table={**version.table, "digits": {"full": digits}})
