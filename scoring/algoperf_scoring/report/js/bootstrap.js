"use strict";
/* How sure scores and ranks are: the bootstrap over studies of uncertainty.py, with the same draws. */
const bootstrap = (() => {
  const drawn = new Map();

  /** The draws of all replicates; they depend on sizes alone, so the last few are kept. */
  function uniforms(seed, shape) {
    const key = [seed, ...shape].join();
    if (!drawn.has(key)) {
      if (drawn.size >= 4) drawn.delete(drawn.keys().next().value);
      drawn.set(key, draws.uniforms(seed, shape));
    }
    return drawn.get(key);
  }

  /** Scores of all replicates: [replicate, submission]. */
  function replicateScores(data, view, shape, study) {
    const { num_replicates: replicates, seed, num_points: numPoints } = data.constants;
    const { numSubmissions, numColumns } = shape;
    const { seconds, depth } = study;
    const drawnColumns = data.share_studies ? 1 : numColumns;
    const uniform = uniforms(seed, [replicates, numSubmissions, drawnColumns, depth]);
    const counts = studyCounts(seconds, depth);
    const times = new Float64Array(numSubmissions * numColumns);
    const found = new Float64Array(replicates * numSubmissions);
    const areaOf = engine.area(view.rule, numPoints);
    for (let replicate = 0; replicate < replicates; replicate++) {
      for (let cell = 0; cell < times.length; cell++) {
        const submission = Math.floor(cell / numColumns);
        const column = data.share_studies ? 0 : cell % numColumns;
        const from = ((replicate * numSubmissions + submission) * drawnColumns + column) * depth;
        times[cell] = drawnMedian(seconds, cell * depth, counts[cell], uniform, from);
      }
      const { ratios } = engine.credit(times, shape, view.rule);
      found.set(engine.scores(ratios, numSubmissions, view.rule, numPoints, areaOf), replicate * numSubmissions);
    }
    return found;
  }

  function studyCounts(seconds, depth) {
    return Int32Array.from({ length: seconds.length / depth }, (_, cell) =>
      seconds.subarray(cell * depth, (cell + 1) * depth).reduce((count, time) => count + !Number.isNaN(time), 0),
    );
  }

  let scratch = new Float64Array(16);

  /** The median of `count` studies drawn with replacement; sorted while they are drawn, as they are few. */
  function drawnMedian(seconds, start, count, uniform, from) {
    if (!count) return NaN;
    if (count > scratch.length) scratch = new Float64Array(2 * count);
    for (let i = 0; i < count; i++) {
      const time = seconds[start + Math.floor(uniform[from + i] * count)];
      let at = i;
      for (; at > 0 && scratch[at - 1] > time; at--) scratch[at] = scratch[at - 1];
      scratch[at] = time;
    }
    return engine.middle(scratch, count);
  }

  /** The q-quantile of sorted numbers, linear between neighbours, as numpy.quantile has it. */
  function quantile(sorted, q) {
    const position = (sorted.length - 1) * q;
    const below = Math.floor(position);
    const low = sorted[below];
    const high = sorted[Math.min(below + 1, sorted.length - 1)];
    const share = position - below;
    return share < 0.5 ? low + (high - low) * share : high - (high - low) * (1 - share);
  }

  /**
   * Uncertainty of the submissions of a view: intervals [low, high], rank probabilities, and `ahead[i][j]`, the share
   * of replicates in which i is ahead of j.
   */
  function uncertainty(data, view, shape, study) {
    const { num_replicates: replicates, level, same_score: same } = data.constants;
    const number = shape.numSubmissions;
    const scores = replicateScores(data, view, shape, study);
    const ahead = Array.from({ length: number }, () => new Float64Array(number));
    const ranks = Array.from({ length: number }, () => new Float64Array(number));
    for (let from = 0; from < scores.length; from += number) {
      for (let j = 0; j < number; j++) {
        let better = 0;
        for (let i = 0; i < number; i++) {
          if (scores[from + i] > scores[from + j] + same) {
            ahead[i][j]++;
            better++;
          }
        }
        ranks[j][better]++;
      }
    }
    const shares = (counts) => counts.map((row) => Array.from(row, (count) => count / replicates));
    const tail = (1 - level) / 2;
    const intervals = Array.from({ length: number }, (_, i) => {
      const own = Float64Array.from({ length: replicates }, (_, r) => scores[r * number + i]).sort();
      return [quantile(own, tail), quantile(own, 1 - tail)];
    });
    const hasEvidence = evidence(data, view, shape, study);
    return { intervals, rankProbabilities: shares(ranks), ahead: shares(ahead), hasEvidence };
  }

  /** By submission, whether there are enough studies, on scored workloads, to tell its lead from chance. */
  function evidence(data, view, shape, { seconds, depth }) {
    const isScored = view.workloads.some((column) => data.columns[column].is_scored);
    const counts = studyCounts(seconds, depth);
    return Array.from({ length: shape.numSubmissions }, (_, i) => {
      const own = counts.subarray(i * shape.numColumns, (i + 1) * shape.numColumns).filter((count) => count > 0);
      return isScored && Math.min(depth, ...own) >= data.constants.min_studies;
    });
  }

  /** How certain the order of two submissions is: the larger of the shares in which one is ahead. */
  function certainty(found, first, second) {
    return Math.max(found.ahead[first][second], found.ahead[second][first]);
  }

  /** Whether one of two submissions is ahead beyond chance. */
  function isSeparated(data, found, first, second) {
    if (!found.hasEvidence[first] || !found.hasEvidence[second]) return false;
    return certainty(found, first, second) >= 1 - (1 - data.constants.level) / 2;
  }

  /** Pairs next to each other in `order`. */
  function neighbours(data, found, order) {
    return order.slice(1).map((second, at) => {
      const first = order[at];
      return {
        first,
        second,
        probability: found.ahead[first][second],
        isSeparated: isSeparated(data, found, first, second),
        isTie: certainty(found, first, second) < data.constants.tie,
      };
    });
  }

  return { uncertainty, isSeparated, neighbours, quantile };
})();
