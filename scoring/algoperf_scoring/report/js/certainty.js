"use strict";
/* How sure the order is: in a sentence, pair by pair, and as the probability of each rank. */
const certainty = (() => {
  /** That no workload is scored, in words; "" if one is. */
  function notScored({ data, view }) {
    const columns = view.workloads.map((column) => data.columns[column]);
    if (columns.some((column) => column.is_scored)) return "";
    const names = format.list(columns.map((column) => column.name));
    return columns.length > 1 ? `${names} are not scored workloads` : `${names} is not a scored workload`;
  }

  /** Whether a verdict is given at all. */
  const isJudged = (context) => !notScored(context);

  /** Why there is no verdict, or nothing is beyond chance; "" if something may be. */
  function littleEvidence({ data, view, sure }) {
    const why = notScored({ data, view });
    const their = view.workloads.length > 1 ? "their" : "its";
    if (why) return `${why}, so no verdict is given; ${their} times can be compared.`;
    if (sure.hasEvidence.filter(Boolean).length > 1) return "";
    return `Nothing here is beyond chance: that takes at least ${data.constants.min_studies} studies of each submission.`;
  }

  /** How sure it is that the first one is ahead. */
  function inWords({ data, view, ranked, sure }) {
    if (!sure) return `No intervals and no probabilities: ${ranked.refusal}.`;
    if (ranked.order.length < 2) return "";
    const reason = littleEvidence({ data, view, sure });
    if (reason) return reason;
    const [first] = ranked.order;
    const others = sure.unseparated.filter(([better]) => better === first).map(([, other]) => view.submissions[other]);
    if (!others.length) return "Its lead over all others is beyond chance.";
    const share = format.percent(sure.rankProbabilities[first][0]);
    const leader = sure.neighbours[0].isTie ? who.title(data, view.submissions[first]) : "It";
    return `${leader} has rank 1 in ${share} of the resamples; its lead over ${who.several(data, others)} may be chance.`;
  }

  /** What follows the leaderboard. */
  function details(context) {
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
    const why = notScored({ data, view });
    if (why) return `No verdict, as ${why}: the pairs of neighbours`;
    if (littleEvidence({ data, view, sure })) return "Nothing here is beyond chance: the pairs of neighbours";
    return open
      ? `Order that may be chance: ${open} of ${format.plural(sure.neighbours.length, "pair")} of neighbours`
      : "The order of all neighbours is beyond chance";
  }

  function neighbours({ data, view, sure }) {
    const isWithVerdict = isJudged({ data, view });
    const open = ({ isTie }) => (!isWithVerdict ? "no verdict" : isTie ? "no: tied" : "no");
    const rows = sure.neighbours.map((pair) => [
      who.cell(data, view.submissions[pair.first]),
      who.cell(data, view.submissions[pair.second]),
      { text: format.percent(pair.probability), value: pair.probability },
      {
        text: pair.isSeparated ? "yes" : open(pair),
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
      who.cell(data, view.submissions[i]),
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
      "Share of replicates in which a submission has a rank; a dot stands for none",
      [{ label: "submission" }, ...ranks.map((rank) => ({ label: String(rank), name: `rank_${rank}`, number: true }))],
      rows,
    );
  }

  return { inWords, isJudged, details };
})();
