"""The guard of one trial: what the trial's parent and a clean evaluation cannot see. See docs/integrity.md.

It does nothing during a step. It shares its process with the submission, which could switch it off, so nothing that is
measured depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from algoperf.integrity.audit import Watch
from algoperf.text import counted


class Guard:
    """Watches one submission, from before its import until `close`."""

    def __init__(self, submission_folder: Path, protected: Mapping[str, Path]) -> None:
        """`protected`: folders that the submission must not touch, by description."""
        self._watch = Watch(submission_folder, protected)
        self._watch.start()
        self._checksums: Callable[[], Mapping[str, int]] | None = None
        self._standing: Mapping[str, int] | None = None

    def close(self) -> None:
        """Stop watching."""
        self._watch.stop()

    def model_built(self, checksums: Callable[[], Mapping[str, int]]) -> None:
        """`checksums` gives a number per parameter, which changes when the values do."""
        self._checksums = checksums

    def clock_stops(self) -> None:
        """Remember the values of the parameters, which nobody may change until `clock_goes_on`."""
        self._standing = None if self._checksums is None else self._checksums()

    def clock_goes_on(self) -> None:
        """Note whether a parameter changed while the clock stood. `breaches` says so."""
        self._note_training()
        self._standing = None

    def breaches(self) -> list[str]:
        """All breaches seen so far, as sentences. Call this while the clock is stopped."""
        self._watch.note_live_threads_and_processes()
        self._note_training()
        return list(self._watch.breaches)

    def _note_training(self) -> None:
        for breach in self._training_off_the_clock():
            self._watch.note(breach)

    def _training_off_the_clock(self) -> Iterator[str]:
        if self._standing is None or self._checksums is None:
            return
        found = self._checksums()
        changed = [name for name, value in self._standing.items() if found.get(name) != value]
        if changed:
            yield f"It changed {counted(len(changed), 'parameter')} while the clock stood still, such as {changed[0]}."
