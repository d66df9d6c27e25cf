"use strict";
/* How targets were set: curves of the search and of the repeats. `targets` is what tests and the console can get at. */
const targets = (() => {
  const shared = { data: null, settled: Promise.resolve() };

  async function start() {
    if (!packed.isReadable) return;
    shared.data = await packed.unpack();
    series.prepare(shared.data);
    dom.byId("notice").remove();
    document.documentElement.classList.add("is-live");
    document.querySelectorAll(".box").forEach(sideways.watch);
    let width = 0;
    const update = () => {
      if (window.innerWidth === width) return; // phones resize when their address bar hides
      width = window.innerWidth;
      for (const part of ["search", "repeats"]) render(dom.byId(part), shared.data, part);
    };
    window.addEventListener("resize", update);
    update();
  }

  function render(element, data, part) {
    const found = curvesOf(data, part);
    const chart = draw(data, part, found, figure.widthOf(element));
    const positions = [...new Set(found.map(({ position }) => position))];
    const label = `Validation ${data.metric} of all runs of the ${part} over steps.`;
    dom.fill(element, figure.wrap(chart, label), series.legend(data, positions));
  }

  /** The curves that have a value: of a submission's position, with points {step, value}. */
  function curvesOf(data, part) {
    return data[part]
      .map((run) => ({
        run,
        position: data.submissions.findIndex(({ name }) => name === run.submission),
        isChosen: part === "search" && run.run === data.chosen,
        points: run.steps.map((step, at) => ({ step, value: run.validation[at] })).filter(({ value }) => value !== null),
      }))
      .filter(({ points }) => points.length);
  }

  function draw(data, part, found, width) {
    const lines = d3
      .sort(found, ({ isChosen }) => isChosen)
      .map(({ position, points, isChosen }) =>
        figure.line(points, position, { x: "step", y: "value", clip: true, strokeWidth: isChosen ? 3.5 : 1.25 }),
      );
    return figure.plot({
      width,
      height: figure.isNarrow(width) ? 300 : 380,
      marginLeft: 52,
      marginRight: 16,
      marginTop: 24,
      marginBottom: 40,
      x: { label: "steps", ticks: figure.isNarrow(width) ? 4 : 8, tickFormat: "~s" },
      y: { domain: range(data, found), label: `validation ${data.metric.replaceAll("_", " ")}`, grid: true },
      marks: [...lines, ...targetLine(data), tip(data, found)],
    });
  }

  function targetLine({ targets: { validation }, goal }) {
    const place = { y: validation, frameAnchor: "right", dy: goal === "max" ? -7 : 9 };
    const halo = { fill: "currentColor", stroke: "var(--background)", strokeWidth: 4 };
    return [
      Plot.ruleY([validation], { stroke: "currentColor", strokeWidth: 1.5, strokeDasharray: "6 4" }),
      Plot.text([validation], { text: (value) => `target ${format.short(value)}`, ...place, ...halo }),
    ];
  }

  function tip(data, found) {
    const points = found.flatMap(({ run, points: own }) => own.map((point) => ({ ...point, run })));
    const title = ({ run, step, value }) => [run.run, `${data.metric} ${format.short(value)}`, `step ${step}`].join("\n");
    return figure.tip(points, { x: "step", y: "value", maxRadius: 20, title });
  }

  /** The part of the y axis that tells curves apart: what lies around the target, without the worst eighth. */
  function range(data, found) {
    const values = d3.sort(found.flatMap(({ points }) => points.map(({ value }) => value)));
    const isRising = data.goal === "max";
    const ends = [d3.quantile(values, isRising ? 0.12 : 0), d3.quantile(values, isRising ? 1 : 0.88)];
    const [low, high] = d3.extent([...ends, data.targets.validation]);
    const room = 0.04 * (high - low || Math.abs(high) || 1);
    return [low - room, high + room];
  }

  shared.settled = start();
  return shared;
})();
