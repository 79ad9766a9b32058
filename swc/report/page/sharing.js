// The sharing graph: members as rows, layers as cells, depth from left to right. Cells are made once for a run and
// repainted for each revision, so that a thousand of them stay quick.

const ROW = 44, AXIS = 20, HIGH = 34, LOW = 25;
const MANY = 600; // cells: more change their colour at once, not gradually, to stay quick
let cells = [];
let rowsOfCells = [];
let active = 0;
let playing = null;
let naming = null;
let budgeting = null;

function buildGraph() {
  const { layers, members } = run();
  writeLooks();
  rowsOfCells = members.map((_, member) => layers.flatMap((layer, place) => (layer.member === member ? [place] : [])));
  const deepest = Math.max(1, ...rowsOfCells.map((row) => row.length));
  const room = by("sharing").clientWidth - 190;
  const step = Math.max(26, Math.min(44, Math.floor(room / deepest)));
  const width = deepest * step + 6, height = AXIS + ROW * members.length + 4;
  const graph = make("div", { role: "grid", class: layers.length > MANY ? "cells many" : "cells", "aria-label": "sharing graph: members by depth" });
  Object.assign(graph.style, { width: `${width}px`, height: `${height}px` });
  cells = layers.map((layer) => ({ layer }));
  rowsOfCells.forEach((row, member) => {
    const made = row.map((place, column) => makeCell(place, column, member, step));
    const line = make("div", { role: "row", class: "row", "aria-label": members[member][0] }, ...made);
    line.style.top = `${AXIS + ROW * member}px`;
    graph.append(line);
  });
  const lines = drawn("svg", { width, height, "aria-hidden": "true" }, drawn("path", { id: "links" }));
  graph.append(...depthMarks(deepest, step), lines);
  fill("depths", graph);
  fill("names", ...nameMarks(members));
  active = Math.min(active, Math.max(0, layers.length - 1));
  if (cells[active]) cells[active].element.setAttribute("tabindex", "0");
}

function nameMarks(members) {
  const gap = make("div");
  gap.style.height = `${AXIS}px`;
  return [gap, ...members.map(([name, source]) => {
    const mark = make("div", { title: `${name} = ${source}` }, name);
    mark.style.height = mark.style.lineHeight = `${ROW}px`;
    return mark;
  })];
}

function depthMarks(deepest, step) {
  const marks = [];
  for (let place = 0; place < deepest; place += 5) {
    const mark = make("span", { class: "depth", "aria-hidden": "true" }, String(place));
    Object.assign(mark.style, { left: `${3 + step * place}px`, width: `${step}px` });
    marks.push(mark);
  }
  return marks;
}

function makeCell(place, column, member, step) {
  const cell = cells[place];
  const height = cell.layer.wide ? HIGH : LOW;
  const left = 3 + column * step + 1, top = AXIS + ROW * member + (ROW - height) / 2;
  cell.number = document.createTextNode("");
  cell.letter = document.createTextNode("");
  const isLettered = run().revisions.some((one) => one.states[place] !== null && one.states[place].letter);
  cell.element = make("div", { role: "gridcell", tabindex: "-1", "data-place": place },
    cell.number, ...(isLettered ? [make("small", {}, cell.letter)] : []));
  Object.assign(cell.element.style, { left: `${left}px`, top: `${(ROW - height) / 2}px`, width: `${step - 3}px`, height: `${height}px` });
  return Object.assign(cell, { x: left + (step - 3) / 2, top, bottom: top + height, column, member, worn: "" }).element;
}

// A look is a class, written into a style sheet once for a run: one change of a cell paints all of it.
function writeLooks() {
  const known = new Map();
  run().revisions.forEach((one) => one.clusters.forEach((cluster) => {
    if (!cluster.alone) known.set(lookOf(cluster), cluster);
  }));
  by("looks").textContent = [...known].map(([look, { fill, ink, hatched }]) => {
    const halo = [-1, 1].flatMap((x) => [-1, 1].map((y) => `${x}px ${y}px 1px ${fill}`)).join(",");
    const stripes = `repeating-linear-gradient(135deg,transparent 0 4px,${ink}80 4px 5.2px)`;
    return `.${look}{background-color:${fill};color:${ink}${hatched ? `;background-image:${stripes};text-shadow:${halo}` : ""}}`;
  }).join("\n");
}

const lookOf = (cluster) =>
  (cluster === undefined || cluster.alone ? "alone" : `look-${cluster.fill.slice(1)}${cluster.hatched ? "-hatched" : ""}`);

// what is written in the cells and how they are to look; showFollowed() then puts it on them
function paint() {
  const now = revision();
  cells.forEach((cell, place) => {
    const state = now.states[place];
    if (state === null) cell.look = "absent";
    else paintCell(cell, state, now.clusters[state.cluster]);
  });
  clearTimeout(naming);
  naming = setTimeout(nameCells, 150);
}

function paintCell(cell, state, cluster) {
  const number = cluster ? cluster.number : "-";
  cell.look = lookOf(cluster) + (cell.layer.wide ? "" : " low") + (state.letter ? " lettered" : "");
  if (cell.number.data !== number) cell.number.data = number;
  if (cell.letter.data !== state.letter) cell.letter.data = state.letter;
}

// what cells are called, for those who do not see them; behind the step of the slider, which is to be quick
function nameCells() {
  const now = revision();
  cells.forEach((cell, place) => {
    const state = now.states[place];
    const name = state === null ? "not shared" : spoken(cell.layer, state, now.clusters[state.cluster]);
    if (cell.name !== name) cell.element.setAttribute("aria-label", name);
    cell.name = name;
  });
}

function spoken(layer, state, cluster) {
  const where = cluster ? `cluster ${cluster.number}, ${cluster.label}` : "in no cluster";
  const tied = state.letter ? `, coefficients shared in group ${state.letter}` : "";
  return `${layer.id}, ${layer.kind} ${layer.shape}, ${where}${tied}, ${several(state.slots.length, "slot")}`;
}

function showRevision() {
  const { revisions, stages } = run();
  const now = revision();
  by("slider").max = revisions.length - 1;
  by("slider").value = chosen.revision;
  by("slider").disabled = by("play").disabled = revisions.length < 2;
  by("slider").setAttribute("aria-valuetext", `revision ${now.number}, ${now.label}`);
  showSteps(revisions, stages);
  const made = stages.find((stage) => stage.revision === now.number - 1);
  const cause = made && made.then ? ` Made by: ${made.then}.` : "";
  fill("revision", make("b", {}, `Revision ${now.number}${now.label ? `, ${now.label}` : ""}: `), `${now.summary}.${cause}`);
  paint();
  showLegend();
  showFollowed();
  clearTimeout(budgeting);
  budgeting = setTimeout(showBudget, 150);
}

function showSteps(revisions, stages) {
  const there = revisions.map((one, place) => make("li", {}, button(`${one.number} ${one.label}`, () => goTo(place),
    { "aria-current": place === chosen.revision ? "step" : false })));
  const known = new Set(revisions.map((one) => one.number));
  const later = stages.filter((stage) => !known.has(stage.revision)).map((stage) => make("li", {},
    make("button", { type: "button", disabled: true, title: "not compiled yet" }, `${stage.revision} ${stage.label}`)));
  fill("steps", ...there, ...later);
}

function goTo(place) {
  chosen.revision = Math.max(0, Math.min(place, run().revisions.length - 1));
  showRevision();
}

function play() {
  if (playing !== null) return stop();
  by("play").textContent = "Stop";
  by("play").setAttribute("aria-pressed", "true");
  if (chosen.revision === run().revisions.length - 1) goTo(0);
  playing = setInterval(() => {
    goTo(chosen.revision + 1);
    if (chosen.revision === run().revisions.length - 1) stop();
  }, 1500);
}

function stop() {
  clearInterval(playing);
  playing = null;
  by("play").textContent = "Play";
  by("play").setAttribute("aria-pressed", "false");
}

function showLegend() {
  const { clusters } = revision();
  const shared = clusters.flatMap((cluster, place) => (cluster.alone ? [] : [[cluster, place]]));
  fill("legend", ...shared.map(([cluster, place]) => {
    const swatch = make("span", { class: `swatch${cluster.hatched ? " hatched" : ""}` }, cluster.number);
    swatch.style.backgroundColor = cluster.fill;
    swatch.style.color = cluster.ink;
    const pressed = chosen.followed !== null && chosen.followed.cluster === cluster.id;
    const made = button(swatch, () => followCluster(cluster.id), { "aria-pressed": String(pressed) });
    made.append(`${cluster.label} (${cluster.num_layers})`);
    return make("li", {}, made);
  }), ...alone(clusters.length - shared.length));
}

function alone(number) {
  if (number === 0) return [];
  const swatch = make("span", { class: "swatch alone", "aria-hidden": "true" });
  return [make("li", {}, make("button", { type: "button", disabled: true }, swatch, `alone in its cluster (${number})`))];
}

function wireGraph() {
  const graph = by("depths");
  const place = (event) => {
    const found = event.target.closest(".cell");
    return found ? Number(found.dataset.place) : null;
  };
  graph.addEventListener("pointerover", (event) => (place(event) === null ? hideTip() : showTip(place(event))));
  graph.addEventListener("pointerleave", hideTip);
  graph.addEventListener("focusin", (event) => { if (place(event) !== null) showTip(place(event)); });
  graph.addEventListener("focusout", hideTip);
  graph.addEventListener("click", (event) => { if (place(event) !== null) { focusCell(place(event)); followNext(place(event)); } });
  graph.addEventListener("keydown", (event) => { if (place(event) !== null) pressed(event, place(event)); });
  graph.addEventListener("scroll", hideTip);
  addEventListener("scroll", hideTip, { passive: true });
  addEventListener("keydown", (event) => { if (event.key === "Escape") { hideTip(); clearFollowed(); } });
  by("slider").addEventListener("input", (event) => { stop(); goTo(Number(event.target.value)); });
  by("play").addEventListener("click", play);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    buildGraph();
    paint();
    showFollowed();
  });
}

function pressed(event, place) {
  const { column, member } = cells[place];
  const beside = (row, at) => (row && row.length ? row[Math.max(0, Math.min(at, row.length - 1))] : place);
  const row = rowsOfCells[member];
  const moves = {
    ArrowRight: () => beside(row, column + 1),
    ArrowLeft: () => beside(row, column - 1),
    ArrowDown: () => beside(rowsOfCells[member + 1], column),
    ArrowUp: () => beside(rowsOfCells[member - 1], column),
    Home: () => beside(row, 0),
    End: () => beside(row, row.length - 1),
  };
  if (event.key in moves) focusCell(moves[event.key]());
  else if (event.key === "Enter" || event.key === " ") followNext(place);
  else return;
  event.preventDefault();
}

function focusCell(place) {
  cells[active].element.setAttribute("tabindex", "-1");
  active = place;
  cells[place].element.setAttribute("tabindex", "0");
  cells[place].element.focus({ preventScroll: true });
  const { element } = cells[place];
  const frame = by("depths").getBoundingClientRect(), at = element.getBoundingClientRect();
  if (at.left < frame.left) by("depths").scrollLeft -= frame.left - at.left + 40;
  if (at.right > frame.right) by("depths").scrollLeft += at.right - frame.right + 40;
  showTip(place);
}
