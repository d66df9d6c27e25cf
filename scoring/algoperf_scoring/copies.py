"""How copies of a run are known: two runs never have the same times to the last digit."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from pathlib import Path

import numpy as np

_DIGITS = 6
"""Times with fewer digits may be equal by chance, or because somebody rounded or made them up."""


def marks(file: Path, seconds: Sequence[float]) -> list[Hashable]:
    """What a run shares with its copies: the file itself, if it is linked, and its times, if they have many digits."""
    facts = file.stat()
    found: list[Hashable] = [(facts.st_dev, facts.st_ino)]
    if any(len(repr(time).replace(".", "").strip("0")) >= _DIGITS for time in seconds):
        found.append(hashlib.sha256(np.array(seconds).tobytes()).hexdigest())
    return found
