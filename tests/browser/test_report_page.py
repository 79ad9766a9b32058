"""The page of `swc report` in a real browser: it opens, draws, answers to mouse and keyboard, and reaches nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.by import By
from swc.folders.store import open_build
from swc.report.document import page_of
from swc.report.gather import report_of

from support.browser import CUT, PHONE, WIDE, Browser, clusters, find, go, look, needs_browser, slide, texts, until
from support.reports import compiled, whole_run

pytestmark = needs_browser


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


def test_times_stand_with_their_quartiles(browser: Browser, pages: Callable[..., str]) -> None:
    go(browser, pages("whole"))
    head, first = (texts(browser, f"#scores {row} > *") for row in ("thead tr", "tbody tr:first-child"))
    place = head.index("quartiles")
    assert head[place - 1] == "ms/image"
    assert first[place - 1 : place + 1] == ["1.000", "0.800 to 1.500"]


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
