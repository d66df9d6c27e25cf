"use strict";
/* The controls. Each reads the view when it is synchronised, and hands a change of it to `change`. */
const controls = (() => {
  const syncs = [];

  /** Builds all controls; `change(part)` merges a part into the view, `reset()` goes back to the report's rule. */
  function build(data, change, reset) {
    dom.byId("form").append(
      choice(
        "Submissions",
        data.submissions.map((_, i) => [i, who.label(data, i), series.highlighting(i)]),
        "submissions",
        change,
      ),
      choice(
        "Workloads",
        data.columns.slice(0, data.num_workloads).map(({ name }, j) => [j, name, {}]),
        "workloads",
        change,
      ),
      ruleFields(data, change),
      dom.make("button", { type: "button", id: "reset", onclick: reset }, "Back to the report's rule"),
      themeField(change),
    );
    dom.byId("workload-choice").append(workloadField(data, change));
    dom.byId("curves-choice").append(...curveFields(change));
    dom.byId("form").addEventListener("submit", (event) => event.preventDefault());
  }

  /** Shows a view in all controls. */
  function sync(data, view) {
    for (const show of syncs) show(view);
    const count = (chosen, all, kind) => `${chosen === all ? "" : `${chosen} of `}${format.plural(all, kind)}`;
    dom.byId("chosen").textContent = [
      count(view.submissions.length, data.submissions.length, "submission"),
      count(view.workloads.length, data.num_workloads, "workload"),
      ...(state.changes(data, view).length ? ["changed"] : []),
    ].join(", ");
  }

  /** A group of checkboxes over positions, with buttons for all and none. */
  function choice(title, items, key, change) {
    const boxes = items.map(([position, name, listeners]) => {
      const input = dom.make("input", { type: "checkbox", value: position, id: `${key}-${position}` });
      const text = dom.make("span", {}, name);
      return { position, input, label: dom.make("label", { class: "check", ...listeners }, input, " ", text) };
    });
    const chosen = () => boxes.filter(({ input }) => input.checked).map(({ position }) => position);
    for (const { input } of boxes) input.addEventListener("change", () => change({ [key]: chosen() }));
    syncs.push((view) => {
      for (const { position, input } of boxes) input.checked = view[key].includes(position);
    });
    const all = items.map(([position]) => position);
    const set = (text, positions) =>
      smallButton(text, `${text} ${title.toLowerCase()}`, () => change({ [key]: positions }));
    return dom.make(
      "fieldset",
      {},
      dom.make("legend", {}, title),
      dom.make("div", { class: "buttons" }, set("All", all), set("None", [])),
      dom.make("div", { class: "checks" }, ...boxes.map(({ label }) => label)),
    );
  }

  function smallButton(text, label, onclick) {
    return dom.make("button", { type: "button", class: "small", "aria-label": label, onclick }, text);
  }

  function ruleFields(data, change) {
    const set = (name) => (value) => change({ rule: { [name]: value } });
    const get = (name) => (view) => view.rule[name];
    const isHeldOut = data.columns.length > data.num_workloads;
    const ratios = { min: 1.1, max: 16, step: 0.1 };
    const trials = Object.entries({ time: "shortest time", index: "fewest evaluations" });
    const integrals = Object.entries({ exact: "exact", trapezoid: "trapezoid, 100 points" });
    const heldOut = "Held-out variants must succeed, too";
    return dom.make(
      "fieldset",
      {},
      dom.make("legend", {}, "Rule"),
      slider("max_ratio", "Largest ratio that counts", ratios, get("max_ratio"), set("max_ratio"), format.short),
      relaxationField(data, set("relaxation")),
      select("best_trial", "Best trial of a study", trials, get("best_trial"), set("best_trial")),
      select("integral", "Area under the profile", integrals, get("integral"), set("integral")),
      isHeldOut ? checkbox("held_out", heldOut, get("held_out"), set("held_out")) : null,
      referenceField(data, change),
    );
  }

  function relaxationField(data, set) {
    const range = { min: 0, max: 100 * data.constants.max_relaxation, step: 0.5 };
    const read = (view) => 100 * view.rule.relaxation;
    const inWords = (percent) => `${format.fixed(percent, 1)} %`;
    return slider("relaxation", "Targets relaxed by", range, read, (percent) => set(percent / 100), inWords);
  }

  function referenceField(data, change) {
    const options = [["", "none"], ...data.submissions.map(({ name, title }) => [name, title])];
    const read = (view) => view.reference;
    return select("reference", "Speedup against", options, read, (reference) => change({ reference }));
  }

  function slider(id, label, range, read, write, inWords) {
    const output = dom.make("output", { for: id });
    const input = dom.make("input", { type: "range", id, ...range, oninput: () => write(Number(input.value)) });
    syncs.push((view) => {
      input.value = String(read(view));
      output.textContent = inWords(read(view));
      input.setAttribute("aria-valuetext", output.textContent);
    });
    return dom.make("div", { class: "field" }, dom.make("label", { for: id }, label, " ", output), input);
  }

  function select(id, label, options, read, write) {
    const input = dom.make(
      "select",
      { id, onchange: () => write(input.value) },
      ...options.map(([value, text]) => dom.make("option", { value }, text)),
    );
    syncs.push((view) => {
      input.value = read(view);
    });
    return dom.make("div", { class: "field" }, dom.make("label", { for: id }, label), input);
  }

  function checkbox(id, label, read, write) {
    const input = dom.make("input", { type: "checkbox", id, onchange: () => write(input.checked) });
    syncs.push((view) => {
      input.checked = read(view);
    });
    return dom.make("label", { class: "check" }, input, " ", dom.make("span", {}, label));
  }

  function themeField(change) {
    return select(
      "theme",
      "Colours",
      [
        ["", "as the system"],
        ["light", "light"],
        ["dark", "dark"],
      ],
      (view) => view.theme,
      (theme) => change({ theme }),
    );
  }

  /** Which workload is shown in detail; only chosen ones can be. */
  function workloadField(data, change) {
    const field = select(
      "detail",
      "Workload",
      data.columns.map(({ name }, j) => [j, name]),
      (view) => String(view.column),
      (value) => change({ column: Number(value) }),
    );
    const input = field.querySelector("select");
    syncs.push((view) => {
      const { columns } = engine.layout(data, view);
      for (const option of input.options) option.disabled = option.hidden = !columns.includes(Number(option.value));
    });
    const step = (by) => {
      const open = [...input.options].filter((option) => !option.disabled).map((option) => Number(option.value));
      const at = open.indexOf(Number(input.value)) + by;
      change({ column: open[(at + open.length) % open.length] });
    };
    field.append(
      smallButton("\u2039", "Previous workload", () => step(-1)),
      smallButton("\u203a", "Next workload", () => step(1)),
    );
    return field;
  }

  function curveFields(change) {
    return [
      select(
        "axis",
        "Horizontal axis",
        Object.entries(curves.AXES),
        (view) => view.axis,
        (axis) => change({ axis }),
      ),
      checkbox(
        "log",
        "logarithmic",
        (view) => view.log,
        (log) => change({ log }),
      ),
      checkbox(
        "single",
        "single studies",
        (view) => view.single,
        (single) => change({ single }),
      ),
      checkbox(
        "whole",
        "whole range",
        (view) => view.whole,
        (whole) => change({ whole }),
      ),
    ];
  }

  return { build, sync };
})();
