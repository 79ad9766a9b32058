// The sharing graph: members as rows, layers as cells, depth from left to right. Cells are made once for a run and
// painted anew for each revision, so that a thousand of them stay quick.

const ROW = 44, AXIS = 20, HIGH = 34, LOW = 25;
let cells = [];
let rowsOfCells = [];
let active = 0;
let playing = null;

function buildGraph() {
  const { layers, members } = run();
  rowsOfCells = members.map((_, member) => layers.flatMap((layer, place) => (layer.member === member ? [place] : [])));
  const deepest = Math.max(1, ...rowsOfCells.map((row) => row.length));
  const room = by("sharing").clientWidth - 190;
  const step = Math.max(26, Math.min(44, Math.floor(room / deepest)));
  const width = deepest * step + 6, height = AXIS + ROW * members.length + 4;
  const svg = drawn("svg", { width, height, role: "grid", "aria-label": "sharing graph: members by depth" });
  svg.append(hatches(), depthMarks(deepest, step));
  cells = layers.map((layer) => ({ layer }));
  rowsOfCells.forEach((row, member) => {
    const group = drawn("g", { role: "row", "aria-label": members[member][0] });
    row.forEach((place, column) => group.append(makeCell(place, column, member, step)));
    svg.append(group);
  });
  svg.append(drawn("path", { id: "links", "aria-hidden": "true" }));
  fill("depths", svg);
  fill("names", ...nameMarks(members));
  active = Math.min(active, Math.max(0, layers.length - 1));
  if (cells[active]) cells[active].group.setAttribute("tabindex", "0");
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

function hatches() {
  const line = { d: "M-1,1 l2,-2 M0,7 l7,-7 M6,8 l2,-2", "stroke-width": 1.1, "stroke-opacity": 0.5 };
  const one = (ink) => drawn("pattern", { id: `hatch${ink}`, width: 7, height: 7, patternUnits: "userSpaceOnUse" },
    drawn("path", { ...line, stroke: `#${ink}` }));
  return drawn("defs", {}, one("000000"), one("FFFFFF"));
}

function depthMarks(deepest, step) {
  const marks = [];
  for (let place = 0; place < deepest; place += 5) {
    marks.push(drawn("text", { class: "depth", x: 3 + step * (place + 0.5), y: AXIS / 2 }, String(place)));
  }
  return drawn("g", { "aria-hidden": "true" }, ...marks);
}

function makeCell(place, column, member, step) {
  const cell = cells[place];
  const height = cell.layer.wide ? HIGH : LOW;
  const left = 3 + column * step + 1, top = AXIS + ROW * member + (ROW - height) / 2;
  const frame = { x: left, y: top, width: step - 3, height, rx: 3 };
  Object.assign(cell, { x: left + (step - 3) / 2, y: top + height / 2, top, bottom: top + height, column, member });
  cell.box = drawn("rect", { ...frame, class: "box" });
  cell.hatch = drawn("rect", { ...frame, fill: "none" });
  cell.number = drawn("text", { x: cell.x, y: cell.y });
  cell.letter = drawn("text", { x: cell.x, y: cell.y + height / 4, class: "letter" });
  const ring = { ...frame, x: left - 1, y: top - 1, width: step - 1, height: height + 2, class: "ring" };
  cell.group = drawn("g", { class: "cell", role: "gridcell", tabindex: "-1", "data-place": place },
    cell.box, cell.hatch, cell.number, cell.letter, drawn("rect", ring), drawn("rect", ring));
  return cell.group;
}

function paint() {
  const now = revision();
  cells.forEach((cell, place) => {
    const state = now.states[place];
    cell.group.classList.toggle("absent", state === null);
    if (state !== null) paintCell(cell, state, now.clusters[state.cluster]);
  });
}

function paintCell(cell, state, cluster) {
  const plain = cluster === undefined || cluster.alone;
  const ink = plain ? "" : cluster.ink;
  cell.group.classList.toggle("alone", plain);
  cell.box.style.fill = plain ? "" : cluster.fill;
  cell.hatch.setAttribute("fill", plain || !cluster.hatched ? "none" : `url(#hatch${ink.slice(1)})`);
  cell.number.textContent = cluster ? cluster.number : "-";
  cell.letter.textContent = state.letter;
  cell.number.setAttribute("y", state.letter ? cell.y - (cell.bottom - cell.top) / 7 : cell.y);
  for (const text of [cell.number, cell.letter]) {
    text.style.fill = ink;
    text.style.stroke = plain || !cluster.hatched ? "none" : cluster.fill;
    text.style.strokeWidth = "3px";
  }
  cell.group.setAttribute("aria-label", spoken(cell.layer, state, cluster));
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
  showBudget();
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
  cells[active].group.setAttribute("tabindex", "-1");
  active = place;
  cells[place].group.setAttribute("tabindex", "0");
  cells[place].group.focus({ preventScroll: true });
  const { group } = cells[place];
  const frame = by("depths").getBoundingClientRect(), at = group.getBoundingClientRect();
  if (at.left < frame.left) by("depths").scrollLeft -= frame.left - at.left + 40;
  if (at.right > frame.right) by("depths").scrollLeft += at.right - frame.right + 40;
  showTip(place);
}
