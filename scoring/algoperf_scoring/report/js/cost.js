"use strict";
/* What the chosen runs cost: a table with a bar in each row. */
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
    const longest = Math.max(...costs.map(total)) || 1;
    const unit = format.timeUnit(longest);
    dom.fill(
      element,
      dom.make("p", { class: "note" }, `Times are ${UNITS[unit.name]} of the whole machine of a run: ${data.machine}.`),
      legend(),
      table(context, costs, longest, unit),
    );
  }

  const parts = ({ training_sec: training, evaluation_sec: evaluation }) => [
    training[0],
    evaluation[0],
    training[1] + evaluation[1],
  ];

  const total = (one) => d3.sum(parts(one));

  function legend() {
    const patch = (colour) => dom.make("span", { class: "patch", style: `background:${colour}` });
    const entries = PARTS.map(([part, colour]) => dom.make("li", {}, patch(colour), ` ${part}`));
    return dom.make("ul", { class: "legend" }, ...entries);
  }

  /** The parts of a cost, as long as they took; the longest of all fills its field, however wide that is. */
  function bar(one, longest, { name, per }) {
    const words = PARTS.map(([part], at) => `${part}: ${format.amount(parts(one)[at] / per)} ${name}`).join("\n");
    const pieces = parts(one).map((sec, at) =>
      dom.make("i", { style: `width:${((100 * sec) / longest).toFixed(2)}%;background:${PARTS[at][1]}` }),
    );
    return dom.make("span", { class: "cost-bar", role: "img", "aria-label": words, title: words }, ...pieces);
  }

  function table({ data, view, ranked }, costs, longest, unit) {
    const { name, per } = unit;
    const time = (sec) => ({ text: format.amount(sec / per), value: sec / per });
    const whole = (number) => ({ text: format.whole(number), value: number });
    const rows = ranked.order.map((i) => {
      const { num_trials: trials, training_sec: training, evaluation_sec: evaluation } = costs[i];
      const never = training[1] + evaluation[1];
      const all = total(costs[i]);
      return [
        who.cell(data, view.submissions[i]),
        whole(trials[0] + trials[1]),
        whole(trials[0]),
        time(training[0] + training[1]),
        time(evaluation[0] + evaluation[1]),
        time(all),
        { node: bar(costs[i], longest, unit), value: never / per, className: "bar" },
        { text: all ? format.percent(never / all) : "\u2013", value: all ? never / all : null },
      ];
    });
    const times = ["training", "evaluation", "total"].map((what) => ({ label: `${what} (${name})`, name: `${what} ${name}` }));
    const header = [{ label: "trials" }, { label: "reached" }, ...times];
    return tables.build(
      "cost",
      "Trials with at least one evaluation",
      [
        { label: "submission" },
        ...header.map((one) => ({ ...one, number: true })),
        { label: "what for", name: `never_reached_${name}`, sortable: false },
        { label: "never reached", name: "never_reached_share", number: true },
      ],
      rows,
      true,
    );
  }

  return { render };
})();
