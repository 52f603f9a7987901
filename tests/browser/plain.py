# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Plain widgets
#
# What the browser tests are tested on: a slider that repaints a square inside a picture, a slider that loses events, and
# a canvas to paint on.

# %%
import io

import ipywidgets
import numpy as np
from ipycanvas import Canvas
from IPython.display import display
from PIL import Image

# %% tags=["parameters"]
fail = False


# %%
def draw(hue: int) -> bytes:
    """A PNG, 64x64: grey, with a square whose colour is the slider's."""
    pixels = np.full((64, 64, 3), 128, np.uint8)
    pixels[16:48, 16:48] = hue, 255 - hue, 40
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


slider = ipywidgets.IntSlider(value=0, max=100, description="hue")
lossy = ipywidgets.IntSlider(value=0, max=100, description="lossy")
picture = ipywidgets.Image(value=draw(0), layout={"width": "256px"})
picture.add_class("plain-picture")
went_back = False


def follow(event: dict) -> None:
    picture.value = draw(2 * event["new"])


def follow_badly(event: dict) -> None:
    """Loses every value above 60 once the slider has gone back."""
    global went_back
    went_back |= event["new"] < event["old"]
    if not (went_back and event["new"] > 60):
        picture.value = draw(2 * event["new"])


slider.observe(follow, "value")
lossy.observe(follow_badly, "value")
display(ipywidgets.VBox([slider, lossy, picture]))

# %%
canvas, other = Canvas(width=200, height=150), Canvas(width=1, height=1)
canvas.add_class("plain-canvas")
canvas.layout.width, canvas.layout.height = "200px", "150px"
pressed = False


def blank() -> None:
    other.clear()  # ipycanvas names the canvas only when it changes: a new page (Voila, a reload) has not heard it
    canvas.fill_style = "white"
    canvas.fill_rect(0, 0, 200, 150)
    canvas.fill_style = "red"


def stroke(x: float, y: float, down: bool = False) -> None:
    global pressed
    pressed |= down
    if pressed:
        canvas.fill_circle(x, y, 6)


def release(x: float, y: float) -> None:
    global pressed
    pressed = False


canvas.on_client_ready(blank)
canvas.on_mouse_down(lambda x, y: stroke(x, y, down=True))
canvas.on_mouse_move(stroke)
canvas.on_mouse_up(release)
display(canvas)

# %%
if fail:
    raise ValueError("asked to fail")
