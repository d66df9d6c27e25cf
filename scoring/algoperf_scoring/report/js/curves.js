"use strict";
/* Training curves of one workload: of each study the trial that stands for it. */
const curves = (() => {
  /** What may be on the x axis. */
  const AXES = { sec: "submission time", step: "steps", total: "total time" };

  const WHICH =
    "A study is shown by the trial that stands for it under the report's rule and strict target; " +
    "if none reached it, by the one that came closest. Curves are thinned to 48 evaluations.";

  /** Fills the section; the choices are `view.axis`, `view.log`, `view.single`, `view.whole`. */
  function render(element, context, j) {
    const { data, view, ranked } = context;
    const at = ranked.shape.columns[j];
    const column = data.columns[at];
    const width = figure.widthOf(element);
    const { all, unit } = collect(context, at, column);
    if (!all.length) {
      dom.fill(element, dom.make("p", {}, "No run of the chosen submissions has this column."));
      return;
    }
    const chart = draw(context, column, all, unit, width);
    const label = `Validation ${column.metric} on ${column.name} over ${AXES[view.axis]}.`;
    const present = ranked.order
      .map((i) => view.submissions[i])
      .filter((position) => all.some((one) => one.position === position));
    const how = view.single
      ? "One line per study."
      : "Line: median over studies, from where all have begun; band: smallest and largest. " +
        "A study that has ended keeps its last value.";
    dom.fill(
      element,
      figure.wrap(chart, label),
      series.legend(data, present),
      dom.make("p", { class: "note" }, `${how} ${WHICH}`),
    );
  }

  /** The curves of all chosen studies in the units of the chart. */
  function collect({ data, view }, at, column) {
    const unit = view.axis === "step" ? { name: "", per: 1 } : format.timeUnit(column.budget_sec);
    const all = view.submissions.flatMap((position) =>
      (data.cells[position][at]?.studies ?? []).flatMap(({ number, curve }) => {
        const from = curve?.[view.axis];
        if (!from) return [];
        const rows = [...from.keys()].filter((row) => from[row] !== null && (!view.log || from[row] > 0));
        return rows.length
          ? [{ position, number, xs: rows.map((row) => from[row] / unit.per), ys: rows.map((row) => curve.value[row]) }]
          : [];
      }),
    );
    return { all, unit };
  }

  function draw(context, column, all, unit, width) {
    const { view } = context;
    const longest = d3.max(all.flatMap(({ xs }) => xs));
    const x = [view.log ? Math.max(d3.min(all.flatMap(({ xs }) => xs)), longest / 1e4) : 0, longest];
    const y = range(column, all, view.whole);
    const bySubmission = [...d3.group(all, ({ position }) => position)];
    const lines = bySubmission.flatMap(([position, own]) =>
      view.single ? singles(position, own) : summary(position, own, x, view.log),
    );
    return figure.plot({
      width,
      height: figure.isNarrow(width) ? 320 : 400,
      marginLeft: 52,
      marginRight: 16,
      marginTop: 24,
      marginBottom: 40,
      x: {
        domain: x,
        type: view.log ? "log" : "linear",
        label: AXES[view.axis] + (unit.name ? ` (${unit.name})` : ""),
        ticks: figure.isNarrow(width) ? 4 : 8,
        tickFormat: "~s",
      },
      y: { domain: y, label: `validation ${column.metric.replaceAll("_", " ")}`, grid: true, ticks: 7 },
      marks: [...lines, ...targetLine(column, view.rule.relaxation), tip(context, column, all, unit, { x, y })],
    });
  }

  function targetLine(column, relaxation) {
    const target = engine.relaxedTarget(column, relaxation);
    const place = { y: target, frameAnchor: "right", dy: column.goal === "max" ? -7 : 9 };
    const halo = { fill: "currentColor", stroke: "var(--background)", strokeWidth: 4 };
    return [
      Plot.ruleY([target], { stroke: "currentColor", strokeWidth: 1.5, strokeDasharray: "6 4" }),
      Plot.text([target], { text: (value) => `target ${format.short(value)}`, ...place, ...halo }),
    ];
  }

  /** Tells of the evaluation under the pointer which it is. */
  function tip({ data, view }, column, all, unit, domain) {
    const isShown = ({ x, y }) => x >= domain.x[0] && y >= domain.y[0] && y <= domain.y[1];
    const points = all.flatMap((one) => one.xs.map((x, row) => ({ ...one, x, y: one.ys[row] }))).filter(isShown);
    const title = ({ position, number, x, y }) =>
      [
        `${data.submissions[position].name}, study ${number}`,
        `${column.metric} ${format.short(y)}`,
        `${AXES[view.axis]} ${format.short(x)} ${unit.name}`,
      ].join("\n");
    return figure.tip(points, { x: "x", y: "y", maxRadius: 20, title });
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

  function singles(position, own) {
    return own.map(({ xs, ys }) =>
      figure.line(
        xs.map((x, row) => ({ x, y: ys[row] })),
        position,
        { x: "x", y: "y", clip: true, strokeWidth: 1.25 },
      ),
    );
  }

  function summary(position, own, domain, isLog) {
    const { colour, className } = series.of(position);
    const points = spread.over(own, spread.grid(own, domain, isLog));
    const band = Plot.areaY(points, {
      x: "x",
      y1: "low",
      y2: "high",
      fill: colour,
      fillOpacity: 0.13,
      clip: true,
      className: `${className} band`,
    });
    return [...(own.length > 1 ? [band] : []), figure.line(points, position, { x: "x", y: "median", clip: true })];
  }

  return { AXES, render };
})();
