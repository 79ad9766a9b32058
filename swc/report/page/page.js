// What every part of the page uses: the data, what the reader has chosen, and how elements are made.
// All text goes in as text nodes: whatever a name holds, it is shown and never run.

let report = JSON.parse(document.getElementById("data").textContent);
const chosen = { run: 0, revision: 0, theme: null, followed: null, cost: "multiply_adds", metric: "top1", predictor: null };
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const night = matchMedia("(prefers-color-scheme: dark)");

const run = () => report.runs[chosen.run];
const revision = () => run().revisions[chosen.revision];
const by = (id) => document.getElementById(id);
const exact = (number) => number.toLocaleString("en-US");
const several = (number, noun) => `${exact(number)} ${noun}${number === 1 ? "" : "s"}`;
// what images are called that scores are of; nobody chooses where there is one part alone
const heldOut = (part) => part || "held-out";
const percent = (part, digits = 2) => (part === null ? "-" : `${rounded(100 * part, digits)}%`);
// what rounds to nothing has no sign
const rounded = (number, digits) => number.toFixed(digits).replace(/^-(0\.?0*)$/, "$1");
const task = () => run().task;
const example = () => task().example; // what one of the images is called
// a score as its task shows it: in per cent, or as a number
const scoreText = (score, value) => (score.factor === 100 ? percent(value)
  : value !== null && value !== 0 && Math.abs(value) < 0.0005 ? value.toExponential(2) : fixed(value));
const fixed = (number, digits = 4) => (number === null ? "-" : rounded(number, digits));

function short(number) {
  for (const [unit, scale] of [["G", 1e9], ["M", 1e6], ["k", 1e3]]) {
    if (Math.abs(number) >= scale) return `${(number / scale).toFixed(2)}${unit}`;
  }
  return String(number);
}

function furnished(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const make = (tag, attributes = {}, ...children) => furnished(document.createElement(tag), attributes, children);

const drawn = (tag, attributes = {}, ...children) =>
  furnished(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

function button(text, action, attributes = {}) {
  const made = make("button", { type: "button", ...attributes }, text);
  made.addEventListener("click", action);
  return made;
}

const fill = (id, ...children) => by(id).replaceChildren(...children);

const missing = (before, command, after = "") =>
  make("p", { class: "missing" }, before, make("code", {}, command), after);

// columns: [title, is a number]; rows: lists of texts, the ones of `whole` in bold
function table(columns, rows, whole = []) {
  const heads = columns.map(([title, number]) => make("th", { scope: "col", class: number ? "number" : "" }, title));
  const lines = rows.map((row, place) => {
    const cells = row.map((cell, column) =>
      make(column ? "td" : "th", column ? { class: columns[column][1] ? "number" : "remark" } : { scope: "row" }, cell));
    return make("tr", { class: whole.includes(place) ? "whole" : "" }, ...cells);
  });
  const head = make("thead", {}, make("tr", {}, ...heads));
  return make("div", { class: "scroll" }, make("table", {}, head, make("tbody", {}, ...lines)));
}

// how a colour of the style sheet looks in the present theme, for what CSS does not reach
function tone(name) {
  by("probe").style.color = `var(--${name})`;
  return getComputedStyle(by("probe")).color;
}

const isDark = () => (chosen.theme === null ? night.matches : chosen.theme === "dark");

function showTheme() {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
  by("theme").setAttribute("aria-pressed", String(isDark()));
  by("theme").textContent = isDark() ? "Light" : "Dark";
  by("theme").setAttribute("aria-label", `change to the ${isDark() ? "light" : "dark"} theme`);
}

function changeTheme() {
  chosen.theme = isDark() ? "light" : "dark";
  showTheme();
  redrawPlots();
}

function showRuns() {
  by("chooser").hidden = report.runs.length < 2;
  fill("run", ...report.runs.map((one, place) => make("option", { value: place }, one.name)));
  by("run").value = chosen.run;
}

function chooseRun(place) {
  chosen.run = place;
  chosen.followed = null;
  chosen.revision = run().revisions.length - 1;
  showRun();
}

function showRun() {
  showTitles();
  showHead();
  buildGraph();
  showRevision();
  showBudget();
  showSections();
}

// titles that depend on what is scored; links that are right already stay, so that none loses the focus
function showTitles() {
  const title = `Scores on held-out ${example()}s`;
  if (by("scores-title").textContent === title && by("contents").children.length) return;
  by("scores-title").textContent = title;
  showContents();
}

function showContents() {
  const titles = [...document.querySelectorAll("main > section")].map((section) =>
    make("a", { href: `#${section.id}` }, section.querySelector("h2").textContent));
  fill("contents", ...titles);
}

function begin() {
  chosen.revision = run().revisions.length - 1;
  showTheme();
  showRuns();
  wireGraph();
  by("theme").addEventListener("click", changeTheme);
  by("run").addEventListener("change", (event) => chooseRun(Number(event.target.value)));
  night.addEventListener("change", () => { showTheme(); redrawPlots(); });
  addEventListener("beforeprint", drawAllPlots);
  showRun();
  if (document.body.dataset.mode === "live") follow();
}
