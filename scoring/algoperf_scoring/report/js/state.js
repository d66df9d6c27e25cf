"use strict";
/* What the reader has chosen, and how the address of the page holds it: only what differs from the start. */
const state = (() => {
  const FLAGS = ["log", "single", "whole"];

  /** The view that the report opens with. */
  function initial(data) {
    const { reference, ...rule } = data.rule;
    return {
      submissions: [...data.submissions.keys()],
      workloads: [...Array(data.num_workloads).keys()],
      rule,
      reference: reference ?? "",
      column: 0,
      tau: Math.min(1.5, rule.max_ratio),
      axis: "sec",
      log: false,
      single: false,
      whole: false,
      theme: "",
    };
  }

  /** The fragment of the address for a view, "" for the initial one. */
  function toHash(data, view) {
    const start = initial(data);
    const words = new URLSearchParams();
    const add = (key, value, before) => {
      if (value !== before) words.append(key, value);
    };
    for (const i of start.submissions)
      if (!view.submissions.includes(i)) words.append("hide", data.submissions[i].name);
    for (const j of start.workloads) if (!view.workloads.includes(j)) words.append("drop", data.columns[j].name);
    add("trial", view.rule.best_trial, start.rule.best_trial);
    add("integral", view.rule.integral, start.rule.integral);
    add("max_ratio", view.rule.max_ratio, start.rule.max_ratio);
    add("held_out", Number(view.rule.held_out), Number(start.rule.held_out));
    add("relax", view.rule.relaxation, start.rule.relaxation);
    add("reference", view.reference, start.reference);
    add("workload", data.columns[view.column].name, data.columns[start.column].name);
    add("tau", view.tau, start.tau);
    add("x", view.axis, start.axis);
    for (const flag of FLAGS) add(flag, Number(view[flag]), 0);
    add("theme", view.theme, "");
    return words.toString();
  }

  /** The view that a fragment describes; what it says wrong is as at the start. */
  function fromHash(data, hash) {
    const view = initial(data);
    const words = new URLSearchParams(hash.replace(/^#/, ""));
    const hidden = new Set(words.getAll("hide"));
    const dropped = new Set(words.getAll("drop"));
    view.submissions = view.submissions.filter((i) => !hidden.has(data.submissions[i].name));
    view.workloads = view.workloads.filter((j) => !dropped.has(data.columns[j].name));
    const { rule } = view;
    rule.best_trial = oneOf(words.get("trial"), ["time", "index"], rule.best_trial);
    rule.integral = oneOf(words.get("integral"), ["exact", "trapezoid"], rule.integral);
    rule.max_ratio = within(words.get("max_ratio"), 1.1, 16, rule.max_ratio);
    rule.relaxation = within(words.get("relax"), 0, data.constants.max_relaxation, rule.relaxation);
    if (words.has("held_out")) rule.held_out = words.get("held_out") === "1";
    view.reference = oneOf(words.get("reference"), ["", ...data.submissions.map(({ name }) => name)], view.reference);
    view.column = Math.max(
      0,
      data.columns.findIndex(({ name }) => name === words.get("workload")),
    );
    view.tau = within(words.get("tau"), 1, 16, view.tau);
    view.axis = oneOf(words.get("x"), ["sec", "step", "total"], view.axis);
    for (const flag of FLAGS) view[flag] = words.get(flag) === "1";
    view.theme = oneOf(words.get("theme"), ["light", "dark"], "");
    return view;
  }

  function oneOf(value, allowed, otherwise) {
    return value !== null && allowed.includes(value) ? value : otherwise;
  }

  function within(text, low, high, otherwise) {
    const value = text === null || text === "" ? NaN : Number(text);
    return value >= low && value <= high ? value : otherwise;
  }

  /** In words how a view's comparison differs from the report's own. */
  function changes(data, view) {
    const start = initial(data);
    const { rule } = view;
    const found = [];
    const fewer = (kind, chosen, all) => {
      if (chosen.length < all.length) found.push(`${chosen.length} of ${all.length} ${kind}`);
    };
    fewer("submissions", view.submissions, start.submissions);
    fewer("workloads", view.workloads, start.workloads);
    if (rule.best_trial !== start.rule.best_trial)
      found.push(rule.best_trial === "time" ? "best trial by time" : "best trial by number of evaluations");
    if (rule.integral !== start.rule.integral)
      found.push(rule.integral === "exact" ? "exact integral" : "trapezoid rule");
    if (rule.max_ratio !== start.rule.max_ratio) found.push(`largest ratio ${format.short(rule.max_ratio)}`);
    if (rule.held_out !== start.rule.held_out)
      found.push(rule.held_out ? "held-out variants count" : "held-out variants ignored");
    if (rule.relaxation !== start.rule.relaxation)
      found.push(`targets relaxed by ${format.fixed(100 * rule.relaxation, 1)} %`);
    return found;
  }

  return { initial, toHash, fromHash, changes };
})();
