"""A real browser, and what tests ask of the page of `swc report` in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

CHROMIUM, CHROMEDRIVER = shutil.which("chromium"), shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(
    CHROMIUM is None or CHROMEDRIVER is None, reason="there is no chromium, or no chromedriver, on the path"
)
WIDE, PHONE = (1280, 900), (375, 800)
Browser = webdriver.Chrome


def look(browser: Browser, size: tuple[int, int], scheme: str) -> None:
    width, height = size
    measures = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", measures)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


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
