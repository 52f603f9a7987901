"""Fixtures of the browser tests: one JupyterLab, one Voila and one Chromium for all of them, a fresh page for each.

Package scope, not session: Playwright's loop runs while it is open, and other tests call `asyncio.run`.
"""

import shutil

import pytest
from playwright.sync_api import Page, sync_playwright

from . import pages, servers

CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run"]


@pytest.fixture(scope="package")
def browser():
    """Debian's Chromium, headless; skips where there is none."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium found: the browser tests need one (Debian, Ubuntu: `apt install chromium`)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def lab(browser, tmp_path_factory):
    """JupyterLab: `lab.open(page, source, dark=False, preset="smoke")`."""
    with servers.lab(tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture(scope="package")
def voila(browser, tmp_path_factory):
    """Voila: `voila.open(page, source, dark=False, preset="smoke")`."""
    with servers.voila(tmp_path_factory.mktemp("voila")) as server:
        yield server


@pytest.fixture
def page(browser):
    """An empty page of the test's own; `pages.fresh` makes one that several tests share."""
    with pages.fresh(browser) as page:
        yield page


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A screenshot of the page on which a test failed."""
    report = yield
    if report.when == "call" and report.failed:
        for page in (value for value in item.funcargs.values() if isinstance(value, Page)):
            pages.screenshot(page, f"failed_{item.name}")
    return report


def pytest_terminal_summary(terminalreporter):
    if pages.kept:
        terminalreporter.write_line(f"{len(pages.kept)} screenshots in {pages.artefacts()}")
