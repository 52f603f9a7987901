"""SMIS figures 2 and 3 drawn from built networks: every channel, group, stride and size is read off the modules.

A layer is a row of boxes, one for each group; a box has the colours of the classes that its group holds. While groups
are pure the lanes stay apart; where classes share a group their colours run into each other.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Polygon, Rectangle
from torch import Tensor, nn

from . import viz
from .data.spec import Classes
from .layers import CGBlock, CGNorm, crop_by_class, split_by_class

INK, FAINT, PAPER = "#333a40", "#9aa3aa", "#f4f6f8"
SMALL = 7.5  # font size of what stands inside a drawing


@dataclass(frozen=True)
class Layer:
    """One convolution, or one CG-Block, of a built network."""

    name: str
    kind: str  # "conv", "block" or "code"
    in_channels: int
    out_channels: int
    groups: int
    stride: int
    size: tuple[int, int]  # (height, width) of the output


def read(networks: nn.Module) -> dict[str, list[Layer]]:
    """{"encoder": [...], "decoder": [...]} in the order of the data flow; sizes by a dry run on the meta device.

    Works on networks on any device, also on ones built under `torch.device("meta")`; they are left as they are.
    """
    networks = copy.deepcopy(networks).to("meta").eval()
    s, seen = networks.schedule, []

    def watch(module: nn.Module, part: str, name: str) -> None:
        conv = module.conv_0 if isinstance(module, CGBlock) else module
        kind = "block" if isinstance(module, CGBlock) else "code" if name == "code" else "conv"
        width = module.conv_1.out_channels if kind == "block" else conv.out_channels

        def hook(_module, _inputs, output: Tensor) -> None:
            size = s.z_shape[1:] if kind == "code" else tuple(output.shape[-2:])
            seen.append((part, Layer(name, kind, conv.in_channels, width, conv.groups, conv.stride[0], size)))

        module.register_forward_hook(hook)

    for i, conv in enumerate(m for m in networks.E.layers if isinstance(m, nn.Conv2d)):
        watch(conv, "encoder", f"conv {i + 1}")
    watch(networks.E.mu, "encoder", "code")
    watch(networks.G.fc, "decoder", "fc")
    for i, block in enumerate(networks.G.blocks):
        watch(block, "decoder", f"block {i + 1}")
    for conv in (m for m in networks.G.fusion if isinstance(m, nn.Conv2d)):
        watch(conv, "decoder", "fuse")
    watch(networks.G.to_rgb, "decoder", "to RGB")
    with torch.no_grad():
        labels = torch.empty(1, s.label_channels, s.height, s.width, device="meta")
        networks.E(torch.empty(1, 3, s.height, s.width, device="meta"), labels)
        networks.G(labels, torch.empty(1, *s.z_shape, device="meta"))
    return {part: [layer for p, layer in seen if p == part] for part in ("encoder", "decoder")}


# --- lanes -----------------------------------------------------------------------------------------------------------


@dataclass
class _Lanes:
    """Draws layers one after the other along one axis, their groups side by side across it."""

    ax: Axes
    colours: np.ndarray  # (C,3), the classes' own
    widest: int  # channels that fill the unit width
    horizontal: bool = False
    centre: float = 0.0  # across
    thickness: float = 0.46  # of a layer, in steps
    end: tuple[float, float] | None = None  # (along, across width) that the next layer connects to

    def width(self, channels: int) -> float:
        """Across; a cubic root, so that 3 channels stay visible beside thousands."""
        return (channels / self.widest) ** (1 / 3)

    def point(self, along: float, across: float) -> tuple[float, float]:
        return (along, self.centre - across) if self.horizontal else (self.centre + across, -along)

    def add(self, layer: Layer, along: float) -> None:
        """Boxes for `layer.groups`, and what each of them reads from the layer before."""
        width, g = self.width(layer.out_channels), layer.groups
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
                self.ax.add_patch(Polygon(corners, facecolor=tint, edgecolor="white", linewidth=0.8, zorder=1))
            self._box(along, (low - 0.5) * width, (high - 0.5) * width, self._colours(low, high))
        self.end = (along + self.thickness / 2, width)

    def _colours(self, low: float, high: float) -> np.ndarray:
        """The colours of the classes on the share low..high of the channels."""
        C = len(self.colours)
        return self.colours[int(low * C + 1e-6) : max(int(low * C + 1e-6) + 1, int(np.ceil(high * C - 1e-6)))]

    def _box(self, along: float, low: float, high: float, colours: np.ndarray) -> None:
        gap = min(0.006, 0.12 * (high - low))
        a, b = self.point(along - self.thickness / 2, low + gap), self.point(along + self.thickness / 2, high - gap)
        (x0, x1), (y0, y1) = sorted((a[0], b[0])), sorted((a[1], b[1]))
        face = "none" if len(colours) > 1 else colours[0]
        look = {"facecolor": face, "edgecolor": 0.6 * colours.mean(0), "linewidth": 0.6, "zorder": 4}
        self.ax.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, **look))
        if len(colours) > 1:  # flat over each class, blended between
            ramp = LinearSegmentedColormap.from_list("", np.repeat(colours, 2, 0))(np.linspace(0, 1, 256))[:, :3]
            image = ramp[::-1, None] if self.horizontal else ramp[None]
            self.ax.imshow(image[::-1] if self.horizontal else image, extent=(x0, x1, y0, y1), aspect="auto", zorder=3)


def _soft(classes: Classes) -> np.ndarray:
    """The palette (C,3) in 0..1, a little towards white, so that text and edges stand out."""
    return 0.88 * np.array(classes.palette) / 255 + 0.12


def _size(layer: Layer) -> str:
    return f"{layer.size[0]}×{layer.size[1]}"


def _legend(fig: Figure, classes: Classes, y: float) -> None:
    handles = [Rectangle((0, 0), 1, 1, facecolor=colour, edgecolor=0.6 * colour, linewidth=0.6) for colour in _soft(classes)]
    fig.legend(handles, classes.names, loc="center", bbox_to_anchor=(0.5, y), ncols=min(len(classes), 8), fontsize=8,
               handlelength=1.0, handleheight=1.0, columnspacing=1.3, handletextpad=0.5)  # fmt: skip


# --- figure 3 --------------------------------------------------------------------------------------------------------


def side_by_side(networks: dict[str, nn.Module], classes: Classes) -> Figure:
    """SMIS figure 3: networks next to each other, image at the top, image at the bottom, one column of lanes each."""
    layers = {title: read(n) for title, n in networks.items()}
    widest = max(la.out_channels for parts in layers.values() for part in parts.values() for la in part)
    rows = max(sum(map(len, parts.values())) for parts in layers.values()) + 3.2
    fig, axes = plt.subplots(1, len(layers), figsize=(3.6 * len(layers), 0.37 * rows), squeeze=False)
    fig.subplots_adjust(0.0, 0.05, 1.0, 0.96, wspace=0.02)
    for ax, (title, parts) in zip(axes[0], layers.items(), strict=True):
        _column(ax, networks[title], parts, _Lanes(ax, _soft(classes), widest))
        ax.set(xlim=(-0.98, 1.42), ylim=(-rows + 0.9, 0.75))
        ax.set_axis_off()
        ax.set_title(title, x=0.98 / 2.4, fontsize=11, fontweight="bold", color=INK)
    _legend(fig, classes, 0.02)
    return fig


def _column(ax: Axes, networks: nn.Module, parts: dict[str, list[Layer]], lanes: _Lanes) -> None:
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
            ax.text(0.76, -y, f"{name}, {_size(layer)}", ha="left", va="center", fontsize=6.8, color=FAINT)
            y += 1
            if layer.kind == "block" and s.mask_features and layer is [m for m in members if m.kind == "block"][-1]:
                y = _masks(ax, lanes, y, s.C, layer)
        ax.text(-0.93, -(top + y - 1) / 2, part, rotation=90, ha="center", va="center", fontsize=8.5, color=INK)
        ax.plot([-0.87, -0.87], [-top + 0.3, -y + 0.7], color=FAINT, linewidth=1)
        y += 0.4
    ax.text(0, -y + 0.55, "image", ha="center", va="center", fontsize=SMALL, color=INK)


def _masks(ax: Axes, lanes: _Lanes, y: float, C: int, layer: Layer) -> float:
    """MulNet: every class network's features times that class's mask, then their sum."""
    before, width = lanes.end
    for c in range(C):
        x = ((c + 0.5) / C - 0.5) * width
        ax.plot([x, x, 0], [-before, -y + 0.18, -y - 0.16], color=0.75 * lanes.colours[c], linewidth=1, zorder=1)
        ax.plot(x, -y + 0.18, marker="o", markersize=4.2, markerfacecolor="white", markeredgecolor=INK, markeredgewidth=0.6)
    ax.plot(0, -y - 0.16, marker="o", markersize=8, markerfacecolor="white", markeredgecolor=INK, markeredgewidth=0.7)
    ax.text(0, -y - 0.17, "+", ha="center", va="center", fontsize=8, color=INK)
    ax.text(-0.58, -y + 0.1, "× masks, summed", ha="center", va="center", fontsize=6.2, color=FAINT)
    lanes.end = (y + 0.3, lanes.width(layer.out_channels // C))
    return y + 1


# --- figure 2 --------------------------------------------------------------------------------------------------------


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
    _legend(fig, classes, 0.02)
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
        picture(views[c], at, ((s.C - 1) / 2 - c) * pitch, 0.86 * pitch / unit, 0.75 * _soft(classes)[c])
    _arrow(ax, (left + 1.05 * side, -0.02), (at - 0.1 * side, -0.02))
    above = {"ha": "center", "va": "bottom", "fontsize": 7, "linespacing": 1, "color": INK}
    ax.text(at + 0.43 * pitch / unit, pitch * s.C / 2 + 0.01, view, **above)

    lanes = _Lanes(ax, _soft(classes), max(la.out_channels for la in layers), horizontal=True)
    lanes.end = (at + pitch / unit, pitch * s.C)
    x = 2.5 * side + 0.3
    for part, members in parts.items():
        start = x
        for layer in members:
            lanes.add(layer, x)
            bold = {"fontweight": "bold", "fontsize": 7.5}
            for y, text, look in ((-0.64, layer.out_channels, {}), (-0.715, layer.groups, bold), (-0.785, _size(layer), {})):
                ax.text(x, y, str(text), ha="center", va="center", color=INK, **({"fontsize": 5.9} | look))
            if layer.kind == "block":
                half = lanes.width(layer.out_channels) / 2
                _arrow(ax, (x, 0.74), (x, half + 0.015), colour=FAINT)
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
    _arrow(ax, (x - 1.05, 0), (x - 0.65, 0))
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
        _arrow(ax, (a, y), (b, y))
    _symbol(ax, 9.4, y, "+")
    _arrow(ax, (9.65, y), (10.3, y))
    ax.plot([0.7, 0.7], [y, low], color=INK, linewidth=1)
    ends = [1.85, 5.85]
    if block.shortcut is None:
        ax.plot([0.7, 9.4], [low, low], color=INK, linewidth=1)
    else:
        _arrow(ax, (0.7, low), (1.05, low))
        _flow_box(ax, 1.85, low, "CG-Norm", "norm")
        _arrow(ax, (2.65, low), (5.05, low))
        _flow_box(ax, 5.85, low, describe(block.shortcut), "conv")
        ax.plot([6.65, 9.4], [low, low], color=INK, linewidth=1)
    _arrow(ax, (9.4, low), (9.4, y - 0.25))
    for x in ends:
        _arrow(ax, (x, 3.6), (x, y + 0.58), colour=FAINT)
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
    _arrow(ax, (1.05, top), (1.6, top))
    for y in (3.35, 2.45):
        _arrow(ax, (3.2, top), (3.98, y))
    _arrow(ax, (0.8, low), (1.6, low))
    _arrow(ax, (3.2, low), (7.75, low))
    _symbol(ax, 8.0, low, "×")
    _symbol(ax, 9.2, low, "+")
    ax.plot([7.2, 9.2], [2.45, 2.45], color=INK, linewidth=1)
    ax.plot([7.2, 8.0], [3.35, 3.35], color=INK, linewidth=1, zorder=1)
    _arrow(ax, (8.0, 3.35), (8.0, low + 0.25))
    _arrow(ax, (9.2, 2.45), (9.2, low + 0.25))
    ax.text(8.1, 1.5, "1 + γ", fontsize=8, color=INK, va="center")
    ax.text(9.3, 1.5, "β", fontsize=8, color=INK, va="center")
    _arrow(ax, (8.25, low), (8.95, low))
    _arrow(ax, (9.45, low), (10.2, low))


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


def _arrow(ax: Axes, start: Sequence[float], end: Sequence[float], colour: str = INK) -> None:
    style = {"arrowstyle": "-|>", "mutation_scale": 7, "color": colour, "linewidth": 1, "shrinkA": 0, "shrinkB": 0}
    ax.add_patch(FancyArrowPatch(start, end, zorder=2, **style))
