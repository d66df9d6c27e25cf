"""The possible values of metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping

from algoperf.versions import Goal

# SSIM can be negative, and a word error rate can exceed 1.
RANGES: Mapping[str, tuple[float, float]] = {
    "accuracy": (0.0, 1.0),
    "error_rate": (0.0, 1.0),
    "mean_average_precision": (0.0, 1.0),
    "ssim": (-1.0, 1.0),
    "bleu": (0.0, 100.0),
    "wer": (0.0, math.inf),
    "wer_plain": (0.0, math.inf),
    "loss": (0.0, math.inf),
    "ctc_loss": (0.0, math.inf),
    "ce_loss": (0.0, math.inf),
    "l1_loss": (0.0, math.inf),
    "ppl": (1.0, math.inf),
}
"""Lowest and highest possible value, by the metric's name."""

ROUNDING = 1e-6


def best_possible(metric: str, goal: Goal) -> float:
    """The best value that a metric can have, with room for rounding; infinite if it is not known."""
    low, high = RANGES.get(metric, (-math.inf, math.inf))
    return high + ROUNDING if goal == "max" else low - ROUNDING


def in_words(metric: str) -> str:
    """The range of a metric, such as "0 to 1"."""
    low, high = RANGES[metric]
    return f"{low:g} to {high:g}" if high < math.inf else f"{low:g} or more"
