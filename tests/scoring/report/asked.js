/* The page's answer to a view, in the shape of oracle.py. */
(data, view, taus) => {
  const ranked = board.rank(data, view);
  const sure = board.certainty(data, ranked);
  const { order, shape, cells } = ranked;
  const names = view.submissions.map((i) => data.submissions[i].name);
  const sorted = (values) => (values ? order.map((i) => values[i]) : order.map(() => null));
  const seconds = (cell) => (cell.outcome === "missing" ? Infinity : cell.sec);
  const sum = ([reached, never]) => reached + never;
  const sensitive = board.sensitivity(data, ranked);
  const scores = (curve) => curve.map(([, values]) => [...values]);
  const answer = {
    order: order.map((i) => names[i]),
    ranks: sorted(ranked.ranks),
    exact: sorted(ranked.exact),
    trapezoid: sorted(ranked.trapezoid),
    intervals: sorted(sure?.intervals),
    rank_probabilities: sorted(sure?.rankProbabilities),
    speedups: sorted(ranked.speedups),
    cells: sorted(cells).map((row) => row.map((cell) => [
      seconds(cell), cell.step, cell.ratio, cell.outcome, cell.numReached,
      cell.studies.map(({ hit }) => (hit ? hit.sec : Infinity)),
    ])),
    cost: sorted(board.cost(data, view, shape.columns)).map((cost) => [
      sum(cost.num_trials), cost.num_trials[0], sum(cost.training_sec) / 3600, sum(cost.evaluation_sec) / 3600,
      (cost.training_sec[1] + cost.evaluation_sec[1]) / 3600,
    ]),
    refusal: ranked.refusal,
    profile: taus.map((tau) => engine.profileAt(ranked.credit.ratios, shape.numSubmissions, tau)),
    neighbours: (sure?.neighbours ?? []).map((pair) =>
      [names[pair.first], names[pair.second], pair.probability, pair.isSeparated, pair.isTie]),
    unseparated: (sure?.unseparated ?? []).map((pair) => pair.map((i) => names[i])),
    relaxed: scores(sensitive.relaxed),
    max_ratio: scores(sensitive.maxRatio),
    left_out: scores(sensitive.leftOut),
  };
  return JSON.parse(JSON.stringify(answer));
}
