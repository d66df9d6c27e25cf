"""Numbers of beam searches, the same in both frameworks."""

from __future__ import annotations

from typing import Any

IMPOSSIBLE = -1e7
"""Added to the score of what cannot be chosen; finite, as published."""


def length_factor(length: Any, exponent: float) -> Any:
    """What log-likelihoods of sequences of a length are divided by, so that long ones are not at a disadvantage."""
    return ((5.0 + length) / 6.0) ** exponent
