"""Time and size of one checkpoint of mnist with the state of NAdamW, and the time to restore it.

Writing includes fsync and removing the previous checkpoint. It is also measured without fsync, alternating with the
other. Restoring reads from memory, because the checkpoint was just written.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import common

STEPS = 3  # PyTorch's optimizers create their state in the first step


def trained(framework: str, folder: Path) -> tuple[Any, Any, dict[str, Any]]:
    """The state of a trial after a few steps, the backend, and the fingerprint."""
    from algoperf import seeds
    from algoperf.frameworks import load_backend
    from algoperf.submission.loading import load_submission
    from algoperf.trial.calls import SubmissionCalls
    from algoperf.trial.clock import Clock, Times
    from algoperf.trial.data import TrialData
    from algoperf.trial.state import Snapshot, TrialState

    settings = common.settings("mnist", framework, folder)
    definition, backend = settings.definition, load_backend(framework)
    workload = backend.bind(definition, settings.version.limits("mnist", definition.scale))
    submission = load_submission(settings.submission_file)
    calls = SubmissionCalls(submission, workload, None, backend, Clock())
    keys = seeds.TrialKeys(settings.trial_seed)
    training = calls.init_optimizer_state(*workload.init_model_fn(keys.model_init), keys.optimizer_init)
    data = TrialData.open(definition, settings.data_dir, backend.shard, settings.trial_seed)
    queue = data.input_queue(submission.get_batch_size("mnist"), workload.place_training)
    for step in range(STEPS):
        calls.global_step = step
        select_key, update_key, _, _ = keys.of_step(step)
        calls.update_params(training, calls.data_selection(queue, training, select_key), update_key)
    return Snapshot(training, TrialState(global_step=STEPS), Times(), queue), backend, settings.identity()


def measure(framework: str, repetitions: int) -> dict[str, Any]:
    """Medians of writing and restoring."""
    from algoperf import checkpoint
    from algoperf.trial import resume

    with tempfile.TemporaryDirectory(dir=common.ROOT / "build") as name:
        folder = Path(name)
        snapshot, backend, fingerprint = trained(framework, folder)

        def write() -> None:
            snapshot.state.global_step += 1
            resume.save(folder, snapshot, fingerprint, backend, "last")

        def restore() -> None:
            resume.restore(checkpoint.checkpoints(folder)[-1], snapshot, fingerprint, backend)
            backend.wait(snapshot.training.params, snapshot.training.optimizer_state)

        seconds: dict[str, list[float]] = {"write": [], "write without fsync": [], "restore": []}
        for _ in range(repetitions + 1):
            seconds["write"].append(_seconds(write))
            with mock.patch.object(os, "fsync"):
                seconds["write without fsync"].append(_seconds(write))
            seconds["restore"].append(_seconds(restore))
        files = [path for path in checkpoint.checkpoints(folder)[-1].rglob("*") if path.is_file()]
        row: dict[str, Any] = {"framework": framework, "bytes": sum(path.stat().st_size for path in files)}
    for what, values in seconds.items():
        row[f"{what} ms"] = statistics.median(values[1:]) * 1e3
        row["middle half " * (what == "write")] = common.spread([value * 1e3 for value in values[1:]], 1)
    row.pop("", None)
    return row


def _seconds(function: Callable[[], None]) -> float:
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def main() -> None:
    """Measure both frameworks."""
    options = common.parser(__doc__).parse_args()
    common.prepare("mnist")
    repetitions = 5 if options.quick else 30
    rows = [measure(framework, repetitions) for framework in common.FRAMEWORKS]
    common.report("One checkpoint of mnist with NAdamW (median)", rows, options.json)


if __name__ == "__main__":
    main()
