"use strict";
/* Tables that are wider than their place: a hint that there is more, and which columns stay in sight. */
const sideways = (() => {
  /** Keeps a box's marks in step with its size and position; they are in style.css. */
  function watch(box) {
    const hint = dom.make("p", { class: "hint", hidden: true }, "More columns: scroll the table sideways \u2192");
    const mark = () => {
      const room = box.scrollWidth - box.clientWidth;
      box.classList.toggle("is-wide", room > 1);
      box.classList.toggle("is-cut", room - box.scrollLeft > 1);
      hint.hidden = room <= 1;
    };
    const observer = new ResizeObserver(mark); // also tells of the first layout, and of folded parts that are opened
    observer.observe(box);
    for (const table of box.children) observer.observe(table);
    box.addEventListener("scroll", mark, { passive: true });
    box.after(hint);
    return box;
  }

  return { watch };
})();
