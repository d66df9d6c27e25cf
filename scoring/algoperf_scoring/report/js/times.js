"use strict";
/* Times to target on one workload: a chart with a dot for each study. */
const times = (() => {
  /** Fills the chart of one column of the ranking, and a table of all its studies. */
  function render(element, context, j) {
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
        name: who.title(data, view.submissions[i]),
        number,
        hit,
        sec: hit ? hit.sec : Infinity,
        offset: (at - (all.length - 1) / 2) * Math.min(3, 14 / all.length), // equal times stay apart
      })),
    );
  }

  /** The part of the time axis where the dots are; from 0 on unless they are all far from it. */
  function fitted(seconds, budget) {
    if (!seconds.length) return [0, budget];
    const [low, high] = d3.extent(seconds);
    const from = low > 0.4 * high && high > 1.01 * low ? Math.max(0, low - 0.25 * (high - low) - 0.03 * high) : 0;
    return [from, high + 0.05 * (high - from)];
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
      name: who.title(data, view.submissions[i]),
      sec: ranked.cells[i][j].sec,
      cell: ranked.cells[i][j],
    }));
    const finite = dots.filter(({ hit }) => hit);
    const domain = fitted(
      finite.map(({ sec }) => sec),
      column.budget_sec,
    );
    const { name: unit, per } = format.timeUnit(domain[1]);
    const scaled = domain.map((sec) => sec / per);
    const cut = cutLine(context, j);
    const right = figure.isNarrow(width) ? 78 : 90;
    const x = ({ sec }) => sec / per;
    return figure.plot(
      figure.rows(
        rows.map(({ name }) => name),
        width,
        {
          perRow: 28,
          marginRight: right,
          marginTop: 34,
          x: { domain: scaled, label: `submission time (${unit})` },
          marks: [
            Plot.ruleY(rows, { y: "name", stroke: "var(--line)" }),
            ...figure.limit(column.budget_sec / per, `budget ${format.time(column.budget_sec)}`, scaled),
            ...(cut <= domain[1]
              ? figure.limit(cut / per, `${format.short(view.rule.max_ratio)}\u00d7 the fastest`, scaled, "4 3")
              : []),
            figure.bars(
              rows.filter(({ sec }) => Number.isFinite(sec)),
              { x },
            ),
            ...finite.map((dot) => figure.dot([dot], dot.position, { x, y: "name", dy: dot.offset })),
            ...lane(rows, right, figure.isNarrow(width)),
            figure.tip(finite, { x, y: "name", title: hitInWords }),
          ],
        },
      ),
    );
  }

  /** What stands right of the times: in how many studies the target was not reached, or an error was the end. */
  function lane(rows, right, isNarrow) {
    const place = { dx: right, textAnchor: "end", fill: "currentColor" };
    return [
      Plot.text(rows, { y: "name", text: ({ cell }) => missed(cell, isNarrow), frameAnchor: "right", ...place }),
      Plot.text(["not reached"], { text: (word) => word, frameAnchor: "top-right", dy: -18, ...place }),
    ];
  }

  function hitInWords({ name, number, hit }) {
    const where = `study ${number}, trial ${hit.trial}`;
    return `${name}\n${where}\n${format.seconds(hit.sec)} s, step ${format.whole(hit.step)}`;
  }

  /** How many studies have no time, and by what sign or word of the table above; "" if all have one. */
  function missed({ outcome, studies, errors, ended }, isNarrow) {
    if (outcome === "error") return `${isNarrow ? "!" : "error"} ${errors} of ${ended}`;
    if (!studies.length) return "no results";
    const never = studies.filter(({ hit }) => !hit).length;
    return never ? `\u2715 ${never} of ${studies.length}` : "";
  }

  function studyTable({ data }, column, dots) {
    const rows = dots.map(({ position, number, hit }) => [
      who.cell(data, position),
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

  return { render };
})();
