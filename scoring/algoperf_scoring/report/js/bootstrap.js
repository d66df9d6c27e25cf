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
    return { intervals, rankProbabilities: shares(ranks), ahead: shares(ahead), scores, depth: study.depth };
  }

  /** Whether one of two submissions is ahead beyond chance. */
  function isSeparated(data, found, first, second) {
    return Math.max(found.ahead[first][second], found.ahead[second][first]) >= 1 - (1 - data.constants.level) / 2;
  }

  /** Pairs next to each other in `order`, with how many more studies would be expected to tell them apart. */
  function neighbours(data, found, points, order) {
    return order.slice(1).map((second, at) => {
      const first = order[at];
      const separated = isSeparated(data, found, first, second);
      const difference = points[first] - points[second];
      let moreStudies = separated ? 0 : null;
      if (!separated && difference > data.constants.same_score) {
        const factor = (data.constants.quantile * deviation(found.scores, points.length, first, second)) / difference;
        moreStudies = Math.max(1, Math.ceil(found.depth * factor ** 2) - found.depth);
      }
      return { first, second, probability: found.ahead[first][second], isSeparated: separated, moreStudies };
    });
  }

  /** Standard deviation of the difference of two submissions' scores over the replicates. */
  function deviation(scores, number, first, second) {
    const length = scores.length / number;
    const differences = Float64Array.from(
      { length },
      (_, r) => scores[r * number + first] - scores[r * number + second],
    );
    const mean = differences.reduce((sum, value) => sum + value, 0) / length;
    return Math.sqrt(differences.reduce((sum, value) => sum + (value - mean) ** 2, 0) / length);
  }

  return { uncertainty, isSeparated, neighbours, quantile };
})();
