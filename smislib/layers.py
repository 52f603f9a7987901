"""The building blocks of SMIS section 3.3: conditional group norm (CG-Norm), CG-Block.

Groups are what isolates classes: as long as every convolution and every modulation between z_c and a feature
is grouped by class, that feature depends on class c alone.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from . import processes
from .errors import SmisError, did_you_mean
from .patterns import Patterns, convolve


class _SpectralNorm(parametrizations._SpectralNorm):
    """torch's, without iterating on the meta device: seconds for a large network, and nothing to find there."""

    def _power_method(self, weight: Tensor, iterations: int) -> None:
        if not weight.is_meta:
            super()._power_method(weight, iterations)


def spectral_norm(conv: nn.Module, wanted: bool = True) -> nn.Module:
    """Divide a convolution's weight by its largest singular value (Miyato et al. 2018), found by power iteration.

    Where it is not wanted the convolution stays as it is.
    """
    if not wanted:
        return conv
    outputs = 1 if isinstance(conv, nn.ConvTranspose2d) else 0  # the dimension that becomes the matrix's rows
    parametrize.register_parametrization(conv, "weight", _SpectralNorm(conv.weight, dim=outputs))
    return conv


def check_labels(labels: Tensor, channels: int, height: int, width: int) -> None:
    """Raise SmisError when labels (N,...) are not the (N,channels,height,width) that a generator takes."""
    if labels.shape[1:] != (channels, height, width):
        raise SmisError(f"labels are {tuple(labels.shape[1:])}, this generator takes ({channels}, {height}, {width}).")


def interleave_edge(labels: Tensor, C: int) -> Tensor:
    """(N,C+1,H,W) -> (N,2C,H,W): every class map followed by the instance edge, so that groups of two hold both."""
    edge = labels[:, C:].expand(-1, C, -1, -1)
    return torch.stack([labels[:, :C], edge], dim=2).flatten(1, 2)


def strided_convs(channels: tuple[int, ...], *, groups: int = 1, norm: bool = True, spectral: bool = True) -> nn.Sequential:
    """3x3 convolutions of stride 2 from channels[0] on, each with instance norm and leaky ReLU 0.2: the encoders' body.

    Spectral norm goes with instance norm; without `norm` there is neither.
    """
    layers = []
    for i, width in enumerate(channels[1:]):
        conv = nn.Conv2d(channels[i], width, 3, stride=2, padding=1, groups=groups, bias=False)
        if norm:
            layers += [spectral_norm(conv, spectral), nn.InstanceNorm2d(width), nn.LeakyReLU(0.2)]
        else:
            layers += [conv, nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers)


@torch.no_grad()
def initialise_(module: nn.Module, fill: Callable[[Tensor], Any]) -> None:
    """Fill the weight of a convolution or linear layer, below its spectral norm where it has one, and zero its bias."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        normed = hasattr(module, "parametrizations")
        weight = module.parametrizations.weight.original if normed else module.weight
        if weight.is_meta:
            return
        fill(weight)
        for _ in range(15 if normed else 0):
            _ = module.weight  # a power iteration each: the singular vectors were those of the weight just replaced
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def glorot_(module: nn.Module, gain: float) -> None:
    """Glorot's normal initialisation of a convolution or linear layer, zero bias (SPADE and SMIS appendix A: gain 0.02)."""
    initialise_(module, partial(nn.init.xavier_normal_, gain=gain))


def he_(module: nn.Module) -> None:
    """He's initialisation of an encoder without norms, in which a signal must keep its size by itself.

    Times 1.5, since a class fills only a part of each receptive field.
    """
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, a=0.2)
        module.weight.data.mul_(1.5)


class _SumOverProcesses(torch.autograd.Function):
    """The sum of a tensor over all processes. Every process's output depends on it, so the gradients are summed too."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        x = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:  # ty: ignore[incompatible-method-override]
        gradient = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(gradient)
        return gradient


def _synchronised(x: Tensor, eps: float, parts: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """This process's share x (N,channels,h,w) of a batch, normalised by the statistics of each of `parts` parts of the whole
    batch; and mean and unbiased variance of the first part, (channels,).
    """
    N, world, x32 = len(x), dist.get_world_size(), x.float()
    row = torch.arange(dist.get_rank(), N * world, world, device=x.device)  # of the whole batch, which of them are here
    part = torch.arange(parts, device=x.device)
    belongs = (row[:, None] // math.ceil(N * world / parts) == part).float()[..., None]  # (N,parts,1); no matmul: autocast
    pixels = belongs.sum(0) * x[0, 0].numel()  # (parts,1)
    sums = (belongs * x32.sum((2, 3))[:, None]).sum(0)  # (parts,channels)
    sums, n = _SumOverProcesses.apply(torch.cat([sums, pixels], 1)).split([x.shape[1], 1], 1)
    n = n.clamp(min=1)  # a batch may be too small for so many parts
    mean = sums / n
    # in two passes: E[x^2] - E[x]^2 loses a small variance to rounding
    centred = x32 - (belongs * mean).sum(1)[..., None, None]
    squares = (belongs * centred.square().sum((2, 3))[:, None]).sum(0)
    var = _SumOverProcesses.apply(squares) / n
    scale = (belongs * (var + eps).rsqrt()).sum(1)  # (N,channels)
    return (centred * scale[..., None, None]).to(x.dtype), mean[0].detach(), (var[0] * n[0] / (n[0] - 1)).detach()


class BatchNorm2d(nn.BatchNorm2d):
    """torch's, but its statistics span the whole batch, over all processes: also on the CPU, where torch has no sync BN."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or processes.world() == 1:
            return super().forward(x)
        y, mean, var = _synchronised(x, self.eps)
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(var, self.momentum)
        return torch.addcmul(self.bias[:, None, None], y, self.weight[:, None, None])


def batch_statistics_norm(x: Tensor, weight: Tensor, bias: Tensor, *, shared: bool, eps: float = 1e-5) -> Tensor:
    """Batch norm by the statistics of x, at test time too; where it is a `shared` batch, of all processes' x. None are kept."""
    if not shared or processes.world() == 1:
        return F.batch_norm(x, None, None, weight, bias, training=True, eps=eps)
    return torch.addcmul(bias[:, None, None], _synchronised(x, eps)[0], weight[:, None, None])


class ParamFreeBatchNorm(nn.Module):
    """Batch norm without gamma and beta; its statistics span the whole batch, over all processes (sync BN).

    devices: more than one takes them over each of so many parts of the whole batch, as without sync BN on so many devices
    (SMIS appendix D), however many there are here. The running ones are those of the first part.
    """

    def __init__(self, channels: int, devices: int = 1, eps: float = 1e-5, momentum: float = 0.1):
        super().__init__()
        self.devices = devices
        self.eps, self.momentum = eps, momentum
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        if self.training and processes.world() > 1:
            y, mean, var = _synchronised(x, self.eps, self.devices)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(var, self.momentum)
            return y
        if self.training and self.devices > 1:
            first, *others = x.chunk(self.devices)
            return torch.cat(
                [self._local(first), *(F.batch_norm(part, None, None, training=True, eps=self.eps) for part in others)]
            )
        return self._local(x)

    def statistics(self, x: Tensor) -> tuple[Tensor, Tensor] | None:
        """Mean and 1/deviation by which `forward` normalises x, (channels,) each, no gradient; in training the running ones move.

        None where there are several: with several devices.
        """
        mean, var = self.running_mean, self.running_var
        if self.training:
            if self.devices > 1 or processes.world() > 1:
                return None
            mean, var = torch.batch_norm_update_stats(x.detach().float(), mean, var, self.momentum)
        return mean, (var + self.eps).rsqrt()

    def _local(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, self.running_mean, self.running_var, training=self.training, momentum=self.momentum, eps=self.eps)


class AffineBatchNorm(ParamFreeBatchNorm):
    """`ParamFreeBatchNorm` with a learned scale and shift for each channel: the plain sync BN of a network without SPADE."""

    def __init__(self, channels: int, devices: int = 1):
        super().__init__(channels, devices)
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.bias[:, None, None], super().forward(x), self.weight[:, None, None])


class GroupNormPerClass(nn.GroupNorm):
    """Parameter-free group norm with one group per class group (the ablation of SMIS appendix D)."""

    def __init__(self, channels: int, groups: int):
        super().__init__(groups, channels, affine=False)


class CGNorm(nn.Module):
    """Conditional group normalisation (SMIS 3.3, figure 2): norm(x) * (1 + gamma(labels)) + beta(labels).

    gamma and beta come from the label map by grouped convolutions; with groups=1 this is SPADE.

    Args:
        channels: channels of x.
        label_channels: channels of the label input: C, or 2C with instance edges interleaved.
        hidden: channels between the label map and (gamma, beta).
        shared_groups, affine_groups: groups of the first convolution and of the two that follow.
        norm: "batch" (sync over processes), "unsynced" (over a quarter of the batch), "instance" or "group" (one group per
            class group).
        kernel: size of the three convolutions over the label map (SPADE table 4).
    """

    def __init__(
        self,
        channels: int,
        label_channels: int,
        *,
        hidden: int,
        shared_groups: int,
        affine_groups: int,
        norm: str = "batch",
        kernel: int = 3,
    ):
        super().__init__()
        match norm:
            case "batch":
                self.norm = ParamFreeBatchNorm(channels)
            case "unsynced":
                self.norm = ParamFreeBatchNorm(channels, devices=4)  # SMIS 4.1 trains on four
            case "instance":
                self.norm = nn.InstanceNorm2d(channels)
            case "group":
                self.norm = GroupNormPerClass(channels, affine_groups)
            case _:
                raise did_you_mean("norm", norm, ("batch", "unsynced", "instance", "group"))
        self.shared = nn.Conv2d(label_channels, hidden, kernel, padding=kernel // 2, groups=shared_groups)
        self.gamma = nn.Conv2d(hidden, channels, kernel, padding=kernel // 2, groups=affine_groups)
        self.beta = nn.Conv2d(hidden, channels, kernel, padding=kernel // 2, groups=affine_groups)

    def forward(self, x: Tensor, labels: Tensor | Patterns, slope: float = 1.0) -> Tensor:
        """x (N,channels,h,w), labels (N,label_channels,h,w) at the same resolution, or their patterns -> like x.

        slope: of the leaky ReLU that follows; 1 stands for none.
        """
        if isinstance(labels, Patterns):
            table = labels.table(self.shared, self.gamma, self.beta)
            statistics = self.norm.statistics(x) if isinstance(self.norm, ParamFreeBatchNorm) else None
            if statistics is None:
                return labels.modulate(self.norm(x), table, slope)
            return labels.modulate(x, table, slope, statistics, of_x=self.training)
        scale, beta = self.modulation(labels)
        y = torch.addcmul(beta, self.norm(x), scale)
        return y if slope == 1 else F.leaky_relu(y, slope, inplace=True)

    def modulation(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """1 + gamma and beta, each (N,channels,h,w)."""
        hidden = self.shared(labels).relu()  # (N,hidden,h,w)
        return 1 + self.gamma(hidden), self.beta(hidden)


class CGBlock(nn.Module):
    """Residual block of two (CG-Norm, leaky ReLU, grouped 3x3 conv), with a learned grouped 1x1 shortcut where
    the width changes (SMIS figure 2)."""

    def __init__(self, in_channels: int, out_channels: int, label_channels: int, groups: int, spectral: bool, **cgnorm):
        super().__init__()
        middle = min(in_channels, out_channels)
        self.norm_0 = CGNorm(in_channels, label_channels, **cgnorm)
        self.norm_1 = CGNorm(middle, label_channels, **cgnorm)
        self.conv_0 = spectral_norm(nn.Conv2d(in_channels, middle, 3, padding=1, groups=groups), spectral)
        self.conv_1 = spectral_norm(nn.Conv2d(middle, out_channels, 3, padding=1, groups=groups), spectral)
        self.shortcut = None
        if in_channels != out_channels:
            self.norm_s = CGNorm(in_channels, label_channels, **cgnorm)
            self.shortcut = spectral_norm(nn.Conv2d(in_channels, out_channels, 1, groups=groups, bias=False), spectral)

    def forward(self, x: Tensor, labels: Tensor | Patterns) -> Tensor:
        """x (N,in,h,w), labels (N,label_channels,h,w) or their patterns -> (N,out,h,w)."""
        skip = x if self.shortcut is None else convolve(self.shortcut, self.norm_s(x, labels))
        h = convolve(self.conv_0, self.norm_0(x, labels, 0.2))  # (N,middle,h,w)
        h = convolve(self.conv_1, self.norm_1(h, labels, 0.2))  # (N,out,h,w)
        return skip + h
