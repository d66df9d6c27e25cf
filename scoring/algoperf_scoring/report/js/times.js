"use strict";
/* Times to target: all workloads as a table, one workload as a chart with a dot for each study. */
const times = (() => {
  /** Fills the section with the tables of workloads and held-out variants. */
  function renderAll(element, context) {
    const { numWorkloads, numColumns } = context.ranked.shape;
    const variants =
      numColumns > numWorkloads
        ? dom.make(
            "details",
            { "data-print": true },
            dom.make("summary", {}, "Held-out variants"),
            tableOf(context, "held-out", "Held-out variants: median seconds to target", numWorkloads, numColumns),
          )
        : null;
    dom.fill(
      element,
      tableOf(context, "times", "Ratio to the fastest, and median seconds to target", 0, numWorkloads),
      variants,
    );
  }

  function tableOf({ data, view, ranked }, name, caption, from, to) {
    const columns = ranked.shape.columns.slice(from, to);
    const header = columns.map((column) => ({
      label: dom.breakable(data.columns[column].name),
      name: `${data.columns[column].name}_sec`,
      number: true,
    }));
    const rows = ranked.order.map((i) => [
      { text: data.submissions[view.submissions[i]].name },
      ...ranked.cells[i].slice(from, to).map((cell, at) => tableCell(cell, whyNot(ranked, view.rule, i, from + at))),
    ]);
    return tables.build(name, caption, [{ label: "submission" }, ...header], rows);
  }

  function tableCell(cell, reason) {
    const [main, detail] = inWords(cell);
    const value = Number.isFinite(cell.sec) ? cell.sec : NaN;
    const order = Number.isFinite(cell.ratio) ? cell.ratio : Number.isFinite(cell.sec) ? 1000 + cell.sec : 1e9;
    return {
      value,
      sort: order,
      className: cell.outcome === "reached" ? (cell.ratio === 1 ? "best" : "") : "no-credit",
      node: dom.make("span", {}, main, dom.make("small", {}, detail), reason && dom.make("small", {}, reason)),
    };
  }

  /** More about a time that gives no credit: how far it is behind, or what became of the held-out variant. */
  function whyNot(ranked, rule, i, j) {
    const { shape, times: medians, cells } = ranked;
    const cell = cells[i][j];
    if (cell.outcome === "cut")
      return `${(cell.sec / engine.fastest(medians, shape, j, shape.numColumns)).toFixed(1)}\u00d7 the fastest`;
    if (cell.outcome !== "held-out failed") return null;
    const variant = cells[i][shape.variantColumn[j]];
    const words = { reached: `above ${format.short(rule.max_ratio)}\u00d7`, missing: "no results" };
    return `variant: ${words[variant.outcome] ?? variant.outcome}`;
  }

  /** What a cell says: the ratio or why there is none, and the time or how many studies reached the target. */
  function inWords(cell) {
    const some = (number, what) => (number ? `, ${number} ${what}` : "");
    const more = some(cell.unfinished, "unfinished") + some(cell.pruned, "pruned");
    const reached = `${cell.numReached} of ${cell.studies.length} studies${more}`;
    if (cell.outcome === "unfinished") return ["unfinished", "not scored"];
    if (cell.outcome === "missing") return ["no results", "\u00a0"];
    if (cell.outcome === "pruned") return ["pruned", reached];
    if (cell.outcome === "not reached") return ["not reached", reached];
    if (cell.outcome === "cut") return ["cut", `${format.seconds(cell.sec)} s`];
    if (cell.outcome === "held-out failed") return ["held-out failed", `${format.seconds(cell.sec)} s`];
    return Number.isNaN(cell.ratio)
      ? [`${format.seconds(cell.sec)} s`, reached]
      : [format.ratio(cell.ratio), `${format.seconds(cell.sec)} s${more}`];
  }

  /** Fills the chart of one column of the ranking, and a table of all its studies. */
  function renderOne(element, context, j) {
    const column = context.data.columns[context.ranked.shape.columns[j]];
    const width = figure.widthOf(element);
    const dots = studyDots(context, j);
    const chart = draw(context, j, column, dots, width);
    const label = `Time to target of each study on ${column.name}. The table below has the values.`;
    dom.fill(
      element,
      dom.make("p", { class: "note" }, limitsInWords(context, j, column)),
      figure.wrap(chart, label),
      dom.make("details", {}, dom.make("summary", {}, "All studies as a table"), studyTable(context, column, dots)),
    );
  }

  function limitsInWords({ view }, j, column) {
    const target = engine.relaxedTarget(column, view.rule.relaxation);
    const sense = column.goal === "max" ? "at least" : "at most";
    const relaxed = view.rule.relaxation ? ` (relaxed from ${format.short(column.target)})` : "";
    const metric = column.metric.replaceAll("_", " ");
    const budget = format.seconds(column.budget_sec);
    return `Target: validation ${metric} ${sense} ${format.short(target)}${relaxed}. Budget: ${budget} s.`;
  }

  function studyDots({ data, view, ranked }, j) {
    return ranked.order.flatMap((i) =>
      ranked.cells[i][j].studies.map(({ number, hit }, at, all) => ({
        position: view.submissions[i],
        name: data.submissions[view.submissions[i]].name,
        number,
        hit,
        sec: hit ? hit.sec : Infinity,
        offset: (at - (all.length - 1) / 2) * Math.min(3, 14 / all.length), // equal times stay apart
      })),
    );
  }

  /** The largest time that gives credit; NaN for variants and where nobody reached the target. */
  function cutLine({ view, ranked }, j) {
    const { shape } = ranked;
    const best = engine.fastest(ranked.times, shape, j, shape.numColumns);
    return j < shape.numWorkloads && best < Infinity ? view.rule.max_ratio * best : NaN;
  }

  function draw(context, j, column, dots, width) {
    const { data, view, ranked } = context;
    const rows = ranked.order.map((i) => ({
      name: data.submissions[view.submissions[i]].name,
      sec: ranked.cells[i][j].sec,
    }));
    const { name: unit, per } = format.timeUnit(column.budget_sec);
    const finite = dots.filter(({ hit }) => hit);
    const longest = Math.max(column.budget_sec, ...finite.map(({ sec }) => sec));
    const cut = cutLine(context, j);
    const right = figure.isNarrow(width) ? 68 : 90;
    const x = ({ sec }) => sec / per;
    return figure.plot(
      figure.rows(
        rows.map(({ name }) => name),
        width,
        {
          perRow: 28,
          marginRight: right,
          marginTop: 32,
          x: { domain: [0, (longest * 1.02) / per], label: `submission time (${unit})` },
          marks: [
            Plot.ruleY(rows, { y: "name", stroke: "var(--line)" }),
            ...limitLine(column.budget_sec / per, "budget", null),
            ...(cut <= longest
              ? limitLine(cut / per, `${format.short(view.rule.max_ratio)}\u00d7 fastest`, "4 3")
              : []),
            figure.bars(
              rows.filter(({ sec }) => Number.isFinite(sec)),
              { x },
            ),
            ...finite.map((dot) => figure.dot([dot], dot.position, { x, y: "name", dy: dot.offset })),
            ...lane(rows, dots, right),
            figure.tip(finite, { x, y: "name", title: hitInWords }),
          ],
        },
      ),
    );
  }

  /** What stands right of the times: how many studies did not reach the target. */
  function lane(rows, dots, right) {
    const place = { dx: right, textAnchor: "end", fill: "currentColor" };
    return [
      Plot.text(rows, { y: "name", text: ({ name }) => missed(dots, name), frameAnchor: "right", ...place }),
      Plot.text(["not reached"], { text: (word) => word, frameAnchor: "top-right", dy: -18, ...place }),
    ];
  }

  function hitInWords({ name, number, hit }) {
    const where = `study ${number}, trial ${hit.trial}`;
    return `${name}\n${where}\n${format.seconds(hit.sec)} s, step ${format.whole(hit.step)}`;
  }

  /** How many studies did not reach the target, "" if all did. */
  function missed(dots, name) {
    const own = dots.filter((dot) => dot.name === name);
    const never = own.filter(({ hit }) => !hit).length;
    if (!own.length) return "no results";
    return never ? `\u2715 ${never} of ${own.length}` : "";
  }

  function limitLine(x, text, dash) {
    return [
      Plot.ruleX([x], { stroke: "currentColor", strokeDasharray: dash, strokeOpacity: 0.7 }),
      Plot.text([x], {
        x,
        frameAnchor: "top",
        dy: dash ? -18 : -5,
        text: () => text,
        textAnchor: "end",
        fill: "currentColor",
      }),
    ];
  }

  function studyTable({ view }, column, dots) {
    const rows = dots.map(({ name, number, hit }) => [
      { text: name },
      { text: number, value: number },
      { text: hit ? hit.trial : "\u2013", value: hit ? hit.trial : null },
      { text: hit ? format.seconds(hit.sec) : "not reached", value: hit ? hit.sec : null },
      { text: hit ? format.whole(hit.step) : "\u2013", value: hit ? hit.step : null },
    ]);
    return tables.build(
      `studies-${column.name}`,
      `Studies on ${column.name}`,
      [
        { label: "submission" },
        { label: "study", number: true },
        { label: "trial", number: true },
        { label: "seconds", number: true },
        { label: "step", number: true },
      ],
      rows,
    );
  }

  return { renderAll, renderOne, limitsInWords, inWords };
})();
