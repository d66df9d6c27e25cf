"""The errors of the harness, and their exit codes.

    AlgoperfError                1  a failure that no argument could have prevented
    ├── UserError                2  bad input: says what was given, what is allowed, how to fix it
    │   └── CheckpointMismatch   2  a checkpoint from other code or settings
    ├── DataError                5  raw or preprocessed data is missing, truncated or corrupt
    ├── UnsavedState             1  a submission's state cannot be saved: the trial continues without checkpoints
    ├── EvaluationMismatch       6  re-evaluated metrics differ from the recorded ones
    └── ChecksFailed             8  runs or a submission violate the rules

How a run ended has separate exit codes: `Status`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AlgoperfError(Exception):
    """Base of all errors that are reported as a message, without a traceback."""

    exit_code = 1


class UserError(AlgoperfError):
    """The caller can fix this by changing an argument or a file."""

    exit_code = 2


class CheckpointMismatch(UserError):
    """The checkpoint found was written by other code or under other settings."""


class DataError(AlgoperfError):
    """Raw or preprocessed data is missing, truncated or corrupt."""

    exit_code = 5


class UnsavedState(AlgoperfError):
    """The submission's state cannot be saved; says why. The trial loop continues without checkpoints."""


class EvaluationMismatch(AlgoperfError):
    """Metrics computed from a checkpoint differ from the recorded ones."""

    exit_code = 6


class ChecksFailed(AlgoperfError):
    """A check of runs or of a submission failed."""

    exit_code = 8


def unknown(what: str, given: str, allowed: Iterable[str], remedy: str = "") -> UserError:
    """A UserError in the house form: given, allowed, nearest match, what to do."""
    names = sorted(allowed)
    nearest = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    listed = ", ".join(names) or "(none)"
    return UserError(f"Unknown {what} {given!r}.{hint} Allowed: {listed}.{' ' + remedy if remedy else ''}")
