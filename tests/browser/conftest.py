"""One browser for all tests of the page, and pages that several of them open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from selenium import webdriver
from swc.folders.store import open_build
from swc.report.document import page_of
from swc.report.gather import report_of

from support.browser import CHROMEDRIVER, CHROMIUM, WIDE, Browser, look
from support.reports import whole_run

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


@pytest.fixture(scope="session")
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
