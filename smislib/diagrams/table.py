"""Networks next to each other as one table: the rows are layers, and share their heads; lanes and numbers are each one's own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextPath

from ..errors import SmisError
from .lanes import FAINT, INK, PAPER, Lanes
from .reading import Layer

WIDTH = 7.2  # inches; the text of the paper's page is 6.9 wide
PITCH = 0.34  # inches from row to row
TYPE, FINE = 7.2, 6.4  # font sizes
GAP = 0.12  # inches between columns


@dataclass(frozen=True)
class Panel:
    """One network, or one scale of a discriminator, of a sheet. Layers without a size are built and never called."""

    title: str
    note: str
    layers: tuple[Layer, ...]
    colours: np.ndarray  # (C,3), of the groups


@dataclass(frozen=True)
class Cell:
    """A column of numbers: two heads, and for each layer what stands under them."""

    heads: tuple[str, str]
    entries: Callable[[Layer], tuple[str, str]]
    bold: bool = False


def sheet(panels: Sequence[Panel], cells: Sequence[Cell], width: float = WIDTH) -> Figure:
    """Row heads at the left, then for each panel its lanes and its cells, `width` inches of a figure that is `WIDTH` wide.

    Errors: SmisError where the panels have not the same operations, row for row.
    """
    heads = _heads(panels)
    rows = len(heads)
    left = max(_inches(text, TYPE if i == 0 else FINE) for head in heads for i, text in enumerate(head))
    pitch = (width - left) / len(panels)
    wide = [_cell_width(cell, panels) for cell in cells]
    fig = plt.figure(figsize=(WIDTH, (rows + 2.4) * PITCH))
    ax = fig.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, WIDTH), ylim=(-(rows + 0.5), 1.9))  # inches across, rows down
    ax.set_axis_off()
    for y, (name, operation) in enumerate(heads):
        unused = panels[0].layers[y].size is None
        _entry(ax, 0, y, (name, operation), "left", colour=FAINT if unused else INK)
    _entry(ax, 0, rows, ("parameters", ""), "left")
    ax.plot([0, left], [-rows + 0.45] * 2, color=INK, linewidth=0.8)
    widest = max(layer.out_channels for panel in panels for layer in panel.layers)
    span = pitch - sum(wide) - 1.5 * GAP
    if span < 0.3:
        raise SmisError(
            f"{len(panels)} networks leave {span:.2f} inches for each one's lanes, at least 0.3 are needed: draw fewer."
        )
    for i, panel in enumerate(panels):
        x = left + i * pitch + 1.5 * GAP
        _panel(ax, panel, Lanes(ax, panel.colours, widest, span=span, centre=x + span / 2), cells, wide, x)
    return fig


def _heads(panels: Sequence[Panel]) -> list[tuple[str, str]]:
    """(name, operation) of each row, on which all panels agree."""
    first, *others = [[(layer.name, _operation(layer, b)) for b, layer in _pairs(p.layers)] for p in panels]
    for panel, heads in zip(panels[1:], others, strict=True):
        if heads != first:
            found, expected = sorted(set(heads) - set(first)), sorted(set(first) - set(heads))
            raise SmisError(
                f"{panel.title} has {len(heads)} layers and {panels[0].title} {len(first)}; {found} stands against {expected}. "
                "Networks side by side must have the same operations: draw them in figures of their own."
            )
    return first


def _pairs(layers: Sequence[Layer]) -> list[tuple[Layer | None, Layer]]:
    """Each layer after the one before it."""
    return list(zip((None, *layers[:-1]), layers, strict=True))


def _operation(layer: Layer, before: Layer | None) -> str:
    """What a row does, e.g. "3×3, stride 2, SN, IN, LReLU 0.2"; "↑2" is the upsampling before a block."""
    if layer.size is None:
        return "built and never called"
    grows = layer.kind == "block" and layer.size[0] == 2 * before.size[0]  # ty: ignore[missing-union-attribute]
    words = ["↑2"] if grows else []
    words += [f"{k}×{k}" for k in layer.kernels[:2]]
    words += [f"stride {layer.stride}"] if layer.stride > 1 else []
    return ", ".join([*words, *layer.traits, *(f"{k}×{k} shortcut" for k in layer.kernels[2:])])


def _inches(text: str, size: float, bold: bool = False) -> float:
    font = FontProperties(family=plt.rcParams["font.family"], weight="bold" if bold else "normal")
    return TextPath((0, 0), text, size=size, prop=font).get_extents().x1 / 72 if text else 0.0


def _cell_width(cell: Cell, panels: Sequence[Panel]) -> float:
    entries = [cell.entries(layer) for panel in panels for layer in panel.layers]
    upper, lower = zip(*entries, strict=True)
    fine = max(_inches(text, FINE) for text in (*cell.heads, *lower))
    return GAP + max(fine, *(_inches(text, TYPE, cell.bold) for text in upper))


def _panel(ax: Axes, panel: Panel, lanes: Lanes, cells: Sequence[Cell], wide: Sequence[float], x: float) -> None:
    rows, right = len(panel.layers), x + lanes.span + sum(wide)
    ends = [x + lanes.span + sum(wide[: i + 1]) for i in range(len(cells))]
    ax.text(x, 1.6, panel.title, ha="left", va="center", fontsize=9, fontweight="bold", color=INK)
    ax.text(right, 1.58, panel.note, ha="right", va="center", fontsize=FINE, color=INK)
    for y in (1.3, -rows + 0.45):
        ax.plot([x, right], [y, y], color=INK, linewidth=0.8)
    for end, cell in zip(ends, cells, strict=True):
        for y, text in zip((1.05, 0.69), cell.heads, strict=True):
            ax.text(end, y, text, ha="right", va="center", fontsize=FINE, color=FAINT)
    for y, layer in enumerate(panel.layers):
        if layer.size is None:
            w = lanes.width(layer.out_channels)
            box = Rectangle((lanes.centre - w / 2, -y - lanes.thickness / 2), w, lanes.thickness, facecolor=PAPER)
            box.set(edgecolor=FAINT, linewidth=0.6, linestyle=(0, (3, 2)))
            ax.add_patch(box)
        else:
            lanes.add(layer, y)
        for end, cell in zip(ends, cells, strict=True):
            colour = FAINT if layer.size is None else INK
            _entry(ax, end, y, cell.entries(layer), "right", bold=cell.bold, colour=colour)
    total = sum(layer.parameters for layer in panel.layers)
    _entry(ax, right, rows, (f"{total:,}", ""), "right")


def _entry(ax: Axes, x: float, y: float, texts: tuple[str, str], side: str, bold: bool = False, colour: str = INK) -> None:
    """A strong line over a faint one, or the strong one alone in the middle."""
    upper, lower = texts
    weight = "bold" if bold else "normal"
    ax.text(x, -y + (0.2 if lower else 0), upper, ha=side, va="center", fontsize=TYPE, color=colour, fontweight=weight)
    if lower:
        ax.text(x, -y - 0.22, lower, ha=side, va="center", fontsize=FINE, color=FAINT)
