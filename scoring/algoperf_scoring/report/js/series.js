"use strict";
/* How a submission looks: a colour, a dash pattern and a symbol, the same everywhere, whoever else is compared. */
const series = (() => {
  const NUM_COLOURS = 8;
  const DASHES = [null, "7 3", "2 3"];
  const SYMBOLS = ["circle", "square", "triangle", "diamond", "cross", "star", "wye"];

  /** The look of the submission at a position in the payload. */
  function of(position) {
    return {
      colour: `var(--series-${position % NUM_COLOURS})`,
      dash: DASHES[position % DASHES.length],
      symbol: SYMBOLS[position % SYMBOLS.length],
      className: `series series-of-${position}`,
    };
  }

  /** A small picture of it: line and symbol. */
  function swatch(position) {
    const { colour, dash, symbol } = of(position);
    const type = d3[`symbol${symbol[0].toUpperCase()}${symbol.slice(1)}`];
    return dom.makeSvg(
      "svg",
      { width: 28, height: 12, viewBox: "0 0 28 12", class: "swatch", "aria-hidden": "true" },
      dom.makeSvg("line", { x1: 0, x2: 28, y1: 6, y2: 6, stroke: colour, "stroke-width": 2, "stroke-dasharray": dash }),
      dom.makeSvg("path", { d: d3.symbol(type, 34)(), transform: "translate(14,6)", fill: colour }),
    );
  }

  /** Brings one submission out in all charts, and none with null. */
  function highlight(position) {
    for (const chart of document.querySelectorAll("figure")) {
      chart.classList.toggle("has-highlight", position !== null);
      for (const mark of chart.querySelectorAll(".series")) {
        mark.classList.toggle("is-highlighted", position !== null && mark.classList.contains(`series-of-${position}`));
      }
    }
  }

  /** Attributes that make an element highlight its submission on hover and focus. */
  function highlighting(position) {
    const on = () => highlight(position);
    const off = () => highlight(null);
    return { onmouseenter: on, onmouseleave: off, onfocusin: on, onfocusout: off };
  }

  /** A legend of submissions: one stop of the tabulator, in which arrow keys move; the focused one is brought out. */
  function legend(data, positions) {
    const entries = positions.map((position, at) =>
      dom.make(
        "li",
        { tabindex: at ? -1 : 0, "data-key": `legend-${position}`, ...highlighting(position) },
        swatch(position),
        ` ${data.submissions[position].name}`,
      ),
    );
    const onkeydown = (event) => {
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
      { class: "legend", "aria-label": "Legend; arrow keys bring out an entry", onkeydown },
      ...entries,
    );
  }

  return { of, swatch, highlighting, legend };
})();
