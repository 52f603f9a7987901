"""`make app`: its pages have a kernel each, and a bad upload is a message."""

import json
import time

import numpy as np
import pytest
from playwright.sync_api import Page

from . import servers
from .pages import artefacts, drag, fresh, picture, screenshot, sticking_out, widget

SHOWN = "() => [...document.querySelectorAll('img.smis-image, .smis-image img')].some(image => image.naturalWidth > 0)"


@pytest.fixture(scope="module")
def address(browser, tmp_path_factory):
    with servers.app(tmp_path_factory.mktemp("app")) as address:
        yield address


def opened(page: Page, address: str) -> float:
    """Open the app; returns the seconds until its first picture."""
    started, end = time.monotonic(), time.monotonic() + 120
    while True:  # it listens a moment after it has said so
        try:
            page.goto(address, timeout=120_000)
            break
        except Exception:
            assert time.monotonic() < end
            time.sleep(0.3)
    page.wait_for_function(SHOWN, timeout=120_000)
    return time.monotonic() - started


def test_two_pages_do_not_disturb_each_other(address, browser):
    with fresh(browser) as one, fresh(browser) as two:
        first = opened(one, address)
        one.wait_for_timeout(15_000)  # for the kernel that is kept ready
        second = opened(two, address)
        print(f"\nthe app's first picture: {first:.1f} s, and {second:.1f} s where a kernel is ready")
        (artefacts() / "app.json").write_text(json.dumps({"first_s": first, "ready_s": second}))
        images = [widget(page, ".smis-image").first for page in (one, two)]
        before = [picture(image) for image in images]
        assert np.array_equal(*before)
        drag(widget(one, "upper clothes").first, to=0.9)
        picture(images[0], unlike=before[0])
        screenshot(one, "app")
        assert np.array_equal(picture(images[1]), before[1])


def test_a_bad_upload_is_a_message_and_the_kernel_lives(address, page):
    page.set_viewport_size({"width": 480, "height": 1200})
    opened(page, address)
    assert sticking_out(page) == []
    page.get_by_role("tab", name="Painter").click()
    with page.expect_file_chooser() as chooser:
        page.locator(".smis-painter-upload-label-map").first.click()
    chooser.value.set_files({"name": "map.png", "mimeType": "image/png", "buffer": b"this is no picture"})
    said = page.locator(".smis-error:visible")
    said.wait_for(timeout=30_000)
    screenshot(page, "app_bad_upload")
    assert "map.png" in said.first.text_content()
    image = widget(page, ".smis-painter-image")
    before = picture(image)
    page.get_by_role("button", name="resample", exact=True).locator("visible=true").first.click()
    picture(image, unlike=before)
