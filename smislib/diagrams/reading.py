"""What the drawings say, read off the modules: a `Layer` for each convolution or CG-Block, in the order of the data."""

import copy
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..layers import CGBlock, GroupNormPerClass, ParamFreeBatchNorm
from ..models.discriminators import MultiscaleDiscriminator

NORMS = {nn.InstanceNorm2d: "IN", ParamFreeBatchNorm: "BN", GroupNormPerClass: "GN"}


@dataclass(frozen=True)
class Layer:
    """One convolution, or one CG-Block, of a built network."""

    name: str
    kind: str  # "input", "conv", "block" or "code"
    in_channels: int
    out_channels: int
    groups: int
    stride: int = 1
    size: tuple[int, int] | Any = None  # (height, width) of the output; None where no data passes
    kernels: tuple[int, ...] = ()  # of the convolution; of a block's two, and of its shortcut where that is learned
    traits: tuple[str, ...] = ()  # norms and activation
    parameters: int = 0
    cgnorm: tuple[int, int, int] | None = None  # a block's: hidden channels, shared groups, groups of gamma and beta
    field: int | Any = None  # side of the receptive field, in pixels of the image


def read(networks: nn.Module) -> dict[str, list[Layer]]:
    """{"encoder": [...], "decoder": [...]} in the order of the data flow; sizes by a dry run on the meta device.

    Works on networks on any device, also on ones built under `torch.device("meta")`; they are left as they are.
    """
    networks = copy.deepcopy(networks).to("meta").eval()
    s, E, G, seen = networks.schedule, networks.E, networks.G, {"encoder": [], "decoder": []}

    def watch(part: str, module: nn.Module, layer: Layer) -> None:
        def hook(_module, _inputs, output: Tensor) -> None:
            size = s.z_shape[1:] if layer.kind == "code" else tuple(output.shape[-2:])
            seen[part].append(replace(layer, size=size))

        module.register_forward_hook(hook)

    for i, (conv, after) in enumerate(_stages(E.layers)):
        watch("encoder", conv, _conv(f"conv {i + 1}", conv, after))
    code = replace(_conv("code", E.mu), kind="code", parameters=_count(E.mu) + _count(E.logvar))
    watch("encoder", E.mu, code)
    watch("decoder", G.fc, _conv("fc", G.fc))
    for i, block in enumerate(G.blocks):
        watch("decoder", block, _block(f"block {i + 1}", block))
    for conv, after in _stages(G.fusion):
        watch("decoder", conv, _conv("fuse", conv, after))
    watch("decoder", G.to_rgb, _conv("to RGB", G.to_rgb))
    with torch.no_grad():
        labels = torch.empty(1, s.label_channels, s.height, s.width, device="meta")
        E(torch.empty(1, 3, s.height, s.width, device="meta"), labels)
        G(labels, torch.empty(1, *s.z_shape, device="meta"))
    return seen


def read_unused(G: nn.Module) -> list[Layer]:
    """The block that the released ADE20K generator builds and never calls, or nothing. No data passes: it has no size."""
    return [] if G.unused is None else [_block(f"block {len(G.blocks) + 1}", G.unused)]


def read_discriminator(D: MultiscaleDiscriminator, height: int, width: int) -> list[list[Layer]]:
    """For each scale its input and its convolutions, on images of height x width.

    Receptive fields are those of the convolutions and of the halving; instance norm also sees the whole map's moments.
    """
    D = copy.deepcopy(D).to("meta").eval()
    stages, sizes = [_stages(patch) for patch in D], []  # sizes: (before, after) of each convolution, in order
    for conv, _ in (stage for patch in stages for stage in patch):
        conv.register_forward_hook(lambda _m, inputs, output: sizes.append([tuple(x.shape[-2:]) for x in (inputs[0], output)]))
    channels = stages[0][0][0].in_channels
    with torch.no_grad():
        D(torch.empty(1, channels, height, width, device="meta"))
    scales, passed = [], iter(sizes)
    for scale, patch in enumerate(stages):
        field, jump = 1, 1  # jump: pixels of the image from one cell to the next
        for _ in range(scale):
            field, jump = field + (D.halve.kernel_size - 1) * jump, jump * D.halve.stride
        layers = []
        for i, (conv, after) in enumerate(patch):
            before, size = next(passed)
            if i == 0:
                layers.append(Layer("labels, image", "input", channels, channels, 1, size=before, field=field))
            field, jump = field + (conv.kernel_size[0] - 1) * jump, jump * conv.stride[0]
            name = f"conv {i + 1}" if i < len(patch) - 1 else "logits"
            layers.append(replace(_conv(name, conv, after), size=size, field=field))
        scales.append(layers)
    return scales


def _stages(modules: Iterable[nn.Module]) -> list[tuple[nn.Conv2d, list[nn.Module]]]:
    """Each convolution of a sequence, nested or flat, with what follows it before the next one."""
    stages = []
    for module in modules:
        if isinstance(module, nn.Sequential):
            stages += _stages(module)
        elif isinstance(module, nn.Conv2d):
            stages.append((module, []))
        else:
            stages[-1][1].append(module)
    return stages


def _conv(name: str, conv: nn.Conv2d, after: Iterable[nn.Module] = ()) -> Layer:
    traits = [_trait(module) for module in after]
    return Layer(
        name, "conv", conv.in_channels, conv.out_channels, conv.groups, conv.stride[0],
        kernels=(conv.kernel_size[0],), traits=(*_spectral(conv), *traits), parameters=_count(conv),
    )  # fmt: skip


def _block(name: str, block: CGBlock) -> Layer:
    convs = [conv for conv in (block.conv_0, block.conv_1, block.shortcut) if conv is not None]
    norm = block.norm_0
    return Layer(
        name, "block", block.conv_0.in_channels, block.conv_1.out_channels, block.conv_0.groups,
        kernels=tuple(conv.kernel_size[0] for conv in convs), traits=(_trait(norm.norm), *_spectral(block.conv_0)),
        parameters=_count(block), cgnorm=(norm.shared.out_channels, norm.shared.groups, norm.gamma.groups),
    )  # fmt: skip


def _spectral(conv: nn.Conv2d) -> tuple[str, ...]:
    return ("SN",) if parametrize.is_parametrized(conv, "weight") else ()


def _trait(module: nn.Module) -> str:
    return f"LReLU {module.negative_slope:g}" if isinstance(module, nn.LeakyReLU) else NORMS[type(module)]


def _count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
