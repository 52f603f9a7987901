"""How long a picture takes to follow a slider: from the mouse move to the painted frame, in the browser's own clock.

The slider is dragged twice over the same points. Slowly first, waiting at each for the picture: so every value has its
picture. Then fast; each painted picture now says to which value it belongs, and no guess about queues is needed.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from playwright.sync_api import JSHandle, Locator, Page, TimeoutError

from . import pages

WATCH = Path(__file__).with_name("latency.js").read_text()
RESTS = "([seen, quiet]) => performance.now() - Math.max(...[...seen.events, ...seen.frames].map(one => one.time)) > quiet"
QUIET = 200  # ms without an event or a frame: the picture has come to rest


@dataclass
class Latency:
    """`ms`: for each slider event, from the mouse move until a picture of its value, or of a later one, was painted."""

    ms: np.ndarray
    frames_per_second: float
    shown: int  # events whose own picture was painted; the others were overtaken by a newer one

    @property
    def median(self) -> float:
        return float(np.median(self.ms))

    @property
    def p95(self) -> float:
        return float(np.percentile(self.ms, 95))

    def __str__(self) -> str:
        return (
            f"{self.median:.0f} ms median, {self.p95:.0f} ms 95th percentile over {len(self.ms)} slider events, "
            f"{self.shown} of them shown; {self.frames_per_second:.1f} frames/s"
        )


def latency(
    slider: Locator, image: Locator, *, between=(0.1, 0.9), steps: int = 30, interval: float = 0.03, seconds: float = 10
) -> Latency:
    """Drag a slider over `between` (fractions of its track) in `steps`, one every `interval` seconds, watching an <img>.

    Raises AssertionError if a value has no picture within `seconds`, or if the last picture is not that of the last value.
    """
    page, (left, width, y) = slider.page, pages.track(slider)
    points = left + width * np.linspace(*between, steps + 1)
    pages.picture(image, quiet=0.5)  # nothing of an earlier drag is on its way
    seen = page.evaluate_handle(WATCH, [slider.element_handle(), image.element_handle()])
    expected = {}
    pages.take_handle(slider)
    try:
        before = points[0] - (points[1] - points[0]) / 2  # so that going to the first point is an event
        for x in [before, *points, points[0]]:
            _follow(page, seen, expected, x, y, seconds)
        seen.evaluate("seen => (seen.events.length = seen.frames.length = 0)")
        for x in points[1:]:
            page.mouse.move(x, y)
            page.wait_for_timeout(1000 * interval)
    finally:
        page.mouse.up()
    return _matched(*_arrived(page, seen, expected, seconds), expected)


def _follow(page: Page, seen: JSHandle, expected: dict[str, int], x: float, y: float, seconds: float) -> None:
    """Move the mouse, wait for the picture of the slider's new value, and remember it under that value."""
    events, frames = seen.evaluate("seen => [seen.events.length, seen.frames.length]")
    page.mouse.move(x, y)
    page.evaluate("() => new Promise(requestAnimationFrame)")
    if seen.evaluate("seen => seen.events.length") == events:
        return  # the same value still
    try:
        page.wait_for_function(f"seen => seen.frames.length > {frames}", arg=seen, timeout=1000 * seconds)
    except TimeoutError:
        value = seen.evaluate("seen => seen.events.at(-1).value")
        raise AssertionError(f"the picture did not follow the slider to {value}") from None
    page.wait_for_function(RESTS, arg=[seen, QUIET])
    position, value, found = seen.evaluate("s => [s.events.at(-1).position, s.events.at(-1).value, s.frames.at(-1).picture]")
    if expected.setdefault(position, found) != found:
        raise AssertionError(f"slider value {value} has two pictures")


def _arrived(page: Page, seen: JSHandle, expected: dict[str, int], seconds: float) -> tuple[list[dict], list[dict]]:
    """All events and frames, once the picture of the last event has been painted."""
    page.evaluate("() => new Promise(requestAnimationFrame)")
    last = seen.evaluate("seen => seen.events.at(-1)")
    try:
        wait = f"seen => seen.frames.at(-1)?.picture == {expected[last['position']]}"
        page.wait_for_function(wait, arg=seen, timeout=1000 * seconds)
        page.wait_for_function(RESTS, arg=[seen, QUIET])
        assert seen.evaluate(wait)
    except (TimeoutError, AssertionError):
        raise AssertionError(f"the last picture is not that of the last value, {last['value']}: an event was lost") from None
    return seen.evaluate("seen => [seen.events, seen.frames]")


def _matched(events: list[dict], frames: list[dict], expected: dict[str, int]) -> Latency:
    """Give each event the first frame after it that shows its value or a later one."""
    wanted = [expected[event["position"]] for event in events]
    delays = []
    for k, event in enumerate(events):
        paints = [frame["time"] for frame in frames if frame["time"] >= event["time"] and frame["picture"] in wanted[k:]]
        delays.append(min(paints) - event["time"])
    shown = {frame["picture"] for frame in frames}
    seconds = (frames[-1]["time"] - events[0]["time"]) / 1000
    return Latency(np.array(delays), len(shown & set(wanted)) / seconds, sum(picture in shown for picture in wanted))
