// Charts: how plotly is used everywhere. A chart is made when it comes near the window, and again when the theme or
// the data change. One at a time, so that the reader of a slow machine sees each as it is made and can scroll meanwhile.

const LIGHT_LINES = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"];
const DARK_LINES = ["#56B4E9", "#E69F00", "#2FBF94", "#E08FBC", "#F0E442", "#F0813C"];
const MARKS = ["circle", "square", "diamond", "triangle-up", "x", "cross", "star-triangle-down", "pentagon"];
const builders = new Map();
const near = new Set();
const waiting = new Set(); // near, and not made yet
const coarse = matchMedia("(pointer: coarse)");

const watcher = new IntersectionObserver((entries) => {
  const found = entries.filter((entry) => entry.isIntersecting).map((entry) => entry.target.id).filter((id) => !near.has(id));
  if (found.length && !waiting.size) setTimeout(drawWaiting);
  found.forEach((id) => { near.add(id); waiting.add(id); });
}, { rootMargin: "300px" });

function drawWaiting() {
  const [id, ...others] = waiting;
  if (id === undefined) return; // made meanwhile, by a change of the theme
  if (others.length) setTimeout(drawWaiting); // before drawing: a chart that fails leaves the others
  drawPlot(id);
}

// plotly reads a little HTML in its texts: names are to stay names
const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const line = (number) => { const lines = isDark() ? DARK_LINES : LIGHT_LINES; return lines[number % lines.length]; };
const mark = (number) => MARKS[number % MARKS.length];

// an element with a chart in it; `builder` gives traces, what differs from the common layout, and a description
// a chart that is there already is kept and redrawn, so that following a run does not flicker
function chart(id, builder, least = 310) {
  const known = by(id);
  const element = known === null ? make("div", { class: "plot", id }) : known;
  element.style.minHeight = `${least}px`;
  builders.set(id, builder);
  if (near.has(id)) queueMicrotask(() => drawPlot(id));
  else watcher.observe(element);
  return element;
}

function drawPlot(id) {
  waiting.delete(id);
  const element = by(id);
  if (element === null) return;
  const { traces, layout, label } = builders.get(id)();
  element.setAttribute("role", "img");
  element.setAttribute("aria-label", label);
  Plotly.react(element, ...fitted(traces, merged(layout), element.clientWidth), {
    responsive: true, displaylogo: false, displayModeBar: coarse.matches ? false : "hover",
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
  });
}

// names broken where a narrow window would cut them, room below for as many rows as the legend then has, small numbers
// in narrow cells
const LETTER = 6.6, SYMBOL = 50, LEGEND_ROW = 19, FREE_ROWS = 2, NARROW = 400;

function fitted(traces, layout, width) {
  const most = Math.max(12, Math.floor((width - layout.margin.l - layout.margin.r - SYMBOL) / LETTER));
  const named = traces.map((trace) => ({
    ...trace, ...(trace.name ? { name: broken(trace.name, most) } : {}),
    ...(trace.type === "heatmap" && width < NARROW ? { textfont: { size: 9 } } : {}),
  }));
  if (!layout.showlegend) return [named, layout];
  const parts = named.filter((trace) => trace.name && trace.showlegend !== false).map((trace) => trace.name.split("<br>"));
  const longest = Math.max(1, ...parts.flat().map((part) => part.length));
  const columns = Math.max(1, Math.floor((width - layout.margin.l - layout.margin.r) / (longest * LETTER + SYMBOL)));
  const heights = parts.map((lines) => lines.length);
  const rows = columns === 1 ? heights.reduce((sum, one) => sum + one, 0) : Math.ceil(parts.length / columns) * Math.max(...heights);
  const margin = { ...layout.margin, b: layout.margin.b + 8 + LEGEND_ROW * rows };
  return [named, { ...layout, margin, height: layout.height + LEGEND_ROW * Math.max(0, rows - FREE_ROWS) }];
}

// a name in lines of so many letters; what stands for one letter in HTML counts as one
function broken(name, most) {
  const letters = name.match(/&\w+;|[^]/gu);
  return letters.map((letter, place) => (place > 0 && place % most === 0 ? `<br>${letter}` : letter)).join("");
}

function redrawPlots() {
  near.forEach(drawPlot);
}

function drawAllPlots() {
  builders.forEach((_, id) => { near.add(id); drawPlot(id); });
}

// let go of charts that are no longer in the page
function forgetPlots() {
  [...builders.keys()].filter((id) => by(id) === null).forEach((id) => {
    builders.delete(id);
    near.delete(id);
  });
}

function merged(layout) {
  const ink = tone("ink"), grid = tone("grid");
  const axis = {
    gridcolor: grid, zerolinecolor: grid, linecolor: tone("line"), tickcolor: tone("line"), automargin: true,
    title: { standoff: 8 },
  };
  const { xaxis = {}, yaxis = {}, ...rest } = layout;
  const withTitle = (own) => ({ ...axis, ...own, title: { ...axis.title, text: own.title } });
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", height: 310, hovermode: "closest",
    font: { color: ink, size: 12, family: "system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', Arial, sans-serif" },
    margin: { l: 58, r: 14, t: 30, b: 48 }, dragmode: coarse.matches ? false : "zoom",
    hoverlabel: { bgcolor: tone("card"), bordercolor: tone("line"), font: { color: ink }, align: "left", namelength: -1 },
    legend: { orientation: "h", x: 0, yref: "container", y: 0, yanchor: "bottom", font: { size: 11.5 } }, showlegend: false,
    modebar: { bgcolor: "rgba(0,0,0,0)", color: tone("soft"), activecolor: tone("accent") },
    ...rest, xaxis: withTitle(xaxis), yaxis: withTitle(yaxis),
  };
}

const upright = (x, colour, dash = "dash") => ({
  type: "line", x0: x, x1: x, yref: "paper", y0: 0, y1: 1, line: { color: colour, width: 1.5, dash },
});
const level = (y, colour, dash = "dash") => ({
  type: "line", y0: y, y1: y, xref: "paper", x0: 0, x1: 1, line: { color: colour, width: 1.5, dash },
});

function budgetChart() {
  const now = revision();
  const numbers = now.clusters.map((cluster) => cluster.number);
  const levels = [...new Set(now.banks.map((bank) => bank.level))].sort((a, b) => a - b);
  const traces = levels.map((number) => {
    const banks = now.banks.filter((bank) => bank.level === number);
    const owner = (bank) => now.clusters[bank.cluster];
    return {
      type: "bar", name: `level ${number}`, x: banks.map((bank) => owner(bank).number),
      y: banks.map((bank) => bank.template_scalars),
      marker: {
        color: banks.map((bank) => (owner(bank).alone ? tone("card") : owner(bank).fill)),
        line: { color: tone("soft"), width: 1 },
        pattern: { shape: banks.map((bank) => (owner(bank).hatched ? "/" : "")), size: 6, solidity: 0.25 },
      },
      text: banks.map((bank) => plain(`bank ${bank.id}, ${owner(bank).label}<>${exact(bank.num_templates)} templates of `
        + `${exact(bank.template_size)}: ${exact(bank.template_scalars)} scalars<>${exact(bank.num_coefficients)} `
        + `coefficient vectors: ${exact(bank.coefficient_scalars)} scalars`).replaceAll("&lt;&gt;", "<br>")),
      textposition: "none", hovertemplate: "%{text}<extra></extra>",
    };
  });
  const layout = {
    barmode: "stack", bargap: 0.25,
    xaxis: { title: "cluster; its levels stacked", type: "category", categoryorder: "array", categoryarray: numbers, gridcolor: "rgba(0,0,0,0)" },
    yaxis: { title: "scalars in templates", rangemode: "tozero" },
  };
  return { traces, layout, label: `scalars in templates of each of ${several(numbers.length, "cluster")}, by level` };
}

function histogramChart(pairs) {
  const middles = pairs.counts.map((_, place) => (pairs.edges[place] + pairs.edges[place + 1]) / 2);
  const highest = Math.max(1, ...pairs.counts.map((count, place) => count + pairs.spreads[place]));
  const traces = [{
    type: "bar", x: middles, y: pairs.counts, width: pairs.edges[1] - pairs.edges[0],
    marker: { color: line(0), line: { color: tone("card"), width: 0.6 } },
    error_y: { type: "data", array: pairs.spreads.map((one) => (one > 0.05 ? one : null)), color: tone("ink"), thickness: 1.1, width: 2 },
    hovertemplate: "%{y} pairs between %{customdata}<extra></extra>",
    customdata: middles.map((_, place) => `${pairs.edges[place].toFixed(2)} and ${pairs.edges[place + 1].toFixed(2)}`),
  }];
  const layout = {
    bargap: 0, xaxis: { title: "similarity (cosine)", range: [-1.02, 1.02], dtick: 0.5 },
    yaxis: { title: "pairs", range: [0, 1.08 * highest] }, shapes: [upright(pairs.threshold, tone("warn"))],
    annotations: [{ x: pairs.threshold, y: 1, yref: "paper", yanchor: "top", xshift: pairs.threshold > 0 ? -4 : 4,
      xanchor: pairs.threshold > 0 ? "right" : "left", text: pairs.limit.replace("the ", ""), showarrow: false, font: { size: 11, color: tone("warn") } }],
  };
  return { traces, layout, label: `histogram of ${several(pairs.num_pairs, "similarity")}, ${pairs.limit.replace("the ", "")}`.replace("similaritys", "similarities") };
}

function rankedChart(pairs) {
  const isClose = ([, , , value, error]) => Math.abs(value - pairs.threshold) <= 2 * error;
  const part = (listed, name, colour, symbol) => ({
    type: "scatter", mode: "markers", name, x: listed.map((pair) => pair[0]), y: listed.map((pair) => pair[3]),
    marker: { color: colour, size: 4.5, symbol },
    error_y: { type: "data", array: listed.map((pair) => pair[4]), color: tone("soft"), thickness: 0.8, width: 0 },
    text: listed.map((pair) => `${plain(pair[1])}<br>${plain(pair[2])}`),
    hovertemplate: "%{text}<br>%{y:.3f} ± %{error_y.array:.3f}<extra></extra>",
  });
  const traces = [
    part(pairs.listed.filter((pair) => !isClose(pair)), "decided", line(0), "circle"),
    part(pairs.listed.filter(isClose), "within two standard errors", tone("warn"), "diamond"),
  ];
  const layout = {
    xaxis: { title: "pairs by falling similarity" }, yaxis: { title: "similarity" },
    shapes: [level(pairs.threshold, tone("warn"))], showlegend: true,
  };
  return { traces, layout, label: `every pair by falling similarity; ${exact(pairs.above)} above ${pairs.limit}` };
}

// points cut where a split or a grouping made another network: no line leads to it
function unbroken(points, cuts) {
  const edges = cuts.filter(([, done]) => done === "split" || done === "group").map(([epoch]) => epoch);
  return points.flatMap((point, place) => {
    const before = points[place - 1];
    const crosses = before !== undefined && edges.some((edge) => before[0] <= edge && point[0] > edge);
    return crosses ? [[point[0], null], point] : [point];
  });
}

function linesChart(lines, cuts, title, factor, last) {
  const traces = lines.map(({ name, points, bold, cuts: own = cuts, dash = "solid" }, number) => {
    const whole = unbroken(points, own);
    const colour = bold ? tone("ink") : line(number);
    return {
      type: "scatter", mode: "lines+markers", name: plain(name), x: whole.map((point) => point[0]),
      y: whole.map((point) => (point[1] === null ? null : factor * point[1])),
      line: { color: colour, width: bold ? 3 : 1.8, dash }, marker: { color: colour, size: bold ? 6 : 6, symbol: mark(number) },
      hovertemplate: "epoch %{x}: %{y:.4~f}<extra>%{fullData.name}</extra>",
    };
  });
  const passed = cuts.filter(([epoch]) => epoch < last);
  const layout = {
    height: 326, margin: { l: 58, r: 14, t: 46, b: 48 }, // what was done at a cut is written below plotly's buttons
    xaxis: { title: "epoch, over all phases", rangemode: "tozero" }, yaxis: { title },
    shapes: passed.map(([epoch]) => upright(epoch + 0.5, tone("soft"), "dot")), showlegend: true,
    annotations: passed.map(([epoch, done]) => ({
      x: epoch + 0.5, y: 1, yref: "paper", yanchor: "bottom", text: done, showarrow: false, font: { size: 11, color: tone("soft") },
    })),
  };
  return { traces, layout, label: `${title} over ${several(last, "epoch")}` };
}
