"use strict";
/* Tables: caption, scopes, sorting by header buttons, and a button to download. */
const tables = (() => {
  const sortedBy = new Map(); // by table: which column, and which way, so that it outlives a change of the view

  /**
   * A table.
   * @param {string} name of the CSV file
   * @param {string} caption
   * @param {{label: (string|Node), name?: string, number?: boolean, sortable?: boolean, hidden?: boolean}[]} columns;
   *   hidden ones are for the file alone
   * @param {Object[][]} rows of cells: {text, value?, node?, className?}; the first is the row's header
   * @param {boolean} isStacked whether a phone shows each row as a block, in which a cell has its column's name before it
   * @returns {HTMLElement}
   */
  function build(name, caption, columns, rows, isStacked = false) {
    const table = dom.make("table", { "data-csv": name }, dom.make("caption", {}, caption));
    const header = dom.make("tr", {}, ...columns.map((column, at) => headerCell(table, name, column, at)));
    const body = dom.make(
      "tbody",
      {},
      ...rows.map((row) =>
        dom.make("tr", rowOf(row), ...row.map((cell, at) => bodyCell(cell, columns[at], at === (row.header ?? 0)))),
      ),
    );
    table.append(dom.make("thead", {}, header), body);
    if (sortedBy.has(name)) applySort(table, name);
    if (isStacked) stack(table, columns, rows[0]?.header ?? 0);
    return boxed(table, caption);
  }

  function stack(table, columns, header) {
    table.classList.add("stacked");
    for (const row of table.tBodies[0].rows)
      columns.forEach(({ label }, at) => label && at !== header && row.cells[at].setAttribute("data-label", label));
    keepRoles(table);
  }

  /** Says that a table is one: where rows are laid out as blocks, browsers forget it. */
  function keepRoles(table) {
    const say = (role, elements) => [...elements].forEach((element) => element.setAttribute("role", role));
    say("table", [table]);
    say("rowgroup", table.querySelectorAll("thead, tbody"));
    say("row", table.rows);
    say("cell", table.querySelectorAll("td"));
    say("columnheader", table.querySelectorAll("th[scope=col]"));
    say("rowheader", table.querySelectorAll("th[scope=row]"));
  }

  /** A row about a submission brings it out in the charts. */
  function rowOf(row) {
    const position = row[row.header ?? 0]?.position;
    return position === undefined ? {} : { "data-position": position, ...series.highlighting(position) };
  }

  /** A table in a box of its own that scrolls, with its button. */
  function boxed(table, caption) {
    const box = dom.make(
      "div",
      { class: "box", tabindex: "0", role: "region", "aria-label": caption, "data-key": `box-${table.dataset.csv}` },
      table,
    );
    const whole = dom.make("div", { class: "with-csv" }, box, csv.button(table));
    sideways.watch(box);
    return whole;
  }

  function headerCell(table, name, column, at) {
    const { label, number, sortable = true, hidden } = column;
    const kind = [number ? "number" : "", column.className ?? ""].join(" ").trim() || null;
    const value = column.name ?? null;
    if (!sortable) return dom.make("th", { scope: "col", class: kind, "data-value": value, hidden }, label);
    const click = () => {
      const before = sortedBy.get(name);
      const falling = before?.at === at ? !before.falling : Boolean(number);
      sortedBy.set(name, { at, falling });
      applySort(table, name);
    };
    return dom.make(
      "th",
      { scope: "col", class: kind, "data-value": value },
      dom.make("button", { type: "button", class: "sort", "data-key": `sort-${name}-${at}`, onclick: click }, label),
    );
  }

  function bodyCell(cell, column, isHeader) {
    const properties = {
      class: [column?.number ? "number" : "", cell.className ?? ""].join(" ").trim() || null,
      scope: isHeader ? "row" : null,
      title: cell.title ?? null,
      hidden: column?.hidden,
      "data-value": cell.value === undefined ? null : plain(cell.value),
      "data-sort": cell.sort ?? null,
    };
    return dom.make(
      isHeader ? "th" : "td",
      properties,
      cell.node ?? (isHeader ? dom.breakable(String(cell.text)) : (cell.text ?? "")),
    );
  }

  /** A value for the file: nothing where there is no number. */
  function plain(value) {
    return value === null || (typeof value === "number" && Number.isNaN(value)) ? "" : String(value);
  }

  function applySort(table, name) {
    const { at, falling } = sortedBy.get(name);
    const rows = [...table.tBodies[0].rows];
    if (!rows.length || !rows[0].cells[at]) return;
    rows.sort((a, b) => compare(a.cells[at], b.cells[at], falling));
    table.tBodies[0].append(...rows);
    [...table.tHead.rows[0].cells].forEach((cell, i) => {
      if (i === at) cell.setAttribute("aria-sort", falling ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
  }

  /** Numbers by size, then text, then cells without a value, whichever way. */
  function compare(a, b, falling) {
    const [x, y] = [a, b].map((cell) => cell.dataset.sort ?? cell.dataset.value ?? cell.textContent);
    if (x === "" || y === "") return (x === "") - (y === "");
    const [p, q] = [Number(x), Number(y)];
    const order = Number.isNaN(p) || Number.isNaN(q) ? x.localeCompare(y) : p - q || 0;
    return falling ? -order : order;
  }

  return { build, boxed, keepRoles };
})();
