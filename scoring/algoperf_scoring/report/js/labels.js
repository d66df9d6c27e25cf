"use strict";
/* Names of lines in a chart, where there is room: nobody has to go back and forth between lines and legend. */
const labels = (() => {
  const LETTER = 6.3; // width of an average letter
  const LINE = 14; // height of a line of letters
  const LEAST = 11.5; // the same where many names must stand below each other
  const LONGEST = 26; // letters of a name; of longer ones, the middle is left out: names of variants differ at their ends
  const REACH = 18; // between the end of a line and its name
  const GAP = 6; // between a line and a name along it
  const CELL = 4; // width and height of a field in which lines are counted
  const MOST = 4; // fields with another line behind a name
  const FURTHEST = 150; // pixels between the end of a line and a name along it
  const HIGHEST = 12; // lines of letters between the end of a line and a name on a staff

  /** A name that is not too long. */
  function short(name) {
    return name.length > LONGEST ? `${name.slice(0, 14)}\u2026${name.slice(-11)}` : name;
  }

  /** Room right of a frame for a column of names; 0 if the chart is too narrow, or too low for that many. */
  function room(names, width, height) {
    const longest = Math.max(0, ...names.map((name) => short(name).length));
    const wide = Math.ceil(REACH + 6 + longest * LETTER);
    return wide > 0.36 * width || names.length * LEAST > height ? 0 : wide;
  }

  /** Names right of the frame, each joined with the end of its line: ends are {position, words, x, y} in pixels. */
  function column(chart, ends, { top, bottom }) {
    const sorted = d3.sort(ends, ({ y }) => y);
    const step = Math.min(LINE, (bottom - top) / Math.max(1, ends.length));
    const ys = apart(sorted.map(({ y }) => y), step, top, bottom);
    sorted.forEach((end, at) => {
      const path = `M${end.x + 2},${end.y}L${end.x + REACH - 6},${ys[at]}h4`;
      add(chart, dom.makeSvg("path", { class: looks(end.position), d: path, style: colour(end.position) }));
      add(chart, text(end, end.x + REACH, ys[at]));
    });
  }

  /** Numbers near the wanted ones, which rise, but at least `step` apart and between low and high if they can be. */
  function apart(wanted, step, low, high) {
    const down = wanted.map((y) => y);
    for (let at = 1; at < down.length; at++) down[at] = Math.max(down[at], down[at - 1] + step);
    const up = wanted.map((y) => y);
    for (let at = up.length - 2; at >= 0; at--) up[at] = Math.min(up[at], up[at + 1] - step);
    const found = down.map((y, at) => Math.min((y + up[at]) / 2, high - (wanted.length - 1 - at) * step));
    return found.map((y, at) => Math.max(y, low + at * step));
  }

  /**
   * Names near the ends of lines, the first line first; lines are {position, words, points: [x, y][]} in pixels, without
   * words if they are only in the way. A name without room there stands on a staff above or below the end; one that
   * would meet another text or lie on lines is left out. The chart has to be in the page.
   */
  function along(chart, lines, frame) {
    const drawn = lines.filter(({ points }) => points.length).map((line) => ({ ...line, dots: dense(line.points) }));
    const count = counter(drawn.map(({ dots }) => dots));
    const ends = drawn.filter(({ words }) => words).map(({ dots }) => dots.at(-1)[0]);
    // How many lines end above or below a box: it would be in the way of their staffs.
    const above = ({ left, right }) => ends.filter((x) => left - 4 < x && x < right + 4).length;
    const taken = textsOf(chart);
    for (const line of drawn.filter(({ words }) => words)) {
      const name = text(line, 0, 0);
      add(chart, name);
      const wide = name.getComputedTextLength();
      const isFree = (box) => !taken.some((other) => meet(box, other));
      const isOpen = ({ box, staff }) => inside(box, frame) && isFree(box) && (!staff || isFree(staff));
      const open = [...placesOf(line.dots, wide), ...onStaffs(line.dots, wide)].filter(isOpen);
      const best = d3.least(open, ({ box, far }) => 40 * count(box) + 12 * above(box) + far);
      if (!best || count(best.box) > MOST) {
        name.remove();
        continue;
      }
      taken.push(best.box, ...(best.staff ? [best.staff] : []));
      if (best.staff) add(chart, staffOf(line.position, best.staff));
      name.setAttribute("x", best.box.left);
      name.setAttribute("y", (best.box.top + best.box.bottom) / 2);
    }
  }

  /** Adds to a chart, below what is said of the point under the pointer. */
  function add(chart, element) {
    chart.insertBefore(element, chart.querySelector(":scope > [aria-label=tip]"));
  }

  /** Points of a line, at most a field apart. */
  function dense(points) {
    return points.flatMap(([x, y], at) => {
      const [fromX, fromY] = points[Math.max(0, at - 1)];
      const number = Math.max(1, Math.ceil(Math.hypot(x - fromX, y - fromY) / CELL));
      return d3.range(1, number + 1).map((i) => [fromX + ((x - fromX) * i) / number, fromY + ((y - fromY) * i) / number]);
    });
  }

  /** A function that counts the fields in a box through which lines go. */
  function counter(lines) {
    const fields = new Set();
    const key = (x, y) => Math.floor(x / CELL) * 10_000 + Math.floor(y / CELL);
    for (const dots of lines) for (const [x, y] of dots) fields.add(key(x, y));
    return ({ left, right, top, bottom }) => {
      let number = 0;
      for (let x = left; x < right + CELL; x += CELL) for (let y = top; y < bottom + CELL; y += CELL) number += fields.has(key(x, y));
      return number;
    };
  }

  /** Where a name may stand: right of the line's end, or above and below any point, with the distance from the end. */
  function placesOf(dots, wide) {
    const [endX, endY] = dots[dots.length - 1];
    const at = (left, middle, far) => ({
      box: { left, right: left + wide, top: middle - LINE / 2, bottom: middle + LINE / 2 },
      far,
    });
    const rest = dots.flatMap(([x, y], i) =>
      i % 3 || Math.hypot(x - endX, y - endY) > FURTHEST
        ? []
        : [-1, 1].flatMap((side) =>
            [0, 0.5, 1].map((share) => {
              const far = Math.hypot(x - endX, y - endY) + 10;
              return at(x - share * wide, y + side * (LINE / 2 + GAP), far);
            }),
          ),
    );
    return [at(endX + GAP + 2, endY, 0), ...rest];
  }

  /** Places above and below a line's end, joined with it by an upright stroke. */
  function onStaffs(dots, wide) {
    const [x, y] = dots[dots.length - 1];
    return d3.range(2, HIGHEST).flatMap((lines) =>
      [-1, 1].flatMap((side) =>
        [0, 0.5, 1].map((share) => {
          const [near, middle] = [y + GAP * side, y + side * LINE * lines];
          const ends = d3.sort([near, middle - (side * LINE) / 2]);
          const left = x - share * (wide - 4) - 2;
          return {
            box: { left, right: left + wide, top: middle - LINE / 2, bottom: middle + LINE / 2 },
            staff: { left: x, right: x, top: ends[0], bottom: ends[1] },
            far: 20 + 4 * lines,
          };
        }),
      ),
    );
  }

  function staffOf(position, { left, top, bottom }) {
    return dom.makeSvg("path", { class: looks(position), d: `M${left},${top}V${bottom}`, style: colour(position) });
  }

  /** The boxes of a chart's texts, in its pixels. */
  function textsOf(chart) {
    const frame = chart.getBoundingClientRect();
    const scale = chart.viewBox.baseVal.width / frame.width;
    return [...chart.querySelectorAll("text")].map((element) => {
      const { left, right, top, bottom } = element.getBoundingClientRect();
      const [x, y] = [(value) => (value - frame.left) * scale, (value) => (value - frame.top) * scale];
      return { left: x(left), right: x(right), top: y(top), bottom: y(bottom) };
    });
  }

  const meet = (a, b) => a.left < b.right + 4 && b.left < a.right + 4 && a.top < b.bottom && b.top < a.bottom;

  const inside = (box, frame) =>
    box.left >= frame.left + 2 && box.right <= frame.right && box.top >= frame.top && box.bottom <= frame.bottom - 2;

  const looks = (position) => `${series.of(position).className} name`;

  const colour = (position) => `--own:${series.of(position).colour}`;

  /** The name of a line, which brings it out. */
  function text({ position, words }, x, y) {
    const made = dom.makeSvg(
      "text",
      { class: looks(position), style: colour(position), x, y, dy: "0.35em", "text-anchor": "start", "aria-hidden": "true" },
      dom.makeSvg("title", {}, words),
      short(words),
    );
    made.addEventListener("pointermove", (event) => {
      event.stopPropagation(); // else the chart tells of the point that is nearest
      series.highlight(position);
    });
    made.addEventListener("pointerleave", () => series.highlight());
    return made;
  }

  return { room, column, along };
})();
