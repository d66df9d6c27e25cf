"""One row of `gpu.py`, in a process of its own: a trial of the NAdamW baseline on generated data, and its resumption.

    gpu_row.py WORKLOAD FRAMEWORK SCALE FOLDER

What was measured so far stands in `FOLDER/row.json`, in case the process ends early.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import sys
import time
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

NUM_GPUS = 8  # batch sizes are those of so many; one is measured
WARM_UP = 3  # steps; the first compiles
SECONDS = {"full": 3.0, "mini": 0.5}  # that steps are timed
STEPS = (3, 100)  # so many are timed at least, and at most
EVALUATIONS = 3
READS_IMAGES = "simplejpeg"


class Failed(Exception):
    """What is measured here does not work, in one sentence."""


class Row:
    """The cells of the row. Every change is written to a file at once."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.cells: dict[str, Any] = {}

    def note(self, **cells: Any) -> None:
        """Add cells; underscores in their names stand for spaces, and `per` for a slash."""
        named = {name.replace("_per_", "/").replace("_", " "): value for name, value in cells.items()}
        self.cells.update(named)
        unfinished = self._file.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(self.cells))
        unfinished.replace(self._file)


def stand_in_for_readers() -> None:
    """Cubes of images import the decoder, which no generated image needs: do without it if it is not installed."""
    try:
        __import__(READS_IMAGES)
    except ImportError:
        sys.modules[READS_IMAGES] = types.ModuleType(READS_IMAGES)


class Stopwatch:
    """A submission that waits for the device and looks at the clock between some of its steps, and then ends training.

    Attributes:
      first_step: seconds of the first step.
      rate: steps per second after warm-up.
      memory: peak bytes on the device until then.
    """

    def __init__(self, submission: Any, wait: Callable[..., None], peak: Callable[[], int | None], scale: str) -> None:
        self.first_step = self.rate = 0.0
        self.memory: int | None = None
        self._submission, self._wait, self._peak, self._seconds = submission, wait, peak, SECONDS[scale]
        self._mark, self._last = 0.0, -1

    def data_selection(self, workload, queue, optimizer_state, params, model_state, hyperparameters, global_step, rng):
        """As the submission, and time the steps before this one."""
        if global_step <= WARM_UP + 1 or global_step == self._last:
            self._wait(params, model_state, optimizer_state)
            now = time.perf_counter()
            self._note(global_step, now - self._mark)
            self._mark = time.perf_counter()
        return self._submission.data_selection(
            workload, queue, optimizer_state, params, model_state, hyperparameters, global_step, rng
        )

    def _note(self, global_step: int, passed: float) -> None:
        if global_step == 1:
            self.first_step = passed
        elif global_step == WARM_UP + 1:
            self._last = global_step + min(max(int(self._seconds / passed), STEPS[0]), STEPS[1])
        elif global_step == self._last:
            self.rate = (self._last - WARM_UP - 1) / passed
            self.memory = self._peak()

    def update_params(self, **arguments: Any) -> Any:
        """As the submission, until enough steps are timed."""
        if arguments["global_step"] == self._last:
            from algoperf.spec import TrainingCompleteError

            raise TrainingCompleteError
        return self._submission.update_params(**arguments)


def peak_memory(framework: str) -> int | None:
    """The most bytes in use on the first device; None where it does not say, as on processors."""
    if framework == "jax":
        import jax

        return (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    import torch

    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None


def measure(workload: str, framework: str, scale: str, folder: Path, row: Row) -> None:
    """Fill the row."""
    import common

    from algoperf.frameworks import load_backend
    from algoperf.submission.loading import load_submission
    from algoperf.trial.loop import make_guard
    from algoperf.workload.registry import model_module

    row.note(stage="setting up")
    settings = common.endless(workload, framework, scale, folder / "runs")
    settings = dataclasses.replace(settings, data_dir=folder / "data", definition=smaller(settings.definition))
    backend = load_backend(framework)
    device = backend.environment()["devices"][0]
    row.note(device=device, versions=backend.environment()["versions"])
    if scale == "full" and device.startswith("cpu"):
        raise Failed(f"{framework} sees no GPU; on a processor, use --scale mini")
    model_module(settings.definition, framework)  # as in a real trial, before the guard is made
    guard = make_guard(settings)
    submission = load_submission(settings.submission_file)
    batch_size = max(1, submission.get_batch_size(workload) // NUM_GPUS)
    row.note(stage="training and evaluating", batch=batch_size, eval_batch=settings.definition.eval_batch_size)
    stopwatch = Stopwatch(submission, backend.wait, lambda: peak_memory(framework), scale)
    timed = dataclasses.replace(
        submission, get_batch_size=lambda name: batch_size, data_selection=stopwatch.data_selection,
        update_params=stopwatch.update_params,
    )  # fmt: skip
    trial = finished(settings, timed, backend, guard)
    row.note(steps_per_s=stopwatch.rate, first_step_s=stopwatch.first_step, memory_GiB=gib(stopwatch.memory))
    row.note(compile_s=backend.compile_seconds(), compiled=backend.compile_note, guard="no breach")
    row.note(stage="timing an evaluation")
    row.note(eval_ms=evaluation_seconds(trial) * 1e3, eval_memory_GiB=gib(peak_memory(framework)))
    row.note(stage="checkpoint")
    write_checkpoint(trial, folder / "checkpoint", backend, row)
    row.note(stage="resuming")
    resume_trial(trial, settings, timed, backend, folder / "checkpoint", row)


def smaller(definition: Any) -> Any:
    """The workload on generated data, with the evaluation batches of one device."""
    from generated import on_generated_data

    return on_generated_data(definition, max(1, definition.eval_batch_size // NUM_GPUS))


def gib(num_bytes: int | None) -> float | None:
    """Bytes in GiB."""
    return None if num_bytes is None else num_bytes / 2**30


def finished(settings: Any, submission: Any, backend: Any, guard: Any = None) -> Any:
    """The trial, after it was run to its end. Failed if it ended in another way than by the end of training.

    At the end, random labels may happen to reach a target, which ends a trial just as well.
    """
    from algoperf.records.status import Status, read_status
    from algoperf.trial.log import TrialLog
    from algoperf.trial.loop import Trial
    from algoperf.trial.progress import PlainDisplay, Progress

    with (settings.output_dir.parent / "progress").open("a") as stream:
        progress = Progress(settings, PlainDisplay(stream))
        trial = Trial(settings, submission, backend, TrialLog(settings), progress, guard=guard)
        end = trial.run()
    if end not in (Status.TRAINING_COMPLETE, Status.TARGET_REACHED):
        message = (read_status(settings.directory) or {}).get("message", "")
        print(message, file=sys.stderr)
        raise Failed(f"{end.label}: {last_line(message)}")
    return trial


def last_line(text: str) -> str:
    """The last line that says something."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def evaluation_seconds(trial: Any) -> float:
    """Median seconds of one evaluation batch, from the host's memory to the outputs on the host."""
    from algoperf.random_utils import PRNGKey

    workload, training = trial.workload, trial.training
    batch = trial.evaluator.data.evaluation("validation", workload.eval_batch_size, 0)[0]
    step = workload.evaluation_step(training.params, training.model_state, PRNGKey(0))
    seconds = []
    for _ in range(EVALUATIONS):
        begin = time.perf_counter()
        workload.fetch(step(workload.place(batch)))
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def write_checkpoint(trial: Any, folder: Path, backend: Any, row: Row) -> None:
    """Write a checkpoint of the trial's end, and note seconds and size."""
    from algoperf.trial import resume

    begin = time.perf_counter()
    resume.save(folder, snapshot_of(trial), trial.log.fingerprint, backend, "last")
    seconds = time.perf_counter() - begin
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    row.note(checkpoint_bytes=size, save_ms=seconds * 1e3)


def resume_trial(trial: Any, settings: Any, submission: Any, backend: Any, folder: Path, row: Row) -> None:
    """Run the same trial again, which resumes at its end, and compare; time a restoration of the other checkpoint."""
    from algoperf import checkpoint
    from algoperf.trial import resume

    resumed = finished(settings, submission, backend)
    if resumed.state.preemption_count != 1 or resumed.state.global_step != trial.state.global_step:
        raise Failed(f"the trial started anew, instead of resuming at step {trial.state.global_step}")
    compare(trial, resumed, backend)
    begin = time.perf_counter()
    resume.restore(checkpoint.checkpoints(folder)[-1], snapshot_of(resumed), resumed.log.fingerprint, backend)
    backend.wait(resumed.training.params, resumed.training.model_state, resumed.training.optimizer_state)
    row.note(restore_ms=(time.perf_counter() - begin) * 1e3)
    compare(trial, resumed, backend)
    row.note(resumed="equal")


def snapshot_of(trial: Any) -> Any:
    """What a checkpoint of a trial holds."""
    from algoperf.trial.state import Snapshot

    return Snapshot(trial.training, trial.state, trial.clock.times, trial.queue)


def compare(trial: Any, resumed: Any, backend: Any) -> None:
    """Failed unless model and optimizer state of both trials are equal, bit for bit."""
    expected, found = (arrays_of(each.training, backend) for each in (trial, resumed))
    if expected.keys() != found.keys():
        raise Failed(f"resumed state has other arrays: {', '.join(sorted(expected.keys() ^ found.keys())[:3])}")
    for name, array in expected.items():
        other = found[name]
        if (array.dtype, array.shape) != (other.dtype, other.shape) or array.tobytes() != other.tobytes():
            raise Failed(f"{name} differs after resuming")


def arrays_of(training: Any, backend: Any) -> dict[str, Any]:
    """All arrays of model and optimizer state, by path."""
    from algoperf.checkpoint.tree import Encoder

    parts = {"params": backend.bare_model(training.params), "model_state": training.model_state}
    return Encoder(backend.codecs).tree({**parts, "optimizer_state": training.optimizer_state})[1]


def main() -> None:
    """Measure; the exit code is 1 if something failed, which the row then says."""
    workload, framework, scale, folder = sys.argv[1:]
    row = Row(Path(folder) / "row.json")
    try:
        stand_in_for_readers()
        measure(workload, framework, scale, Path(folder), row)
    except Exception as error:
        traceback.print_exc()
        row.note(failed=str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}")
        if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("algoperf"):
            row.note(missing=error.name)
        sys.exit(1)
    row.note(stage="done")


if __name__ == "__main__":
    main()
