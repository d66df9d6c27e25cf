"use strict";
/* The leaderboard: a verdict in words, and who has which score, interval and probable ranks. */
const ranking = (() => {
  /** Fills verdict, table and what follows it. */
  function render(context, onReset) {
    dom.fill(dom.byId("verdict"), ...verdict(context, onReset));
    dom.fill(dom.byId("ranking"), table(context));
    dom.fill(dom.byId("certainty"), ...(context.sure ? certainty.details(context) : []));
  }

  function verdict(context, onReset) {
    const { changes } = context;
    const back = () =>
      dom.make("button", { type: "button", "data-key": "verdict-reset", onclick: onReset }, "Back to the report's rule");
    return [
      changes.length
        ? dom.make(
            "p",
            { class: "changed" },
            dom.make("strong", {}, "Not the report's own rule: "),
            `${changes.join("; ")}. `,
            back(),
          )
        : null,
      dom.make("p", { class: "headline" }, leadInWords(context), " ", certainty.inWords(context), preliminary(context)),
    ];
  }

  /** Who is first, or that the first two are tied, which is a verdict. */
  function leadInWords(context) {
    const { data, view, ranked, sure } = context;
    const name = (i) => who.title(data, view.submissions[i]);
    const [first, second] = ranked.order;
    const interval = sure ? ` (95\u00a0% interval ${sure.intervals[first].map((end) => end.toFixed(3)).join(" to ")})` : "";
    const score = `${ranked.scores[first].toFixed(3)}${interval}`;
    if (second === undefined) return `${name(first)} alone scores ${score}. A score compares: choose others, too.`;
    const both = `${name(first)} and ${name(second)}`;
    const isSame = Math.abs(ranked.scores[first] - ranked.scores[second]) <= data.constants.same_score;
    if (isSame) return `${both} have the same score, ${score}.`;
    if (!sure?.neighbours[0].isTie || !certainty.isJudged(context)) return `${name(first)} has the highest score, ${score}.`;
    return `${both} are tied, with ${score} and ${ranked.scores[second].toFixed(3)}.`;
  }

  function table(context) {
    const { data, view, ranked, sure } = context;
    const columns = [
      { label: "rank", number: true },
      { label: "submission" },
      { label: "score", number: true },
      ...(sure
        ? [
            { label: "95 % interval", name: "interval_low" },
            { label: "", name: "interval_high", sortable: false, hidden: true },
            { label: "ranks", name: "probability_of_rank_1", className: "ranks" },
          ]
        : []),
      { label: "credit", name: "workloads_with_credit", number: true },
      { label: "fastest", name: "workloads_on_which_fastest", number: true },
      { label: "studies", number: true },
      ...(ranked.speedups ? [{ label: "speedup", number: true }] : []),
    ];
    const rows = ranked.order.map((i) => Object.assign(row(context, i), { header: 1 }));
    const caption = `Submissions by score over ${format.plural(view.workloads.length, "workload")}`;
    const built = tables.build("leaderboard", caption, columns, rows, true);
    return dom.make("div", {}, built, legend(context));
  }

  function row({ data, view, ranked, sure }, i) {
    const position = view.submissions[i];
    const cells = ranked.cells[i].slice(0, ranked.shape.numWorkloads);
    const reached = cells.filter(({ outcome }) => outcome === "reached").length;
    const fastest = cells.filter(({ ratio }) => ratio === 1).length;
    return [
      { text: ranked.ranks[i], value: ranked.ranks[i] },
      who.cell(data, position, title(data, position)),
      { text: format.score(ranked.scores[i]), value: ranked.scores[i], className: "score" },
      ...(sure ? uncertain(sure, ranked, i, position) : []),
      { text: `${reached} of ${cells.length}`, value: reached },
      { text: fastest, value: fastest },
      studiesOf(cells, unfinished(ranked.cells[i])),
      ...(ranked.speedups ? [speedupOf(ranked.speedups[i])] : []),
    ];
  }

  /** NaN: it reached no target. */
  const speedupOf = (value) => (Number.isNaN(value) ? { text: "\u2013", value: null } : { text: `${value.toFixed(3)}\u00d7`, value });

  function uncertain({ intervals, rankProbabilities }, { scores }, i, position) {
    const [low, high] = intervals[i];
    const ends = dom.make("span", { class: "ends" }, `${low.toFixed(3)}\u2013${high.toFixed(3)}`);
    const interval = dom.make("span", {}, intervalBar(intervals[i], scores[i], position), " ", ends);
    return [
      { node: interval, value: low, className: "interval" },
      { text: "", value: high },
      { node: rankStrip(rankProbabilities[i]), value: rankProbabilities[i][0], className: "ranks" },
    ];
  }

  /** How many trials of a submission are unfinished. */
  const unfinished = (cells) => d3.sum(cells, (cell) => cell.unfinished);

  /** How many studies there are, "2 to 5" if not equally many on all workloads, and how many trials will add to them. */
  function studiesOf(cells, open) {
    const [fewest, most] = d3.extent(cells, (cell) => cell.studies.length);
    const text = fewest === most ? String(most) : `${fewest} to ${most}`;
    const more = open ? dom.make("small", { class: "open" }, `${open} unfinished`) : null;
    return { node: dom.make("span", {}, text, " ", more), value: text, sort: most };
  }

  /** That the order may change, because trials are unfinished; "" if none is. */
  function preliminary({ data, view, ranked }) {
    const open = ranked.order.filter((i) => unfinished(ranked.cells[i])).map((i) => view.submissions[i]);
    return open.length ? ` Preliminary: trials of ${who.several(data, open)} are unfinished.` : "";
  }

  /** A submission's title, its folder if that has another name, who made it, and where to read more. */
  function title(data, position) {
    const { name, info, logs } = data.submissions[position];
    const facts = { ...info, folder: who.title(data, position) === name ? "" : name };
    const by = ["folder", "authors", "affiliations", "framework"].filter((fact) => facts[fact]);
    const makers = by.map((fact, at) => dom.make("span", { class: fact }, at ? ` \u00b7 ${facts[fact]}` : facts[fact]));
    const places = { code: info?.code, paper: info?.paper, link: info?.link, logs: isAmongRuns(data) ? logs : null };
    const links = Object.entries(places)
      .filter(([, href]) => href)
      .map(([word, href]) => dom.make("a", { href, rel: "noreferrer" }, word));
    return dom.make(
      "span",
      { class: "title" },
      who.label(data, position),
      by.length || links.length
        ? dom.make("small", { title: info?.description || null }, ...makers, by.length ? " " : "", ...links)
        : null,
    );
  }

  /** Whether the page still lies where its links to logs lead from: one that was sent does not. */
  function isAmongRuns({ place }) {
    return place === null || decodeURIComponent(location.pathname).endsWith(`/${place}`);
  }

  function intervalBar([low, high], score, position) {
    const x = (value) => 4 + 132 * value;
    const { colour } = series.of(position);
    const words = `from ${low.toFixed(3)} to ${high.toFixed(3)} on a scale from 0 to 1`;
    return dom.makeSvg(
      "svg",
      {
        width: 140,
        height: 16,
        viewBox: "0 0 140 16",
        role: "img",
        "aria-label": words,
      },
      dom.makeSvg("title", {}, words),
      dom.makeSvg("line", { x1: x(0), x2: x(1), y1: 8, y2: 8, class: "rail" }),
      dom.makeSvg("line", {
        x1: x(low),
        x2: x(high),
        y1: 8,
        y2: 8,
        stroke: colour,
        "stroke-width": 5,
        "stroke-linecap": "round",
      }),
      dom.makeSvg("line", { x1: x(score), x2: x(score), y1: 1, y2: 15, class: "point" }),
    );
  }

  /** One small cell per rank, the stronger its colour the more likely. */
  function rankStrip(probabilities) {
    const likely = probabilities.map((share, rank) => [share, rank + 1]).filter(([share]) => share >= 0.005);
    const label = likely.map(([share, rank]) => `rank ${rank}: ${format.percent(share)}`).join(", ");
    return dom.make(
      "span",
      { class: "strip", role: "img", "aria-label": label, title: label },
      ...probabilities.map((share) => dom.make("i", { style: `--share:${share.toFixed(3)}` })),
    );
  }

  function legend({ data, view, ranked, sure }) {
    const points = view.rule.integral === "exact" ? "" : ", taken at 100 points as in the published tables";
    const words = [
      `Score: area under the performance profile up to ${format.short(view.rule.max_ratio)} times the fastest${points}. `,
      sure ? dom.make("span", { class: "ranks" }, "Ranks: one box per rank from 1 on, the stronger its colour the more likely. ") : "",
      "Credit: workloads whose time counts. Fastest: on how many of them. ",
      ranked.speedups ? `Speedup: geometric mean over workloads against ${referenceTitle(data, view)}. ` : "",
      loneStudies(data, view, ranked).join(" "),
    ];
    return dom.make("p", { class: "note" }, ...words);
  }

  function referenceTitle(data, view) {
    return who.title(
      data,
      data.submissions.findIndex(({ name }) => name === view.reference),
    );
  }

  /** Where an interval says nothing about a submission's own spread. */
  function loneStudies(data, view, ranked) {
    if (ranked.refusal) return [];
    const most = (cells) => Math.max(...cells.slice(0, ranked.shape.numWorkloads).map((cell) => cell.studies.length));
    const alone = view.submissions.filter((_, i) => most(ranked.cells[i]) === 1);
    return alone.map((i) => `${who.title(data, i)} has one study: its interval shows the spread of the others only.`);
  }

  return { render };
})();
