"""Data workers and the clock: nothing is made for free while it stands still."""

from __future__ import annotations

import os
import time

import pytest

from algoperf.data.batches.queue import InputQueue
from algoperf.data.workers.pool import Task, WorkerPool
from algoperf.data.workers.pooled import BatchMaker, PooledTrainingBatches
from algoperf.trial import resume
from algoperf.trial.evaluation import Evaluator
from places import SUPPORT
from recorded_batches import Recorded
from row_sources import Slow
from scripted import NEVER, run_scripted


@pytest.fixture
def batches() -> Recorded:
    return Recorded()


def test_workers_stand_still_during_evaluations_and_checkpoints(tmp_path, batches, monkeypatch):
    note = batches.events.append
    evaluate, save = Evaluator.metrics, resume.save
    monkeypatch.setattr(Evaluator, "metrics", lambda *given: note("evaluate") or evaluate(*given))
    monkeypatch.setattr(resume, "save", lambda *given: note("save") or save(*given))
    run_scripted(tmp_path, [NEVER], batches=batches, max_global_steps=12)
    events = [event for event in batches.events if event.split()[0] not in ("begin", "wait", "discard")]
    assert events == ["pause", "evaluate", "save", "resume"] * 2


def test_the_first_batches_are_there_before_the_clock_starts(tmp_path, batches):
    run = run_scripted(tmp_path, [NEVER], batches=batches, max_global_steps=3)
    assert batches.events[:4] == ["begin 0", "begin 1", "wait 0", "wait 1"]
    assert batches.events[-2:] == ["discard 3", "discard 4"]
    assert run.trial.queue.position == 3


def test_batches_are_used_in_their_order(tmp_path, batches):
    run_scripted(tmp_path, [NEVER], batches=batches, max_global_steps=6)
    begun = [event for event in batches.events if event.startswith("begin")]
    assert begun == [f"begin {position}" for position in range(8)]


def test_real_workers_make_nothing_while_paused(tmp_path, monkeypatch):
    paths = [str(SUPPORT), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    log = tmp_path / "rows"
    pool = WorkerPool(1)
    try:
        made = BatchMaker(pool, Slow(str(log), 0.03), 20, lambda position, chunk: [Task(0, 20, 20)])
        queue = InputQueue(PooledTrainingBatches(made), lambda batch: batch)
        queue.fill()
        assert log.stat().st_size == 40  # two batches, no more
        time.sleep(0.1)
        assert log.stat().st_size == 40
        next(queue)
        with queue.paused():
            time.sleep(0.5)  # the row that is being made is finished
            before = log.stat().st_size
            time.sleep(0.3)
            assert log.stat().st_size == before < 60
        next(queue)
        next(queue)
        assert log.stat().st_size >= 60
    finally:
        pool.close()
