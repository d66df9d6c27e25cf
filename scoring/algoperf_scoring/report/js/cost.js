"use strict";
/* What the chosen runs cost. */
const cost = (() => {
  const PARTS = [
    ["training, target reached", "var(--cost-training)"],
    ["evaluation, target reached", "var(--cost-evaluation)"],
    ["trials that never reached it", "var(--cost-never)"],
  ];

  const UNITS = { h: "hours", min: "minutes", s: "seconds" };

  /** Fills the section. */
  function render(element, context) {
    const { data, view, ranked } = context;
    const costs = board.cost(data, view, ranked.shape.columns);
    const names = view.submissions.map((i) => data.submissions[i].name);
    const order = ranked.order.map((i) => names[i]);
    const unit = format.timeUnit(Math.max(...costs.map((one) => d3.sum(parts(one)))));
    const bars = costs.flatMap((one, i) =>
      parts(one).map((sec, part) => ({ name: names[i], amount: sec / unit.per, part: PARTS[part][0] })),
    );
    dom.fill(
      element,
      figure.wrap(
        draw(bars, order, unit, figure.widthOf(element)),
        "Time of training and evaluation by submission. The table below has the values.",
      ),
      legend(),
      table(costs, names, ranked, unit),
    );
  }

  function draw(bars, order, unit, width) {
    const title = ({ name, part, amount }) => `${name}\n${part}: ${format.amount(amount)} ${unit.name}`;
    const bar = { x: "amount", y: "name", fill: "part", insetTop: 3, insetBottom: 3, stroke: "var(--background)" };
    return figure.plot(
      figure.rows(order, width, {
        x: { label: UNITS[unit.name], grid: true },
        color: { domain: PARTS.map(([part]) => part), range: PARTS.map(([, colour]) => colour) },
        marks: [Plot.barX(bars, bar), figure.tip(bars, Plot.stackX({ x: "amount", y: "name", title }))],
      }),
    );
  }

  function legend() {
    const patch = (colour) => dom.make("span", { class: "patch", style: `background:${colour}` });
    const entries = PARTS.map(([part, colour]) => dom.make("li", {}, patch(colour), ` ${part}`));
    return dom.make("ul", { class: "legend" }, ...entries);
  }

  function parts({ training_sec: training, evaluation_sec: evaluation }) {
    return [training[0], evaluation[0], training[1] + evaluation[1]];
  }

  function table(costs, names, ranked, { name: unit, per }) {
    const time = (sec) => ({ text: format.amount(sec / per), value: sec / per });
    const rows = ranked.order.map((i) => {
      const { num_trials: trials, training_sec: training, evaluation_sec: evaluation } = costs[i];
      const never = training[1] + evaluation[1];
      const total = training[0] + evaluation[0] + never;
      return [
        { text: names[i] },
        { text: trials[0] + trials[1], value: trials[0] + trials[1] },
        { text: trials[0], value: trials[0] },
        time(training[0] + training[1]),
        time(evaluation[0] + evaluation[1]),
        time(never),
        { text: total ? format.percent(never / total) : "\u2013", value: total ? never / total : null },
      ];
    });
    const header = [
      "submission",
      "trials",
      "reached",
      `training ${unit}`,
      `evaluation ${unit}`,
      `never reached ${unit}`,
      "never reached share",
    ];
    return tables.build(
      "cost",
      "Cost: trials with at least one evaluation",
      header.map((label, at) => ({ label, number: at > 0 })),
      rows,
    );
  }

  return { render };
})();
