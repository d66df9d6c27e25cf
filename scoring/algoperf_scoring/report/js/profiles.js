"use strict";
/* Performance profiles, with a tau that can be moved by slider, keyboard, or dragging in the chart. */
const profiles = (() => {
  const HEIGHT = 380;
  const MARGIN = { left: 46, right: 16, top: 24, bottom: 40 };
  const APART = { each: 2, all: 16 }; // pixels between lines that would lie on each other, and from first to last

  /** Fills the section; `onTau` is told when the reader moves tau. */
  function render(element, context, onTau) {
    const { data, view, ranked } = context;
    const [left, table] = [dom.make("div"), dom.make("div", { class: "tau-table" })];
    dom.fill(element, dom.make("div", { class: "beside" }, left, table));
    table.append(atTau(context, view.tau)); // takes its place before the chart takes the rest
    const width = figure.widthOf(left);
    const names = ranked.order.map((i) => who.title(data, view.submissions[i]));
    const right = labels.room(names, width, HEIGHT - MARGIN.top - MARGIN.bottom) || MARGIN.right;
    const chart = draw(context, width, right);
    const slider = makeSlider(view.rule.max_ratio, width, right);
    const line = dom.makeSvg("line", { class: "tau", y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom });
    chart.append(line);
    const show = (tau) => {
      slider.show(tau);
      line.setAttribute("x1", chart.scale("x").apply(tau));
      line.setAttribute("x2", chart.scale("x").apply(tau));
      table.replaceChildren(atTau(context, tau));
    };
    const move = (tau) => {
      show(tau);
      onTau(tau);
    };
    slider.input.addEventListener("input", () => move(Number(slider.input.value)));
    const legend = series.legend(
      data,
      ranked.order.map((i) => view.submissions[i]),
    );
    const label = "Performance profiles of the chosen submissions. The table beside has the values at tau.";
    const wrapped = figure.wrap(chart, label, slider.element);
    drag(wrapped, chart, view.rule.max_ratio, move);
    left.append(wrapped, legend);
    show(Math.min(view.tau, view.rule.max_ratio));
  }

  /** A slider as wide as the chart's frame, and its label. */
  function makeSlider(max, width, right) {
    const output = dom.make("output", { for: "tau" });
    const input = dom.make("input", { type: "range", id: "tau", min: 1, max, step: 0.01, "data-key": "tau" });
    const style = `padding-left:${MARGIN.left}px;padding-right:${right}px;max-width:${width}px`;
    const label = dom.make("label", { for: "tau" }, "Move \u03c4: ", output);
    const show = (tau) => {
      input.value = String(tau);
      output.textContent = `\u03c4 = ${tau.toFixed(2)}`;
      input.setAttribute("aria-valuetext", `${tau.toFixed(2)} times the fastest`);
    };
    return { input, show, element: dom.make("div", { class: "tau-slider", style }, input, label) };
  }

  /** For each submission its steps: at which tau which workload is added, and the share from there on. */
  function stepsOf({ data, view, ranked }) {
    const { credit, shape } = ranked;
    return view.submissions.map((position, i) => {
      const found = view.workloads
        .map((column, j) => ({ workload: data.columns[column].name, tau: credit.ratios[i * shape.numWorkloads + j] }))
        .filter(({ tau }) => tau <= view.rule.max_ratio)
        .sort((a, b) => a.tau - b.tau);
      return found.map((step, at) => ({ ...step, position, share: (at + 1) / shape.numWorkloads }));
    });
  }

  function draw(context, width, right) {
    const { data, view } = context;
    const max = view.rule.max_ratio;
    const all = stepsOf(context);
    const each = Math.min(APART.each, APART.all / all.length);
    const apart = (i) => each * ((all.length - 1) / 2 - context.ranked.order.indexOf(i));
    const title = ({ position, workload, tau, share }) =>
      `${who.title(data, position)}\n${workload} at ${format.ratio(tau)}\n${format.percent(share)} of the workloads`;
    const chart = figure.plot({
      width,
      height: HEIGHT,
      marginLeft: MARGIN.left,
      marginRight: right,
      marginTop: MARGIN.top,
      marginBottom: MARGIN.bottom,
      insetBottom: APART.all / 2 + 2,
      x: {
        domain: [1, max],
        type: max > 6 ? "log" : "linear",
        label: "\u03c4: time over that of the fastest",
        ticks: figure.isNarrow(width) ? 4 : 7,
        tickFormat: (tau) => String(Number(tau.toFixed(2))),
      },
      y: { domain: [0, 1], label: "share of workloads", grid: true, percent: false, tickFormat: ".0%" },
      marks: [
        ...all.flatMap((steps, i) => oneLine(steps, view.submissions[i], max, apart(i))),
        figure.tip(all.flat(), { x: "tau", y: "share", title }),
      ],
    });
    if (right === MARGIN.right) return chart;
    const ends = all.map((steps, i) => ({
      position: view.submissions[i],
      words: who.title(data, view.submissions[i]),
      x: width - right,
      y: chart.scale("y").apply(steps.at(-1)?.share ?? 0) - apart(i),
    }));
    labels.column(chart, ends, { top: MARGIN.top, bottom: HEIGHT - MARGIN.bottom });
    return chart;
  }

  /** A submission's line, with its symbol where a workload is added. */
  function oneLine(steps, position, max, dy) {
    const reached = steps.filter(({ tau }) => tau === 1).length;
    const start = { tau: 1, share: reached ? steps[reached - 1].share : 0 };
    const points = [start, ...steps.slice(reached), { tau: max, share: steps.at(-1)?.share ?? 0 }];
    return [
      figure.line(points, position, { x: "tau", y: "share", curve: "step-after", dy: -dy }),
      figure.dot(steps, position, { x: "tau", y: "share", r: 3.5, dy: -dy }),
    ];
  }

  /** Calls `move` with tau while the pointer is held down in the chart. */
  function drag(wrapped, chart, max, move) {
    const scale = chart.scale("x");
    const tauAt = (event) => {
      const box = chart.getBoundingClientRect();
      const x = ((event.clientX - box.left) * chart.viewBox.baseVal.width) / box.width;
      return Math.round(100 * Math.min(max, Math.max(1, scale.invert(x)))) / 100;
    };
    chart.classList.add("can-drag");
    // Before the chart has it: there, it would pin what is said about a point.
    wrapped.addEventListener(
      "pointerdown",
      (event) => {
        if (!chart.contains(event.target) || event.target.closest(".name")) return;
        event.stopPropagation();
        chart.setPointerCapture(event.pointerId);
        move(tauAt(event));
      },
      true,
    );
    chart.addEventListener("pointermove", (event) => {
      if (chart.hasPointerCapture(event.pointerId)) move(tauAt(event));
    });
  }

  /** The profiles' values at tau. */
  function atTau({ data, view, ranked }, tau) {
    const { numSubmissions, numWorkloads } = ranked.shape;
    const shares = engine.profileAt(ranked.credit.ratios, numSubmissions, tau);
    const rows = [...ranked.order]
      .sort((a, b) => shares[b] - shares[a])
      .map((i) => [
        who.cell(data, view.submissions[i]),
        {
          text: `${Math.round(shares[i] * numWorkloads)} of ${numWorkloads}`,
          value: Math.round(shares[i] * numWorkloads),
        },
        { text: format.percent(shares[i]), value: shares[i] },
      ]);
    return tables.build(
      "profile",
      `Workloads within ${tau.toFixed(2)} times the fastest`,
      [{ label: "submission" }, { label: "workloads", number: true }, { label: "share", number: true }],
      rows,
    );
  }

  return { render };
})();
