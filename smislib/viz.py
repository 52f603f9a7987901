"""Figures: one look for all. A figure carries its caption (preset, seeds) and is saved as PNG and SVG."""

import functools
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from PIL import Image
from torch import Tensor

from . import atomic, paths
from .data.pictures import as_tensor
from .data.spec import Classes, colour

STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "0.92",
    "axes.axisbelow": True,
    "axes.prop_cycle": matplotlib.cycler(
        color=["#3566a8", "#d1603d", "#4c956c", "#8e6bb0", "#c79a2b", "#5b6770", "#c26d9b", "#3aa3a3"]
    ),
    "lines.linewidth": 1.4,
    "legend.frameon": False,
    "figure.dpi": 110,
    "savefig.dpi": 200,
    "svg.fonttype": "none",
    "svg.hashsalt": "smislib",  # the same figure, the same file
}
matplotlib.rcParams.update(STYLE)


OUTLINE = "#ff2bd6"
PAD = 0.08  # inches around a saved figure
NARROWEST = 2.5  # inches of a line of a caption, where the figure is less wide
VECTORS = 12  # pictures in a figure that is also saved as SVG


class Cell(Protocol):
    """A value and its interval, where it has one: a cell of `results`."""

    value: float
    interval: tuple[float, float] | None


def condition(batch: dict, classes: Classes) -> Tensor:
    """What the images of a batch are made from, as RGB (N,3,H,W): label maps in colour, or the pictures of its `input`."""
    if not classes.picture:
        return colour(batch["label_map"], classes)
    return batch["input"].expand(-1, 3, -1, -1) if classes.picture == 1 else batch["input"]


def spotlight(label_map: Tensor, classes: Classes, shown: Sequence[int]) -> Tensor:
    """The label map (N,H,W) in colour where it is one of the classes `shown`, grey elsewhere: (N,3,H,W)."""
    return highlight(colour(label_map, classes), torch.isin(label_map, torch.tensor(list(shown))))


def highlight(images: Tensor, region: Tensor) -> Tensor:
    """Images (N,3,H,W) as they are in the region, bool (N,H,W), pale grey elsewhere."""
    return torch.where(region[:, None], images, 0.4 + 0.12 * images.mean(1, keepdim=True))


def framed(images: Tensor, marked: Tensor, width: int = 2) -> Tensor:
    """Images (N,3,H,W), those that are `marked`, bool (N,), with a frame in the colour of the outlines."""
    inner = torch.zeros(images.shape[-2:], dtype=torch.bool)
    inner[width:-width, width:-width] = True
    colour_ = torch.tensor(matplotlib.colors.to_rgb(OUTLINE))[:, None, None] * 2 - 1
    return torch.where(inner | ~marked[:, None, None, None], images, colour_)


def grid(images: Tensor, columns: int, gap: int = 2) -> Tensor:
    """Images (N,3,H,W) row by row as one (3,H',W'), white between."""
    N, _, H, W = images.shape
    rows = -(-N // columns)
    sheet = torch.ones(3, rows * (H + gap) - gap, columns * (W + gap) - gap)
    for i, image in enumerate(images):
        y, x = (i // columns) * (H + gap), (i % columns) * (W + gap)
        sheet[:, y : y + H, x : x + W] = image
    return sheet


def read_grid(path: Path, size: tuple[int, int], gap: int = 2) -> Tensor:
    """The images (rows,columns,3,H,W) of a file that `grid` made; `size` is their (H,W)."""
    H, W = size
    tiles = as_tensor(np.array(Image.open(path).convert("RGB")))
    return tiles.unfold(1, H, H + gap).unfold(2, W, W + gap).permute(1, 2, 0, 3, 4)


def to_pil(image: Tensor) -> Image.Image:
    """(3,H,W) in [-1,1] -> 8-bit RGB."""
    return Image.fromarray(_to_uint8(image).numpy())


def _to_uint8(image: Tensor) -> Tensor:
    return ((image.clamp(-1, 1) + 1) * 127.5).round().byte().movedim(0, -1).cpu()


def image_rows(
    rows: dict[str, Tensor],
    columns: Sequence[str] | None = None,
    size: float = 0.95,
    title: str = "",
    outlines: dict[str, Tensor] | None = None,
) -> Figure:
    """One row of images (N,3,H,W) for each named entry, names at the left, optional column titles; `size` inches a cell.

    `outlines`: for rows by their names, a region in each image, bool (N,H,W), which is outlined where it is not empty.
    """
    N = max(len(images) for images in rows.values())
    H, W = next(iter(rows.values())).shape[-2:]
    width, height = size * W / max(H, W), size * H / max(H, W)
    fig, axes = plt.subplots(
        len(rows), N, figsize=(N * width, len(rows) * height), squeeze=False, gridspec_kw={"wspace": 0.04, "hspace": 0.04}
    )
    for ax in axes.flat:
        ax.set_axis_off()
    for row, (name, images) in zip(axes, rows.items(), strict=True):
        row[0].text(-0.08, 0.5, name, transform=row[0].transAxes, ha="right", va="center")
        for ax, image in zip(row, images, strict=False):
            ax.imshow(_to_uint8(image).numpy(), interpolation="nearest" if H < 48 else "antialiased")
        for ax, region in zip(row, (outlines or {}).get(name, ()), strict=False):
            _outline(ax, region, OUTLINE)
    for ax, text in zip(axes[0], columns or (), strict=False):
        ax.set_title(text, pad=3)
    if title:
        lines = max((text.count("\n") + 1 for text in columns or ()), default=0)
        above = fig.subplotpars.top + (0.1 + 0.16 * lines) / fig.get_size_inches()[1]  # titles have a height in inches
        fig.suptitle(title, y=max(1.0, above), va="bottom")
    return fig


def captioned(images: Tensor, texts: Sequence[str], columns: int, size: float = 1.0, marked: Sequence[bool] = ()) -> Figure:
    """Images (N,3,H,W) row by row, each above its text, which may have lines; the text of a `marked` one is red."""
    lines, rows = max(text.count("\n") for text in texts) + 1, -(-len(images) // columns)
    fig, axes = plt.subplots(
        rows, columns, figsize=(columns * size, rows * (size + 0.13 * lines)), squeeze=False, gridspec_kw={"wspace": 0.08}
    )
    fig.subplots_adjust(hspace=0.13 * lines / size + 0.1)
    for ax in axes.flat:
        ax.set_axis_off()
    for i, (ax, image, text) in enumerate(zip(axes.flat, images, texts, strict=False)):
        ax.imshow(_to_uint8(image).numpy(), interpolation="nearest" if image.shape[-1] < 48 else "antialiased")
        red = i < len(marked) and marked[i]
        ax.text(0.5, -0.05, text, transform=ax.transAxes, ha="center", va="top", fontsize=7, color="#b3261e" if red else "0.15")
    return fig


def matrix(values: Tensor, names: Sequence[str], ax: plt.Axes, *, rows: str, columns: str, label: str) -> plt.Axes:
    """Values (C,C) in [0,1] as a heat map, the names on both axes; `rows`, `columns` and `label` say what they are."""
    shown = ax.imshow(values, cmap="magma_r", vmin=0, vmax=1)
    ax.set(xlabel=columns, ylabel=rows)
    ax.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    ax.set_yticks(range(len(names)), names, fontsize=7)
    ax.tick_params(length=0)
    ax.grid(False)
    ax.figure.colorbar(shown, ax=ax, shrink=0.6, pad=0.02, label=label).outline.set_visible(False)
    return ax


def curves(history: Sequence[dict], terms: Sequence[str], smooth: int = 5, ax: plt.Axes | None = None) -> plt.Axes:
    """Terms of a run's log over its steps: faint as logged, strong as the running mean over `smooth` entries."""
    ax = ax or plt.subplots(figsize=(4.2, 2.4))[1]
    for term in terms:
        points = [(entry["step"], entry[term]) for entry in history if term in entry]
        steps, values = (torch.tensor(v, dtype=torch.float64) for v in zip(*points, strict=True))
        k = min(smooth, len(values))
        line = ax.plot(steps[k - 1 :], values.unfold(0, k, 1).mean(1), label=term)[0]
        ax.plot(steps, values, color=line.get_color(), alpha=0.25, linewidth=0.8)
    ax.set_xlabel("step")
    ax.legend(ncols=2, fontsize=8)
    return ax


def heat_rows(rows: dict[str, Tensor], regions: Tensor, columns: Sequence[str], size: float = 0.95, label: str = "") -> Figure:
    """One row of maps (K,H,W), non-negative, for each named entry; column k outlines regions[k], bool (K,H,W)."""
    K, (H, W) = len(regions), regions.shape[-2:]
    top = float(torch.quantile(torch.stack(list(rows.values())), 0.995).clamp(min=1e-6))
    fig, axes = plt.subplots(
        len(rows), K, figsize=(K * size * W / max(H, W), len(rows) * size * H / max(H, W)), squeeze=False,
        gridspec_kw={"wspace": 0.05, "hspace": 0.05},
    )  # fmt: skip
    for row, (name, maps) in zip(axes, rows.items(), strict=True):
        row[0].text(-0.08, 0.5, name, transform=row[0].transAxes, ha="right", va="center")
        for ax, values, region in zip(row, maps, regions, strict=True):
            shown = ax.imshow(values, cmap="magma", vmin=0, vmax=top, interpolation="nearest")
            _outline(ax, region, "#7fd4ff")
            ax.set_axis_off()
    for ax, text in zip(axes[0], columns, strict=True):
        ax.set_title(text, pad=3)
    bar = fig.colorbar(shown, cax=fig.add_axes((0.925, 0.25, 0.04 / K, 0.5)), label=label)
    bar.outline.set_visible(False)
    return fig


def _outline(ax: plt.Axes, region: Tensor, color: str) -> None:
    """A line around the region, bool (H,W)."""
    (H, W), framed = region.shape, np.pad(region.numpy().astype(float), 1)  # at the border of the image there is a line too
    if region.any():
        ax.contour(np.arange(-1, W + 1), np.arange(-1, H + 1), framed, levels=[0.5], colors=color, linewidths=0.7)
        ax.set(xlim=(-0.5, W - 0.5), ylim=(H - 0.5, -0.5))


def dots(points: dict[str, tuple[Cell, Cell]], ax: plt.Axes, ratios: Sequence[float] = ()) -> plt.Axes:
    """Named points (x, y) with their intervals on logarithmic axes, and dashed lines along which x / y is constant."""
    ax.set_xscale("log", nonpositive="clip")
    ax.set_yscale("log", nonpositive="clip")
    for name, (x, y) in points.items():
        ax.errorbar(x.value, y.value, xerr=_bars(x), yerr=_bars(y), fmt="o", markersize=5, linewidth=1.1, label=name, zorder=3)
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    for ratio in ratios:
        ax.plot((left, right), (left / ratio, right / ratio), color="0.75", linestyle=(0, (4, 3)), linewidth=0.8, zorder=1)
        end = min(right, high * ratio)
        if left < end and end / ratio > low:
            ax.annotate(f"{ratio:g}", (end, end / ratio), (2, 2), textcoords="offset points", color="0.5", fontsize=7.5)
    ax.set(xlim=(left, right), ylim=(low, high))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    return ax


def _bars(cell: Cell) -> list[list[float]] | None:
    return [[max(0.0, cell.value - cell.interval[0])], [max(0.0, cell.interval[1] - cell.value)]] if cell.interval else None


def legend(rows: Sequence[dict], ax: plt.Axes, columns: int = 1) -> plt.Axes:
    """The classes that stored labels become, each with its colour; `rows` as of `Format.legend`."""
    becomes: dict[tuple, list[str]] = {}
    for row in rows:
        becomes.setdefault((row["class"], row["name"], row["colour"]), []).append(f"{row['stored']} {row['means']}")
    length = -(-len(becomes) // columns)
    for i, ((c, name, rgb), stored) in enumerate(sorted(becomes.items())):
        x, y = i // length, i % length
        side = 0.016 * columns
        ax.add_patch(plt.Rectangle((x, y + 0.15), side, 0.7, facecolor=np.array(rgb) / 255, edgecolor="0.6", linewidth=0.5))
        own = f"{c} {name}"
        text = own if stored == [own] else f"{own} \N{LEFTWARDS ARROW} {', '.join(stored)}"
        ax.text(x + 1.4 * side, y + 0.5, text, va="center", fontsize=6.5)
    ax.set(xlim=(0, columns), ylim=(length, 0))
    ax.set_axis_off()
    return ax


def save(fig: Figure, name: str, caption: str, preset: str) -> list[str]:
    """figures/NAME.png, the caption below the figure; and NAME.svg, but for sheets of pictures. Returns the file names.

    The PNG says in its text chunks what `report` reads: Description, the caption; Picture, the share of its height above it.
    """
    fig.draw_without_rendering()  # until then no layout engine has placed the axes
    drawn, (width, height) = fig.get_tightbbox(), fig.get_size_inches()
    middle, below = (drawn.x0 + drawn.x1) / 2 / width, (drawn.y0 - 0.09) / height
    text = fig.text(middle, below, caption, ha="center", va="top", fontsize=7.5, color="0.35", gid="caption")
    _break(text, max(drawn.width, NARROWEST) * fig.dpi)
    whole = fig.get_tightbbox()
    share = (whole.y1 - drawn.y0 + PAD + 0.05) / (whole.height + 2 * PAD)  # 0.05: above the caption, below the figure
    written = {"png": {"Software": None, "Description": caption, "Picture": f"{share:.4f}"}, "svg": {"Date": None}}
    pictures = sum(len(ax.images) for ax in fig.axes)
    suffixes = ("png", "svg") if pictures <= VECTORS else ("png",)  # as vectors, pixels are megabytes
    folder, names = paths.figures(preset), {suffix: f"{name}.{suffix}" for suffix in suffixes}
    for suffix, file in names.items():
        save = functools.partial(fig.savefig, bbox_inches="tight", pad_inches=PAD, metadata=written[suffix])
        atomic.write(folder / file, save)
    return list(names.values())


def _break(text: Text, width: float) -> None:
    """Break a text into as few lines as are no wider than `width` pixels, of about the same length.

    Matplotlib's own `wrap` breaks anew when a figure is cropped to what it shows, at the edges of the picture.
    """
    said = text.get_text()

    def fits(letters: int) -> bool:
        text.set_text(textwrap.fill(said, letters, break_long_words=False, break_on_hyphens=False))
        return text.get_window_extent().width <= width

    word = max(map(len, said.split()), default=1)
    widest = next((n for n in range(len(said), word, -1) if fits(n)), word)
    fits(widest)
    lines = text.get_text().count("\n")
    for n in range(word, widest + 1):
        if fits(n) and text.get_text().count("\n") == lines:
            break
