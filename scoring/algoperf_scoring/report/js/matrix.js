"use strict";
/* Who is good at what: submissions by workloads, the stronger the colour the closer to the fastest. */
const matrix = (() => {
  /** Largest ratios of the shades, from the darkest on, as in matrix.py; the last shade is for those above. */
  const BOUNDS = [1, 1.1, 1.25, 1.5, 2, 3];

  /** What stands in a field that gives no credit where there is room for words, and where there is none. */
  const REASONS = {
    "not reached": ["not reached", "\u2715"],
    error: ["error", "!"],
    cut: ["too slow", ">"],
    "held-out failed": ["variant failed", "\u2020"],
    missing: ["no results", "\u2013"],
    unfinished: ["unfinished", "\u2026"],
    pruned: ["pruned", "*"],
  };

  /** Fills the section with the tables of workloads and held-out variants. */
  function render(element, context) {
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
    const caption = "Time to target over that of the fastest, and median seconds";
    dom.fill(element, scale(context), tableOf(context, "times", caption, 0, numWorkloads), variants);
  }

  /** Whether there are so many columns that narrow windows have room for signs only. */
  const isMany = (columns) => columns.length > 4;

  /** The scale of colours, and the short signs of what gives no credit. */
  function scale({ ranked, view }) {
    const number = (bound) => `${format.short(bound)}\u00d7`;
    const words = ["fastest", ...BOUNDS.slice(1).map((bound) => `to ${number(bound)}`), "slower"];
    const shown = new Set(ranked.cells.flat().map(({ outcome }) => outcome));
    const signs = Object.keys(REASONS).filter((outcome) => shown.has(outcome));
    return dom.make(
      "div",
      { class: isMany(view.workloads) ? "scale many" : "scale" },
      dom.make("ul", { "aria-label": "Colours" }, ...words.map((text, at) => dom.make("li", { class: `heat-${at}` }, text))),
      signs.length
        ? dom.make("p", { class: "signs" }, signs.map((outcome) => REASONS[outcome].toReversed().join(" ")).join(", "))
        : null,
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
      who.cell(data, view.submissions[i]),
      ...ranked.cells[i].slice(from, to).map((cell, at) => field(cell, whyNot(ranked, view.rule, i, from + at))),
    ]);
    const built = tables.build(name, caption, [{ label: "submission" }, ...header], rows);
    const table = built.querySelector("table");
    table.classList.add("matrix", ...(isMany(columns) ? ["many"] : []));
    if (isMany(columns)) tables.keepRoles(table);
    return built;
  }

  function field(cell, reason) {
    const value = Number.isFinite(cell.sec) ? cell.sec : NaN;
    const sort = Number.isFinite(cell.ratio) ? cell.ratio : Number.isFinite(cell.sec) ? 1000 + cell.sec : 1e9;
    const [main, sign, detail] = inWords(cell, reason);
    const isGood = cell.outcome === "reached";
    const look = !isGood ? "none" : Number.isNaN(cell.ratio) ? "" : `heat-${level(cell.ratio)}`;
    const short = dom.make("span", { class: "sign", "aria-hidden": "true" }, sign);
    const long = dom.make("span", { class: "words" }, main, dom.make("small", {}, detail));
    const ofStudies = { "not reached": " studies reached the target", error: " studies" }[cell.outcome] ?? "";
    return { value, sort, className: look, title: `${main}: ${detail}${ofStudies}`, node: dom.make("span", {}, long, short) };
  }

  /** The shade of a ratio, 0 for the fastest. */
  const level = (ratio) => BOUNDS.filter((bound) => ratio > bound).length;

  /** How far behind a time that is too slow is, or what became of the held-out variant; "" for others. */
  function whyNot(ranked, rule, i, j) {
    const { shape, times: medians, cells } = ranked;
    const cell = cells[i][j];
    if (cell.outcome === "cut") return format.ratio(cell.sec / engine.fastest(medians, shape, j, shape.numColumns));
    if (cell.outcome !== "held-out failed") return "";
    const { outcome } = cells[i][shape.variantColumn[j]];
    const words = { reached: `variant above ${format.short(rule.max_ratio)}\u00d7`, missing: "variant has no results" };
    return words[outcome] ?? `variant ${outcome}`;
  }

  /** What a field says: [in words, as a sign, the time or how many studies reached the target]. */
  function inWords(cell, reason = "") {
    const some = (number, what) => (number ? `, ${number}\u00a0${what}` : "");
    const more = some(cell.unfinished, "unfinished") + some(cell.pruned, "pruned");
    const reached = `${cell.numReached} of ${cell.studies.length}${more}`;
    const seconds = `${format.seconds(cell.sec)} s`;
    if (cell.outcome === "reached")
      return Number.isNaN(cell.ratio)
        ? [seconds, format.seconds(cell.sec), reached]
        : [format.ratio(cell.ratio), cell.ratio.toFixed(cell.ratio < 9.95 ? 1 : 0), `${seconds}${more}`];
    const details = {
      "not reached": reached,
      error: `in ${cell.errors} of ${cell.ended}`,
      pruned: reached,
      cut: reason,
      "held-out failed": reason.replace("variant ", ""),
      missing: "\u00a0",
      unfinished: "not scored",
    };
    return [...REASONS[cell.outcome], details[cell.outcome]];
  }

  return { render, inWords, level };
})();
