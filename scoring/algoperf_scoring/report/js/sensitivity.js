"use strict";
/* Scores under other choices: easier targets, another largest ratio, one workload less. */
const sensitivity = (() => {
  /** Fills the section. */
  function render(element, context) {
    const { data, ranked, view } = context;
    const found = board.sensitivity(data, ranked);
    const halves = dom.make("div", { class: "halves" }, dom.make("div"), dom.make("div"));
    const legend = series.legend(
      data,
      ranked.order.map((i) => view.submissions[i]),
    );
    dom.fill(element, halves, legend);
    const width = figure.widthOf(halves.firstChild, 560);
    const relaxed = { label: "targets relaxed by", tickFormat: ".1~%", ticks: 5 };
    const ratios = { label: "largest ratio", type: "log", ticks: data.constants.max_ratios, tickFormat: String };
    const show = (half, title, curve, x, name, inWords) =>
      halves.children[half].append(
        dom.make("h3", {}, title),
        figure.wrap(lines(context, curve, width, x, inWords), `${title}: scores. The table below has the values.`),
        asTable(name, `Scores by ${x.label.replace(" by", "")}`, curve, context, ([value]) => [inWords(value), value]),
      );
    show(0, "Easier targets", found.relaxed, relaxed, "relaxed", format.percent);
    show(1, "Largest ratio that counts", found.maxRatio, ratios, "max-ratio", (value) => `${value}\u00d7`);
    if (found.leftOut.length) leaveOut(element, context, found.leftOut);
  }

  const HEIGHT = 260;
  const MARGIN = { left: 46, right: 14, top: 20, bottom: 40 };

  function lines({ data, view }, curve, width, x, inWords) {
    const points = curve.flatMap(([value, scores]) =>
      view.submissions.map((position, i) => ({ x: value, y: scores[i], position })),
    );
    const title = (point) => `${who.title(data, point.position)}\n${inWords(point.x)}: score ${point.y.toFixed(3)}`;
    const frame = { top: MARGIN.top, bottom: HEIGHT - MARGIN.bottom };
    const names = view.submissions.map((position) => who.title(data, position));
    const right = labels.room(names, width, frame.bottom - frame.top);
    const chart = figure.plot({
      width,
      height: HEIGHT,
      marginLeft: MARGIN.left,
      marginRight: right || MARGIN.right,
      marginTop: MARGIN.top,
      marginBottom: MARGIN.bottom,
      x,
      y: {
        domain: [0, Math.max(0.1, ...curve.flatMap(([, scores]) => [...scores]))],
        label: "score",
        grid: true,
        ticks: 5,
      },
      marks: [
        ...view.submissions.flatMap((position) => {
          const own = points.filter((point) => point.position === position);
          return [
            figure.line(own, position, { x: "x", y: "y" }),
            figure.dot(own, position, { x: "x", y: "y", r: 3.5 }),
          ];
        }),
        figure.tip(points, { x: "x", y: "y", title }),
      ],
    });
    const scale = chart.scale("y");
    const ends = view.submissions.map((position, i) => ({
      position,
      words: names[i],
      x: width - right,
      y: scale.apply(curve.at(-1)[1][i]),
    }));
    if (right) labels.column(chart, ends, frame);
    return chart;
  }

  function asTable(name, caption, curve, { data, view, ranked }, inWords) {
    const header = curve.map((point) => ({ label: inWords(point)[0], name: String(inWords(point)[1]), number: true }));
    const rows = ranked.order.map((i) => [
      who.cell(data, view.submissions[i]),
      ...curve.map(([, scores]) => ({ text: scores[i].toFixed(3), value: scores[i] })),
    ]);
    return dom.make(
      "details",
      {},
      dom.make("summary", {}, "As a table"),
      tables.build(name, caption, [{ label: "submission" }, ...header], rows),
    );
  }

  /** Each submission's scores without one workload, around its score. */
  function leaveOut(element, context, leftOut) {
    const { data } = context;
    const curve = leftOut.map(([column, scores]) => [data.columns[column].name, scores]);
    element.append(
      dom.make("h3", {}, "One workload left out"),
      figure.wrap(
        drawLeftOut(context, curve, figure.widthOf(element)),
        "Scores with each workload left out in turn. The table below has the values.",
      ),
      asTable("left-out", "Scores without each of the workloads", curve, context, ([name]) => [name, name]),
    );
  }

  function drawLeftOut({ data, ranked, view }, curve, width) {
    const names = view.submissions.map((i) => who.title(data, i));
    const dots = curve.flatMap(([without, scores]) =>
      [...scores].map((score, i) => ({ name: names[i], score, position: view.submissions[i], without })),
    );
    const own = (position) => dots.filter((dot) => dot.position === position);
    const where = { x: "score", y: "name" };
    const title = ({ name, without, score }) => `${name}\nwithout ${without}: ${score.toFixed(3)}`;
    const label = { text: "without", fontSize: 11, fill: "var(--muted)", ...where };
    const ends = figure.isNarrow(width) ? [] : view.submissions.map((position, i) => outermost(own(position), ranked.scores[i]));
    const sides = room(dots, ends);
    const ticks = d3.median([3, Math.floor((width - 200 - sides.insetLeft - sides.marginRight) / 60), 8]);
    return figure.plot(
      figure.rows(
        ranked.order.map((i) => names[i]),
        width,
        {
          ...sides,
          x: { label: "score with one workload left out; bar: with all", grid: true, domain: extent(dots), ticks },
          marks: [
            ...view.submissions.map((position) => figure.dot(own(position), position, { hollow: true, ...where })),
            figure.bars(
              names.map((name, i) => ({ name, score: ranked.scores[i] })),
              { x: "score" },
            ),
            Plot.text(ends.flatMap(({ low }) => low), { ...label, textAnchor: "end", dx: -9 }),
            Plot.text(ends.flatMap(({ high }) => high), { ...label, textAnchor: "start", dx: 9 }),
            figure.tip(dots, { ...where, title }),
          ],
        },
      ),
    );
  }

  const LETTER = 6.3; // width of an average letter of a workload's name

  const TELLING = 0.015; // a difference of scores that deserves a name

  /** The dots that are furthest below and above the score, if they are far enough to be named. */
  function outermost(dots, score) {
    const [lowest, highest] = [d3.least(dots, (dot) => dot.score), d3.greatest(dots, (dot) => dot.score)];
    return {
      low: lowest.score < score - TELLING ? [lowest] : [],
      high: highest.score > score + TELLING ? [highest] : [],
    };
  }

  /** The part of the axis where the dots are. */
  function extent(dots) {
    const [low, high] = d3.extent(dots, ({ score }) => score);
    return [low, high + 0.02 * (high - low || 1)];
  }

  /** Room within the frame for names left of dots, which must not meet those of submissions, and on the right. */
  function room(dots, ends) {
    const wide = (named) => 20 + LETTER * Math.max(0, ...named.map(({ without }) => without.length));
    const [low, high] = ["low", "high"].map((side) => ends.flatMap((one) => one[side]));
    return { insetLeft: low.length ? wide(low) : 0, marginRight: high.length ? wide(high) : 16 };
  }

  return { render };
})();
