"use strict";
/* The leaderboard: a verdict in words, scores with intervals, rank probabilities, and which order may be chance. */
const ranking = (() => {
  /** Fills verdict, table and what follows it. */
  function render(context, onReset) {
    dom.fill(dom.byId("verdict"), ...verdict(context, onReset));
    dom.fill(dom.byId("ranking"), table(context));
    dom.fill(dom.byId("certainty"), ...(context.sure ? certainty(context) : []));
  }

  function verdict({ data, view, ranked, sure, changes }, onReset) {
    const name = (i) => data.submissions[view.submissions[i]].name;
    const [first] = ranked.order;
    const interval = sure ? ` (95 % interval ${sure.intervals[first].map((end) => end.toFixed(3)).join(" to ")})` : "";
    const score = `${ranked.scores[first].toFixed(3)}${interval}`;
    const lead =
      ranked.order.length > 1
        ? firstInWords({ ranked, sure, name }, score)
        : `${name(first)} alone scores ${score}. A score compares: choose others, too.`;
    return [
      changes.length
        ? dom.make(
            "p",
            { class: "changed" },
            dom.make("strong", {}, "Not the report's own rule: "),
            `${changes.join("; ")}. `,
            dom.make(
              "button",
              { type: "button", "data-key": "verdict-reset", onclick: onReset },
              "Back to the report's rule",
            ),
          )
        : null,
      dom.make("p", { class: "headline" }, lead, " ", certaintyInWords({ data, view, ranked, sure, name })),
    ];
  }

  /** Who is first, or that the first two are tied. */
  function firstInWords({ ranked, sure, name }, score) {
    const [first, second] = ranked.order;
    if (!sure?.neighbours[0].isTie) return `${name(first)} has the highest score, ${score}.`;
    return `${name(first)} and ${name(second)} are tied, with ${score} and ${ranked.scores[second].toFixed(3)}.`;
  }

  /** Why nothing is beyond chance; "" if something may be. */
  function littleEvidence({ data, view, sure }) {
    if (!view.workloads.some((column) => data.columns[column].is_scored)) return "no scored workload is compared";
    const enough = sure.hasEvidence.filter(Boolean).length > 1;
    return enough ? "" : `that takes at least ${data.constants.min_studies} studies of each submission`;
  }

  function certaintyInWords({ data, view, ranked, sure, name }) {
    if (!sure) return `No intervals and no probabilities: ${ranked.refusal}.`;
    if (ranked.order.length < 2) return "";
    const reason = littleEvidence({ data, view, sure });
    if (reason) return `Nothing here is beyond chance: ${reason}.`;
    const [first] = ranked.order;
    const others = sure.unseparated.filter(([better]) => better === first).map(([, other]) => name(other));
    if (!others.length) return "Its lead over all others is beyond chance.";
    const rank = `${name(first)} has rank 1 in ${format.percent(sure.rankProbabilities[first][0])} of the resamples`;
    const shown =
      others.length > 3 ? `${others.slice(0, 3).join(", ")} and ${others.length - 3} more` : others.join(" and ");
    return `${rank}; its lead over ${shown} may be chance.`;
  }

  function table(context) {
    const { data, view, ranked, sure } = context;
    const other = view.rule.integral === "exact" ? "trapezoid" : "exact";
    const columns = [
      { label: "rank", number: true },
      { label: "submission" },
      { label: "score", number: true },
      ...(sure
        ? [
            { label: "95 % interval", name: "interval_low" },
            { label: "", name: "interval_high", sortable: false },
            { label: "ranks", name: "probability_of_rank_1" },
          ]
        : []),
      { label: "credit", name: "workloads_with_credit", number: true },
      { label: "studies", number: true },
      ...(ranked.speedups ? [{ label: "speedup", number: true }] : []),
      { label: other, name: `score_${other}`, number: true },
    ];
    const rows = ranked.order.map((i) => Object.assign(row(context, i, other), { header: 1 }));
    const caption = `Submissions by score over ${format.plural(view.workloads.length, "workload")}`;
    const built = tables.build("leaderboard", caption, columns, rows);
    built.querySelectorAll("tbody tr").forEach((tr, at) => bind(tr, view.submissions[ranked.order[at]]));
    return dom.make("div", {}, built, dom.make("p", { class: "note" }, legend(data, view, ranked)));
  }

  function bind(element, position) {
    for (const [name, listener] of Object.entries(series.highlighting(position)))
      element.addEventListener(name.slice(2), listener);
  }

  function row({ data, view, ranked, sure }, i, other) {
    const position = view.submissions[i];
    const cells = ranked.cells[i].slice(0, ranked.shape.numWorkloads);
    const reached = cells.filter(({ outcome }) => outcome === "reached").length;
    const studies = cells.map((cell) => cell.studies.length);
    const [fewest, most] = [Math.min(...studies), Math.max(...studies)];
    return [
      { text: ranked.ranks[i], value: ranked.ranks[i] },
      { node: title(data.submissions[position], position), value: data.submissions[position].name },
      { text: format.score(ranked.scores[i]), value: ranked.scores[i], className: "score" },
      ...(sure
        ? [
            {
              node: intervalBar(sure.intervals[i], ranked.scores[i], position),
              value: sure.intervals[i][0],
              className: "interval",
            },
            {
              text: sure.intervals[i].map((end) => end.toFixed(3)).join("\u2013"),
              value: sure.intervals[i][1],
              className: "ends",
            },
            { node: rankStrip(sure.rankProbabilities[i]), value: sure.rankProbabilities[i][0] },
          ]
        : []),
      { text: `${reached} of ${cells.length}`, value: reached },
      {
        text: fewest === most ? most : `${fewest}\u2013${most}`,
        value: fewest === most ? most : `${fewest} to ${most}`,
      },
      ...(ranked.speedups ? [{ text: ranked.speedups[i].toFixed(3), value: ranked.speedups[i] }] : []),
      { text: format.score(ranked[other][i]), value: ranked[other][i] },
    ];
  }

  /** A submission's name, linked if its authors gave an address, and who they are. */
  function title({ name, info }, position) {
    const shown = info?.link
      ? dom.make("a", { href: info.link, rel: "noreferrer" }, dom.breakable(name))
      : dom.breakable(name);
    const authors = [
      info?.name && info.name !== name ? info.name : "",
      info?.authors,
      info?.affiliations && `(${info.affiliations})`,
      info?.framework,
    ].filter(Boolean);
    return dom.make(
      "span",
      { class: "title" },
      series.swatch(position),
      " ",
      shown,
      authors.length ? dom.make("small", { title: info.description || null }, authors.join(" \u00b7 ")) : null,
    );
  }

  function intervalBar([low, high], score, position) {
    const x = (value) => 4 + 132 * value;
    const { colour } = series.of(position);
    return dom.makeSvg(
      "svg",
      {
        width: 140,
        height: 16,
        viewBox: "0 0 140 16",
        role: "img",
        "aria-label": `from ${low.toFixed(3)} to ${high.toFixed(3)} on a scale from 0 to 1`,
      },
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

  /** One small cell per rank, the darker the more likely. */
  function rankStrip(probabilities) {
    const likely = probabilities.map((share, rank) => [share, rank + 1]).filter(([share]) => share >= 0.005);
    const label = likely.map(([share, rank]) => `rank ${rank}: ${format.percent(share)}`).join(", ");
    return dom.make(
      "span",
      { class: "strip", role: "img", "aria-label": label, title: label },
      ...probabilities.map((share) => dom.make("i", { style: `--share:${share.toFixed(3)}` })),
    );
  }

  function legend(data, view, ranked) {
    const integral = view.rule.integral === "exact" ? "integrated exactly" : "by the trapezoid rule on 100 points";
    const upTo = `${format.short(view.rule.max_ratio)} times the fastest`;
    return [
      `Score: area under the performance profile up to ${upTo}, ${integral}.`,
      "Ranks: one box per rank from 1 on, the darker the more likely. Credit: workloads whose time counts.",
      ranked.speedups ? `Speedup: geometric mean over workloads against ${view.reference}.` : "",
      ...loneStudies(data, view, ranked),
    ].join(" ");
  }

  /** Where an interval says nothing about a submission's own spread. */
  function loneStudies(data, view, ranked) {
    if (ranked.refusal) return [];
    const most = (cells) => Math.max(...cells.slice(0, ranked.shape.numWorkloads).map((cell) => cell.studies.length));
    const alone = view.submissions.filter((_, i) => most(ranked.cells[i]) === 1);
    const name = (i) => data.submissions[i].name;
    return alone.map((i) => `${name(i)} has one study: its interval shows the spread of the others only.`);
  }

  function certainty(context) {
    return [
      dom.make(
        "details",
        { "data-print": true },
        dom.make("summary", {}, neighboursInWords(context)),
        neighbours(context),
      ),
      dom.make(
        "details",
        { "data-print": true },
        dom.make("summary", {}, "Probability of each rank"),
        probabilities(context),
      ),
    ];
  }

  function neighboursInWords({ data, view, sure }) {
    const open = sure.neighbours.filter((pair) => !pair.isSeparated).length;
    if (!sure.neighbours.length) return "Nothing to compare";
    if (littleEvidence({ data, view, sure })) return "Nothing here is beyond chance: the pairs of neighbours";
    return open
      ? `Order that may be chance: ${open} of ${format.plural(sure.neighbours.length, "pair")} of neighbours`
      : "The order of all neighbours is beyond chance";
  }

  function neighbours({ data, view, sure }) {
    const name = (i) => data.submissions[view.submissions[i]].name;
    const rows = sure.neighbours.map((pair) => [
      { text: name(pair.first) },
      { text: name(pair.second) },
      { text: format.percent(pair.probability), value: pair.probability },
      {
        text: pair.isSeparated ? "yes" : pair.isTie ? "no: tied" : "no",
        className: pair.isSeparated ? "" : "open",
      },
    ]);
    return tables.build(
      "neighbours",
      "Neighbours on the leaderboard",
      [
        { label: "first" },
        { label: "second" },
        { label: "first is better", number: true },
        { label: "beyond chance" },
      ],
      rows,
    );
  }

  function probabilities({ data, view, ranked, sure }) {
    const ranks = sure.rankProbabilities.map((_, rank) => rank + 1);
    const rows = ranked.order.map((i) => [
      { text: data.submissions[view.submissions[i]].name },
      ...sure.rankProbabilities[i].map((share) => ({
        node: dom.make(
          "span",
          { class: "heat", style: `--share:${share.toFixed(3)}` },
          share ? format.percent(share) : "\u00b7",
        ),
        value: share,
        className: "heat-cell",
      })),
    ]);
    return tables.build(
      "rank-probabilities",
      "Share of replicates in which a submission has a rank",
      [{ label: "submission" }, ...ranks.map((rank) => ({ label: String(rank), name: `rank_${rank}`, number: true }))],
      rows,
    );
  }

  return { render };
})();
