"""SMIS figure 3: MulNet, GroupNet and GroupDNet next to each other."""

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import nn

from ..data.spec import Classes
from .lanes import FAINT, INK, SMALL, Lanes, legend, size_text, soft
from .reading import Layer, read


def side_by_side(networks: dict[str, nn.Module], classes: Classes) -> Figure:
    """SMIS figure 3: networks next to each other, image at the top, image at the bottom, one column of lanes each."""
    layers = {title: read(n) for title, n in networks.items()}
    widest = max(la.out_channels for parts in layers.values() for part in parts.values() for la in part)
    rows = max(sum(map(len, parts.values())) for parts in layers.values()) + 3.2
    fig, axes = plt.subplots(1, len(layers), figsize=(3.6 * len(layers), 0.37 * rows), squeeze=False)
    fig.subplots_adjust(0.0, 0.05, 1.0, 0.96, wspace=0.02)
    for ax, (title, parts) in zip(axes[0], layers.items(), strict=True):
        ax.set(xlim=(-0.98, 1.42), ylim=(-rows + 0.9, 0.75))
        _column(ax, networks[title], parts, Lanes(ax, soft(classes), widest))
        ax.set_axis_off()
        ax.set_title(title, x=0.98 / 2.4, fontsize=11, fontweight="bold", color=INK)
    legend(fig, classes, 0.02)
    return fig


def _column(ax: Axes, networks: nn.Module, parts: dict[str, list[Layer]], lanes: Lanes) -> None:
    s, y = networks.schedule, 1.0
    view = "the whole image" if s.class_view == "whole" else f"image split into {s.C} classes"
    ax.text(0, -0.05, view, ha="center", va="center", fontsize=SMALL, color=INK)
    for x, head in ((-0.58, "channels"), (0.58, "groups")):
        ax.text(x, 0.42, head, ha="right" if x < 0 else "left", va="center", fontsize=SMALL, color=FAINT)
    lanes.end = (0.3, lanes.width(parts["encoder"][0].in_channels * (1 if s.class_view == "whole" else 4)))
    for part, members in parts.items():
        top = y
        for layer in members:
            lanes.add(layer, y)
            name = {"code": "$\\mu,\\ \\sigma$"}.get(layer.name, layer.name)
            ax.text(-0.58, -y, f"{layer.out_channels:,}", ha="right", va="center", fontsize=SMALL, color=INK)
            ax.text(0.58, -y, f"{layer.groups}", ha="left", va="center", fontsize=SMALL, color=INK, fontweight="bold")
            ax.text(0.76, -y, f"{name}, {size_text(layer)}", ha="left", va="center", fontsize=6.8, color=FAINT)
            y += 1
            if layer.kind == "block" and s.mask_features and layer is [m for m in members if m.kind == "block"][-1]:
                y = _masks(ax, lanes, y, s.C, layer)
        ax.text(-0.93, -(top + y - 1) / 2, part, rotation=90, ha="center", va="center", fontsize=8.5, color=INK)
        ax.plot([-0.87, -0.87], [-top + 0.3, -y + 0.7], color=FAINT, linewidth=1)
        y += 0.4
    ax.text(0, -y + 0.55, "image", ha="center", va="center", fontsize=SMALL, color=INK)


def _masks(ax: Axes, lanes: Lanes, y: float, C: int, layer: Layer) -> float:
    """MulNet: every class network's features times that class's mask, then their sum."""
    before, width = lanes.end
    for c in range(C):
        x = ((c + 0.5) / C - 0.5) * width
        ax.plot([x, x, 0], [-before, -y + 0.18, -y - 0.16], color=0.75 * lanes.colours[c], linewidth=1, zorder=1)
        ax.plot(x, -y + 0.18, marker="o", markersize=4.2, markerfacecolor="white", markeredgecolor=INK, markeredgewidth=0.6)
    ax.plot(0, -y - 0.16, marker="o", markersize=8, markerfacecolor="white", markeredgecolor=INK, markeredgewidth=0.7)
    ax.text(0, -y - 0.17, "+", ha="center", va="center", fontsize=8, color=INK)
    ax.text(-0.58, -y + 0.1, "× masks,\nsummed", ha="center", va="center", fontsize=6.2, color=FAINT)
    lanes.end = (y + 0.3, lanes.width(layer.out_channels // C))
    return y + 1
