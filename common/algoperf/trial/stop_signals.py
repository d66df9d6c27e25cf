"""What signals do to a training loop: the first ends it after the current step, a second one at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from algoperf.system import STOPS


class StopSignals:
    """The signals to stop that a trial has got.

    Attributes:
      received: whether the trial is to save its state and end.
      can_save: whether there is anything to save. Until then a signal ends the trial at once.
    """

    def __init__(self) -> None:
        self.received = False
        self.can_save = False
        self._ends = False

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Handle signals inside. One that ends the trial at once raises KeyboardInterrupt."""
        handlers = {number: signal.signal(number, self._on_signal) for number in STOPS}
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def ignore(self) -> None:
        """From here on signals change nothing."""
        self._ends = True

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if not self.received and self.can_save:
            self.received = True
        elif not self._ends:
            self._ends = True
            raise KeyboardInterrupt
