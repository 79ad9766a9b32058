// Charts of what `swc eval` found.

const METRICS = {
  top1: { title: "held-out top-1 (%)", name: "top-1", factor: 100, better: 1 },
  nll: { title: "NLL (nats)", name: "NLL", factor: 1, better: -1 },
  ece: { title: "ECE (%)", name: "ECE", factor: 100, better: -1 },
};
const COSTS = { multiply_adds: "multiply-adds for an image", milliseconds: "ms for an image" };

// points that are better than every one that costs no more, by rising cost
function front(points, better) {
  const kept = [];
  [...points].sort((a, b) => a.cost - b.cost || better * (b.value - a.value)).forEach((point) => {
    if (!kept.length || better * (point.value - kept[kept.length - 1].value) > 0) kept.push(point);
  });
  return kept;
}

function pointsOf(scored, metric) {
  const { factor } = METRICS[metric];
  return scored.predictors.flatMap((one) => {
    const cost = one[chosen.cost], value = one.scores[metric];
    return cost === null || value === null ? [] : [{ cost, value: factor * value, name: plain(one.members.join(" + ")) }];
  });
}

function anytimeChart(metric) {
  const { title: plainTitle, better } = METRICS[metric];
  const part = report.runs.map((one) => one.scored?.part).find((one) => one) ?? "";
  const title = plainTitle.replace("held-out", heldOut(part));
  const traces = report.runs.flatMap((one, number) => (one.scored === null ? [] : anytimeTraces(one, number, metric, better)));
  const layout = {
    xaxis: { title: COSTS[chosen.cost], rangemode: "tozero", exponentformat: "SI" }, yaxis: { title },
    showlegend: true,
  };
  return { traces, layout, label: `${title} of every subset against ${COSTS[chosen.cost]}` };
}

function anytimeTraces(one, number, metric, better) {
  const points = pointsOf(one.scored, metric);
  if (!points.length) return [];
  const many = report.runs.length > 1;
  const best = front(points, better);
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
  const traces = [ideal, ...shown.flatMap(({ name, number, bins }) => reliabilityTraces(plain(name), number, bins || [], isWhole))];
  const layout = {
    bargap: 0.06, xaxis: { title: "confidence", range: [0, 1.02] }, yaxis: { title: "accuracy", range: [0, 1.02] }, showlegend: true,
  };
  return { traces, layout, label: `accuracy against confidence of ${shown.map(({ name }) => name).join(", ")}` };
}

function reliabilityTraces(name, number, bins, isWhole) {
  const filled = bins.map((bin, place) => ({ ...bin, centre: (place + 0.5) / bins.length })).filter((bin) => bin.num_images > 0);
  const colour = isWhole ? line(0) : line(number);
  const bars = {
    type: "bar", name: "accuracy of the bin", x: filled.map((bin) => bin.centre), y: filled.map((bin) => bin.accuracy), width: 0.92 / bins.length,
    marker: { color: colour, opacity: 0.35 }, text: filled.map((bin) => several(bin.num_images, "image")), textposition: "none",
    hovertemplate: "accuracy %{y:.3f}, %{text}<extra></extra>",
  };
  const dots = {
    type: "scatter", mode: "lines+markers", name, x: filled.map((bin) => bin.confidence), y: filled.map((bin) => bin.accuracy),
    line: { color: colour, width: 2 }, marker: { color: colour, size: 7, symbol: mark(number) },
    text: filled.map((bin) => several(bin.num_images, "image")),
    hovertemplate: "confidence %{x:.3f}, accuracy %{y:.3f}, %{text}<extra>%{fullData.name}</extra>",
  };
  return isWhole ? [bars, dots] : [dots];
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
    z, x: names, y: names, digits: 2, title: "disagreement / error", reversed: false, xtitle: "", ytitle: "", room: 96 + 14 * lines, row: 48, range: [0, highest],
    label: "disagreement of two members over the error rate of the row's member",
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
  const { name, factor, better } = METRICS[chosen.metric];
  const values = predictor[chosen.metric].map((row) => row.map((value) => (value === null ? null : factor * value)));
  const unit = factor === 100 ? `${name} (%)` : `${name} (nats)`;
  return heatChart({
    z: values, x: found.severities.map(String), y: found.types.map((type) => plain(type) + (found.standard.includes(type) ? "" : " *")),
    digits: factor === 100 ? 1 : 2, title: unit, reversed: better < 0, xtitle: "severity", ytitle: "",
    label: `${unit} of ${predictor.name} by type and severity of corruption`,
  });
}
