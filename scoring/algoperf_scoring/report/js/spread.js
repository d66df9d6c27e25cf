"use strict";
/*
 * Several curves as one: median and range over studies, of which one that has ended keeps its last value. The studies
 * are the same at every point: were they those that have begun, the median would jump where another one begins.
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

  /**
   * Points {x, median, low, high} from where all curves have begun to where the last one ends.
   * @param {{xs: number[], ys: number[]}[]} curves
   * @param {number[]} grid rising
   */
  function over(curves, grid) {
    const points = [];
    const begin = Math.max(...curves.map(({ xs }) => xs[0]));
    const end = Math.max(...curves.map(({ xs }) => xs[xs.length - 1]));
    for (const x of grid.filter((one) => begin <= one && one <= end)) {
      const values = curves.map((curve) => at(curve, x));
      points.push({ x, median: engine.median(values), low: Math.min(...values), high: Math.max(...values) });
    }
    return points;
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

  return { at, over, grid };
})();
