"""What happens meanwhile: the monitor of a run that is training, a rater before a study, a film of a morph."""

import io
import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from PIL import Image

from .pages import fresh, picture, run_all, screenshot
from .test_interface import INTERFACE

FOLLOWING = Path(__file__).with_name("following.py")
TRAIN = [sys.executable, "-m", "smislib", "train", "groupdnet", "--preset", "smoke", "--set", "train.steps=30", "--no-progress"]


@pytest.fixture(scope="module")
def trained(lab, browser):
    """A page on which the monitor waited for a run, saw it grow and saw it end."""
    with fresh(browser) as page:
        lab.open(page, FOLLOWING)
        run_all(page)
        monitor = page.locator(".smis-monitor")
        monitor.get_by_text("no step in the log yet").wait_for()
        training = subprocess.Popen(TRAIN, env=os.environ | {"SMIS_HOME": str(lab.home)})
        said = monitor.get_by_text(re.compile(r"step \d+ of 30"))
        said.wait_for(timeout=120_000)
        growing = picture(monitor.locator(".smis-curves"))
        monitor.get_by_text("finished: 30 steps").wait_for(timeout=120_000)
        assert training.wait() == 0
        yield page, monitor, growing


def test_a_monitor_waits_for_a_run_and_follows_it_to_its_end(trained):
    _, monitor, growing = trained
    picture(monitor.locator(".smis-curves"), unlike=growing)
    assert picture(monitor.locator(".smis-samples")).std() > 1
    screenshot(monitor, "monitor")


def test_a_rater_answers_with_buttons_and_with_keys(trained, lab):
    page, *_ = trained
    page.evaluate("() => void jupyterapp.commands.execute('notebook:run-all-cells')")
    page.get_by_role("button", name="Begin").click()
    page.locator("img[src^='data:image/png']").first.wait_for()
    page.wait_for_timeout(400)  # a click at once would still belong to what was there before
    shown = screenshot(page, "rating")
    yes = page.get_by_role("button", name=re.compile(r"^yes \("))
    yes.click()
    page.get_by_text("2 of 50").wait_for()
    page.wait_for_timeout(400)
    page.get_by_placeholder(re.compile("^keys:")).press_sequentially("n")
    page.get_by_text("3 of 50").wait_for()
    (file,) = (lab.home / "studies" / "tried").glob("*.jsonl")
    answers = [json.loads(line)["answer"] for line in file.read_text().splitlines() if "answer" in line]
    assert answers == ["yes", "no"], shown


def test_a_film_of_a_morph(lab, page):
    lab.open(page, INTERFACE)
    run_all(page)
    morph = page.locator(".smis-morph")
    morph.locator(".smis-morph-export").click()
    link = morph.locator("a[download='morph.gif']")
    link.wait_for(timeout=60_000)
    with urllib.request.urlopen(link.get_attribute("href")) as file, Image.open(io.BytesIO(file.read())) as film:
        assert film.format == "GIF"
        assert film.n_frames == 22  # 12 there and 10 back
    screenshot(morph, "morph_film")
