"use strict";
/* Performance profiles, with a tau that can be moved by slider, keyboard, or dragging in the chart. */
const profiles = (() => {
  const HEIGHT = 340;
  const MARGIN = { left: 46, right: 16 };

  /** Fills the section; `onTau` is told when the reader moves tau. */
  function render(element, context, onTau) {
    const { data, view, ranked } = context;
    const width = figure.widthOf(element);
    const chart = draw(context, width);
    const table = dom.make("div", { class: "tau-table" });
    const slider = makeSlider(view.rule.max_ratio, width);
    const line = dom.makeSvg("line", { class: "tau", y1: 20, y2: HEIGHT - 40 });
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
    drag(chart, view.rule.max_ratio, move);
    const legend = series.legend(
      data,
      ranked.order.map((i) => view.submissions[i]),
    );
    const label = "Performance profiles of the chosen submissions. The table below has the values at tau.";
    dom.fill(element, figure.wrap(chart, label, slider.element), legend, table);
    show(Math.min(view.tau, view.rule.max_ratio));
  }

  /** A slider as wide as the chart's frame, and its label. */
  function makeSlider(max, width) {
    const output = dom.make("output", { for: "tau" });
    const input = dom.make("input", { type: "range", id: "tau", min: 1, max, step: 0.01, "data-key": "tau" });
    const style = `padding-left:${MARGIN.left}px;padding-right:${MARGIN.right}px;max-width:${width}px`;
    const label = dom.make("label", { for: "tau" }, "Move \u03c4: ", output);
    const show = (tau) => {
      input.value = String(tau);
      output.textContent = `\u03c4 = ${tau.toFixed(2)}`;
      input.setAttribute("aria-valuetext", `${tau.toFixed(2)} times the fastest`);
    };
    return { input, show, element: dom.make("div", { class: "tau-slider", style }, input, label) };
  }

  function draw({ view, ranked }, width) {
    const { credit, shape } = ranked;
    const max = view.rule.max_ratio;
    const steps = view.submissions.map((_, i) => {
      const own = [...credit.ratios.subarray(i * shape.numWorkloads, (i + 1) * shape.numWorkloads)].sort(
        (a, b) => a - b,
      );
      const within = own.filter((ratio) => ratio <= max);
      const share = (tau) => own.filter((ratio) => ratio <= tau).length / own.length;
      return [1, ...within, max].map((tau) => ({ tau, share: share(tau) }));
    });
    return figure.plot({
      width,
      height: HEIGHT,
      marginLeft: MARGIN.left,
      marginRight: MARGIN.right,
      marginTop: 20,
      marginBottom: 40,
      x: {
        domain: [1, max],
        type: max > 6 ? "log" : "linear",
        label: "\u03c4: time over that of the fastest",
        ticks: figure.isNarrow(width) ? 4 : 7,
        tickFormat: (tau) => String(Number(tau.toFixed(2))),
      },
      y: { domain: [0, 1], label: "share of workloads", grid: true, percent: false, tickFormat: ".0%" },
      marks: [
        ...view.submissions.map((position, i) =>
          figure.line(steps[i], position, { x: "tau", y: "share", curve: "step-after" }),
        ),
        Plot.ruleY([0]),
      ],
    });
  }

  /** Calls `move` with tau while the pointer is held down in the chart. */
  function drag(chart, max, move) {
    const scale = chart.scale("x");
    const tauAt = (event) => {
      const box = chart.getBoundingClientRect();
      const x = ((event.clientX - box.left) * chart.viewBox.baseVal.width) / box.width;
      return Math.round(100 * Math.min(max, Math.max(1, scale.invert(x)))) / 100;
    };
    chart.classList.add("can-drag");
    chart.addEventListener("pointerdown", (event) => {
      chart.setPointerCapture(event.pointerId);
      move(tauAt(event));
    });
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
        {
          node: dom.make(
            "span",
            {},
            series.swatch(view.submissions[i]),
            " ",
            data.submissions[view.submissions[i]].name,
          ),
          value: data.submissions[view.submissions[i]].name,
        },
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
