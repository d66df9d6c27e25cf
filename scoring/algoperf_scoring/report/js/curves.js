"use strict";
/* Training curves of one workload: of each study the trial that stands for it. */
const curves = (() => {
  /** What may be on the x axis. */
  const AXES = { sec: "submission time", step: "steps", total: "total time" };

  const HEIGHT = { narrow: 324, wide: 404 };
  const MARGIN = { left: 52, right: 16, top: 32, bottom: 40 };

  const WHICH =
    "A study is shown by the trial that stands for it under the report's rule and strict target; " +
    "if none reached it, by the one that came closest. Curves are thinned to 48 evaluations.";

  const START =
    "A curve starts at the first evaluation, not at the untrained model: whatever went before, such as compilation, " +
    "is part of its time.";

  /** Fills the section; the choices are `view.axis`, `view.log`, `view.single`, `view.whole`. */
  function render(element, context, j) {
    const { data, view, ranked } = context;
    const at = ranked.shape.columns[j];
    const column = data.columns[at];
    const width = figure.widthOf(element);
    const { all, unit, longest } = collect(context, at);
    if (!all.length) {
      dom.fill(element, dom.make("p", {}, "No run of the chosen submissions has this column."));
      return;
    }
    const { chart, named, outside } = draw(context, column, { all, unit, longest }, width);
    const label = `Validation ${column.metric} on ${column.name} over ${AXES[view.axis]}.`;
    const present = ranked.order
      .map((i) => view.submissions[i])
      .filter((position) => all.some((one) => one.position === position));
    const how = view.single
      ? "One line per study."
      : "Line: median over studies; band: from the worst to the best. Both end where fewer than half of the studies " +
        "still train. A study without an evaluation yet counts as the worst; one that has ended keeps its last value.";
    const left = outside.length
      ? dom.make("p", { class: "note" }, dom.make("strong", {}, leftOut(data, outside)), " Choose \u201cwhole range\u201d.")
      : null;
    dom.fill(
      element,
      figure.wrap(chart, label),
      left,
      series.legend(data, present),
      dom.make("p", { class: "note" }, `${how} ${WHICH}`),
      dom.make("p", { class: "note" }, [START, ...atOnce(context, column, all, present)].join(" ")),
    );
    labels.along(chart, named, frameOf(width));
  }

  /** Whose first evaluation was at the target already, so that there is no curve up to it. */
  function atOnce({ data, view }, column, all, present) {
    const target = engine.relaxedTarget(column, view.rule.relaxation);
    const isThere = ({ ys }) => (column.goal === "max" ? ys[0] >= target : ys[0] <= target);
    const found = present.map((position) => [position, all.filter((one) => one.position === position)]);
    const words = found
      .filter(([, own]) => own.some(isThere))
      .map(([position, own]) => `${who.title(data, position)} in ${own.filter(isThere).length} of ${own.length}`);
    return words.length ? [`Studies that were at the target at their first evaluation: ${format.list(words)}.`] : [];
  }

  function leftOut(data, outside) {
    const be = outside.length === 1 ? "is" : "are";
    return `${who.several(data, outside)} ${be} outside of the part of the axis that is shown.`;
  }

  /** The curves of all chosen studies in the units of the chart, and where the last line ends. */
  function collect({ data, view }, at) {
    const all = view.submissions.flatMap((position) =>
      (data.cells[position][at]?.studies ?? []).flatMap(({ number, curve }) => {
        const from = curve?.[view.axis];
        if (!from) return [];
        const rows = [...from.keys()].filter((row) => from[row] !== null && (!view.log || from[row] > 0));
        return rows.length
          ? [{ position, number, xs: rows.map((row) => from[row]), ys: rows.map((row) => curve.value[row]) }]
          : [];
      }),
    );
    const lines = view.single ? all.map((one) => [one]) : [...d3.group(all, ({ position }) => position).values()];
    const longest = d3.max(lines, spread.end) ?? 0;
    const unit = view.axis === "step" ? { name: "", per: 1 } : format.timeUnit(longest);
    for (const one of all) one.xs = one.xs.map((x) => x / unit.per);
    return { all, unit, longest: longest / unit.per };
  }

  /** Where the frame of a chart is, in its pixels. */
  function frameOf(width) {
    const height = figure.isNarrow(width) ? HEIGHT.narrow : HEIGHT.wide;
    return { left: MARGIN.left, right: width - MARGIN.right, top: MARGIN.top, bottom: height - MARGIN.bottom };
  }

  function draw(context, column, { all, unit, longest }, width) {
    const { view } = context;
    const x = [view.log ? Math.max(d3.min(all.flatMap(({ xs }) => xs)), longest / 1e4) : 0, longest];
    const y = range(column, all, view.whole);
    const isShown = (point) => point.x >= x[0] && point.y >= y[0] && point.y <= y[1];
    const drawn = [...d3.group(all, ({ position }) => position)].map(([position, own]) => {
      const points = view.single ? evaluations(own) : median(own, x, view.log, column.goal);
      return { position, points, visible: points.filter(isShown), number: own.length };
    });
    const inside = drawn.filter(({ visible }) => visible.length);
    const chart = figure.plot({
      width,
      height: figure.isNarrow(width) ? HEIGHT.narrow : HEIGHT.wide,
      marginLeft: MARGIN.left,
      marginRight: MARGIN.right,
      marginTop: MARGIN.top,
      marginBottom: MARGIN.bottom,
      x: {
        domain: x,
        type: view.log ? "log" : "linear",
        label: AXES[view.axis] + (unit.name ? ` (${unit.name})` : ""),
        ticks: figure.isNarrow(width) ? 4 : 8,
        tickFormat: "~s",
      },
      y: { domain: y, label: `validation ${column.metric.replaceAll("_", " ")}`, grid: true, ticks: 7 },
      marks: [
        ...(view.axis === "sec"
          ? figure.limit(column.budget_sec / unit.per, `budget ${format.time(column.budget_sec)}`, x)
          : []),
        ...targetLine(column, view, inside.flatMap(({ visible }) => visible), { x, y, width }),
        ...inside.flatMap(view.single ? singles : (one) => summary(one, y)),
        tip(context, column, inside, unit),
      ],
    });
    const outside = drawn.filter(({ visible }) => !visible.length).map(({ position }) => position);
    const target = chart.scale("y").apply(engine.relaxedTarget(column, view.rule.relaxation));
    const rule = { points: [frameOf(width).left, frameOf(width).right].map((end) => [end, target]) };
    return { chart, named: [rule, ...named(context, chart, inside)], outside };
  }

  /** The lines for `labels.along`, those of higher rank first; of single studies, the one that ends last has a name. */
  function named({ data, view, ranked }, chart, inside) {
    const [x, y] = ["x", "y"].map((axis) => chart.scale(axis));
    const rank = ({ position }) => ranked.order.indexOf(view.submissions.indexOf(position));
    return d3.sort(inside, rank).flatMap(({ position, visible }) => {
      const lines = [...d3.group(visible, ({ number }) => number).values()];
      const last = d3.greatest(lines, (points) => points.at(-1).x);
      return lines.map((points) => ({
        position,
        words: points === last ? who.title(data, position) : "",
        points: points.map((point) => [x.apply(point.x), y.apply(point.y)]),
      }));
    });
  }

  /** The line of the target; its name stands where it meets the fewest points, and below them. */
  function targetLine(column, view, points, frame) {
    const target = engine.relaxedTarget(column, view.rule.relaxation);
    const { end, side } = quietest(points, target, view.log, frame);
    const place = {
      y: target,
      frameAnchor: end,
      textAnchor: end === "left" ? "start" : "end",
      dx: end === "left" ? 4 : -4,
      dy: 8 * side,
    };
    const halo = { fill: "currentColor", stroke: "var(--background)", strokeWidth: 4 };
    return [
      Plot.ruleY([target], { stroke: "currentColor", strokeWidth: 1.5, strokeDasharray: "6 4" }),
      Plot.text([target], { text: (value) => `target ${format.short(value)}`, ...place, ...halo }),
    ];
  }

  /** Of the ends of a line and its sides (-1 above, 1 below) those with the fewest points where a name would stand. */
  function quietest(points, target, isLog, { x, y, width }) {
    const across = (isLog ? d3.scaleLog() : d3.scaleLinear()).domain(x).clamp(true);
    const up = d3.scaleLinear().domain(y);
    const frame = frameOf(width).bottom - MARGIN.top;
    const reach = { x: Math.min(0.5, 140 / width), y: 0.08 };
    const tall = 16 / frame; // of the name, with the gap between it and the line
    const found = ["left", "right"].flatMap((end) => [-1, 1].map((side) => ({ end, side })));
    const met = ({ end, side }) =>
      points.filter((point) => {
        const [at, above] = [across(point.x), up(point.y) - up(target)];
        const isNear = end === "left" ? at < reach.x : at > 1 - reach.x;
        return isNear && (side < 0 ? above > -0.02 && above < reach.y : above < 0.02 && above > -reach.y);
      }).length;
    const isInside = ({ side }) => (side < 0 ? up(target) < 1 - tall : up(target) > tall);
    return d3.least(found, (place) => met(place) + (isInside(place) ? 0 : 1000));
  }

  /** Tells of the point under the pointer which it is. */
  function tip({ data, view }, column, inside, unit) {
    const title = ({ position, which, x, y }) =>
      [
        `${who.title(data, position)}, ${which}`,
        `${column.metric.replaceAll("_", " ")} ${format.short(y)} (target ${format.short(column.target)})`,
        `${AXES[view.axis]} ${view.axis === "step" ? format.whole(x) : `${format.amount(x)} ${unit.name}`}`,
      ].join("\n");
    const points = inside.flatMap(({ visible }) => visible);
    return figure.tip(points, { x: "x", y: "y", maxRadius: 60, title });
  }

  /** The points of single studies. */
  function evaluations(own) {
    return own.flatMap(({ position, number, xs, ys }) =>
      xs.map((x, row) => ({ position, number, which: `study ${number}`, x, y: ys[row] })),
    );
  }

  /** The points of the median of a submission's studies, with their range. */
  function median(own, domain, isLog, goal) {
    const which = own.length > 1 ? `median of ${own.length} studies` : "one study";
    return spread
      .over(own, spread.grid(own, [domain[0], Math.min(domain[1], spread.end(own))], isLog), goal)
      .map(({ x, median: y, low, high }) => ({ position: own[0].position, which, x, y, low, high }));
  }

  /** The part of the y axis that tells curves apart: around the target and the later two thirds of the curves. */
  function range(column, all, whole) {
    const late = all
      .flatMap(({ xs, ys }) => ys.filter((_, row) => whole || xs[row] >= 0.15 * xs[xs.length - 1]))
      .sort(d3.ascending);
    const [low, high] = whole
      ? d3.extent(late)
      : [d3.quantile(late, column.goal === "max" ? 0.12 : 0), d3.quantile(late, column.goal === "max" ? 1 : 0.88)];
    const ends = [Math.min(low, column.target), Math.max(high, column.target)];
    const room = 0.04 * (ends[1] - ends[0] || Math.abs(column.target) || 1);
    return [ends[0] - room, ends[1] + room];
  }

  function singles({ position, points }) {
    const place = { x: "x", y: "y", z: "number", clip: true, strokeWidth: 1.25 };
    return [figure.line(points, position, place)];
  }

  /** Median and range of a submission's studies. Where the median is out of sight, so is the range. */
  function summary({ position, points, visible, number }, [bottom, top]) {
    const { colour, className } = series.of(position);
    const isVisible = new Set(visible);
    const band = Plot.areaY(points, {
      x: "x",
      y1: (point) => (isVisible.has(point) ? (point.low ?? bottom) : NaN),
      y2: (point) => (isVisible.has(point) ? (point.high ?? top) : NaN),
      fill: colour,
      fillOpacity: 0.13,
      clip: true,
      className: `${className} band`,
    });
    return [
      ...(number > 1 ? [band] : []),
      figure.line(points, position, { x: "x", y: "y", clip: true }),
      figure.dot(marks(visible, position), position, { x: "x", y: "y" }),
    ];
  }

  /** A few points for symbols, the end too; else other ones for other submissions, so that they lie apart. */
  function marks(points, position) {
    const every = Math.max(1, Math.floor(points.length / 4));
    return points.filter((_, at) => at === points.length - 1 || at % every === (position * 7 + 3) % every);
  }

  return { AXES, render };
})();
