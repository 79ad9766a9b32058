// Following a run that goes on: ask for the data every few seconds; what the reader has chosen stays as it is.

const EVERY = 2000; // milliseconds
let tag = null;

function follow() {
  by("live").hidden = false;
  tell("following the run", false);
  setTimeout(ask, EVERY);
}

function tell(text, late) {
  if (by("live").textContent !== text) by("live").textContent = text;
  by("live").classList.toggle("late", late);
}

async function ask() {
  try {
    const answer = await fetch("data.json", { headers: tag === null ? {} : { "If-None-Match": tag } });
    if (answer.status === 200) take(await answer.json(), answer.headers.get("ETag"));
    else if (answer.status === 503) tell(`waiting: ${(await answer.text()).trim()}`, true);
    if (answer.status === 200 || answer.status === 304) tell("following the run", false);
  } catch (error) {
    tell("the server does not answer: this is what it said last", true);
  }
  setTimeout(ask, EVERY);
}

function take(found, newTag) {
  const first = tag === null;
  tag = newTag;
  if (first && JSON.stringify(found) === JSON.stringify(report)) return;
  const wasLast = chosen.revision === run().revisions.length - 1;
  const { name } = run();
  const scrolled = [scrollX, scrollY], along = by("depths").scrollLeft, focused = keyOf(document.activeElement);
  report = found;
  chosen.run = Math.max(0, report.runs.findIndex((one) => one.name === name));
  const last = run().revisions.length - 1;
  chosen.revision = wasLast ? last : Math.min(chosen.revision, last);
  document.body.style.minHeight = `${document.body.scrollHeight}px`;
  showRuns();
  showRun();
  document.body.style.minHeight = "";
  by("depths").scrollLeft = along;
  scrollTo(...scrolled);
  const again = focused === null ? null : document.querySelector(focused);
  if (again !== null && again !== document.activeElement) again.focus({ preventScroll: true });
}

// how to find the focused element again after its part of the page was rebuilt
function keyOf(element) {
  if (element === null || element === document.body) return null;
  if (element.id) return `#${element.id}`;
  return element.classList.contains("cell") ? `.cell[data-place="${element.dataset.place}"]` : null;
}
