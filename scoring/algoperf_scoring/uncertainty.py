"""The uncertainty of scores and ranks: the bootstrap over studies (Efron, 1979).

A study is the unit that a repetition of the benchmark would repeat. For every submission, each replicate draws as many
studies as exist, with replacement, and then scores all submissions. Under external tuning, a study is drawn for all
workloads at once, because its trials share their hyperparameters. Under self-tuning, the runs of a study on different
workloads are independent, so each workload draws separately.

With 3 or 5 studies, the intervals are rough and rather too narrow, because a median of few values stays in their range.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from algoperf_scoring import draws, profiles
from algoperf_scoring.profiles import Array
from algoperf_scoring.results import medians
from algoperf_scoring.rules import ScoringRule

NUM_REPLICATES = 2000
SEED = 0
LEVEL = 0.95
"""Level of the intervals. A pair is separated if one is ahead in all replicates except the tail of such an interval."""

SAME_SCORE = 1e-12
"""Scores that differ by at most this are equal: summing in another order changes the rounding."""

_CHUNK = 250
"""Number of replicates scored at once; bounds memory."""


@dataclass(frozen=True)
class Pair:
    """Two neighbours by score.

    Attributes:
      first, second: indices of the submissions; the first has the higher score.
      probability: share of replicates in which the first is ahead.
      is_separated: whether its lead is statistically significant.
      more_studies: expected number of additional studies of each that would separate them, if their scores stayed the
        same; 0 if they are separated, None if the scores are equal. It assumes that the standard deviation of the
        difference falls with the square root of the number of studies.
    """

    first: int
    second: int
    probability: float
    is_separated: bool
    more_studies: int | None


@dataclass(frozen=True)
class Uncertainty:
    """The uncertainty of the submissions, in the given order.

    Attributes:
      low, high: bounds of the interval that contains `LEVEL` of the replicates' scores: [submissions].
      rank_probabilities: share of replicates in which a submission has rank 1, 2, ...; ties share the better rank:
        [submissions, ranks].
      ahead: share of replicates in which a submission is ahead of another: [submissions, submissions].
      neighbours: adjacent pairs by score.
      num_studies: the largest number of studies of a submission and workload.
    """

    low: Array
    high: Array
    rank_probabilities: Array
    ahead: Array
    neighbours: tuple[Pair, ...]
    num_studies: int

    def is_separated(self, first: int, second: int) -> bool:
        """Whether the lead of one of two submissions is statistically significant."""
        return bool(max(self.ahead[first, second], self.ahead[second, first]) >= 1 - (1 - LEVEL) / 2)


def bootstrap(seconds: Array, variant_column: Sequence[int], rule: ScoringRule, *, share_studies: bool) -> Uncertainty:
    """Uncertainty of the scores under `rule`.

    Args:
      seconds: study times [submissions, columns, studies] as in `results.StudyTimes`.
      variant_column: for each workload the column of its held-out variant, or -1.
      rule: the scoring rule.
      share_studies: whether a drawn study is drawn for all workloads at once.
    """
    starts = range(0, NUM_REPLICATES, _CHUNK)
    replicates = [range(start, min(start + _CHUNK, NUM_REPLICATES)) for start in starts]

    def scored(times: Array) -> Array:
        return profiles.score(profiles.credit(times, variant_column, rule).ratios, rule)

    scores = np.concatenate([scored(medians(_drawn(seconds, numbers, share_studies))) for numbers in replicates])
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(scores, [tail, 1 - tail], axis=0)
    is_ahead = scores[:, :, None] > scores[:, None, :] + SAME_SCORE
    ranks = is_ahead.sum(axis=1)  # number of submissions ahead of each
    probabilities = (ranks[:, :, None] == np.arange(len(seconds))).mean(axis=0)
    point = scored(medians(seconds))
    found = Uncertainty(low, high, probabilities, is_ahead.mean(axis=0), (), seconds.shape[-1])
    order = [int(i) for i in np.argsort(-point, kind="stable")]
    pairs = tuple(_pair(found, a, b, point, scores) for a, b in itertools.pairwise(order))
    return Uncertainty(low, high, probabilities, found.ahead, pairs, seconds.shape[-1])


def _drawn(seconds: Array, replicates: range, share_studies: bool) -> Array:
    """Study times of replicates: [replicates, submissions, columns, studies]."""
    num_submissions, num_columns, depth = seconds.shape
    column = range(1 if share_studies else num_columns)
    uniform = draws.uniforms(SEED, replicates, range(num_submissions), column, range(depth))
    count = np.sum(~np.isnan(seconds), axis=-1, keepdims=True)
    index = (uniform * count).astype(np.intp)
    drawn = np.take_along_axis(np.broadcast_to(seconds, (len(replicates), *seconds.shape)), index, axis=-1)
    return np.where(np.arange(depth) < count, drawn, np.nan)


def _pair(found: Uncertainty, first: int, second: int, point: Array, scores: Array) -> Pair:
    separated = found.is_separated(first, second)
    difference = float(point[first] - point[second])
    more: int | None = 0
    if not separated:
        more = None
        if difference > SAME_SCORE:
            deviation = float(np.std(scores[:, first] - scores[:, second]))
            quantile = NormalDist().inv_cdf(1 - (1 - LEVEL) / 2)
            needed = math.ceil(found.num_studies * (quantile * deviation / difference) ** 2)
            more = max(1, needed - found.num_studies)
    return Pair(first, second, float(found.ahead[first, second]), separated, more)
