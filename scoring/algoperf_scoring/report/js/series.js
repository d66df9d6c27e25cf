"use strict";
/*
 * How a submission looks: a colour, a dash pattern and a symbol, the same everywhere, whoever else is compared. Looks
 * are dealt out by rank in the report, so those that are looked at most differ most.
 */
const series = (() => {
  const NUM_COLOURS = 12;
  const DASHES = [null, "7 3", "2 3", "9 3 2 3"];
  const SYMBOLS = ["circle", "square", "triangle", "diamond", "cross", "star", "wye"];
  const WIDTH = 34;
  let looks = [];
  let highlighted;
  let pinned;

  /** Takes the looks from the data; before anything is drawn. */
  function prepare(data) {
    looks = data.submissions.map(({ look }, at) => look ?? at);
  }

  /** The look of the submission at a position in the payload. */
  function of(position) {
    const look = looks[position];
    return {
      colour: `var(--series-${look % NUM_COLOURS})`,
      dash: DASHES[(look + Math.floor(look / NUM_COLOURS)) % DASHES.length],
      symbol: SYMBOLS[look % SYMBOLS.length],
      isHollow: Math.floor(look / SYMBOLS.length) % 2 === 1,
      className: `series series-of-${position}`,
    };
  }

  /** A small piece of its line, with its symbol. */
  function swatch(position) {
    const { colour, dash, symbol, isHollow } = of(position);
    const type = d3[`symbol${symbol[0].toUpperCase()}${symbol.slice(1)}`];
    const paint = isHollow ? { fill: "var(--background)", stroke: colour, "stroke-width": 1.5 } : { fill: colour };
    return dom.makeSvg(
      "svg",
      { width: WIDTH, height: 12, viewBox: `0 0 ${WIDTH} 12`, class: "swatch", "aria-hidden": "true" },
      dom.makeSvg("line", {
        ...{ x1: 0, x2: WIDTH, y1: 6, y2: 6 },
        ...{ stroke: colour, "stroke-width": 2, "stroke-dasharray": dash },
      }),
      dom.makeSvg("path", { d: d3.symbol(type, 40)(), transform: `translate(${WIDTH / 2},6)`, ...paint }),
    );
  }

  /** Brings one submission out in all charts and tables; without a position the one that is pinned, if one is. */
  function highlight(position = pinned) {
    if (position !== highlighted) show(position);
  }

  /** Brings one out until it is pressed again, or another one. */
  function pin(position) {
    pinned = position === pinned ? undefined : position;
    for (const entry of document.querySelectorAll(".legend [aria-pressed]"))
      entry.setAttribute("aria-pressed", String(entry.dataset.position === String(pinned)));
    show(pinned);
  }

  /** Only a pinned one is brought out any more, if it is among these positions. */
  function reset(positions) {
    if (!positions.includes(pinned)) pinned = undefined;
    show(pinned);
  }

  /** Brings it out in what was drawn meanwhile, too. */
  const again = () => show(highlighted);

  function show(position) {
    highlighted = position;
    const isOne = position !== undefined;
    for (const chart of document.querySelectorAll("figure")) {
      chart.classList.toggle("has-highlight", isOne);
      for (const mark of chart.querySelectorAll(".series")) {
        mark.classList.toggle("is-highlighted", isOne && mark.classList.contains(`series-of-${position}`));
      }
    }
    for (const row of document.querySelectorAll("[data-position]")) {
      row.classList.toggle("is-highlighted", isOne && row.dataset.position === String(position));
    }
  }

  /** Attributes that make an element highlight its submission on hover and focus. */
  function highlighting(position) {
    const on = () => highlight(position);
    const off = () => highlight();
    return { onmouseenter: on, onmouseleave: off, onfocusin: on, onfocusout: off };
  }

  /**
   * A legend of submissions: one stop of the tabulator, in which arrow keys move. The focused one is brought out; a
   * pressed one stays so, until it is pressed again or Escape is.
   */
  function legend(data, positions) {
    const entries = positions.map((position, at) =>
      dom.make(
        "button",
        {
          ...{ type: "button", tabindex: at ? -1 : 0, "data-key": `legend-${position}`, "data-position": position },
          ...{ "aria-pressed": String(position === pinned), onclick: () => pin(position) },
          ...highlighting(position),
        },
        who.label(data, position),
      ),
    );
    const onkeydown = (event) => {
      if (event.key === "Escape") pin(pinned);
      const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const at = entries.indexOf(document.activeElement);
      if (!by || at < 0) return;
      event.preventDefault();
      const next = entries[(at + by + entries.length) % entries.length];
      for (const entry of entries) entry.tabIndex = entry === next ? 0 : -1;
      next.focus();
    };
    return dom.make(
      "ul",
      { class: "legend", "aria-label": "Legend; arrow keys bring out an entry, Enter keeps it so", onkeydown },
      ...entries.map((entry) => dom.make("li", {}, entry)),
    );
  }

  return { prepare, of, swatch, highlight, reset, again, highlighting, legend };
})();
