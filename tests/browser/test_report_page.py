"""The page of `swc report` in a real browser: it opens, draws, answers to mouse and keyboard, and reaches nothing."""

from __future__ import annotations

import html
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait
from swc.folders.store import open_build
from swc.program.inputs import InputFacts
from swc.report.document import page_of
from swc.report.gather import report_of
from swc.report.serve import Follower, server_of

from support.reports import EVIL, add_epochs, begin, compiled, evaluate, run_of_task, split, whole_run, without_rules

CHROMIUM, CHROMEDRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None or CHROMEDRIVER is None, reason="there is no chromium, or no chromedriver, on the path"
)
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--disable-dev-shm-usage",
)
WIDE, PHONE = (1280, 900), (375, 800)
Browser = webdriver.Chrome


@pytest.fixture(scope="session")
def started() -> Iterator[Browser]:
    """One browser for all tests."""
    options = webdriver.ChromeOptions()
    assert CHROMIUM is not None
    options.binary_location = CHROMIUM
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(CHROMEDRIVER))
        yield driver
        driver.quit()


@pytest.fixture
def browser(started: Browser) -> Iterator[Browser]:
    """The browser as it was: a wide window in light; whatever a test did, the console holds no complaint."""
    started.get("about:blank")
    look(started, WIDE, "light")
    started.get_log("browser")
    started.get_log("performance")
    yield started
    assert started.get_log("browser") == []


def look(browser: Browser, size: tuple[int, int], scheme: str) -> None:
    width, height = size
    measures = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", measures)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Writes the page of some runs once, and gives its address."""
    folder = tmp_path_factory.mktemp("pages")
    known: dict[str, str] = {}

    def page(name: str, *runs: Path) -> str:
        if name not in known:
            places = runs or (whole_run(folder / name / "run"),)
            target = folder / f"{name}.html"
            target.write_text(page_of(report_of([open_build(place) for place in places])), encoding="utf-8")
            known[name] = target.as_uri()
        return known[name]

    return page


def find(browser: Browser, selector: str) -> WebElement:
    return browser.find_element(By.CSS_SELECTOR, selector)


def texts(browser: Browser, selector: str) -> list[str]:
    return browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", selector
    )


def until(browser: Browser, holds: Callable[[], Any]) -> Any:
    return WebDriverWait(browser, 60, 0.1).until(lambda _: holds())


def go(browser: Browser, address: str) -> None:
    """Open a page and wait until all of it is there: on a busy machine the driver comes back while it is still read."""
    browser.get(address)
    loaded = "return document.readyState === 'complete' && location.href !== 'about:blank'"
    until(browser, lambda: browser.execute_script(loaded))


def clusters(browser: Browser) -> list[str]:
    """What the cells say, cell by cell."""
    return texts(browser, ".cell")


def slide(browser: Browser, place: int) -> None:
    script = "const s = document.getElementById('slider'); s.value = arguments[0]; s.dispatchEvent(new Event('input'))"
    browser.execute_script(script, place)


def test_it_opens_draws_everything_and_asks_nobody(browser: Browser, pages: Callable[..., str]) -> None:
    go(browser, pages("whole"))
    assert find(browser, "h1").text == "synthetic"
    names = texts(browser, "main > section h2")
    assert len(names) == 11
    for section in browser.find_elements(By.CSS_SELECTOR, "main > section"):
        browser.execute_script("arguments[0].scrollIntoView()", section)
        plots = section.find_elements(By.CSS_SELECTOR, ".plot")
        until(browser, lambda plots=plots: all(plot.find_elements(By.CSS_SELECTOR, ".main-svg") for plot in plots))
    assert len(browser.find_elements(By.CSS_SELECTOR, ".plot .main-svg")) >= 2 * 13
    assert texts(browser, ".missing") == []
    asked = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [one["params"] for one in asked if one["method"] == "Network.requestWillBeSent"]
    ours = [one["request"]["url"] for one in sent if one["documentURL"] == pages("whole")]  # the rest are the browser's
    assert [url for url in ours if not url.startswith(("data:", "blob:"))] == [pages("whole")]


def test_the_slider_changes_the_graph_and_its_colours(browser: Browser, pages: Callable[..., str]) -> None:
    go(browser, pages("whole"))
    after = clusters(browser)
    slide(browser, 0)
    before = clusters(browser)
    assert set(before) != set(after)
    assert find(browser, "#revision").text.startswith("Revision 0, search")
    find(browser, "#slider").send_keys(Keys.ARROW_RIGHT)
    assert clusters(browser) == after
    assert "Made by: split clusters below 0.1." in find(browser, "#revision").text
    assert find(browser, "#slider").get_attribute("aria-valuetext") == "revision 1, main"
    find(browser, "#steps button").click()
    assert clusters(browser) == before
    until(browser, lambda: texts(browser, "#budget .caption")[0].startswith("Revision 0"))


AFTER_A_CLICK = """
const text = (id) => document.getElementById(id).textContent;
const note = () => { window.afterAClick = [text("revision"), text("play")]; };
document.getElementById("play").addEventListener("click", note, { once: true });
"""


def test_play_goes_through_the_revisions_and_stops(browser: Browser, pages: Callable[..., str]) -> None:
    go(browser, pages("whole"))
    browser.execute_script(AFTER_A_CLICK)  # who asks later may find the next revision
    find(browser, "#play").click()
    said, offered = browser.execute_script("return window.afterAClick")
    assert said.startswith("Revision 0")
    assert offered == "Stop"
    until(browser, lambda: find(browser, "#revision").text.startswith("Revision 1"))
    assert find(browser, "#play").text == "Play"


def test_hover_and_focus_tell_how_a_layer_is_composed(browser: Browser, pages: Callable[..., str]) -> None:
    go(browser, pages("whole"))
    slide(browser, 0)
    tip = find(browser, "#tip")
    assert not tip.is_displayed()
    cells = browser.find_elements(By.CSS_SELECTOR, ".cell")
    ActionChains(browser).move_to_element(cells[2]).perform()
    assert tip.is_displayed()
    said = tip.text
    assert said.startswith("m0.block1.0.conv2\nconv 32x32x3x3: 9,216 scalars; layer 2 of m0\ncluster ")
    assert "scalars generated" in said
    ActionChains(browser).move_to_element(find(browser, "h1")).perform()
    assert not tip.is_displayed()
    browser.execute_script("arguments[0].focus()", cells[2])
    assert tip.is_displayed()
    assert tip.text == said
    assert cells[2].get_attribute("aria-describedby") == "tip"


def followed(browser: Browser) -> list[int]:
    script = "return [...document.querySelectorAll('.cell.inside')].map(e => Number(e.dataset.place))"
    return browser.execute_script(script)


def test_a_click_follows_a_bank_through_all_members(
    browser: Browser, pages: Callable[..., str], tmp_path: Path
) -> None:
    go(browser, pages("whole"))
    slide(browser, 0)
    cells = browser.find_elements(By.CSS_SELECTOR, ".cell")
    cells[2].click()
    inside = followed(browser)
    first = compiled()
    bank = next(slot.bank for slot in first.graph.slots if slot.layer == "m0.block1.0.conv2")
    using = {slot.layer for slot in first.graph.slots if slot.bank == bank}
    assert len(inside) == len(using) > 2
    assert len(browser.find_elements(By.CSS_SELECTOR, ".cell.outside")) == len(cells) - len(inside)
    assert texts(browser, "#said")[0].startswith(f"Bank {bank}: ")
    assert texts(browser, "#followed dt") == ["m0", "m1", "m2"]
    assert find(browser, "#links").get_attribute("d").startswith("M")
    slide(browser, 1)
    assert 2 in followed(browser)
    find(browser, "#followed .choices button:last-child").click()
    assert followed(browser) == []


def test_the_keyboard_does_the_same(browser: Browser, pages: Callable[..., str]) -> None:
    go(browser, pages("whole"))
    assert len(browser.find_elements(By.CSS_SELECTOR, ".cell[tabindex='0']")) == 1
    find(browser, ".cell[tabindex='0']").send_keys(Keys.ARROW_RIGHT)
    active = browser.switch_to.active_element
    assert active.get_attribute("data-place") == "1"
    width = browser.execute_script("return getComputedStyle(arguments[0]).outlineWidth", active)
    assert width == "3px"
    active.send_keys(Keys.ARROW_DOWN)
    active = browser.switch_to.active_element
    assert active.find_element(By.XPATH, "..").get_attribute("aria-label") == "m1"
    assert len(browser.find_elements(By.CSS_SELECTOR, ".cell[tabindex='0']")) == 1
    active.send_keys(Keys.ENTER)
    assert int(active.get_attribute("data-place") or -1) in followed(browser)
    active.send_keys(Keys.ESCAPE)
    assert followed(browser) == []
    assert not find(browser, "#tip").is_displayed()
    until(browser, lambda: (active.get_attribute("aria-label") or "").startswith("m1."))


def test_a_cluster_is_followed_from_the_legend(browser: Browser, pages: Callable[..., str]) -> None:
    go(browser, pages("whole"))
    entry = find(browser, "#legend button")
    number = entry.find_element(By.CSS_SELECTOR, ".swatch").text
    entry.click()
    assert {clusters(browser)[place].rstrip("abcdefghijklmnopqrstuvwxyz") for place in followed(browser)} == {number}
    assert find(browser, "#legend button").get_attribute("aria-pressed") == "true"


def test_dark_is_the_systems_wish_or_the_readers(browser: Browser, pages: Callable[..., str]) -> None:
    def ground() -> str:
        return browser.execute_script("return getComputedStyle(document.body).backgroundColor")

    go(browser, pages("whole"))
    browser.execute_script("document.getElementById('curves').scrollIntoView()")
    ink = "return getComputedStyle(document.querySelector('#plot-loss .xtitle')).fill"
    until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#plot-loss .xtitle"))
    light, written = ground(), browser.execute_script(ink)
    look(browser, WIDE, "dark")
    until(browser, lambda: ground() != light)
    until(browser, lambda: browser.execute_script(ink) != written)
    find(browser, "#theme").click()
    assert ground() == light
    until(browser, lambda: browser.execute_script(ink) == written)


BREAK_ONE = """
const react = Plotly.react;
Plotly.react = (element, ...rest) => {
  if (element.id === arguments[0]) throw new Error("broken on purpose");
  return react(element, ...rest);
};
"""


def test_a_chart_that_fails_leaves_the_others(browser: Browser, pages: Callable[..., str]) -> None:
    go(browser, pages("whole"))
    browser.execute_script(BREAK_ONE, "plot-loss")
    browser.execute_script("document.getElementById('curves').scrollIntoView()")
    until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#plot-score .xtitle"))
    assert browser.find_elements(By.CSS_SELECTOR, "#plot-loss .main-svg") == []
    (complaint,) = browser.get_log("browser")
    assert "broken on purpose" in complaint["message"]


def test_a_phone_scrolls_down_and_not_sideways(browser: Browser, pages: Callable[..., str]) -> None:
    look(browser, PHONE, "light")
    go(browser, pages("whole"))
    for section in browser.find_elements(By.CSS_SELECTOR, "main > section"):
        browser.execute_script("arguments[0].scrollIntoView()", section)
        plots = section.find_elements(By.CSS_SELECTOR, ".plot")
        until(browser, lambda plots=plots: all(plot.find_elements(By.CSS_SELECTOR, ".main-svg") for plot in plots))
        assert browser.execute_script("return document.documentElement.scrollWidth") == PHONE[0]


CUT = """
const within = (text, box) => {
  const [a, b] = [text.getBoundingClientRect(), box.getBoundingClientRect()];
  return a.left >= b.left - 1 && a.right <= b.right + 1 && a.top >= b.top - 1 && a.bottom <= b.bottom + 1;
};
return [...document.querySelectorAll(".plot")].flatMap((plot) =>
  [...plot.querySelectorAll(".main-svg text")].filter((text) => text.textContent.trim()).filter((text) =>
    !within(text, text.closest(".legend") ? text.closest(".legend").querySelector(".bg") : plot))
  .map((text) => `${plot.id}: ${text.textContent}`));
"""


def test_no_text_of_a_chart_is_cut_on_a_phone(browser: Browser, tmp_path: Path) -> None:
    runs = [whole_run(tmp_path / f"amount=50,clusters=by_depth_in_{n}_bins,seed={n}/run", 20) for n in range(3)]
    look(browser, PHONE, "light")
    page = tmp_path / "page.html"
    page.write_text(page_of(report_of([open_build(run) for run in runs])), encoding="utf-8")
    go(browser, page.as_uri())
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")  # which draws all
    all_drawn = "return [...document.querySelectorAll('.plot')].every((plot) => plot.querySelector('.main-svg text'))"
    until(browser, lambda: browser.execute_script(all_drawn))
    until(browser, lambda: browser.execute_script(CUT) == [])
    above = """const top = (selector) => document.querySelector(selector).getBoundingClientRect().top;
      return top("#plot-score .annotation-text") - top("#plot-score")"""
    assert browser.execute_script(above) >= 26, "it lies under the buttons"
    assert browser.execute_script("return document.getElementById('plot-diversity').data[0].zmin") == 0


def test_several_runs_are_chosen_and_lie_over_each_other(
    browser: Browser, pages: Callable[..., str], tmp_path: Path
) -> None:
    runs = [whole_run(tmp_path / name / "run") for name in ("cheap", "dear")]
    evaluate(runs[1], compiled(), cost=2.0)
    go(browser, pages("several", *runs))
    assert find(browser, "h1").text == "2 runs"
    assert texts(browser, "#run option") == ["synthetic (cheap)", "synthetic (dear)"]
    browser.execute_script("document.getElementById('anytime').scrollIntoView()")
    until(browser, lambda: len(texts(browser, "#plot-anytime-top1 .legendtext")) == 2)
    assert texts(browser, "#plot-anytime-top1 .legendtext") == [
        f"synthetic ({one}), Pareto front" for one in ("cheap", "dear")
    ]
    script = "return document.getElementById('plot-anytime-top1').data.map(t => [t.mode, t.x.length, t.x[0]])"
    assert browser.execute_script(script)[1::3] == [["lines+markers", 7, 1e6], ["lines+markers", 7, 2e6]]
    browser.find_elements(By.CSS_SELECTOR, "#anytime .tools button")[1].click()
    until(browser, lambda: browser.execute_script(script)[1][2] == 1.0)
    browser.execute_script(
        "const r = document.getElementById('run'); r.value = 1; r.dispatchEvent(new Event('change'))"
    )
    assert find(browser, "#subtitle").text.startswith("synthetic (dear): ")


SHOWN = {"regression": "plot-predicted-0", "multilabel": "plot-labels"}
NAMED = {"regression": ("price in euros",), "multilabel": (EVIL, "a label with quite a name")}


def test_runs_of_other_tasks_are_drawn_by_their_own_scores(browser: Browser, tmp_path: Path) -> None:
    runs = [run_of_task(tmp_path / task / "run", task, name=task, outputs=NAMED[task]) for task in SHOWN]
    look(browser, PHONE, "dark")
    page = tmp_path / "page.html"
    page.write_text(page_of(report_of([open_build(run) for run in runs])), encoding="utf-8")
    go(browser, page.as_uri())
    all_drawn = "return [...document.querySelectorAll('.plot')].every((plot) => plot.querySelector('.main-svg text'))"
    for number, (task, title) in enumerate({"regression": "RMSE", "multilabel": "mAP"}.items()):
        choose = (
            "const r = document.getElementById('run'); r.value = arguments[0]; r.dispatchEvent(new Event('change'))"
        )
        browser.execute_script(choose, number)
        browser.execute_script("dispatchEvent(new Event('beforeprint'))")  # which draws all
        until(browser, lambda: browser.execute_script(all_drawn))
        until(browser, lambda: browser.execute_script(CUT) == [])
        assert title in texts(browser, "#scores thead th") and f"{title} of the ensemble" in texts(
            browser, ".tile span"
        )
        assert [one for one in SHOWN.values() if browser.find_elements(By.ID, one)] == [SHOWN[task]]
        assert "ensemble, average of weights" in browser.execute_script(
            "return document.getElementById('plot-score').data.map((trace) => trace.name)"
        )
        other = next(one for one in SHOWN if one != task)
        assert f"Of another task, and scored by other scores: {other}." in texts(browser, "#anytime .caption")[0]
        assert f"not measured for task {task}" in texts(browser, "#corruptions")[0]
        assert not [text for text in texts(browser, "main") if "undefined" in text or "NaN" in text]
    ticks = browser.find_elements(By.CSS_SELECTOR, "#plot-labels .xtick text")
    named = ["".join(tick.get_attribute("data-unformatted").split("<br>")) for tick in ticks]
    assert [html.unescape(name) for name in named] == list(NAMED["multilabel"])
    assert browser.execute_script("return [window.hacked, document.images.length]") == [None, 0]
    browser.execute_script(choose, 0)
    assert "price in euros" in texts(browser, "#reliability h3")


def test_sections_without_data_name_the_command_that_gives_it(
    browser: Browser, pages: Callable[..., str], tmp_path: Path
) -> None:
    begin(tmp_path / "run", compiled())
    go(browser, pages("begun", tmp_path / "run"))
    told = set(texts(browser, ".missing code"))
    assert told == {"swc train", "swc eval", "swc eval --interpolate", "swc eval --corruptions FOLDER"}
    assert find(browser, "#slider").get_attribute("disabled")
    assert "1 main" in texts(browser, "#steps button:disabled")


def test_of_other_inputs_than_images_no_corruptions_are_asked_for(
    browser: Browser, pages: Callable[..., str], tmp_path: Path
) -> None:
    begin(tmp_path / "run", compiled(20, inputs=(InputFacts((5,), "float32"),)))
    go(browser, pages("features", tmp_path / "run"))
    assert "This is about images" in texts(browser, "#corruptions")[0]
    assert set(texts(browser, ".missing code")) == {"swc train", "swc eval", "swc eval --interpolate"}


def test_names_are_text_whatever_they_hold(browser: Browser, pages: Callable[..., str], tmp_path: Path) -> None:
    run = whole_run(tmp_path / "run", name=EVIL, first_member=EVIL)
    with without_rules():
        go(browser, pages("evil", run))
    assert find(browser, "h1").text == EVIL
    assert browser.title == f"{EVIL}: swc report"
    ActionChains(browser).move_to_element(find(browser, ".cell")).perform()
    assert find(browser, "#tip strong").text == f"{EVIL}.conv1"
    browser.execute_script("document.getElementById('curves').scrollIntoView()")
    until(browser, lambda: EVIL in texts(browser, "#plot-loss .legendtext"))
    assert browser.execute_script("return [window.hacked, document.images.length, document.links.length]") == [
        None,
        0,
        12,
    ]


STEP = """
const slider = document.getElementById("slider"), begun = performance.now();
slider.value = arguments[0];
slider.dispatchEvent(new Event("input"));
document.body.getBoundingClientRect();
return performance.now() - begun;
"""


@pytest.mark.slow
def test_a_thousand_layers_stay_quick(browser: Browser, pages: Callable[..., str], tmp_path: Path) -> None:
    first, run = compiled(1000), tmp_path / "run"
    begin(run, first)
    split(run, first)
    go(browser, pages("large", run))
    assert len(browser.find_elements(By.CSS_SELECTOR, ".cell")) > 1000
    until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#budget .plot, #budget .main-svg"))
    assert min(browser.execute_script(STEP, number % 2) for number in range(8)) < 100  # ms


def test_a_served_page_follows_its_run_and_keeps_what_the_reader_chose(browser: Browser, tmp_path: Path) -> None:
    first, run = compiled(), tmp_path / "run"
    begin(run, first)
    with server_of(Follower(lambda: (open_build(run),)), 0) as server, ExitStack() as ending:
        Thread(target=server.serve_forever, daemon=True).start()
        ending.callback(server.shutdown)
        go(browser, server.address)
        find(browser, "#theme").click()
        browser.execute_script("document.getElementById('repeat').scrollIntoView()")
        scrolled = browser.execute_script("return scrollY")
        add_epochs(run, first, "search", [1, 2])
        until(browser, lambda: texts(browser, "#curves .missing") == [])
        assert browser.execute_script("return [scrollY > 0, document.documentElement.dataset.theme]") == [True, "dark"]
        assert scrolled > 0
        split(run, first)
        until(browser, lambda: find(browser, "#slider").get_attribute("max") == "1")
        assert find(browser, "#slider").get_attribute("value") == "1", "who looked at the last one still does"
        slide(browser, 0)
        add_epochs(run, first, "search", [3])
        until(browser, lambda: texts(browser, "#tiles .tile b")[0] == "3")
        assert find(browser, "#slider").get_attribute("value") == "0"
        assert find(browser, "#live").text == "following the run"
