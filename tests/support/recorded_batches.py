"""Prefetched training batches that record the calls they get."""

from algoperf.data.contracts import TrainingBatches
from algoperf.errors import DataError


class Recorded(TrainingBatches):
    """Batches that record the calls they get; the one at `fails_at` is damaged."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.events: list[str] = []
        self._fails_at = fails_at

    def begin(self, position: int) -> "Recorded._Pending":
        self.events.append(f"begin {position}")
        return Recorded._Pending(self, position)

    def batch(self, position: int) -> dict:
        raise AssertionError("batches are made ahead")

    def pause(self) -> None:
        self.events.append("pause")

    def resume(self) -> None:
        self.events.append("resume")

    def take(self) -> list[str]:
        events, self.events = self.events, []
        return events

    class _Pending:
        def __init__(self, owner: "Recorded", position: int) -> None:
            self._owner, self._position = owner, position

        def wait(self) -> None:
            self._owner.events.append(f"wait {self._position}")

        def result(self) -> dict:
            if self._position == self._owner._fails_at:
                raise DataError("damaged")
            return {"position": self._position}

        def discard(self) -> None:
            self._owner.events.append(f"discard {self._position}")
