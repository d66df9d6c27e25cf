"""JAX compiles in the first step and in the first evaluation, and never again."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from algoperf.frameworks import load_backend
from algoperf.records.status import Status
from algoperf.submission.loading import load_submission
from algoperf.trial.log import TrialLog
from algoperf.trial.loop import Trial
from algoperf.trial.progress import PlainDisplay, Progress
from algoperf.trial.request import Request, settle
from algoperf.workload.registry import find_workload

# A model with batch statistics and dropout, and one without statistics; the others compile for long.
WORKLOADS = [
    "digits",
    "imagenet_vit",
    *(pytest.param(name, marks=pytest.mark.full) for name in ("mnist", "cifar", "imagenet_resnet", "fastmri")),
    pytest.param("finewebedu_lm", marks=pytest.mark.full),
    pytest.param("criteo1tb", marks=pytest.mark.full),
    pytest.param("wmt", marks=pytest.mark.full),
    *(pytest.param(f"librispeech_{name}", marks=pytest.mark.full) for name in ("conformer", "deepspeech")),
]
STEPS, EVERY, BATCH_SIZE = 6, 2, 32


class Counter:
    """Counts every tracing, lowering and compiling of this process while it is asked to."""

    def __init__(self):
        import jax

        self.count = 0
        self.counting = True
        jax.monitoring.register_event_duration_secs_listener(self._on_duration)

    def _on_duration(self, event: str, duration_secs: float, **_):
        del duration_secs
        self.count += self.counting and event.startswith("/jax/core/compile/")


def settled(workload: str, submission: Path, data_root: Path, output: Path):
    return settle(
        Request(
            workload=workload, framework="jax", submission=submission, ruleset="self", scale="mini",
            data_dir=data_root, output_dir=output, max_global_steps=STEPS, eval_every_steps=EVERY, checkpoints="none",
        )
    )  # fmt: skip


@pytest.mark.parametrize("workload", WORKLOADS)
def test_nothing_is_compiled_after_the_first_evaluation(workload, prepare, repository, tmp_path):
    definition = find_workload(workload).at("mini")
    data_root = prepare(definition.dataset, "full" if workload == "digits" else "mini")
    settings = settled(workload, repository / "submissions" / "baselines" / "momentum_jax", data_root, tmp_path)
    if workload == "digits":  # has one store for both scales
        settings = dataclasses.replace(settings, data_dir=data_root / "digits" / "full")
    submission = load_submission(settings.submission_file)
    counter, before, after = Counter(), [], []

    def update(**arguments):
        before.append(counter.count)
        updated = submission.update_params(**arguments)
        after.append(counter.count)
        return updated

    watched = dataclasses.replace(submission, update_params=update, get_batch_size=lambda name: BATCH_SIZE)
    settings.directory.mkdir(parents=True)
    backend = load_backend("jax")
    with (tmp_path / "progress").open("w") as stream:
        progress = Progress(settings, PlainDisplay(stream))
        status = Trial(settings, watched, backend, TrialLog(settings), progress).run()
    counter.counting = False
    assert status is Status.MAX_STEPS_REACHED
    compiled_in_step = [late - early for early, late in zip(before, after, strict=True)]
    assert compiled_in_step[0] > 0, "the counter counts"
    assert compiled_in_step[1:] == [0] * (STEPS - 1)
    assert before[EVERY] > after[EVERY - 1], "the first evaluation compiles"
    assert counter.count == before[EVERY], "nothing later does"
