"use strict";
/* A leaderboard of what the reader has chosen, as pipeline.py makes it. */
const board = (() => {
  /** Everything but uncertainty: {shape, hits, times, credit, scores, order, ranks, entries, refusal}. */
  function rank(data, view) {
    const { rule } = view;
    const shape = engine.layout(data, view);
    const hits = engine.studyHits(data, view, shape.columns);
    const study = engine.studyTimes(hits);
    const times = engine.medians(study);
    const credit = engine.credit(times, shape, rule);
    const numPoints = data.constants.num_points;
    const exact = engine.scores(credit.ratios, shape.numSubmissions, { ...rule, integral: "exact" }, numPoints);
    const trapezoid = engine.scores(credit.ratios, shape.numSubmissions, { ...rule, integral: "trapezoid" }, numPoints);
    const scores = rule.integral === "exact" ? exact : trapezoid;
    const order = [...scores.keys()].sort((a, b) => scores[b] - scores[a] || a - b);
    const ranks = [...scores].map(
      (score) => 1 + scores.reduce((count, other) => count + (other > score + data.constants.same_score), 0),
    );
    const notRun = (i, j) => {
      const found = data.cells[view.submissions[i]][shape.columns[j]] ?? {};
      const { unfinished = 0, pruned = 0, open = 0, errors = 0, ended = 0 } = found;
      return { unfinished, pruned, open, errors, ended };
    };
    const cells = hits.map((row, i) =>
      row.map((studies, j) => cellOf({ studies, times, credit, shape, ...notRun(i, j) }, i, j)),
    );
    return {
      view,
      shape,
      hits,
      study,
      times,
      credit,
      exact,
      trapezoid,
      scores,
      order,
      ranks,
      cells,
      speedups: speedups(data, view, times, shape),
      refusal: refusal(data, view, shape, study),
    };
  }

  /** A submission on a workload or variant: median time, ratio, outcome, and why. */
  function cellOf({ studies, times, credit, shape, unfinished, pruned, open, errors, ended }, i, j) {
    const sec = times[i * shape.numColumns + j];
    const at = i * shape.numWorkloads + j;
    const isWorkload = j < shape.numWorkloads;
    let outcome = Number.isNaN(sec) ? "missing" : sec === Infinity ? "not reached" : "reached";
    if (outcome === "missing" && unfinished) outcome = "unfinished";
    else if (outcome !== "reached" && open) outcome = "pruned";
    else if (outcome !== "reached" && errors) outcome = "error";
    if (isWorkload && credit.isCut[at]) outcome = "cut";
    else if (isWorkload && credit.isVoid[at]) outcome = "held-out failed";
    return {
      sec,
      outcome,
      studies,
      unfinished,
      pruned,
      errors,
      ended,
      ratio: isWorkload ? credit.ratios[at] : NaN,
      step: engine.median(studies.map(({ hit }) => (hit ? hit.step : Infinity))),
      numReached: studies.filter(({ hit }) => hit).length,
    };
  }

  /** Speedups over the view's reference, which need not be among the chosen; null without one. */
  function speedups(data, view, times, shape) {
    const reference = data.submissions.findIndex(({ name }) => name === view.reference);
    if (reference < 0) return null;
    const only = { ...view, submissions: [reference] };
    const own = engine.medians(engine.studyTimes(engine.studyHits(data, only, view.workloads)));
    return engine.speedups(data, times, shape, own, view);
  }

  /** Why no uncertainty can be given; "" if it can. */
  function refusal(data, view, shape, study) {
    let pruned = 0;
    for (const i of view.submissions) for (const j of shape.columns) pruned += data.cells[i][j]?.pruned ?? 0;
    if (pruned) return `${pruned} ${pruned === 1 ? "run was" : "runs were"} pruned: what they would have reached is unknown`;
    return study.depth < 2 ? "there is only one study: nothing to resample" : "";
  }

  /** Intervals, rank probabilities and neighbours of a ranking; null where they are refused. */
  function certainty(data, ranked) {
    if (ranked.refusal) return null;
    const found = bootstrap.uncertainty(data, ranked.view, ranked.shape, ranked.study);
    const neighbours = bootstrap.neighbours(data, found, ranked.order);
    return { ...found, neighbours, unseparated: unseparated(data, found, ranked.order) };
  }

  /** All pairs whose order may be chance, better score first. */
  function unseparated(data, found, order) {
    return order.flatMap((first, at) =>
      order
        .slice(at + 1)
        .flatMap((second) => (bootstrap.isSeparated(data, found, first, second) ? [] : [[first, second]])),
    );
  }

  /** Scores under another rule. */
  function scoresUnder(data, view, rule) {
    const shape = engine.layout(data, view);
    const times = engine.medians(engine.studyTimes(engine.studyHits(data, { ...view, rule }, shape.columns)));
    const { ratios } = engine.credit(times, shape, rule);
    return engine.scores(ratios, shape.numSubmissions, rule, data.constants.num_points);
  }

  /** How scores depend on choices: relaxed targets, largest ratio, and each workload left out. */
  function sensitivity(data, ranked) {
    const { view, shape, credit } = ranked;
    const { relaxations, max_ratios: maxRatios, num_points: numPoints } = data.constants;
    const without = (left) => credit.ratios.filter((_, at) => at % shape.numWorkloads !== left);
    return {
      relaxed: relaxations.map((relaxation) => [relaxation, scoresUnder(data, view, { ...view.rule, relaxation })]),
      maxRatio: maxRatios.map((ratio) => [ratio, scoresUnder(data, view, { ...view.rule, max_ratio: ratio })]),
      leftOut:
        shape.numWorkloads < 2
          ? []
          : view.workloads.map((column, left) => [
              column,
              engine.scores(without(left), shape.numSubmissions, view.rule, numPoints),
            ]),
    };
  }

  /** What the chosen runs cost, by submission; [reached, never reached] where there are two numbers. */
  function cost(data, view, columns) {
    return view.submissions.map((i) => {
      const sum = { num_trials: [0, 0], training_sec: [0, 0], evaluation_sec: [0, 0] };
      for (const j of columns) {
        const found = data.cells[i][j]?.cost;
        if (found) for (const key of Object.keys(sum)) for (const k of [0, 1]) sum[key][k] += found[key][k];
      }
      return sum;
    });
  }

  return { rank, certainty, sensitivity, cost };
})();
