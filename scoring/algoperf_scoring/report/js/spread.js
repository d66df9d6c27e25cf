"use strict";
/*
 * Several curves as one: median and range over studies, as long as at least half of them train. A study that has ended
 * keeps its last value until then. One that has no evaluation yet counts as the worst, as a study that never reaches the
 * target does in a median of times: so, with an odd number of studies, the median reaches the target at their median time,
 * and ends there.
 */
const spread = (() => {
  /** The value of a curve at x, linear between its points, the last one after its end; NaN before its start. */
  function at(curve, x) {
    const { xs, ys } = curve;
    if (!xs.length || x < xs[0]) return NaN;
    if (x >= xs[xs.length - 1]) return ys[ys.length - 1];
    let low = 0;
    let high = xs.length - 1;
    while (high - low > 1) {
      const between = (low + high) >> 1;
      if (xs[between] <= x) low = between;
      else high = between;
    }
    if (xs[high] === xs[low]) return ys[high];
    return ys[low] + ((ys[high] - ys[low]) * (x - xs[low])) / (xs[high] - xs[low]);
  }

  /** Where fewer than half of the curves go on: the median of their ends, the later one of two. */
  function end(curves) {
    const ends = curves.map(({ xs }) => xs[xs.length - 1]).sort((a, b) => a - b);
    return ends[Math.floor(ends.length / 2)];
  }

  /**
   * Points {x, median, low, high} from where the median is known to where fewer than half of the curves go on. The end of the range on
   * the side of the worst is null as long as a curve has not begun.
   * @param {{xs: number[], ys: number[]}[]} curves
   * @param {number[]} grid rising
   * @param {"max"|"min"} goal which values are better
   */
  function over(curves, grid, goal) {
    const worst = goal === "max" ? -Infinity : Infinity;
    const known = (value) => (Number.isFinite(value) ? value : null);
    const last = end(curves);
    const points = grid
      .filter((x) => x <= last)
      .map((x) => {
        const values = curves.map((curve) => (x < curve.xs[0] ? worst : at(curve, x)));
        const [low, high] = [Math.min(...values), Math.max(...values)].map(known);
        return { x, median: engine.median(values), low, high };
      });
    return points.filter(({ median }) => Number.isFinite(median));
  }

  /** Where to look: a grid, even in x or in its logarithm, and the ends of the curves so that none is cut short. */
  function grid(curves, [from, to], isLog, number = 90) {
    const even = Array.from({ length: number }, (_, i) => {
      const share = i / (number - 1);
      return isLog ? from * (to / from) ** share : from + (to - from) * share;
    });
    const ends = curves.flatMap(({ xs }) => (xs.length ? [xs[0], xs[xs.length - 1]] : []));
    return [...even, ...ends.filter((x) => x >= from && x <= to)].sort((a, b) => a - b);
  }

  return { at, end, over, grid };
})();
