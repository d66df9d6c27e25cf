"use strict";
/* Unpacks the data and keeps page and view in step. `report` is what tests and the console can get at. */
const report = (() => {
  const shared = { data: null, view: null, settled: Promise.resolve() };
  let generation = 0;

  async function start() {
    if (!packed.isReadable) {
      dom.byId("notice").textContent =
        "This browser is too old for charts and controls: it lacks DecompressionStream. The leaderboard is complete.";
      return;
    }
    shared.data = await packed.unpack();
    series.prepare(shared.data);
    shared.view = state.fromHash(shared.data, location.hash);
    dom.byId("notice").remove();
    document.documentElement.classList.add("is-live");
    controls.build(shared.data, change, reset);
    for (const table of document.querySelectorAll("section table[data-csv]:not(#ranking table)")) {
      table.parentElement.after(csv.button(table));
      sideways.watch(table.parentElement);
    }
    bindPage();
    update();
  }

  function bindPage() {
    window.addEventListener("hashchange", () => {
      shared.view = state.fromHash(shared.data, location.hash);
      update();
    });
    let width = window.innerWidth;
    window.addEventListener("resize", () => {
      if (window.innerWidth === width) return; // phones resize when their address bar hides
      width = window.innerWidth;
      layoutControls();
      update();
    });
    window.addEventListener("beforeprint", () => {
      for (const details of document.querySelectorAll("main details[data-print]:not([open])"))
        details.open = details.dataset.printed = true;
    });
    window.addEventListener("afterprint", () => {
      for (const details of document.querySelectorAll("main details[data-printed]")) details.open = false;
    });
    // The address holds the view, so links within the page scroll themselves.
    document.addEventListener("click", (event) => {
      const link = event.target.closest('a[href^="#"]');
      if (!link) return;
      event.preventDefault();
      const section = dom.byId(link.hash.slice(1));
      section.scrollIntoView();
      section.focus({ preventScroll: true });
    });
    layoutControls();
  }

  /** Controls stand open beside the page where there is room, and are folded above it where there is none. */
  function layoutControls() {
    dom.byId("controls").open = window.innerWidth >= 1000;
  }

  /** Merges a part into the view. */
  function change(part) {
    const rule = { ...shared.view.rule, ...part.rule };
    shared.view = { ...shared.view, ...part, rule };
    remember();
    update();
  }

  /** Back to the report's comparison; what is shown of it stays. */
  function reset() {
    const { submissions, workloads, rule, reference } = state.initial(shared.data);
    change({ submissions, workloads, rule, reference });
  }

  let remembering;

  /** Writes the view into the address, not at every step of a slider: browsers limit how often. */
  function remember() {
    clearTimeout(remembering);
    remembering = setTimeout(writeAddress, 150);
  }

  function writeAddress() {
    const hash = state.toHash(shared.data, shared.view);
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  }

  /** Shows the view: the leaderboard at once, the sections one by one, until a newer view comes. */
  function update() {
    const { data, view } = shared;
    const own = ++generation;
    document.documentElement.dataset.theme = view.theme;
    series.reset(view.submissions);
    controls.sync(data, view);
    const isEmpty = !view.submissions.length || !view.workloads.length;
    document.documentElement.classList.toggle("is-empty", isEmpty);
    if (isEmpty) {
      const words = data.submissions.length
        ? "Choose at least one submission and one workload."
        : "No run has a result yet.";
      dom.fill(dom.byId("verdict"), dom.make("p", {}, words));
      return;
    }
    const ranked = board.rank(data, view);
    const context = { data, view, ranked, sure: board.certainty(data, ranked), changes: state.changes(data, view) };
    ranking.render(context, reset);
    shared.context = context;
    shared.settled = sections(context, () => own === generation);
  }

  async function sections(context, isCurrent) {
    const parts = [
      [dom.byId("profiles-body"), (element) => profiles.render(element, context, onTau)],
      [dom.byId("workloads-body"), (element) => matrix.render(element, context)],
      [dom.byId("times-body"), (element) => times.render(element, context, detail(context))],
      [dom.byId("curves-body"), (element) => curves.render(element, context, detail(context))],
      [dom.byId("trials-body"), (element) => trials.render(element, context, detail(context))],
      [dom.byId("sensitivity-body"), (element) => sensitivity.render(element, context)],
      [dom.byId("cost-body"), (element) => cost.render(element, context)],
    ];
    const inSight = ([element]) => {
      const box = element.getBoundingClientRect();
      return box.top < window.innerHeight && box.bottom > 0;
    };
    parts.sort((a, b) => inSight(b) - inSight(a));
    for (const [element, render] of parts) {
      await new Promise((done) => setTimeout(done));
      if (!isCurrent()) return;
      render(element);
      series.again();
    }
  }

  /** The workload in detail, as a position in the ranking's columns. */
  function detail({ ranked, view }) {
    return Math.max(0, ranked.shape.columns.indexOf(view.column));
  }

  function onTau(tau) {
    shared.view.tau = tau;
    remember();
  }

  start();
  return shared;
})();
