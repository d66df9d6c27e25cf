"use strict";
/* What all charts have in common. */
const figure = (() => {
  const LETTER = 6.9; // width of an average letter
  const LINE = 14; // height of a line of letters
  const MOST_LINES = 4; // of a name; of longer ones, the middle is left out: names of variants differ at their ends

  /** The width that a chart in an element may have. */
  const widthOf = (element, widest = 1000) => Math.max(260, Math.min(widest, Math.floor(element.clientWidth)));

  /** Whether there is little room, as on a phone. */
  const isNarrow = (width) => width < 520;

  /** Plot's chart with our defaults. */
  function plot(options) {
    return Plot.plot({ style: { fontSize: "12px", overflow: "visible" }, ...options });
  }

  /** A name in lines of at most so many letters, which end after a blank, an underscore or a hyphen if they can. */
  function inLines(name, letters) {
    const lines = [];
    for (let rest = name; rest; ) {
      const mark = Math.max(...[" ", "_", "-"].map((one) => rest.lastIndexOf(one, letters - 1)));
      const end = rest.length <= letters ? rest.length : mark > 0 ? mark + 1 : letters;
      lines.push(rest.slice(0, end).trim());
      rest = rest.slice(end).trim();
    }
    return lines.length > MOST_LINES ? [lines[0], `${lines[1]}\u2026`, ...lines.slice(-2)] : lines;
  }

  /** Room for names of submissions on the left, a function that breaks them into lines, and the most lines of one. */
  function names(labels, width) {
    const longest = Math.max(4, ...labels.map((label) => label.length));
    const margin = Math.min(isNarrow(width) ? 124 : 230, 16 + Math.ceil(longest * LETTER));
    const letters = Math.floor((margin - 14) / LETTER);
    const broken = new Map(labels.map((label) => [label, inLines(label, letters)]));
    const most = Math.max(1, ...[...broken.values()].map((lines) => lines.length));
    return { margin, most, format: (label) => broken.get(label).join("\n") };
  }

  /** Plot's options for a chart with a row for each name, from the top. */
  function rows(labels, width, { perRow = 24, marginRight = 16, marginTop = 10, x, marks, ...others }) {
    const { margin, most, format } = names(labels, width);
    return {
      width,
      height: marginTop + 50 + Math.max(perRow, LINE * most + 7) * labels.length,
      marginLeft: margin,
      marginRight,
      marginTop,
      marginBottom: 40,
      x: { ticks: isNarrow(width) ? 4 : 8, ...x },
      y: { domain: labels, label: null },
      marks: [Plot.axisY({ label: null, tickFormat: format, tickSize: 0, lineHeight: 1.15 }), ...marks],
      ...others,
    };
  }

  /** A figure: chart, what it shows in words, and what stands below. What the pointer is at is brought out. */
  function wrap(chart, label, ...below) {
    chart.setAttribute("role", "img");
    chart.setAttribute("aria-label", label);
    for (const event of ["input", "pointermove"])
      chart.addEventListener(event, () => series.highlight(chart.value?.position));
    return dom.make("figure", {}, chart, ...below);
  }

  /** A line mark in the look of a submission. */
  function line(points, position, options) {
    const { colour, dash, className } = series.of(position);
    return Plot.line(points, { stroke: colour, strokeWidth: 2, strokeDasharray: dash, className, ...options });
  }

  /** A dot mark in the symbol of a submission; `hollow` for its outline only. */
  function dot(points, position, { hollow = false, ...options }) {
    const { colour, symbol, isHollow, className } = series.of(position);
    const paint = hollow
      ? { stroke: colour, strokeWidth: 1.75 }
      : isHollow
        ? { fill: "var(--background)", stroke: colour, strokeWidth: 1.5 }
        : { fill: colour, stroke: "var(--background)", strokeWidth: 0.75 };
    return Plot.dot(points, { r: 4, symbol, className, ...paint, ...options });
  }

  /**
   * A limit at an upright line, named above the frame, on the side with more room; or, beyond the end of the axis, what
   * it is and how far away, at the edge. Names of lines with a dash pattern have a lane of their own: they never meet.
   */
  function limit(x, text, [from, to], dash = null) {
    const isWithin = from <= x && x <= to;
    const end = isWithin && x - from < to - x ? "start" : "end";
    const at = { frameAnchor: "top", dy: dash ? -8 - LINE : -8, fill: "currentColor", textAnchor: end };
    if (!isWithin) return [Plot.text([`${text} \u2192`], { x: () => to, text: (words) => words, ...at })];
    return [
      Plot.ruleX([x], { stroke: "currentColor", strokeDasharray: dash, strokeOpacity: 0.7 }),
      Plot.text([text], { x: () => x, text: (words) => words, ...at }),
    ];
  }

  /** Upright strokes across the rows. */
  function bars(points, options) {
    return Plot.tickX(points, { y: "name", stroke: "currentColor", strokeWidth: 2.5, inset: 2, ...options });
  }

  /** What the pointer is at, in words: `title` of the nearest point. */
  function tip(points, options) {
    return Plot.tip(points, Plot.pointer({ lineHeight: 1.3, ...options }));
  }

  return { tip, widthOf, isNarrow, plot, names, rows, wrap, line, dot, limit, bars };
})();
