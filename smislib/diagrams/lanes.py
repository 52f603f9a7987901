"""Layers as boxes and lanes, one for each group, in the colours of the classes that a group holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Polygon, Rectangle

from ..data.spec import Classes
from .reading import Layer

INK, FAINT, PAPER = "#333a40", "#9aa3aa", "#f4f6f8"
SMALL = 7.5  # font size of what stands inside a drawing


@dataclass
class Lanes:
    """Draws layers one after the other along one axis, their groups side by side across it."""

    ax: Axes
    colours: np.ndarray  # (C,3), the classes' own
    widest: int  # channels that fill the unit width
    horizontal: bool = False
    span: float = 1.0  # the unit width, in the units of the axes
    centre: float = 0.0  # across
    thickness: float = 0.46  # of a layer, in steps
    end: tuple[float, float] | Any = None  # (along, across width) that the next layer connects to

    def width(self, channels: int) -> float:
        """Across; a cubic root, so that 3 channels stay visible beside thousands."""
        return self.span * (channels / self.widest) ** (1 / 3)

    def point(self, along: float, across: float) -> tuple[float, float]:
        return (along, self.centre - across) if self.horizontal else (self.centre + across, -along)

    def add(self, layer: Layer, along: float) -> None:
        """Boxes for `layer.groups`, and what each of them reads from the layer before. The axes' limits must be set."""
        width, g = self.width(layer.out_channels), layer.groups
        line = min(1.0, self._points(width / g) / 3)  # edges must not hide narrow boxes
        for j in range(g):
            low, high = j / g, (j + 1) / g
            if self.end:
                before, before_width = self.end
                corners = [
                    self.point(before, (low - 0.5) * before_width),
                    self.point(before, (high - 0.5) * before_width),
                    self.point(along - self.thickness / 2, (high - 0.5) * width),
                    self.point(along - self.thickness / 2, (low - 0.5) * width),
                ]
                tint = 0.25 * self._colours(low, high).mean(0) + 0.75
                self.ax.add_patch(Polygon(corners, facecolor=tint, edgecolor="white", linewidth=0.8 * line, zorder=1))
            self._box(along, (low - 0.5) * width, (high - 0.5) * width, self._colours(low, high), 0.6 * line)
        self.end = (along + self.thickness / 2, width)

    def _points(self, across: float) -> float:
        """A length across in typographic points."""
        a, b = self.ax.transData.transform([self.point(0, 0), self.point(0, across)])
        return float(np.abs(b - a).max()) * 72 / self.ax.get_figure().dpi

    def _colours(self, low: float, high: float) -> np.ndarray:
        """The colours of the classes on the share low..high of the channels."""
        C = len(self.colours)
        return self.colours[int(low * C + 1e-6) : max(int(low * C + 1e-6) + 1, int(np.ceil(high * C - 1e-6)))]

    def _box(self, along: float, low: float, high: float, colours: np.ndarray, line: float) -> None:
        gap = min(0.006 * self.span, 0.12 * (high - low)) * line / 0.6
        a, b = self.point(along - self.thickness / 2, low + gap), self.point(along + self.thickness / 2, high - gap)
        (x0, x1), (y0, y1) = sorted((a[0], b[0])), sorted((a[1], b[1]))
        face = "none" if len(colours) > 1 else colours[0]
        look = {"facecolor": face, "edgecolor": 0.6 * colours.mean(0), "linewidth": line, "zorder": 4}
        look |= {"snap": None if line == 0.6 else False}  # to pixels; narrow boxes would turn into a moiré
        self.ax.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, **look))
        if len(colours) > 1:  # flat over each class, blended between
            ramp = LinearSegmentedColormap.from_list("", np.repeat(colours, 2, 0))(np.linspace(0, 1, 256))[:, :3]
            image = ramp[::-1, None] if self.horizontal else ramp[None]
            self.ax.imshow(image[::-1] if self.horizontal else image, extent=(x0, x1, y0, y1), aspect="auto", zorder=3)


def soft(classes: Classes) -> np.ndarray:
    """The palette (C,3) in 0..1, a little towards white, so that text and edges stand out."""
    return 0.88 * np.array(classes.palette) / 255 + 0.12


def size_text(layer: Layer) -> str:
    return f"{layer.size[0]}×{layer.size[1]}"


def legend(fig: Figure, classes: Classes, y: float) -> None:
    handles = [Rectangle((0, 0), 1, 1, facecolor=colour, edgecolor=0.6 * colour, linewidth=0.6) for colour in soft(classes)]
    fig.legend(handles, classes.names, loc="center", bbox_to_anchor=(0.5, y), ncols=min(len(classes), 8), fontsize=8,
               handlelength=1.0, handleheight=1.0, columnspacing=1.3, handletextpad=0.5)  # fmt: skip


def arrow(ax: Axes, start: Sequence[float], end: Sequence[float], colour: str = INK) -> None:
    style = {"arrowstyle": "-|>", "mutation_scale": 7, "color": colour, "linewidth": 1, "shrinkA": 0, "shrinkB": 0}
    ax.add_patch(FancyArrowPatch(start, end, zorder=2, **style))
