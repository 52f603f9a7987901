"""SMIS figures 7-10: networks as tables whose rows are layers, with the lanes of their groups beside the numbers."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from .. import viz
from ..data.spec import Classes
from ..models.discriminators import MultiscaleDiscriminator
from .lanes import FAINT, INK, PAPER, legend, size_text, soft
from .reading import Layer, read, read_discriminator, read_unused
from .table import FINE, PITCH, WIDTH, Cell, Panel, sheet

VIEWS = {"mask": "image, split by class", "crop": "image, split and cropped", "whole": "image"}
SCALES = ("#3566a8", "#d1603d", "#4c956c", "#8e6bb0")  # colours of a discriminator's scales
PICTURE = 1.95  # inches


def _with_parameters(upper: Callable[[Layer], int]) -> Callable[[Layer], tuple[str, str]]:
    def entries(layer: Layer) -> tuple[str, str]:
        n = layer.parameters
        return f"{upper(layer)}", f"{n / 1e6:.2f} M" if n >= 1e5 else f"{n:,}" if n else ""

    return entries


def _cgnorm(layer: Layer) -> tuple[str, str]:
    if layer.cgnorm is None:
        return "", ""
    hidden, shared, affine = layer.cgnorm
    return f"{hidden:,}", f"{shared} / {affine}"


def _channels(layer: Layer) -> tuple[str, str]:
    return f"{'2 × ' if layer.kind == 'code' else ''}{layer.out_channels:,}", size_text(layer) if layer.size else "–"


CHANNELS = Cell(("channels", "size"), _channels)
GROUPS = Cell(("groups", "params"), _with_parameters(lambda layer: layer.groups), bold=True)
FIELD = Cell(("field", "params"), _with_parameters(lambda layer: layer.field), bold=True)
CGNORM = Cell(("CG-Norm", "its groups"), _cgnorm)


def encoders(networks: dict[str, nn.Module], classes: dict[str, Classes]) -> Figure:
    """SMIS figure 8: encoders of the same layers, one panel for each title.

    Args:
        networks: title -> networks with a GroupDNet schedule.
        classes: title -> the label set whose colours the groups have.
    Errors:
        SmisError where the encoders differ in more than channels, groups and sizes.
    """
    panels = []
    for title, n in networks.items():
        s, layers = n.schedule, read(n)["encoder"]
        seen, groups = layers[0].in_channels, 1 if s.class_view == "whole" else s.C
        first = Layer(VIEWS[s.class_view], "input", seen, seen, groups, size=(s.height, s.width))
        pooled = (f"mean over the {'image' if s.class_view == 'whole' else 'class'}",) if s.code == "vector" else ()
        last = replace(layers[-1], name="μ, log σ²", traits=pooled)
        panels.append(Panel(title, f"{s.C} classes", (first, *layers[:-1], last), soft(classes[title])))
    return _with_legend(sheet(panels, [CHANNELS, GROUPS]), classes)


def generators(networks: dict[str, nn.Module], classes: dict[str, Classes]) -> Figure:
    """SMIS figures 9 and 10: generators from the code to the image; arguments and errors as of `encoders`.

    A block that is built and never called stands below the image, in grey; the total includes it.
    """
    panels = []
    for title, n in networks.items():
        parts = read(n)
        code = replace(parts["encoder"][-1], name="code z", kind="input", parameters=0, kernels=())
        layers = [replace(la, name=la.name.replace("block", "CG-Block")) for la in (code, *parts["decoder"], *read_unused(n.G))]
        panels.append(Panel(title, f"{n.schedule.C} classes", tuple(layers), soft(classes[title])))
    return _with_legend(sheet(panels, [CHANNELS, GROUPS, CGNORM]), classes)


def discriminator(D: MultiscaleDiscriminator, height: int, width: int, image: Tensor | None = None) -> Figure:
    """SMIS figure 7: the PatchGAN at each scale, and its receptive fields, layer by layer, on the image.

    Args:
        height, width: of the images that it judges.
        image: (3,H,W) in [-1,1], at any size: it only illustrates.
    """
    scales, halve = read_discriminator(D, height, width), D.halve
    panels = []
    for i, layers in enumerate(scales):
        note = f"mean of {halve.kernel_size}×{halve.kernel_size}, stride {halve.stride}" if i else "full size"
        tint = 0.62 * np.array([to_rgb(SCALES[i % len(SCALES)])]) + 0.38
        panels.append(Panel(f"scale {i + 1}", note, tuple(layers), tint))
    fig = sheet(panels, [CHANNELS, FIELD], width=WIDTH - PICTURE - 0.2)
    tall = fig.get_figheight()
    ax = fig.add_axes((1 - PICTURE / WIDTH, 0.5 * PITCH / tall, PICTURE / WIDTH, 1 - 2.2 * PITCH / tall), anchor="N")
    _fields(ax, scales, height, width, image)
    return fig


def _with_legend(fig: Figure, classes: dict[str, Classes]) -> Figure:
    """The names of the colours, for the one label set that is small enough to tell them apart."""
    small = [c for c in classes.values() if len(c) <= 16]
    if len(small) == 1:
        legend(fig, small[0], -0.02)
    return fig


def _fields(ax: Axes, scales: list[list[Layer]], height: int, width: int, image: Tensor | None) -> None:
    """The field of one cell after each layer as nested squares, in pixels of the image; the first scale's above the others'."""
    ax.set_axis_off()
    ax.set_title("receptive field of one cell", fontsize=FINE, color=FAINT, pad=3)
    frame = (0, width, 0, height)
    if image is not None:
        ax.imshow(np.asarray(viz.to_pil(0.5 + 0.5 * image)), extent=frame, zorder=0)  # pale, under the squares
    ax.add_patch(Rectangle((0, 0), width, height, facecolor=PAPER if image is None else "none", edgecolor=INK, linewidth=0.8))
    corners = [(0.0, 0.0), (float(width), float(height))]
    for i, (colour, layers) in enumerate(zip(SCALES, scales, strict=False)):
        x, y = (0.26 * width, 0.74 * height) if i == 0 else (0.64 * width, 0.36 * height)
        for layer in layers[1:]:
            side, last = layer.field, layer is layers[-1]
            square = Rectangle((x - side / 2, y - side / 2), side, side, edgecolor=colour, linewidth=1.6 if last else 0.8)
            square.set(facecolor=(*to_rgb(colour), 0.06), zorder=3)
            ax.add_patch(square)
        side = layers[-1].field
        ax.text(x, y + side / 2, f"{side} × {side}", ha="center", va="center", fontsize=FINE, color="white", zorder=4,
                bbox={"boxstyle": "round,pad=0.2", "facecolor": colour, "edgecolor": "none"})  # fmt: skip
        corners += [(x - side / 2, y - side / 2), (x + side / 2, y + side / 2)]
    (x0, y0), (x1, y1) = np.min(corners, 0) - 0.01 * width, np.max(corners, 0) + 0.01 * width
    ax.set(xlim=(x0, x1), ylim=(y0, y1), aspect="equal")
