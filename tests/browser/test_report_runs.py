"""The page of `swc report` for various runs: several, of other tasks, unfinished, large, and still going on."""

from __future__ import annotations

import html
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from threading import Thread

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from swc.folders.store import open_build
from swc.program.inputs import InputFacts
from swc.report.document import page_of
from swc.report.gather import report_of
from swc.report.serve import Follower, server_of

from support.browser import CUT, PHONE, Browser, find, go, look, needs_browser, slide, texts, until
from support.reports import EVIL, add_epochs, begin, compiled, evaluate, run_of_task, split, whole_run, without_rules

pytestmark = needs_browser


@pytest.mark.slow
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


@pytest.mark.slow
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
