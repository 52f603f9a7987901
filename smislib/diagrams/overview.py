"""SMIS figure 2: the architecture, a CG-Block of it, and the CG-Norm in that."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from torch import Tensor, nn

from .. import viz
from ..class_view import crop_by_class, split_by_class
from ..data.spec import Classes
from ..layers import CGBlock, CGNorm
from .lanes import FAINT, INK, PAPER, SMALL, Lanes, arrow, legend, size_text, soft
from .reading import read


def architecture(networks: nn.Module, classes: Classes, image: Tensor, label_map: Tensor, output: Tensor | None = None) -> Figure:
    """SMIS figure 2: (a) encoder, code, decoder with their groups; (b) the first CG-Block that changes the width;
    (c) its CG-Norm.

    Args:
        image: (3,H,W) in [-1,1], at any size: it only illustrates.
        label_map: int64 (H,W).
        output: (3,H,W) in [-1,1], what the network makes of them; a word in its place without it.
    """
    fig = plt.figure(figsize=(10.4, 6.9))
    whole = fig.add_axes((0.0, 0.40, 1.0, 0.58))
    block_ax, norm_ax = fig.add_axes((0.0, 0.05, 0.5, 0.33)), fig.add_axes((0.5, 0.05, 0.5, 0.33))
    for ax in (whole, block_ax, norm_ax):
        ax.set_axis_off()
    _whole(whole, networks, classes, image, label_map, output)
    blocks = list(networks.G.blocks)
    i = next((i for i, b in enumerate(blocks) if b.shortcut is not None), 0)
    _cg_block(block_ax, blocks[i], f"block {i + 1}")
    _cg_norm(norm_ax, blocks[i].norm_0)
    legend(fig, classes, 0.02)
    return fig


def _whole(ax: Axes, networks: nn.Module, classes: Classes, image: Tensor, label_map: Tensor, output: Tensor | None) -> None:
    s, parts = networks.schedule, read(networks)
    layers = parts["encoder"] + parts["decoder"]
    steps, pictures = len(layers) + 0.8, 3.4 if output is None else 3.9
    width, height = ax.get_figure().get_size_inches() * ax.get_position().size
    inches = (width - pictures * 0.41 * height / 1.78) / steps  # a step; a picture is 0.41 of 1.78 high
    unit = 1.78 * inches / height  # height of a square that is one step wide
    side = 0.41 / unit  # of a picture, in steps
    ax.set(xlim=(0, steps + pictures * side), ylim=(-0.92, 0.86))

    def picture(pixels: Tensor, x: float, y: float, side: float, frame: np.ndarray | str = INK) -> None:
        extent = (x, x + side, y - side * unit / 2, y + side * unit / 2)
        ax.imshow(np.asarray(viz.to_pil(pixels)), extent=extent, aspect="auto", zorder=3)
        ax.add_patch(Rectangle((x, extent[2]), side, side * unit, fill=False, edgecolor=frame, linewidth=0.8, zorder=5))

    left = 0.15 * side
    for pixels, y, name in ((viz.colour(label_map[None], classes)[0], 0.54, "label map"), (image, -0.02, "image")):
        picture(pixels, left, y, side)
        ax.text(left + side / 2, y - 0.245, name, ha="center", va="center", fontsize=SMALL, color=INK)
    labels = nn.functional.one_hot(label_map, s.C).movedim(-1, 0)[None].float()
    match s.class_view:  # as the encoder sees them; 0 is mid-grey
        case "mask":
            views = split_by_class(image[None], labels)
        case "crop":
            views, _ = crop_by_class(image[None], labels)
        case _:
            views = image[None].repeat(1, s.C, 1, 1)
    views = views.unflatten(1, (s.C, 3))[0]
    view = {"mask": "split by class", "crop": "split by class,\ncropped"}.get(s.class_view, "the whole image")
    pitch = min(1.16 / s.C, 0.9 * unit)
    at = 1.6 * side
    for c in range(s.C):
        picture(views[c], at, ((s.C - 1) / 2 - c) * pitch, 0.86 * pitch / unit, 0.75 * soft(classes)[c])
    arrow(ax, (left + 1.05 * side, -0.02), (at - 0.1 * side, -0.02))
    above = {"ha": "center", "va": "bottom", "fontsize": 7, "linespacing": 1, "color": INK}
    ax.text(at + 0.43 * pitch / unit, pitch * s.C / 2 + 0.01, view, **above)

    lanes = Lanes(ax, soft(classes), max(la.out_channels for la in layers), horizontal=True)
    lanes.end = (at + pitch / unit, pitch * s.C)
    x = 2.5 * side + 0.3
    for part, members in parts.items():
        start = x
        for layer in members:
            lanes.add(layer, x)
            bold = {"fontweight": "bold", "fontsize": 7.5}
            for y, text, look in ((-0.64, layer.out_channels, {}), (-0.715, layer.groups, bold), (-0.785, size_text(layer), {})):
                ax.text(x, y, str(text), ha="center", va="center", color=INK, **({"fontsize": 5.9} | look))
            if layer.kind == "block":
                half = lanes.width(layer.out_channels) / 2
                arrow(ax, (x, 0.74), (x, half + 0.015), colour=FAINT)
            if layer.kind == "code":
                above = max(0.40, lanes.width(layer.out_channels) / 2 + 0.04)
                ax.text(x, above, "$z = \\mu + \\sigma\\epsilon$", ha="center", fontsize=8.5, color=INK)
            x += 1
        middle = (start + x - 1) / 2
        ax.text(middle, -0.875, part, ha="center", va="center", fontsize=9, color=INK)
        ax.plot([start - 0.35, x - 0.65], [-0.835, -0.835], color=FAINT, linewidth=1)
        x += 0.4
    for y, text in ((-0.64, "channels"), (-0.715, "groups"), (-0.785, "size")):
        ax.text(2.5 * side - 0.3, y, text, ha="right", va="center", fontsize=6.6, color=FAINT)
    last = [i for i, la in enumerate(parts["decoder"]) if la.kind == "block"][-1]
    ax.plot([left + side, x - 1.4 - (len(parts["decoder"]) - 1 - last)], [0.74, 0.74], color=FAINT, linewidth=1)
    arrow(ax, (x - 1.05, 0), (x - 0.65, 0))
    if output is None:
        ax.text(x - 0.5, 0, "generated\nimage", ha="left", va="center", fontsize=8.5, color=INK)
    else:
        picture(output, x - 0.55, 0, side)
        ax.text(x - 0.55 + side / 2, -0.245, "reconstruction", ha="center", va="center", fontsize=SMALL, color=INK)
    ax.text(left, 0.82, "(a)", fontsize=10, fontweight="bold", color=INK, va="center")


def describe(conv: nn.Conv2d) -> str:
    """What a drawing says of a convolution, e.g. "3×3, 64 → 32, g = 4"."""
    k = conv.kernel_size
    return f"{k[0]}×{k[1]}\n{conv.in_channels} → {conv.out_channels}\ng = {conv.groups}"


def _cg_block(ax: Axes, block: CGBlock, name: str) -> None:
    ax.set(xlim=(0, 10.4), ylim=(0, 4.4))
    ax.text(0.15, 4.1, "(b)", fontsize=10, fontweight="bold", color=INK)
    ax.text(0.75, 4.1, f"CG-Block, here {name}", fontsize=9, color=INK)
    y, low = 2.5, 0.75
    ax.text(0.25, y, "x", ha="center", va="center", fontsize=10, style="italic", color=INK)
    _flow_box(ax, 1.85, y, "CG-Norm", "norm")
    _flow_box(ax, 3.85, y, "LReLU\n" + describe(block.conv_0), "conv")
    _flow_box(ax, 5.85, y, "CG-Norm", "norm")
    _flow_box(ax, 7.85, y, "LReLU\n" + describe(block.conv_1), "conv")
    for a, b in ((0.45, 1.05), (2.65, 3.05), (4.65, 5.05), (6.65, 7.05), (8.65, 9.15)):
        arrow(ax, (a, y), (b, y))
    _symbol(ax, 9.4, y, "+")
    arrow(ax, (9.65, y), (10.3, y))
    ax.plot([0.7, 0.7], [y, low], color=INK, linewidth=1)
    ends = [1.85, 5.85]
    if block.shortcut is None:
        ax.plot([0.7, 9.4], [low, low], color=INK, linewidth=1)
    else:
        arrow(ax, (0.7, low), (1.05, low))
        _flow_box(ax, 1.85, low, "CG-Norm", "norm")
        arrow(ax, (2.65, low), (5.05, low))
        _flow_box(ax, 5.85, low, describe(block.shortcut), "conv")
        ax.plot([6.65, 9.4], [low, low], color=INK, linewidth=1)
    arrow(ax, (9.4, low), (9.4, y - 0.25))
    for x in ends:
        arrow(ax, (x, 3.6), (x, y + 0.58), colour=FAINT)
        ax.text(x + 0.12, 3.5, "labels", fontsize=SMALL, color=FAINT, va="center")


def _cg_norm(ax: Axes, norm: CGNorm) -> None:
    ax.set(xlim=(0, 10.4), ylim=(0, 4.4))
    ax.text(0.15, 4.1, "(c)", fontsize=10, fontweight="bold", color=INK)
    ax.text(0.75, 4.1, "its first CG-Norm", fontsize=9, color=INK)
    top, low = 2.9, 0.75
    kind = "batch norm,\nno own γ, β" if norm.norm.__class__.__name__ == "ParamFreeBatchNorm" else "group norm,\nno own γ, β"
    ax.text(0.55, top, "labels", ha="center", va="center", fontsize=8.5, color=INK)
    ax.text(0.55, low, "x", ha="center", va="center", fontsize=10, style="italic", color=INK)
    _flow_box(ax, 2.4, top, describe(norm.shared) + "\nReLU", "conv")
    _flow_box(ax, 5.6, 3.35, "γ:  " + describe(norm.gamma).replace("\n", ",  "), "conv", width=3.2, height=0.62)
    _flow_box(ax, 5.6, 2.45, "β:  " + describe(norm.beta).replace("\n", ",  "), "conv", width=3.2, height=0.62)
    _flow_box(ax, 2.4, low, kind, "norm")
    arrow(ax, (1.05, top), (1.6, top))
    for y in (3.35, 2.45):
        arrow(ax, (3.2, top), (3.98, y))
    arrow(ax, (0.8, low), (1.6, low))
    arrow(ax, (3.2, low), (7.75, low))
    _symbol(ax, 8.0, low, "×")
    _symbol(ax, 9.2, low, "+")
    ax.plot([7.2, 9.2], [2.45, 2.45], color=INK, linewidth=1)
    ax.plot([7.2, 8.0], [3.35, 3.35], color=INK, linewidth=1, zorder=1)
    arrow(ax, (8.0, 3.35), (8.0, low + 0.25))
    arrow(ax, (9.2, 2.45), (9.2, low + 0.25))
    ax.text(8.1, 1.5, "1 + γ", fontsize=8, color=INK, va="center")
    ax.text(9.3, 1.5, "β", fontsize=8, color=INK, va="center")
    arrow(ax, (8.25, low), (8.95, low))
    arrow(ax, (9.45, low), (10.2, low))


def _flow_box(ax: Axes, x: float, y: float, text: str, kind: str, width: float = 1.6, height: float = 1.12) -> None:
    face = {"norm": "#e6eef7", "conv": PAPER}[kind]
    style = "round,pad=0,rounding_size=0.12"
    patch = FancyBboxPatch((x - width / 2, y - height / 2), width, height, boxstyle=style, zorder=3)
    patch.set(facecolor=face, edgecolor=INK, linewidth=0.7)
    ax.add_patch(patch)
    ax.text(x, y, text, ha="center", va="center", fontsize=SMALL, color=INK, zorder=5, linespacing=1.25)


def _symbol(ax: Axes, x: float, y: float, text: str) -> None:
    ax.plot(x, y, marker="o", markersize=13, markerfacecolor="white", markeredgecolor=INK, markeredgewidth=0.8, zorder=4)
    ax.text(x, y, text, ha="center", va="center_baseline", fontsize=10, color=INK, zorder=5)
