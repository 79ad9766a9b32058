// Charts of what `swc eval` found.

const COSTS = { multiply_adds: "multiply-adds for an", milliseconds: "ms for an" };
const costText = () => `${COSTS[chosen.cost]} ${example()}`;

// how the bins of a task are drawn, by the figure that its row names
const BINS = {
  confidence: { promised: "confidence", observed: "accuracy", of: "accuracy of the bin", hasBars: true },
  labels: { promised: "probability of a label", observed: "share that has it", of: "share of the bin", counted: "decision", hasBars: true },
  intervals: { promised: "share that an interval promises", observed: "share of targets in it", of: "", hasBars: false },
};

// points that are better than every one that costs no more, by rising cost
function front(points, better) {
  const kept = [];
  [...points].sort((a, b) => a.cost - b.cost || better * (b.value - a.value)).forEach((point) => {
    if (!kept.length || better * (point.value - kept[kept.length - 1].value) > 0) kept.push(point);
  });
  return kept;
}

function pointsOf(scored, { name, factor }) {
  return scored.predictors.flatMap((one) => {
    const cost = one[chosen.cost], value = one.scores[name];
    return cost === null || value === null ? [] : [{ cost, value: factor * value, name: plain(one.members.join(" + ")) }];
  });
}

// runs of other tasks have other scores, and no place on the same axes
const comparable = () => report.runs.filter((one) => one.task.name === task().name);

function anytimeChart(score) {
  const part = comparable().map((one) => one.scored?.part).find((one) => one) ?? "";
  const title = score.name === task().drawn[0].name ? `${heldOut(part)} ${score.label}` : score.label;
  const traces = report.runs.flatMap((one, number) =>
    (one.scored === null || one.task.name !== task().name ? [] : anytimeTraces(one, number, score)));
  const layout = {
    xaxis: { title: costText(), rangemode: "tozero", exponentformat: "SI" }, yaxis: { title },
    showlegend: true,
  };
  return { traces, layout, label: `${title} of every subset against ${costText()}` };
}

function anytimeTraces(one, number, score) {
  const points = pointsOf(one.scored, score);
  if (!points.length) return [];
  const many = comparable().length > 1;
  const best = front(points, score.rises ? 1 : -1);
  const colour = line(number);
  const hover = { hovertemplate: "%{text}<br>%{x:.4~s}: %{y:.4~f}<extra>%{fullData.name}</extra>" };
  const place = (list) => ({ x: list.map((p) => p.cost), y: list.map((p) => p.value), text: list.map((p) => p.name) });
  const name = plain(one.name);
  const label = (what) => (many ? `${name}, ${what}` : what);
  return [
    { type: "scatter", mode: "markers", name: label("a subset"), ...place(points), ...hover, legendgroup: name, showlegend: !many,
      marker: { color: many ? colour : tone("soft"), opacity: 0.55, size: 7, symbol: mark(number) } },
    { type: "scatter", mode: "lines+markers", name: label("Pareto front"), ...place(best), ...hover, legendgroup: name,
      line: { color: colour, width: 2, dash: ["solid", "dash", "dot", "dashdot"][number % 4] },
      marker: { color: colour, size: 7, symbol: mark(number) } },
    { type: "scatter", mode: "markers", name: label("whole ensemble"), ...place(points.slice(-1)), ...hover, legendgroup: name, showlegend: !many,
      marker: { color: many ? colour : tone("ink"), size: 14, symbol: "star", line: { color: tone("card"), width: 1 } } },
  ];
}

function namesOf(scored) {
  const single = scored.predictors.filter((one) => one.members.length === 1).map((one) => one.members[0]);
  return single.length === 1 ? single : [...single, "ensemble"];
}

function reliabilityChart(scored, isWhole) {
  const names = namesOf(scored);
  const shown = names.map((name, number) => ({ name, number, bins: scored.reliability[number] }))
    .filter(({ number }) => (number === names.length - 1) === isWhole);
  const ideal = { type: "scatter", mode: "lines", name: "calibrated", x: [0, 1], y: [0, 1], hoverinfo: "skip",
    line: { color: tone("soft"), dash: "dot", width: 1.5 } };
  const { promised, observed } = BINS[task().figure];
  const traces = [ideal, ...shown.flatMap(({ name, number, bins }) => reliabilityTraces(plain(name), number, bins || [], isWhole))];
  const layout = {
    bargap: 0.06, xaxis: { title: promised, range: [0, 1.02] }, yaxis: { title: observed, range: [0, 1.02] }, showlegend: true,
  };
  return { traces, layout, label: `${observed} against ${promised} of ${shown.map(({ name }) => name).join(", ")}` };
}

function reliabilityTraces(name, number, bins, isWhole) {
  const { promised, observed, of, counted = example(), hasBars } = BINS[task().figure];
  const filled = bins.map((bin, place) => ({ ...bin, centre: (place + 0.5) / bins.length })).filter((bin) => bin.num_images > 0);
  const colour = isWhole ? line(0) : line(number);
  const bars = {
    type: "bar", name: of, x: filled.map((bin) => bin.centre), y: filled.map((bin) => bin.accuracy), width: 0.92 / bins.length,
    marker: { color: colour, opacity: 0.35 }, text: filled.map((bin) => several(bin.num_images, counted)), textposition: "none",
    hovertemplate: `${observed} %{y:.3f}, %{text}<extra></extra>`,
  };
  const dots = {
    type: "scatter", mode: "lines+markers", name, x: filled.map((bin) => bin.confidence), y: filled.map((bin) => bin.accuracy),
    line: { color: colour, width: 2 }, marker: { color: colour, size: 7, symbol: mark(number) },
    text: filled.map((bin) => several(bin.num_images, counted)),
    hovertemplate: `${promised} %{x:.3f}, ${observed} %{y:.3f}, %{text}<extra>%{fullData.name}</extra>`,
  };
  return isWhole && hasBars ? [bars, dots] : [dots];
}

// a sample of examples: what was said of a target against what it is; an error bar is one deviation
function predictedChart(sample) {
  const ends = [...sample.observed, ...sample.predicted].filter((value) => value !== null);
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const traces = [
    { type: "scatter", mode: "lines", name: "right", x: [low, high], y: [low, high], hoverinfo: "skip", line: { color: tone("soft"), dash: "dot", width: 1.5 } },
    { type: "scatter", mode: "markers", name: "predicted", x: sample.observed, y: sample.predicted,
      marker: { color: line(0), size: 5, opacity: 0.7 },
      ...(sample.deviation.length ? { error_y: { type: "data", array: sample.deviation, color: line(0), thickness: 0.6, width: 0 } } : {}),
      hovertemplate: "observed %{x:.4~g}, predicted %{y:.4~g}<extra></extra>" },
  ];
  const layout = { xaxis: { title: "observed" }, yaxis: { title: "predicted by the ensemble" }, showlegend: true };
  return { traces, layout, label: `what was predicted of ${several(sample.observed.length, "example")} against what was observed` };
}

function spreadChart(sample) {
  const errors = sample.observed.map((value, place) => Math.abs(value - sample.predicted[place]));
  const longest = Math.max(...sample.spread);
  const traces = [
    { type: "scatter", mode: "lines", name: "error = spread", x: [0, longest], y: [0, longest], hoverinfo: "skip", line: { color: tone("soft"), dash: "dot", width: 1.5 } },
    { type: "scatter", mode: "markers", name: "an example", x: sample.spread, y: errors, marker: { color: line(1), size: 5, opacity: 0.7, symbol: mark(2) },
      hovertemplate: "spread %{x:.4~g}, error %{y:.4~g}<extra></extra>" },
  ];
  const layout = {
    xaxis: { title: "spread of the members", rangemode: "tozero" }, yaxis: { title: "absolute error", rangemode: "tozero" }, showlegend: true,
  };
  return { traces, layout, label: `the error of ${several(errors.length, "example")} against the spread of the members` };
}

// of more labels the axis has room for numbers alone; the names are told where a bar is pointed at
const MOST_NAMED = 31;

function labelsChart(scored) {
  const { labels } = scored.details, places = labels.map((one) => String(one.label));
  const named = (one) => plain(outputName(scored, one.label, "label"));
  const part = (name, of, colour) => ({
    type: "bar", name, x: places, y: labels.map((one) => (one[of] === null ? null : 100 * one[of])),
    marker: { color: colour }, text: labels.map(named), customdata: labels.map((one) => percent(one.share)), textposition: "none",
    hovertemplate: "%{text}: %{y:.2f}%, %{customdata} of the examples have it<extra>%{fullData.name}</extra>",
  });
  const ticks = scored.outputs.length && labels.length <= MOST_NAMED
    ? { tickmode: "array", tickvals: places, ticktext: labels.map((one) => broken(named(one), 16)) } : {};
  const traces = [part("average precision", "average_precision", line(0)), part("F1 at one half", "f1", line(1))];
  const layout = {
    barmode: "group", xaxis: { title: "label", type: "category", ...ticks, gridcolor: "rgba(0,0,0,0)" }, yaxis: { title: "of the ensemble (%)", range: [0, 102] }, showlegend: true,
  };
  return { traces, layout, label: `average precision and F1 of ${several(labels.length, "label")}` };
}

// `range` are the values of the first and the last colour, by default the smallest and the largest
function heatChart({ z, x, y, digits, title, reversed, xtitle, ytitle, label, range = null, room = 110, row = 30 }) {
  const traces = [{
    type: "heatmap", z, x, y, colorscale: "Cividis", reversescale: reversed, xgap: 2, ygap: 2, hoverongaps: false,
    ...(range === null ? {} : { zmin: range[0], zmax: range[1] }),
    // the title stands upright beside the bar: above it, it would take the room of the cells
    texttemplate: `%{z:.${digits}f}`, textfont: { size: 11.5 }, colorbar: { title: { text: title, side: "right" }, thickness: 12, xpad: 4, outlinewidth: 0 },
    hovertemplate: `%{y}, %{x}: %{z:.${digits + 1}f}<extra></extra>`,
  }];
  const layout = {
    height: room + row * y.length, margin: { l: 60, r: 10, t: 30, b: 50 },
    xaxis: { title: xtitle, type: "category", gridcolor: "rgba(0,0,0,0)" },
    yaxis: { title: ytitle, type: "category", autorange: "reversed", gridcolor: "rgba(0,0,0,0)" },
  };
  return { traces, layout, label };
}

function diversityChart(scored) {
  const names = namesOf(scored).slice(0, scored.diversity.length).map((name) => broken(plain(name), 16));
  const z = scored.diversity.map((row, place) => row.map((value, column) => (place === column ? null : value)));
  const lines = Math.max(...names.map((name) => name.split("<br>").length));
  const highest = Math.max(0, ...z.flat().filter((value) => value !== null)) || 1;
  return heatChart({
    z, x: names, y: names, digits: 2, title: task().has_classes ? "disagreement / error" : "difference / error", reversed: false, xtitle: "", ytitle: "", room: 96 + 14 * lines, row: 48, range: [0, highest],
    label: `${task().diversity} of the row's member`,
  });
}

function interpolationChart(scored) {
  const lines = scored.interpolations.map(({ first, second, top1 }, number) => ({
    type: "scatter", mode: "lines+markers", name: plain(`${first} to ${second}`), x: top1.map((_, place) => place / (top1.length - 1)),
    y: top1.map((value) => (value === null ? null : 100 * value)), line: { color: line(number), width: 2 },
    marker: { color: line(number), size: 6, symbol: mark(number) }, hovertemplate: "at %{x:.1f}: %{y:.2f}%<extra>%{fullData.name}</extra>",
  }));
  const layout = {
    xaxis: { title: "0: first member, 1: second" }, yaxis: { title: `${heldOut(scored.part)} top-1 (%)` }, showlegend: true,
  };
  return { traces: lines, layout, label: "top-1 on the line between two members of one architecture" };
}

function corruptionChart(found, predictor) {
  const { factor, rises, label: unit } = task().drawn.find((score) => score.name === chosen.metric);
  const values = predictor[chosen.metric].map((row) => row.map((value) => (value === null ? null : factor * value)));
  return heatChart({
    z: values, x: found.severities.map(String), y: found.types.map((type) => plain(type) + (found.standard.includes(type) ? "" : " *")),
    digits: factor === 100 ? 1 : 2, title: unit, reversed: !rises, xtitle: "severity", ytitle: "",
    label: `${unit} of ${predictor.name} by type and severity of corruption`,
  });
}
