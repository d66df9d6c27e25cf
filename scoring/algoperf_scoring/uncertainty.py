"""The uncertainty of scores and ranks: the bootstrap over studies (Efron, 1979).

A study is the unit that a repetition of the benchmark would repeat. For every submission, each replicate draws as many
studies as exist, with replacement, and then scores all submissions. Under external tuning, a study is drawn for all
workloads at once, because its trials share their hyperparameters. Under self-tuning, the runs of a study on different
workloads are independent, so each workload draws separately.

With 3 or 5 studies, the intervals are rough and rather too narrow, because a median of few values stays in their range.
So a lead is called beyond chance only with `MIN_STUDIES` or more, and on workloads that are scored.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from algoperf_scoring import draws, profiles
from algoperf_scoring.profiles import Array
from algoperf_scoring.results import medians
from algoperf_scoring.rules import ScoringRule

NUM_REPLICATES = 2000
SEED = 0
LEVEL = 0.95
"""Level of the intervals. A pair is separated if one is ahead in all replicates except the tail of such an interval."""

SEPARATED = 1 - (1 - LEVEL) / 2
SAME_SCORE = 1e-12
"""Scores that differ by at most this are equal: summing in another order changes the rounding."""

MIN_STUDIES = 5
"""Studies of each of two submissions that it takes to tell a lead from chance. From as many on, at most 1 - `LEVEL` of
pairs of equal submissions are called separated (`benchmarks/more_studies.py`): of 3 studies it is up to 0.11, of 4 up
to 0.07."""

TIE = 0.75
"""Two are tied if neither is ahead in this share of the replicates."""

_CHUNK = 250
"""Number of replicates scored at once; bounds memory."""


@dataclass(frozen=True)
class Pair:
    """Two neighbours by score.

    Attributes:
      first, second: indices of the submissions; the first has the higher score.
      probability: share of replicates in which the first is ahead.
      is_separated: whether its lead is statistically significant.
      is_tie: whether neither is clearly more often ahead.
    """

    first: int
    second: int
    probability: float
    is_separated: bool
    is_tie: bool


@dataclass(frozen=True)
class Uncertainty:
    """The uncertainty of the submissions, in the given order.

    Attributes:
      low, high: bounds of the interval that contains `LEVEL` of the replicates' scores: [submissions].
      rank_probabilities: share of replicates in which a submission has rank 1, 2, ...; ties share the better rank:
        [submissions, ranks].
      ahead: share of replicates in which a submission is ahead of another: [submissions, submissions].
      has_evidence: whether there are enough studies of a submission, on scored workloads, to tell its lead from
        chance: [submissions].
      neighbours: adjacent pairs by score.
    """

    low: Array
    high: Array
    rank_probabilities: Array
    ahead: Array
    has_evidence: NDArray[np.bool_]
    neighbours: tuple[Pair, ...] = ()

    def is_separated(self, first: int, second: int) -> bool:
        """Whether the lead of one of two submissions is statistically significant."""
        has_evidence = self.has_evidence[first] and self.has_evidence[second]
        return bool(has_evidence and self._certainty(first, second) >= SEPARATED)

    def is_tie(self, first: int, second: int) -> bool:
        """Whether neither of two submissions is clearly more often ahead."""
        return bool(self._certainty(first, second) < TIE)

    def _certainty(self, first: int, second: int) -> float:
        return float(max(self.ahead[first, second], self.ahead[second, first]))


def bootstrap(
    seconds: Array, variant_column: Sequence[int], rule: ScoringRule, *, share_studies: bool, is_scored: bool = True
) -> Uncertainty:
    """Uncertainty of the scores under `rule`.

    Args:
      seconds: study times [submissions, columns, studies] as in `results.StudyTimes`.
      variant_column: for each workload the column of its held-out variant, or -1.
      rule: the scoring rule.
      share_studies: whether a drawn study is drawn for all workloads at once.
      is_scored: whether any of the workloads is scored in the version.
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
    found = Uncertainty(low, high, probabilities, is_ahead.mean(axis=0), is_scored & (_fewest(seconds) >= MIN_STUDIES))
    order = [int(i) for i in np.argsort(-scored(medians(seconds)), kind="stable")]
    return dataclasses.replace(found, neighbours=tuple(_pair(found, a, b) for a, b in itertools.pairwise(order)))


def _fewest(seconds: Array) -> NDArray[np.int_]:
    """The smallest number of studies of a submission on a workload for which it has any: [submissions]."""
    counts = np.sum(~np.isnan(seconds), axis=-1)
    return np.where(counts > 0, counts, seconds.shape[-1]).min(axis=-1)


def _drawn(seconds: Array, replicates: range, share_studies: bool) -> Array:
    """Study times of replicates: [replicates, submissions, columns, studies]."""
    num_submissions, num_columns, depth = seconds.shape
    column = range(1 if share_studies else num_columns)
    uniform = draws.uniforms(SEED, replicates, range(num_submissions), column, range(depth))
    count = np.sum(~np.isnan(seconds), axis=-1, keepdims=True)
    index = (uniform * count).astype(np.intp)
    drawn = np.take_along_axis(np.broadcast_to(seconds, (len(replicates), *seconds.shape)), index, axis=-1)
    return np.where(np.arange(depth) < count, drawn, np.nan)


def _pair(found: Uncertainty, first: int, second: int) -> Pair:
    probability = float(found.ahead[first, second])
    return Pair(first, second, probability, found.is_separated(first, second), found.is_tie(first, second))
