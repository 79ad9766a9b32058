// The head of the page and its sections: tables, charts, and what is missing with the command that gives it.

function showHead() {
  const { name, ensemble, data, budget, scale, members } = run();
  by("title").textContent = report.runs.length > 1 ? `${report.runs.length} runs` : name;
  const which = report.runs.length > 1 ? `${name}: ` : "";
  by("subtitle").textContent = `${which}${ensemble} on ${data}, ${several(members.length, "member")}, budget ${budget}${scale}`;
  fill("tiles", ...tiles().map(([value, what]) => make("div", { class: "tile" }, make("b", {}, value), make("span", {}, what))));
}

function tiles() {
  const { scored, revisions, curves } = run();
  const last = revisions[revisions.length - 1];
  const stored = [short(last.used), last.limit === null ? "stored; the budget is unlimited" : `stored of ${short(last.limit)}`];
  const clusters = [exact(last.clusters.length), `cluster${last.clusters.length === 1 ? "" : "s"} in revision ${last.number}`];
  const trained = curves === null ? [] : [[exact(Math.max(...Object.values(curves.losses).map((points) => points.length))), "epochs trained"]];
  if (scored === null) return [...trained, stored, clusters];
  const whole = scored.predictors[scored.predictors.length - 1];
  const { best } = task();
  const single = scored.predictors.filter((one) => one.members.length === 1).map((one) => one.scores[best.name]).filter((value) => value !== null);
  const member = single.length ? (best.rises ? Math.max : Math.min)(...single) : null;
  return [
    [scoreText(best, whole.scores[best.name]), `${best.title} of the ensemble`], [scoreText(best, member), `${best.title} of the best member`],
    [`${short(whole.multiply_adds)}`, `multiply-adds for an ${example()}`], stored, clusters,
  ];
}

function showSections() {
  const { pairs, curves, scored, stages } = run();
  fill("similarities-body", ...similarities(pairs, stages));
  fill("curves-body", ...training(curves));
  fill("scores-body", ...scores(scored));
  fill("anytime-body", ...anytime());
  fill("reliability-body", ...reliability(scored));
  fill("diversity-body", ...diversity(scored));
  fill("interpolation-body", ...interpolation(scored));
  showCorruptions();
  fill("repeat-body", ...repetition(run().repeat));
  forgetPlots();
}

const plots = (...charts) => make("div", { class: "plots" }, ...charts);
const caption = (...parts) => make("p", { class: "caption" }, ...parts);
const notEvaluated = () => missing("Not evaluated yet: run ", "swc eval", ".");

function showBudget() {
  const now = revision();
  const rows = now.totals.map((one) => [one.name, exact(one.scalars), one.remark]);
  const whole = now.totals.flatMap((one, place) => (one.remark.includes("budget") ? [place] : []));
  const parts = [table([["scalars"], ["number", true], [""]], rows, whole)];
  if (now.limit !== null) parts.unshift(meter(now.used, now.limit));
  if (now.banks.length) parts.push(chart("plot-budget", budgetChart));
  parts.push(caption(`Revision ${now.number}. A bar is a cluster in the colours above, cut into its levels; a level's `
    + "bank holds that many scalars in templates. ", ...(now.banks.length ? [] : ["This revision has no banks: its layers keep tensors."])));
  fill("budget-body", ...parts);
}

function meter(used, limit) {
  const share = used / limit;
  const inside = make("div");
  inside.style.width = `${Math.min(100, 100 * share)}%`;
  return make("div", { class: "meter", role: "img", "aria-label": `${percent(share, 1)} of the budget`, title: `${percent(share, 2)} of the budget` }, inside);
}

function similarities(pairs, stages) {
  if (!pairs.length) {
    const recompiles = stages.some((stage) => stage.then && !stage.then.startsWith("group"));
    return [recompiles ? missing("No recompile has been measured yet: run ", "swc train", ".")
      : make("p", { class: "missing" }, "No recompile of the spec goes by similarities: nothing is split, nothing untied.")];
  }
  return pairs.flatMap((one, place) => [
    make("h3", {}, one.title),
    make("p", {}, `${exact(one.above)} of ${one.num_pairs === 1 ? "1 pair" : `${exact(one.num_pairs)} pairs`} above ${one.limit}`
      + `; ${exact(one.close)} within two standard errors of it: another run may decide these otherwise.`
      + (one.links.length ? ` At the cut: ${one.links.join("; ")}.` : "")
      + (one.silent.length ? ` Without a gradient: ${one.silent.join(", ")}.` : "")),
    plots(chart(`plot-histogram-${place}`, () => histogramChart(one)), chart(`plot-ranked-${place}`, () => rankedChart(one))),
    caption("First: how many pairs have which similarity of gradients; an error bar is one standard deviation of the "
      + "count, the dashed line the threshold, or where a split by number cuts. Then: pairs by falling similarity with their standard errors"
      + (one.step > 1 ? `, every ${one.step}th of them.` : ".")),
  ]);
}

function training(curves) {
  const parts = curves === null ? [missing("No epoch is finished yet: run ", "swc train", ".")] : ownCurves(curves);
  const others = comparable().filter((one) => one.curves !== null && one.curves.scores.ensemble.length);
  if (report.runs.length < 2 || !others.length) return parts;
  const lines = others.map((one) => ({ name: one.name, points: one.curves.scores.ensemble, bold: false, cuts: one.curves.cuts }));
  const { best } = task(), all = comparable().length < report.runs.length ? `all runs of task ${task().name}` : "all runs";
  return [...parts, make("h3", {}, `The ensembles of ${all}`),
    chart("plot-ensembles", () => linesChart(lines, [], `${heldOut(others[0].curves.part)} ${best.label}`, best.factor, 1))];
}

function ownCurves(curves) {
  const entries = (kind) => Object.entries(kind).map(([name, points]) => ({ name, points, bold: name === "ensemble" }))
    .filter(({ points }) => points.length);
  const last = Math.max(...Object.values(curves.losses).flatMap((points) => points.map((point) => point[0])));
  const { best, loss } = task();
  const averaged = curves.averages.ensemble ?? [];
  const average = averaged.length ? [{ name: "ensemble, average of weights", points: averaged, bold: true, dash: "dash" }] : [];
  return [
    plots(chart("plot-loss", () => linesChart(entries(curves.losses), curves.cuts, `training loss (${loss})`, 1, last)),
      chart("plot-score", () => linesChart([...entries(curves.scores), ...average], curves.cuts, `${heldOut(curves.part)} ${best.label}`, best.factor, last))),
    caption("Dotted lines are recompiles; no line crosses a split, after which another network is trained. ",
      ...(averaged.length ? ["The dashed line is the ensemble with the average of its weights. "] : []),
      ...(curves.scores.ensemble.length > 1 ? [] : ["For scores after each epoch: ", make("code", {}, "swc train --score-every 1"), "."])),
  ];
}

function temperature(one) {
  if (one.temperature === null) return "-";
  return one.uncalibrated ? "1 (none)" : fixed(one.temperature, 3);
}

function scores(scored) {
  if (scored === null) return [notEvaluated()];
  const shown = scored.predictors.filter((one, place, all) => one.members.length === 1 || place === all.length - 1);
  const { tabled } = task(), what = `${example()}s`;
  const hasTemperatures = scored.num_calibration > 0 && scored.predictors.some((one) => one.temperature !== null);
  const hasQuartiles = shown.some((one) => one.quartiles !== null);
  const rows = shown.map((one) => [
    one.members.length === 1 ? one.members[0] : "ensemble", ...tabled.map((score) => scoreText(score, one.scores[score.name])),
    ...(hasTemperatures ? [temperature(one)] : []),
    exact(one.parameters), short(one.multiply_adds), one.milliseconds === null ? "-" : fixed(one.milliseconds, 3),
    ...(hasQuartiles ? [one.quartiles === null ? "-" : one.quartiles.map((end) => fixed(end, 3)).join(" to ")] : []),
  ]);
  const columns = [["predictor"], ...tabled.map((score) => [score.title, true]), ...(hasTemperatures ? [["T", true]] : []),
    ["parameters", true], ["multiply-adds", true], [`ms/${example()}`, true], ...(hasQuartiles ? [["quartiles", true]] : [])];
  const others = `${exact(scored.num_calibration)} ${scored.calibration_part ? `${scored.calibration_part} ${what}` : "others"}`;
  const calibrated = hasTemperatures ? `, at temperatures T fitted on ${others}; T is 1 where none could be used`
    : scored.num_calibration ? `, with noise that was fitted on ${others}` : "";
  return [
    table(columns, rows, shown.length > 1 ? [shown.length - 1] : []),
    caption(`${exact(scored.num_images)} ${heldOut(scored.part)} ${what} of ${scored.data}${calibrated}; ${scored.stage}. Parameters are the scalars that a `
      + `predictor needs; what members share counts once. On ${scored.machine}${scored.time_batch ? `, in batches of ${scored.time_batch}` : ""}${hasQuartiles ? "; times are medians and quartiles of several runs" : ""}.`),
    ...byLabel(scored), ...scored.outliers.flatMap(outliers),
  ];
}

// what an output is called, where the data say
const outputName = (scored, number, kind) => (scored.outputs.length ? scored.outputs[number] : `${kind} ${number}`);

function byLabel(scored) {
  if (!scored.details.labels.length) return [];
  return [make("h3", {}, "By label"), chart("plot-labels", () => labelsChart(scored)),
    caption("Average precision does not depend on where a label is decided for; F1 is of decisions at a probability of one half. "
      + "Blank where no example has the label.")];
}

function outliers(found) {
  const rows = found.by_measure.map(([name, one]) => [name, percent(one.auroc), percent(one.aupr), percent(one.fpr95)]);
  return [make("h3", {}, `Told from ${exact(found.num_images)} images of ${found.data}`),
    table([["by"], ["AUROC", true], ["AUPR", true], ["FPR95", true]], rows)];
}

function anytime() {
  const scored = comparable().filter((one) => one.scored !== null);
  if (!scored.length) return [notEvaluated()];
  const timed = scored.some((one) => one.scored.predictors.some((predictor) => predictor.milliseconds !== null));
  const choices = Object.entries({ multiply_adds: "multiply-adds", milliseconds: "ms" }).map(([cost, name]) => {
    const made = button(name, () => { chosen.cost = cost; fill("anytime-body", ...anytime()); }, { "aria-pressed": String(chosen.cost === cost) });
    made.disabled = cost === "milliseconds" && !timed;
    return made;
  });
  const without = comparable().filter((one) => one.scored === null).map((one) => one.name);
  const apart = report.runs.filter((one) => one.task.name !== task().name).map((one) => one.name);
  const known = task().drawn.filter(({ name }) => scored.some((one) => one.scored.predictors.some((predictor) => predictor.scores[name] !== null)));
  const charts = known.map((score) => chart(`plot-anytime-${score.name}`, () => anytimeChart(score)));
  return [
    make("div", { class: "tools", role: "group", "aria-label": "cost" }, "cost", ...choices),
    make("div", { class: "plots three" }, ...charts),
    caption("A mark is a subset of the members, the line those that no cheaper one matches, the star the whole ensemble. "
      + "A multiply-add is two FLOPs; members run one after another, so costs are sums.",
      ...(timed ? [] : [" For times: ", make("code", {}, "swc eval"), " without ", make("code", {}, "--time-batch 0"), "."]),
      ...(without.length ? [` Not evaluated yet: ${without.join(", ")}.`] : []),
      ...(apart.length ? [` Of another task, and scored by other scores: ${apart.join(", ")}.`] : [])),
  ];
}

function reliability(scored) {
  if (scored === null) return [notEvaluated()];
  const single = namesOf(scored).length === 1;
  const { figure } = task();
  const drawn = scored.reliability.some((bins) => bins.length);
  if (figure === "intervals" && !drawn) return [withoutNoise(), ...samples(scored)];
  const members = single ? [] : [chart("plot-reliability-members", () => reliabilityChart(scored, false))];
  return [plots(chart("plot-reliability", () => reliabilityChart(scored, true)), ...members),
    caption(`${single ? "" : "First the ensemble, then each member. "}A calibrated predictor lies on the dotted line: ${CALIBRATED[figure]()}`),
    ...(figure === "intervals" ? samples(scored) : [])];
}

const CALIBRATED = {
  confidence: () => `of ${example()}s it is 80% sure of, it has 80% right. Below it, it is too confident.`,
  labels: () => "of labels to which it gives 80%, 80% hold. Bins are over all labels together.",
  intervals: () => "of central intervals that promise 80% of the targets, 80% lie in them. Below it, intervals are too narrow.",
};

const withoutNoise = () => missing("No noise was fitted, so that no interval is promised: draw a validation part, ",
  "validation: 20%", " in the data item.");

// what the ensemble said of some examples, and whether the members' spread tells the error
function samples(scored) {
  const { targets } = scored.details;
  if (!targets.length) return [missing("No sample of predictions was kept: run ", "swc eval", " again.")];
  const title = (one) => (targets.length > 1 || scored.outputs.length ? [make("h3", {}, outputName(scored, one.target, "Target"))] : []);
  return [make("h3", {}, "Predicted and observed"), ...targets.flatMap((one) => [...title(one),
    plots(chart(`plot-predicted-${one.target}`, () => predictedChart(one)), chart(`plot-spread-${one.target}`, () => spreadChart(one)))]),
    caption(`${exact(targets[0].observed.length)} of the ${exact(scored.num_images)} ${heldOut(scored.part)} ${example()}s, evenly spaced, in the unit of the target. First: what the ensemble predicts`
      + (targets[0].deviation.length ? ", with one deviation of its distribution, noise included" : "")
      + "; on the dotted line it is right. Then: the error against the deviation of the members' predictions. Where the spread tells the error, wide spreads have large errors.")];
}

function diversity(scored) {
  if (scored === null) return [notEvaluated()];
  if (scored.diversity.length < 2) return [make("p", { class: "missing" }, "One member alone disagrees with nobody.")];
  return [make("div", { class: "narrow" }, chart("plot-diversity", () => diversityChart(scored), 110 + 48 * scored.diversity.length)),
    caption(!task().has_classes ? `${task().diversity[0].toUpperCase()}${task().diversity.slice(1)} of the row's member: 0 is one and the same network.`
      : `The fraction of ${example()}s two members disagree on, over the error rate of the row's member (Fort et al., 2019): `
      + "0 is one and the same network, 1 are independent errors. Blank where it makes no error.")];
}

function interpolation(scored) {
  const command = "swc eval --interpolate";
  if (!task().has_classes) return [aboutClasses()];
  if (scored === null || !scored.interpolations.length) {
    return [missing("Not evaluated: run ", command, "; it takes two members of one architecture.")];
  }
  return [chart("plot-interpolation", () => interpolationChart(scored)),
    caption("Top-1 on the straight line between the parameters of two members of one architecture. A line that stays high "
      + "says that both ended in one valley of the loss.")];
}

const aboutImages = () => make("p", { class: "missing" }, "This is about images: members of this run take other inputs.");

const aboutClasses = () => make("p", { class: "missing" }, `This is about classes: it is not measured for task ${task().name}.`);

function showCorruptions() {
  const { scored } = run();
  const found = scored === null ? null : scored.corruptions;
  fill("corruptions-body", ...(!task().has_images ? [aboutImages()] : !task().has_classes ? [aboutClasses()]
    : found === null ? [missing("Not evaluated: run ", "swc eval --corruptions FOLDER", ".")] : corruptions(found)));
}

function corruptions(found) {
  const names = found.predictors.map((one) => one.name);
  const predictor = found.predictors[Math.max(0, names.indexOf(chosen.predictor === null ? names[names.length - 1] : chosen.predictor))];
  const picker = make("select", { "aria-label": "predictor" }, ...names.map((name) => make("option", { value: name }, name)));
  picker.value = predictor.name;
  picker.addEventListener("change", () => { chosen.predictor = picker.value; showCorruptions(); });
  const choices = task().drawn.map(({ name: metric, title }) =>
    button(title, () => { chosen.metric = metric; showCorruptions(); }, { "aria-pressed": String(chosen.metric === metric) }));
  const height = 110 + 30 * found.types.length;
  const extra = found.types.some((type) => !found.standard.includes(type)) ? " Types with * are not in the standard mean." : "";
  const partial = found.types.length < ALL_TYPES || found.severities.length < SEVERITIES
    ? ` Means need all types and ${SEVERITIES} severities: here are ${found.types.length} and ${found.severities.length}.` : "";
  const source = found.generated ? "The images were made by swc; they are not the published ones."
    : found.official ? "The published images." : "Not the published arrays, nor marked as made by swc.";
  return [
    make("div", { class: "tools" }, picker, make("div", { class: "choices", role: "group", "aria-label": "score" }, ...choices)),
    make("div", { class: "medium" }, chart("plot-corruptions", () => corruptionChart(found, predictor), height)),
    meansTable(found), caption(`${source}${extra}${partial}`),
  ];
}

// a mean over some of the types or severities would pass for the published ones
const STANDARD_TYPES = 15, ALL_TYPES = 19, SEVERITIES = 5;

function meansTable(found) {
  const isWhole = (types) => found.severities.length === SEVERITIES && types.every((type) => found.types.includes(type))
    && types.length === (types === found.standard ? STANDARD_TYPES : ALL_TYPES);
  const mean = (one, metric, types) => {
    if (!isWhole(types)) return null;
    const values = found.types.flatMap((type, row) => (types.includes(type) ? one[metric][row] : []));
    return values.length && !values.includes(null) ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
  };
  const row = (one) => [one.name, ...[found.standard, found.types].flatMap((types) =>
    [percent(mean(one, "top1", types)), fixed(mean(one, "nll", types)), percent(mean(one, "ece", types))])];
  const columns = [["mean over"], ...["standard", "all"].flatMap((which) =>
    ["top-1", "NLL", "ECE"].map((name) => [`${which}: ${name}`, true]))];
  return table(columns, found.predictors.map(row));
}

function repetition(repeat) {
  const pairs = (title, list, hashed = false) => (list.length ? [make("div", {}, make("h3", {}, title), make("table", {}, make("tbody", {},
    ...list.map(([name, text]) => make("tr", {}, make("th", { scope: "row" }, name), make("td", { class: hashed ? "hash" : "" }, text))))))] : []);
  const files = repeat.files.flatMap((file) => [make("h3", {}, file.name), make("pre", { tabindex: "0" }, file.text)]);
  return [
    make("h3", {}, "Commands"), make("pre", { tabindex: "0" }, repeat.commands.join("\n")),
    make("div", { class: "facts" }, ...pairs("Params", repeat.params), ...pairs("Recipe", repeat.recipe),
      ...pairs("Machine and versions", repeat.machine), ...pairs("SHA-256", repeat.hashes, true)),
    ...(repeat.defaults.length ? [make("h3", {}, "Defaults that the spec left open"), make("ul", {}, ...repeat.defaults.map((one) => make("li", {}, one)))] : []),
    ...(files.length ? files : [missing("The spec's source was not kept with this build: ", "swc compile", " keeps it.")]),
  ];
}
