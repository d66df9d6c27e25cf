"use strict";
/*
 * From the payload to scores, as profiles.py and results.py do it, operation for operation: what is a tie there is one
 * here. A `view` says what the reader has chosen:
 *   submissions, workloads: positions in the payload, rising;
 *   rule: {best_trial, integral, max_ratio, held_out, relaxation}, as in rules.py.
 * Arrays are flat: [submission, column] has its entry at submission * numColumns + column.
 */
const engine = (() => {
  /** The columns of a view: its workloads, then their held-out variants, and where each workload's variant is. */
  function layout(data, view) {
    const variants = view.workloads.map((column) => data.variant_column[column]);
    const columns = [...view.workloads, ...variants.filter((column) => column >= 0)];
    return {
      columns,
      numSubmissions: view.submissions.length,
      numWorkloads: view.workloads.length,
      numColumns: columns.length,
      variantColumn: variants.map((column) => (column < 0 ? -1 : columns.indexOf(column))),
    };
  }

  /** The validation target made easier by a share of its absolute value. */
  function relaxedTarget(column, relaxation) {
    const amount = relaxation * Math.abs(column.target);
    return column.goal === "max" ? column.target - amount : column.target + amount;
  }

  /** The evaluation that stands for a study: {sec, step, trial}, or null if the target was not reached. */
  function studyHit(study, column, rule) {
    const steps = (rule.best_trial === "index" && study.index) || study.time;
    const target = relaxedTarget(column, rule.relaxation);
    const isMax = column.goal === "max";
    const at = steps.value.findIndex((value) => (isMax ? value >= target : value <= target));
    return at < 0 ? null : { sec: steps.sec[at], step: steps.step[at] ?? NaN, trial: steps.trial[at] };
  }

  /** By submission and column of the view the hits of all studies: [{number, hit}]. */
  function studyHits(data, view, columns) {
    return view.submissions.map((submission) =>
      columns.map((column) =>
        (data.cells[submission][column]?.studies ?? []).map((study) => ({
          number: study.number,
          hit: studyHit(study, data.columns[column], view.rule),
        })),
      ),
    );
  }

  /** Seconds of all studies, [submission, column, study]; NaN fills up where there are fewer than `depth`. */
  function studyTimes(hits) {
    const depth = Math.max(0, ...hits.flat().map((studies) => studies.length)) || 1;
    const seconds = new Float64Array(hits.length * (hits[0]?.length ?? 0) * depth).fill(NaN);
    hits.flat().forEach((studies, cell) =>
      studies.forEach(({ hit }, study) => {
        seconds[cell * depth + study] = hit ? hit.sec : Infinity;
      }),
    );
    return { seconds, depth };
  }

  /** The median of those numbers that are not NaN; of an even number the mean of the middle two; NaN of none. */
  function median(values) {
    const sorted = Float64Array.from(values.filter((value) => !Number.isNaN(value))).sort();
    return sorted.length ? middle(sorted, sorted.length) : NaN;
  }

  /** The median of the first `count` numbers, which are sorted. */
  function middle(sorted, count) {
    const lower = sorted[(count - 1) >> 1];
    const upper = sorted[count >> 1];
    return lower === upper ? lower : (lower + upper) / 2;
  }

  /** Median times [submission, column]. */
  function medians({ seconds, depth }) {
    return Float64Array.from({ length: seconds.length / depth }, (_, cell) =>
      median(seconds.subarray(cell * depth, (cell + 1) * depth)),
    );
  }

  /** The smallest number of a column that is not NaN. */
  function fastest(times, shape, column, numColumns) {
    let best = Infinity;
    for (let i = 0; i < shape.numSubmissions; i++) best = Math.min(best, finite(times[i * numColumns + column]));
    return best;
  }

  function finite(time) {
    return Number.isNaN(time) ? Infinity : time;
  }

  /** What the comparison makes of times: {ratios, isCut, isVoid}, [submission, workload]. */
  function credit(times, shape, rule) {
    const { numSubmissions, numWorkloads, numColumns } = shape;
    const ratios = new Float64Array(numSubmissions * numWorkloads);
    const isCut = new Uint8Array(ratios.length);
    const isVoid = new Uint8Array(ratios.length);
    for (let workload = 0; workload < numWorkloads; workload++) {
      const limit = rule.max_ratio * fastest(times, shape, workload, numColumns);
      const passes = variantPasses(times, shape, rule, workload);
      let best = Infinity;
      for (let i = 0; i < numSubmissions; i++) {
        const time = finite(times[i * numColumns + workload]);
        const at = i * numWorkloads + workload;
        const counts = time < Infinity && time <= limit;
        isCut[at] = time < Infinity && !counts;
        isVoid[at] = counts && !passes(i);
        ratios[at] = counts && !isVoid[at] ? time : Infinity;
        best = Math.min(best, ratios[at]);
      }
      for (let at = workload; at < ratios.length; at += numWorkloads) {
        if (ratios[at] < Infinity) ratios[at] = ratios[at] === best ? 1 : ratios[at] / best;
      }
    }
    return { ratios, isCut, isVoid };
  }

  /** A function that tells whether a submission has a time that counts on the workload's held-out variant. */
  function variantPasses(times, shape, rule, workload) {
    const { numSubmissions, numColumns, variantColumn } = shape;
    const column = variantColumn[workload];
    if (column < 0 || !rule.held_out) return () => true;
    // A variant whose workload was not reached sets no scale for others.
    const variant = (i) =>
      finite(times[i * numColumns + workload]) === Infinity ? Infinity : finite(times[i * numColumns + column]);
    let best = Infinity;
    for (let i = 0; i < numSubmissions; i++) best = Math.min(best, variant(i));
    return (i) => variant(i) < Infinity && variant(i) <= rule.max_ratio * best;
  }

  /** Points of published profiles. */
  function grid(maxRatio, numPoints) {
    const step = (maxRatio - 1) / (numPoints - 1);
    return Float64Array.from({ length: numPoints }, (_, i) => (i === numPoints - 1 ? maxRatio : i * step + 1));
  }

  /** A function from a ratio to what its workload adds to the score, times the number of workloads. */
  function area(rule, numPoints) {
    if (rule.integral === "exact") return (ratio) => Math.max(0, rule.max_ratio - ratio) / (rule.max_ratio - 1);
    const points = grid(rule.max_ratio, numPoints);
    return (ratio) => {
      const first = firstAtLeast(points, ratio);
      if (first === numPoints) return 0;
      return first === 0 ? 1 : (numPoints - 1 - first + 0.5) / (numPoints - 1);
    };
  }

  function firstAtLeast(points, value) {
    let low = 0;
    let high = points.length;
    while (low < high) {
      const between = (low + high) >> 1;
      if (points[between] < value) low = between + 1;
      else high = between;
    }
    return low;
  }

  /** The normalised area under the profile of each submission: [submission]. */
  function scores(ratios, numSubmissions, rule, numPoints, areaOf = area(rule, numPoints)) {
    const numWorkloads = ratios.length / numSubmissions;
    const areas = Float64Array.from(ratios, areaOf);
    return Float64Array.from({ length: numSubmissions }, (_, i) =>
      mean(areas.subarray(i * numWorkloads, (i + 1) * numWorkloads)),
    );
  }

  /** The mean, added up in NumPy's order, so that equal scores are equal here too. */
  function mean(values) {
    const length = values.length;
    let sum = 0;
    let at = 0;
    if (length >= 8) {
      const parts = values.slice(0, 8);
      for (at = 8; at + 8 <= length; at += 8) for (let j = 0; j < 8; j++) parts[j] += values[at + j];
      sum = parts[0] + parts[1] + (parts[2] + parts[3]) + (parts[4] + parts[5] + (parts[6] + parts[7]));
    }
    for (; at < length; at++) sum += values[at];
    return sum / length;
  }

  /** The share of workloads whose ratio is at most tau, for each submission. */
  function profileAt(ratios, numSubmissions, tau) {
    const numWorkloads = ratios.length / numSubmissions;
    return Array.from({ length: numSubmissions }, (_, i) => {
      const own = ratios.subarray(i * numWorkloads, (i + 1) * numWorkloads);
      return own.reduce((count, ratio) => count + (ratio <= tau), 0) / numWorkloads;
    });
  }

  /** Geometric-mean speedup of each row of [submission, column] times over that of the reference; NaN without a time. */
  function speedups(data, times, shape, referenceTimes, view) {
    const { penalty_sec: penalty } = data.constants;
    const filled = (time, j) => (Number.isFinite(time) ? time : data.columns[view.workloads[j]].budget_sec + penalty);
    return Array.from({ length: shape.numSubmissions }, (_, i) => {
      const logs = view.workloads.map((_, j) =>
        Math.log(filled(referenceTimes[j], j) / filled(times[i * shape.numColumns + j], j)),
      );
      const hasTime = view.workloads.some((_, j) => Number.isFinite(times[i * shape.numColumns + j]));
      return hasTime ? Math.exp(mean(Float64Array.from(logs))) : NaN;
    });
  }

  return {
    layout,
    relaxedTarget,
    studyHit,
    studyHits,
    studyTimes,
    median,
    middle,
    medians,
    fastest,
    credit,
    grid,
    area,
    scores,
    mean,
    profileAt,
    speedups,
  };
})();
