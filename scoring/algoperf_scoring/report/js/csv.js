"use strict";
/* Every table as a file: RFC 4180, with all digits where a cell has them in `data-value`. */
const csv = (() => {
  /** The content of a table, header first. */
  function text(table) {
    const rows = [...table.rows].map((row) => [...row.cells].map((cell) => field(content(cell))).join(","));
    return rows.join("\r\n") + "\r\n";
  }

  function content(cell) {
    if (cell.dataset.value !== undefined) return cell.dataset.value;
    return cell.textContent.trim().replace(/\s+/g, " ");
  }

  /** A field; text that a spreadsheet would run as a formula gets an apostrophe in front. */
  function field(value) {
    const safe = /^[=+\-@\t\r]/.test(value) && Number.isNaN(Number(value)) ? `'${value}` : value;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  }

  /** A button that saves a table. */
  function button(table) {
    const name = table.dataset.csv;
    const save = () => {
      const url = URL.createObjectURL(new Blob([text(table)], { type: "text/csv;charset=utf-8" }));
      dom.make("a", { href: url, download: `${name}.csv` }).click();
      setTimeout(() => URL.revokeObjectURL(url), 1000);
    };
    const label = `Download the table ${table.caption?.textContent ?? name} as CSV`;
    return dom.make(
      "button",
      { type: "button", class: "csv", "aria-label": label, "data-key": `csv-${name}`, onclick: save },
      "Download CSV",
    );
  }

  return { text, field, button };
})();
