"""The input queue over batches that are made ahead."""

import pytest

from algoperf.data.batches.queue import AHEAD, InputQueue
from algoperf.data.contracts import TrainingBatches
from algoperf.errors import DataError
from recorded_batches import Recorded


def queue(batches: Recorded, position: int = 0) -> InputQueue:
    return InputQueue(batches, lambda batch: {**batch, "placed": True}, position)


def test_a_bounded_number_of_batches_is_made_ahead():
    assert AHEAD == 2
    batches = Recorded()
    made = queue(batches)
    assert batches.take() == []
    assert next(made) == {"position": 0, "placed": True}
    assert batches.take() == ["begin 0", "begin 1", "begin 2"]
    assert next(made)["position"] == 1
    assert batches.take() == ["begin 3"]
    assert made.position == 2


def test_filling_waits_for_the_first_batches():
    batches = Recorded()
    made = queue(batches, position=7)
    made.fill()
    assert batches.take() == ["begin 7", "begin 8", "wait 7", "wait 8"]
    assert next(made)["position"] == 7


def test_a_new_position_forgets_what_was_made():
    batches = Recorded()
    made = queue(batches)
    next(made)
    batches.take()
    made.position = 40
    assert batches.take() == ["discard 1", "discard 2"]
    assert next(made)["position"] == 40
    assert made.position == 41


def test_workers_are_paused_and_resumed_even_after_an_error():
    batches = Recorded()
    made = queue(batches)
    with pytest.raises(ZeroDivisionError), made.paused():
        batches.events.append(str(1 // 0))
    assert batches.take() == ["pause", "resume"]


def test_errors_of_workers_come_with_their_batch():
    made = queue(Recorded(fails_at=1))
    assert next(made)["position"] == 0
    with pytest.raises(DataError, match="damaged"):
        next(made)


def test_datasets_without_workers_make_batches_when_they_are_asked_for():
    class Plain(TrainingBatches):
        made = 0
        prepared = ()

        def prepare(self, position: int) -> None:
            self.prepared = (*self.prepared, position)

        def batch(self, position: int) -> dict:
            self.made += 1
            return {"position": position}

    plain = Plain()
    made = InputQueue(plain, lambda batch: batch)
    made.fill()
    assert plain.made == 0
    assert plain.prepared == (0,)
    assert [next(made)["position"] for _ in range(3)] == [0, 1, 2]
    assert plain.made == 3
    made.prepare()
    assert plain.prepared == (0, 3)
    with made.paused():
        pass
    made.close()


def test_positions_need_not_be_numbers_of_batches():
    """Batches of graphs hold different numbers of them: positions count graphs, ahead of use too."""

    class Graphs(Recorded):
        def after(self, position: int) -> int:
            return position + 5 + position % 3

    batches = Graphs()
    made = queue(batches)
    assert [next(made)["position"] for _ in range(3)] == [0, 5, 12]
    assert made.position == 17
    assert batches.take() == ["begin 0", "begin 5", "begin 12", "begin 17", "begin 24"]
    made.position = 12
    assert batches.take() == ["discard 17", "discard 24"]
    assert next(made)["position"] == 12
