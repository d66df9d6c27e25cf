"""What the bootstrap of the leaderboard can tell: from how many studies on, and how many more it would take.

Competitions are simulated from published logs: the times of a submission on a workload are lognormal, with the mean,
the spread and the share of failures of its published studies. In them it is known

* how often the order of two equal submissions is called separated (a submission and its double), and
* how many studies of each it takes until two different ones are separated in half of all competitions, to be compared
  with an estimate from a single competition: n (1.96 deviation / difference)^2, with the deviation of the difference of
  two scores over the replicates.

LOGS is v05_external.tar.xz or v05_self.tar.xz, or a folder unpacked from one.
"""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import NamedTuple

import common
import numpy as np
from numpy.typing import NDArray

from algoperf.versions import load_version
from algoperf_scoring import DOCUMENTED, profiles, read_comparison, sources
from algoperf_scoring.profiles import Array
from algoperf_scoring.results import Results, medians, study_times
from scoring import unpacked

SEPARATED = 0.975
QUANTILE = 1.96
SIZES = (3, 4, 5, 7, 10, 14, 20, 28, 40, 56, 80)
REPLICATES = 400


class Field(NamedTuple):
    """The submissions of a competition: mean and spread of log seconds, and share of failures [submissions, columns].

    The mean is NaN where a submission has no result.
    """

    mean: Array
    spread: Array
    failures: Array
    variants: list[int]
    is_shared: bool


class Found(NamedTuple):
    """Scores [submissions]; share of replicates in which one is better than another, and deviation of differences."""

    scores: Array
    ahead: Array
    deviation: Array


def fitted(results: Results, is_shared: bool) -> Field:
    """The field of published results."""
    seconds = study_times(results, DOCUMENTED).seconds
    counts = np.maximum(1, np.sum(~np.isnan(seconds), axis=-1))
    reached = np.where(np.isfinite(seconds), np.log(np.where(np.isfinite(seconds), seconds, 1.0)), np.nan)
    number = np.sum(np.isfinite(reached), axis=-1)
    mean = np.nansum(reached, axis=-1) / np.maximum(1, number)
    squares = np.nansum((reached - mean[..., None]) ** 2, axis=-1)
    spread = np.sqrt(squares / np.maximum(1, number - 1))
    return Field(np.where(number > 0, mean, np.nan), spread, 1 - number / counts, results.variant_column, is_shared)


def simulated(field: Field, studies: int, generator: np.random.Generator) -> Array:
    """Study times of one competition: [submissions, columns, studies]."""
    shape = (*field.mean.shape, studies)
    times = np.exp(field.mean[..., None] + field.spread[..., None] * generator.standard_normal(shape))
    failed = np.isnan(times) | (generator.random(shape) < field.failures[..., None])
    return np.where(failed, np.inf, times)


def scored(times: Array, variants: list[int]) -> Array:
    """Scores of median times [..., submissions, columns]."""
    return profiles.score(profiles.credit(times, variants, DOCUMENTED).ratios, DOCUMENTED)


def resampled(field: Field, seconds: Array, generator: np.random.Generator) -> Found:
    """The bootstrap over studies, as `algoperf_scoring.uncertainty` has it."""
    submissions, columns, studies = seconds.shape
    drawn_columns = 1 if field.is_shared else columns
    scores = np.empty((REPLICATES, submissions))
    for replicate in range(REPLICATES):
        index = generator.integers(studies, size=(submissions, drawn_columns, studies))
        drawn = np.take_along_axis(seconds, np.broadcast_to(index, seconds.shape), axis=-1)
        scores[replicate] = scored(medians(drawn), field.variants)
    difference = scores[:, :, None] - scores[:, None, :]
    return Found(scored(medians(seconds), field.variants), (difference > 1e-12).mean(axis=0), difference.std(axis=0))


def false_separations(field: Field, competitions: int, generator: np.random.Generator) -> dict[str, float]:
    """How often a submission and its double are called separated, by number of studies."""
    doubled = field._replace(**{name: np.repeat(getattr(field, name), 2, axis=0) for name in field._fields[:3]})
    firsts = np.arange(0, len(doubled.mean), 2)
    row = {}
    for studies in (3, 4, 5, 10):
        wrong = []
        for _ in range(competitions):
            found = resampled(doubled, simulated(doubled, studies, generator), generator)
            certainty = np.maximum(found.ahead[firsts, firsts + 1], found.ahead[firsts + 1, firsts])
            differs = np.isfinite(field.mean).any(axis=-1)
            wrong += list(certainty[differs] >= SEPARATED)
        row[str(studies)] = float(np.mean(wrong))
    return row


def needed(field: Field, competitions: int, generator: np.random.Generator) -> Array:
    """The studies of each from which on half of the competitions separate a pair; infinite if too many."""
    found = np.full((len(field.mean),) * 2, np.inf)
    for studies in reversed(SIZES):
        separated: NDArray[np.float64] = np.zeros_like(found)
        for _ in range(competitions):
            ahead = resampled(field, simulated(field, studies, generator), generator).ahead
            separated += np.maximum(ahead, ahead.T) >= SEPARATED
        found = np.where(2 * separated >= competitions, studies, found)
    return found


def estimates(
    field: Field, truth: Array, studies: int, competitions: int, generator: np.random.Generator
) -> list[float]:
    """Estimate over truth for each pair of neighbours that is not separated."""
    ratios = []
    for _ in range(competitions):
        found = resampled(field, simulated(field, studies, generator), generator)
        order = np.argsort(-found.scores, kind="stable")
        for a, b in itertools.pairwise(order):
            difference = found.scores[a] - found.scores[b]
            if difference > 1e-12 and max(found.ahead[a, b], found.ahead[b, a]) < SEPARATED:
                factor = QUANTILE * found.deviation[a, b] / difference
                total = studies + max(1, math.ceil(studies * factor**2) - studies)
                # Both beyond the largest size simulated: right, as far as anybody can tell.
                ratios.append(1.0 if total > SIZES[-1] and np.isinf(truth[a, b]) else float(total / truth[a, b]))
    return ratios


def compared(ratios: list[float]) -> dict[str, float]:
    """How many estimates are about right."""
    low, high = (float(np.mean(np.array(ratios) < 0.5)), float(np.mean(np.array(ratios) > 2)))
    return {"pairs": len(ratios), "within a factor of 2": 1 - low - high, "below half": low, "above twice": high}


def main() -> None:
    """Simulate, and print a table for each question."""
    parser = common.parser(__doc__)
    parser.add_argument("logs", type=Path, help="v05_external.tar.xz, v05_self.tar.xz, or a folder unpacked from one")
    parser.add_argument("--ruleset", choices=["external", "self"], required=True)
    parser.add_argument("--competitions", type=int, default=40, help="number simulated for each number of studies")
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    with unpacked(options.logs) as folder:
        results = read_comparison(sources(folder), load_version("v0.5"), options.ruleset).results
    field = fitted(results, options.ruleset == "external")
    single = results.workloads.index("fastmri")
    one = Field(*(part[:, [single]] for part in field[:3]), [-1], field.is_shared)
    parts = {"all workloads": field, "fastmri alone": one}
    rows = [{"": name, **false_separations(part, options.competitions, generator)} for name, part in parts.items()]
    common.report("Share of equal submissions called separated, by studies; at most 0.05 is allowed", rows, None)
    truth = needed(field, options.competitions, generator)
    rows = [
        {"studies": studies, **compared(estimates(field, truth, studies, options.competitions, generator))}
        for studies in (3, 5)
    ]
    common.report("Number of studies that is estimated to separate neighbours, over the number that does", rows, None)


if __name__ == "__main__":
    main()
