"""How sure scores and ranks are: the bootstrap over studies (Efron, 1979).

A study is what a repetition of the benchmark would repeat. Each replicate draws, for every submission, as many
studies as there are with replacement, and scores all submissions anew. Under external tuning a drawn study is drawn for
all workloads at once, since its trials share their hyperparameters; under self-tuning the runs of a study on different
workloads have nothing in common, and each workload draws for itself.

With 3 or 5 studies the intervals are rough and rather too narrow: a median of few values cannot leave their range.
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
from algoperf_scoring.rules import Rule

NUM_REPLICATES = 2000
SEED = 0
LEVEL = 0.95
"""Of the intervals; and a pair is separated if one is ahead in all replicates but the tail of such an interval."""

SAME_SCORE = 1e-12
"""Scores that differ by no more are equal: sums of the same numbers in another order differ by rounding."""

_CHUNK = 250
"""Replicates scored at once: bounds memory."""


@dataclass(frozen=True)
class Pair:
    """Two neighbours by score.

    Attributes:
      first, second: positions among the submissions; the first has the higher score.
      probability: share of replicates in which the first is ahead.
      is_separated: whether it is ahead beyond chance.
      more_studies: how many more studies of each would be expected to separate them, if their scores stayed as they
        are; 0 if they are separated, None if they have the same score. The standard deviation of the difference
        is taken to fall with the square root of the number of studies.
    """

    first: int
    second: int
    probability: float
    is_separated: bool
    more_studies: int | None


@dataclass(frozen=True)
class Uncertainty:
    """Of the submissions in the order in which they were given.

    Attributes:
      low, high: of the interval that holds `LEVEL` of the replicates' scores: [submissions].
      rank_probabilities: share of replicates in which a submission has rank 1, 2, ...; equals share the better rank:
        [submissions, ranks].
      ahead: share of replicates in which a submission is ahead of another: [submissions, submissions].
      neighbours: pairs next to each other by score.
      num_studies: how many there are of a submission and workload, at most.
    """

    low: Array
    high: Array
    rank_probabilities: Array
    ahead: Array
    neighbours: tuple[Pair, ...]
    num_studies: int

    def is_separated(self, first: int, second: int) -> bool:
        """Whether one of two submissions is ahead beyond chance."""
        return bool(max(self.ahead[first, second], self.ahead[second, first]) >= 1 - (1 - LEVEL) / 2)


def bootstrap(seconds: Array, variant_column: Sequence[int], rule: Rule, *, share_studies: bool) -> Uncertainty:
    """Uncertainty of the scores under `rule`.

    Args:
      seconds: study times [submissions, columns, studies] as in `results.StudyTimes`.
      variant_column: for each workload the column of its held-out variant or -1.
      rule: the rule of the score.
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
    ranks = is_ahead.sum(axis=1)  # how many are ahead of each
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
