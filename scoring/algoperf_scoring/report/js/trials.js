"use strict";
/* Which trials won on one workload, and with which hyperparameters. */
const trials = (() => {
  /** Fills the section. */
  function render(element, context, j) {
    const { data, view, ranked } = context;
    const at = ranked.shape.columns[j];
    const name = data.columns[at].name;
    const winners = ranked.order.flatMap((i) => winnersOf(data, view.submissions[i], at, ranked.cells[i][j].studies));
    if (!winners.length) {
      dom.fill(element, dom.make("p", {}, "No study reached the target."));
      return;
    }
    const rows = winners.map(({ position, trial, hparams, studies, numStudies, seconds }) => [
      who.cell(data, position),
      { text: trial, value: trial },
      { text: `${studies.length} of ${numStudies}`, value: studies.length, title: `studies ${studies.join(", ")}` },
      { text: format.seconds(engine.median(seconds)), value: engine.median(seconds) },
      { node: inWords(hparams, data.ruleset), value: hparams ? JSON.stringify(hparams) : "", className: "hparams" },
    ]);
    dom.fill(
      element,
      tables.build(
        `winners-${name}`,
        `Trials that stand for a study on ${name}`,
        [
          { label: "submission" },
          { label: "trial", number: true },
          { label: "studies", number: true },
          { label: "median s", number: true },
          { label: "hyperparameters", sortable: false },
        ],
        rows,
      ),
    );
  }

  /** The trials that stand for a study of a submission, those that do so most often first. */
  function winnersOf(data, position, column, studies) {
    const found = new Map();
    for (const { number, hit } of studies) {
      if (!hit) continue;
      const study = data.cells[position][column].studies.find((one) => one.number === number);
      const hparams = data.hparams[study.hparams[hit.trial]];
      const key = `${hit.trial} ${study.hparams[hit.trial]}`;
      if (!found.has(key))
        found.set(key, { position, trial: hit.trial, hparams, studies: [], numStudies: studies.length, seconds: [] });
      found.get(key).studies.push(number);
      found.get(key).seconds.push(hit.sec);
    }
    return [...found.values()].sort((a, b) => b.studies.length - a.studies.length || a.trial - b.trial);
  }

  function inWords(hparams, ruleset) {
    if (!hparams || !Object.keys(hparams).length)
      return dom.make("span", {}, ruleset === "self" ? "none (self-tuning)" : "not recorded");
    return dom.make(
      "span",
      {},
      ...Object.entries(hparams).flatMap(([name, value], at) => [
        at ? ", " : "",
        dom.make("span", { class: "hparam" }, `${name} `, dom.make("b", {}, format.short(value))),
      ]),
    );
  }

  return { render };
})();
