"""LPIPS (Zhang et al., 1801.03924) on two backbones behind one small interface.

`alexnet()` is the papers' metric: AlexNet features, learned channel weights v0.1 of the `lpips` package.
`embedded()` is the same formula on the small shipped network, with uniform weights: the squared difference of unit
feature vectors, summed over channels, averaged over space, averaged over stages. It is never shown as plain "LPIPS".

Since the channel weights w are not negative, sum_c w_c (a_c - b_c)^2 is a plain squared distance between features scaled
by sqrt(w): an image is embedded once, however many pairs it takes part in.
"""

import warnings
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import SmisError
from . import backbones

ALEXNET = backbones.Official(
    "alexnet-owt-7be5be79.pth", "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth", "AlexNet for LPIPS"
)


class Lpips:
    """A perceptual distance. Images are float (N,3,H,W) in [-1,1]; distances are >= 0.

    `layers` maps images on `device` to feature maps, one per layer; `channel_weights` has one weight (c,) or number per layer.
    """

    def __init__(
        self,
        layers: Callable[[Tensor], Sequence[Tensor]],
        channel_weights: Sequence[Tensor | float],
        *,
        name: str,
        suffix: str,
        weight_hash: str,
        implementation: str,
        device: str | torch.device = "cpu",
    ):
        self.layers, self.name, self.suffix, self.weight_hash, self.device = layers, name, suffix, weight_hash, device
        self.scales = [torch.as_tensor(w, dtype=torch.float32, device=device).sqrt().view(-1, 1, 1) for w in channel_weights]
        self.protocol = {
            "distance": implementation,
            "backbone": name,
            "weights": weight_hash,
            "image range": "[-1,1]",
        }

    @torch.no_grad()
    def embed(self, images: Tensor) -> list[Tensor]:
        """Scaled unit features, one (N,c,h,w) per layer: what `distance` and `distance_map` compare."""
        if images.ndim != 4 or images.shape[1] != 3:
            raise SmisError(f"LPIPS needs images (N,3,H,W) in [-1,1], found a tensor of shape {tuple(images.shape)}.")
        maps = self.layers(images.to(self.device))
        return [F.normalize(f, dim=1, eps=1e-10) * s for f, s in zip(maps, self.scales, strict=True)]

    @staticmethod
    def distance(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
        """Embedded pairs -> (N,)."""
        return sum((x - y).square_().sum(1).mean((1, 2)) for x, y in zip(a, b, strict=True))  # ty: ignore[invalid-explicit-return]

    @staticmethod
    def distance_map(a: Sequence[Tensor], b: Sequence[Tensor], size: tuple[int, ...]) -> Tensor:
        """Embedded pairs -> (N,H,W): every layer's map, bilinear at `size`, summed."""
        maps = [(x - y).square_().sum(1, keepdim=True) for x, y in zip(a, b, strict=True)]
        return sum(F.interpolate(m, size=size, mode="bilinear", align_corners=False) for m in maps)[:, 0]

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Images (N,3,H,W) -> distances (N,)."""
        return self.distance(self.embed(a), self.embed(b))

    def consecutive(self, images: Tensor) -> Tensor:
        """Images (k,3,H,W) -> distances (k-1,) of each to the next. Every image is embedded once."""
        return self.distance(*neighbours(self.embed(images)))

    def spatial(self, a: Tensor, b: Tensor) -> Tensor:
        """Images (N,3,H,W) -> where they differ, (N,H,W)."""
        return self.distance_map(self.embed(a), self.embed(b), tuple(a.shape[-2:]))


def neighbours(features: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Embedded images (k,c,h,w) of each layer as pairs: all but the last, and what comes after each."""
    return [f[:-1] for f in features], [f[1:] for f in features]


def embedded(device: str | torch.device = "cpu") -> Lpips:
    """`LPIPS[embedded]`: the shipped `metric` network."""
    return from_network(backbones.load("metric", device))


def from_network(net: backbones.FeatureNet) -> Lpips:
    """LPIPS on a FeatureNet: uniform channel weights, mean over its stages."""
    stages = len(net.channels)
    return Lpips(
        net.features,
        [1.0 / stages] * stages,
        name="embedded/metric",
        suffix="[embedded]",
        weight_hash=net.weight_hash,
        implementation="smislib.metrics.lpips, uniform weights, mean over stages",
        device=net.centre.device,
    )


def alexnet(device: str | torch.device = "cpu") -> Lpips:
    """The papers' LPIPS: AlexNet of torchvision, linear weights v0.1 of the `lpips` package.

    Raises SmisError, before any work, when the AlexNet weights are neither in `SMIS_WEIGHTS` nor in torch's hub cache.
    """
    path = ALEXNET.find()
    import lpips  # imports torchvision, which the embedded path does not need

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lpips calls torchvision with its old `pretrained` argument
        net = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    state = ALEXNET.read(path)
    trunk = {name: f"features.{name.split('.', 1)[1]}" for name in net.net.state_dict()}  # slice2.3.bias: features.3.bias
    lacking = sorted(set(trunk.values()) - set(state))
    if lacking:
        raise SmisError(f"{path} is not torchvision's AlexNet: it lacks {lacking[0]}. {ALEXNET.advice()}")
    net.net.load_state_dict({name: state[key] for name, key in trunk.items()})
    net = net.to(device).eval().requires_grad_(False)
    return Lpips(
        lambda x: net.net(net.scaling_layer(x)),
        [lin.model[-1].weight.flatten() for lin in net.lins],
        name="AlexNet",
        suffix="",
        weight_hash=backbones.file_hash(path),
        implementation="lpips 0.1, linear weights v0.1",
        device=device,
    )
