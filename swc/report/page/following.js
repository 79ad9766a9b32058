// A layer up close: how its weight is composed, and its bank followed through all members.

const MOST = 5; // lines of one kind in a tip

function composition(place) {
  const layer = run().layers[place], now = revision(), state = now.states[place];
  if (state === null) return [make("strong", {}, layer.id), make("p", {}, "not shared in this revision")];
  const cluster = now.clusters[state.cluster];
  const others = cluster ? cluster.num_layers - 1 : 0;
  const company = !cluster ? "in no cluster" : others ? `with ${several(others, "other layer")}` : "alone";
  return [
    make("strong", {}, layer.id),
    make("p", {}, `${layer.kind} ${layer.shape}: ${several(layer.scalars, "scalar")}; layer ${layer.index} of ${run().members[layer.member][0]}`),
    make("p", {}, cluster ? `cluster ${cluster.number} (${cluster.label}), ${company}` : company),
    ...slotLines(now, state),
    ...blockLines(now, state),
    ...(state.made ? [make("p", {}, cut(state.made, 240))] : []),
  ];
}

const cut = (text, most) => (text.length > most ? `${text.slice(0, most)} ...` : text);

function slotLines(now, state) {
  if (!state.slots.length) return [];
  const rows = state.slots.slice(0, MOST).map((slot) => {
    const bank = now.banks[now.slots[slot][1]];
    const gain = now.gains.length ? [now.gains[slot]] : [];
    return [bank.id, `${bank.num_templates} of ${exact(bank.template_size)}`, ...gain, company(now, slot)];
  });
  const more = state.slots.length - MOST;
  const gain = now.gains.length ? [["gain"]] : [];
  const lines = [table([["bank"], ["templates"], ...gain, ["coefficients"]], rows)];
  return more > 0 ? [...lines, make("p", {}, `and ${several(more, "further slot")}`)] : lines;
}

function company(now, slot) {
  const others = now.slots.flatMap(([layer, , tied], place) =>
    (tied === now.slots[slot][2] && place !== slot ? [run().layers[layer].id] : []));
  if (!others.length) return "its own";
  const named = others.slice(0, 2).join(", ");
  return `with ${named}${others.length > 2 ? ` and ${exact(others.length - 2)} more` : ""}`;
}

function blockLines(now, state) {
  if (!state.blocks.length) return [];
  const shown = state.blocks.slice(0, MOST).map((block) =>
    `${block.shape} at ${block.at.join(", ")} from ${now.banks[now.slots[block.slot][1]].id}`);
  const more = state.blocks.length - shown.length;
  const lost = state.discarded ? `, ${exact(state.discarded)} of them cut off` : "";
  return [
    make("p", {}, `${several(state.blocks.length, "block")}: ${shown.join("; ")}${more > 0 ? `; and ${more} more` : ""}`),
    make("p", {}, `${exact(state.generated)} scalars generated${lost}`),
  ];
}

function showTip(place) {
  const tip = by("tip");
  tip.replaceChildren(...composition(place));
  tip.hidden = false;
  document.querySelectorAll(".cell[aria-describedby]").forEach((cell) => cell.removeAttribute("aria-describedby"));
  cells[place].element.setAttribute("aria-describedby", "tip");
  const at = cells[place].element.getBoundingClientRect(), size = tip.getBoundingClientRect();
  tip.style.top = `${tipTop(at, size.height)}px`;
  tip.style.left = `${Math.max(8, Math.min(at.left, document.documentElement.clientWidth - size.width - 8))}px`;
}

// below a small graph, so that it stays in sight; else below the cell, or above it where there is no room
function tipTop(at, height) {
  const end = by("depths").getBoundingClientRect().bottom + 4;
  if (end - at.bottom < 160 && end + height <= innerHeight) return end;
  return at.bottom + 10 + height <= innerHeight || at.top < height + 10 ? at.bottom + 10 : at.top - height - 10;
}

function hideTip() {
  by("tip").hidden = true;
}

// what is followed is known by names, so that it lasts from revision to revision: the level of a layer, or a cluster
function followNext(place) {
  const layer = run().layers[place].id, state = revision().states[place];
  if (state === null) return;
  const same = chosen.followed !== null && chosen.followed.layer === layer;
  const levels = Math.max(1, state.slots.length);
  chosen.followed = { layer, level: same ? (chosen.followed.level + 1) % levels : 0 };
  showFollowed();
  showLegend();
}

function followCluster(cluster) {
  chosen.followed = chosen.followed !== null && chosen.followed.cluster === cluster ? null : { cluster };
  showFollowed();
  showLegend();
}

function clearFollowed() {
  if (chosen.followed === null) return;
  chosen.followed = null;
  showFollowed();
  showLegend();
}

// the layers that are followed, and what they have in common; null where nothing is
function followedNow() {
  if (chosen.followed === null) return null;
  const now = revision(), { layers } = run();
  if (chosen.followed.cluster !== undefined) return ofCluster(now, chosen.followed.cluster);
  const place = layers.findIndex((layer) => layer.id === chosen.followed.layer);
  const state = now.states[place];
  if (!state) return null;
  if (!state.slots.length) return state.cluster < 0 ? null : ofCluster(now, now.clusters[state.cluster].id);
  const level = Math.min(chosen.followed.level, state.slots.length - 1);
  const number = now.slots[state.slots[level]][1];
  const members = now.slots.flatMap(([layer, bank]) => (bank === number ? [layer] : []));
  return { title: bankTitle(now, now.banks[number], members), places: members, levels: state.slots.length, level };
}

function ofCluster(now, id) {
  const number = now.clusters.findIndex((cluster) => cluster.id === id);
  if (number < 0) return null;
  const places = now.states.flatMap((state, place) => (state !== null && state.cluster === number ? [place] : []));
  return { title: `Cluster ${now.clusters[number].number}: ${several(places.length, "layer")}`, places, levels: 0 };
}

function bankTitle(now, bank, places) {
  const members = new Set(places.map((place) => run().layers[place].member)).size;
  return `Bank ${bank.id}: ${several(bank.num_templates, "template")} of ${several(bank.template_size, "scalar")}, `
    + `used by ${several(places.length, "layer")} in ${several(members, "member")}`;
}

function showFollowed() {
  const found = followedNow();
  const inside = found === null ? null : new Set(found.places);
  cells.forEach((cell, place) => {
    const follows = inside === null ? "" : inside.has(place) ? " inside" : " outside";
    const wears = `cell ${cell.look}${follows}`;
    if (cell.worn !== wears) cell.element.setAttribute("class", wears);
    cell.worn = wears;
  });
  by("links").setAttribute("d", found === null ? "" : links(found.places));
  by("said").textContent = found === null ? "" : `${found.title}.`;
  fill("followed", ...(found === null ? [] : [followedPanel(found)]));
}

function followedPanel(found) {
  const rows = run().members.flatMap(([name], member) => {
    const here = found.places.filter((place) => run().layers[place].member === member);
    if (!here.length) return [];
    const paths = here.slice(0, 12).map((place) => run().layers[place].path).join(", ");
    return [make("dt", {}, name), make("dd", {}, paths + (here.length > 12 ? ` and ${exact(here.length - 12)} more` : ""))];
  });
  const levels = found.levels > 1 ? Array.from({ length: found.levels }, (_, level) =>
    button(`level ${level} of this layer`, () => { chosen.followed.level = level; showFollowed(); },
      { "aria-pressed": String(level === found.level) })) : [];
  return make("div", { class: "bank" }, make("dl", {}, ...rows),
    make("div", { class: "choices" }, ...levels, button("Clear", clearFollowed)));
}

// a line from every layer to the one of its rank in the next member that has any
function links(places) {
  const known = new Set(places);
  const rows = rowsOfCells.map((row) => row.filter((place) => known.has(place))).filter((row) => row.length);
  const lines = [];
  rows.slice(1).forEach((below, number) => {
    const above = rows[number];
    const longer = Math.max(above.length, below.length);
    for (let rank = 0; rank < longer; rank += 1) lines.push(link(ranked(above, rank, longer), ranked(below, rank, longer)));
  });
  return lines.join("");
}

function ranked(row, rank, longer) {
  return cells[row[longer === 1 ? 0 : Math.round((rank * (row.length - 1)) / (longer - 1))]];
}

function link(above, below) {
  const middle = (above.bottom + below.top) / 2;
  return `M${above.x},${above.bottom}C${above.x},${middle} ${below.x},${middle} ${below.x},${below.top}`;
}
