"use strict";
/* Who a submission is: its title before readers, the name of its folder as a tooltip and in files. */
const who = (() => {
  const LONG = 26; // letters of a title that may take two lines

  const title = (data, position) => data.submissions[position].title ?? data.submissions[position].name;

  /** The title, with a picture of how it looks in charts. */
  function label(data, position) {
    const { name } = data.submissions[position];
    const words = title(data, position);
    const size = words.length > LONG ? " long" : "";
    return dom.make("span", { class: `who${size}`, title: name }, series.swatch(position), dom.breakable(words));
  }

  /** A table's cell: the title for the eye, the folder's name for the file. */
  function cell(data, position, node = label(data, position)) {
    const { name } = data.submissions[position];
    return { node, value: name, sort: title(data, position).toLowerCase(), position };
  }

  /** Titles of several, such as "a, b and 3 more". */
  function several(data, positions, most = 3) {
    const names = positions.map((position) => title(data, position));
    return format.list(names.length > most + 1 ? [...names.slice(0, most), `${names.length - most} more`] : names);
  }

  return { title, label, cell, several };
})();
