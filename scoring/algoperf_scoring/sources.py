"""The folders to take runs from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from algoperf.errors import UserError, did_you_mean_path


@dataclass(frozen=True)
class Source:
    """A folder that holds one folder of runs per submission.

    Attributes:
      root: the folder.
      only: take only this submission; None for all.
      without: leave this submission out; None for none.
    """

    root: Path
    only: str | None = None
    without: str | None = None

    def takes(self, submission: str) -> bool:
        """Whether to take runs of a submission from here."""
        return submission != self.without and self.only in (None, submission)

    def check(self) -> None:
        """Raise UserError if there is no such folder."""
        if not self.root.is_dir():
            raise UserError(
                f"{self.root} is not a folder.{did_you_mean_path(self.root)} Give the folder that holds one folder of "
                "runs per submission."
            )


def sources(path: Path, submission: str | None = None, against: Path | None = None) -> tuple[Source, ...]:
    """All runs in `path`; or those of one submission in `path` and those of all others in `against`."""
    if against is None:
        return (Source(path),)
    if submission is None:
        raise UserError("Which submission is to be compared with those in --against? Name it: --submission NAME.")
    return Source(path, only=submission), Source(against, without=submission)
