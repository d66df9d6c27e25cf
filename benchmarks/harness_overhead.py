"""Steps per second under the harness, relative to a bare loop with the same submission.

A real trial runs, without evaluations. After every chunk of steps it pauses, inside the submission's
`data_selection`, while a bare loop does the same number of steps: same update function, same workload object, same
model and optimizer state, and a separate queue with the same batches. So both are measured alternately, and each ratio
compares adjacent chunks.

Goal: at least 0.97 where a step takes at least 1 ms.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import common

from algoperf.errors import AlgoperfError
from algoperf.trial.data import TrialData

SMALL = {"digits": (None, 1024), "mnist": (None, 1024)}  # batch sizes; None for the submission's own
FULL = {
    **dict.fromkeys(common.FULL_MODELS, (8,)),
    "ogbg": (64, 512),
    "criteo1tb": (4_096,),
    "finewebedu_lm": (1,),
    **dict.fromkeys((*common.SPEECH, "wmt"), (2,)),
}
CHUNK = 64  # steps; the harness makes keys for this many steps at a time
FULL_CHUNK = 1  # steps; each takes as long as many small ones
WARM_UP = 2  # chunks
LEAST = 8  # chunks after that, unless `--chunks` says otherwise


class Enough(AlgoperfError):
    """Raised when time is up, to end the trial from within."""


@dataclasses.dataclass
class Chunks:
    """Wall and CPU seconds of each chunk."""

    wall: list[float] = dataclasses.field(default_factory=list)
    cpu: list[float] = dataclasses.field(default_factory=list)

    def begin(self) -> None:
        """Start the clocks."""
        self._begin = time.perf_counter(), time.process_time()

    def end(self) -> None:
        """Record a chunk."""
        self.wall.append(time.perf_counter() - self._begin[0])
        self.cpu.append(time.process_time() - self._begin[1])


class Interleaved:
    """A `data_selection` that does a chunk of bare steps after every chunk of the harness.

    Both train the same model in turns, so that it is in memory once. `update_params` must be that of this object.
    """

    def __init__(self, submission: Any, backend: Any, data_dir: Path, seconds: float, chunk: int, least: int) -> None:
        self.chunk, self._least = chunk, least
        self.harness, self.bare = Chunks(), Chunks()
        self._submission, self._backend, self._data_dir = submission, backend, data_dir
        self._queue: Any = None
        self._state: tuple[Any, Any, Any] | None = None  # that the bare steps have made, until the harness has it
        self._seconds = seconds

    def __call__(self, workload, queue, optimizer_state, params, model_state, hyperparameters, global_step, rng):
        """Select as the submission does."""
        if global_step % self.chunk == 0:
            self._backend.wait(params, model_state, optimizer_state)
            if global_step > 0:
                self.harness.end()
            self._queue = self._queue or self._make_queue(workload)
            self.bare.begin()
            self._state = self._loop(
                workload, (optimizer_state, params, model_state), hyperparameters, global_step, rng
            )
            self.bare.end()
            if len(self.bare.wall) > WARM_UP + self._least and sum(self.bare.wall + self.harness.wall) > self._seconds:
                raise Enough
            self.harness.begin()
        return self._submission.data_selection(
            workload, queue, optimizer_state, params, model_state, hyperparameters, global_step, rng
        )

    def update_params(self, **given: Any) -> tuple[Any, Any, Any]:
        """The submission's; after bare steps it goes on with what they have made."""
        if self._state is not None:
            names = ("optimizer_state", "current_param_container", "model_state")
            given |= zip(names, self._state, strict=True)
            self._state = None
        updated: tuple[Any, Any, Any] = self._submission.update_params(**given)
        return updated

    def _make_queue(self, workload: Any) -> Any:
        batch_size = self._submission.get_batch_size(workload.definition.name)
        data = TrialData.open(workload.definition, self._data_dir, self._backend.shard, seed=0)
        return data.input_queue(batch_size, workload.place_training)

    def _loop(
        self, workload: Any, state: tuple[Any, Any, Any], hyperparameters: Any, first_step: int, rng: Any
    ) -> tuple[Any, Any, Any]:
        optimizer_state, params, model_state = state
        eval_results: list[Any] = []
        for global_step in range(first_step, first_step + self.chunk):
            batch = self._submission.data_selection(
                workload, self._queue, optimizer_state, params, model_state, hyperparameters, global_step, rng
            )
            optimizer_state, params, model_state = self._submission.update_params(
                workload=workload, current_param_container=params,
                current_params_types=workload.model_params_types, model_state=model_state,
                hyperparameters=hyperparameters, batch=batch, loss_type=workload.loss_type,
                optimizer_state=optimizer_state, eval_results=eval_results, global_step=global_step, rng=rng,
            )  # fmt: skip
        self._backend.wait(params, model_state, optimizer_state)
        return optimizer_state, params, model_state


def measure(workload: str, framework: str, batch_size: int | None, seconds: float, least: int) -> dict[str, Any]:
    """Run one trial and compare."""
    from algoperf.frameworks import load_backend
    from algoperf.submission.loading import load_submission

    with tempfile.TemporaryDirectory() as folder:
        settings = common.settings(workload, framework, Path(folder))
        backend = load_backend(framework)
        submission = load_submission(settings.submission_file)
        if batch_size is not None:
            submission = dataclasses.replace(submission, get_batch_size=lambda name: batch_size)
        chunk = CHUNK if workload in SMALL else FULL_CHUNK
        interleaved = Interleaved(submission, backend, settings.data_dir, seconds, chunk, least)
        harnessed = dataclasses.replace(submission, data_selection=interleaved, update_params=interleaved.update_params)
        with contextlib.suppress(Enough):
            common.run_trial(settings, harnessed, backend)
    return _compare(interleaved, {"workload": workload, "framework": framework, "batch": batch_size or "own"})


def _compare(interleaved: Interleaved, case: dict[str, Any]) -> dict[str, Any]:
    harness, bare = interleaved.harness, interleaved.bare
    # Compare the harness's chunk with the bare chunks before and after.
    around = [(before + after) / 2 for before, after in zip(bare.wall, bare.wall[1:], strict=False)]
    ratios = [beside / own for own, beside in zip(harness.wall, around, strict=True)][WARM_UP:]
    per_step = {
        name: statistics.median(values[WARM_UP:]) / interleaved.chunk * 1e3
        for name, values in {
            "bare ms": bare.wall,
            "harness ms": harness.wall,
            "bare CPU ms": bare.cpu,
            "harness CPU ms": harness.cpu,
        }.items()
    }
    return {
        **case,
        **per_step,
        "chunks": len(ratios),
        "ratio": statistics.median(ratios),
        "middle half": common.spread(ratios),
    }


def main() -> None:
    """Measure every case in a separate process."""
    parser = common.parser(__doc__)
    parser.add_argument("--seconds", type=float, help="how long a case is measured")
    parser.add_argument("--chunks", type=int, default=LEAST, help="how many at least, after those that warm up")
    parser.add_argument("--workloads", default=",".join([*SMALL, *FULL]), help="these only, separated by commas")
    parser.add_argument("--case", nargs=3, metavar=("WORKLOAD", "FRAMEWORK", "BATCH"), help="only this one; 0: own")
    options = parser.parse_args()
    seconds = options.seconds or (4 if options.quick else 20)
    if options.case:
        workload, framework, batch_size = options.case
        common.prepare(workload)
        print(json.dumps(measure(workload, framework, int(batch_size) or None, seconds, options.chunks)))
        return
    # PyTorch's threads wait for each other: with other load, several threads would only measure that waiting.
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    limits = ["--seconds", str(seconds), "--chunks", str(options.chunks)]
    rows = []
    for workload, batch_sizes in {**SMALL, **FULL}.items():
        if workload not in options.workloads.split(","):
            continue
        for batch_size in batch_sizes:
            for framework in common.FRAMEWORKS:
                case = [workload, framework, str(batch_size or 0), *limits]
                command = [sys.executable, __file__, "--case", *case]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
                rows.append(json.loads(done.stdout))
    common.report("Harness overhead, per step (median)", rows, options.json)


if __name__ == "__main__":
    main()
