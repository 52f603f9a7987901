"""Codes and images: encode, draw, generate, resample one class, mix, manipulate, interpolate. Noise always comes from outside.

Everything here takes the `Networks` of an experiment in eval mode and returns tensors without gradients.
z is (N, *z_shape); where codes have class parts, class c owns the channels `class_slice(networks, c)`. A model that gives one
image per label map has z_shape None, and z = None everywhere. OASIS also takes a vector for each pixel, `noise_map`.
"""

import hashlib
from typing import Any

import torch
from torch import Tensor, nn

from .errors import SmisError, did_you_mean


def generator(*keys: int | str) -> torch.Generator:
    """A CPU noise source that depends on `keys` alone, e.g. (seed, "eval", step): the same keys, the same noise."""
    digest = hashlib.sha256(repr(keys).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


class Noise:
    """The noise of one step: standard normal, drawn for the global batch, of which each device takes its rows.

    So the numbers do not depend on how many devices there are. `rank` takes rows rank, rank + world, ...
    """

    def __init__(self, rng: torch.Generator, rank: int = 0, world: int = 1, device: torch.device | None = None):
        self.rng, self.rank, self.world = rng, rank, world
        self.device = device  # where the draws are wanted; None: on the CPU

    def normal(self, shape: torch.Size | tuple[int, ...]) -> Tensor:
        """This device's part of the next draw; `shape` is that of its part."""
        return self._sent(torch.randn(shape[0] * self.world, *shape[1:], generator=self.rng)[self.rank :: self.world])

    def classes(self, prior: Tensor, n: int) -> Tensor:
        """n classes of the distribution `prior` (C,), one-hot float (n,C); a row is a draw. Let `prior` be on the CPU."""
        return self._sent(draw_classes(prior, n * self.world, self.rng)[self.rank :: self.world])

    def _sent(self, drawn: Tensor) -> Tensor:
        """Draws on the way to the device, from page-locked memory: the host does not wait for it to finish what it is at."""
        if self.device is None or self.device.type != "cuda":
            return drawn
        return drawn.pin_memory().to(self.device, non_blocking=True)


def class_slice(networks: nn.Module, c: int) -> slice:
    """The channels of z that class c owns."""
    s = networks.schedule
    if not hasattr(s, "z_channels"):
        raise SmisError("the code of this model has no class parts: it belongs to the whole image, or there is none.")
    if not 0 <= c < s.C:
        raise SmisError(f"class {c} is outside [0, {s.C}).")
    return slice(c * s.z_channels, (c + 1) * s.z_channels)


def draw(networks: nn.Module, n: int, rng: torch.Generator, truncation: float | None = None) -> Tensor | Any:
    """n codes from N(0,1): (n, *z_shape), on the networks' device; None for a model without codes.

    `truncation` t > 0: from the part of N(0,1) in [-t, t], for better and less varied images (BigGAN, 1809.11096, 3.1).
    Raises SmisError for any other t.
    """
    shape = networks.schedule.z_shape
    if shape is None:
        return None
    if truncation is None:
        return torch.randn(n, *shape, generator=rng).to(_device(networks))
    if not truncation > 0:
        raise SmisError(f"truncation={truncation}: codes are drawn from [-t, t] for a t above 0; None draws from all of N(0,1).")
    share = torch.special.erf(torch.tensor(truncation / 2**0.5, dtype=torch.float64))  # of N(0,1) that lies in [-t, t]
    u = torch.rand(n, *shape, generator=rng, dtype=torch.float64) * 2 - 1
    return (torch.erfinv(u * share) * 2**0.5).float().to(_device(networks))


def draw_classes(prior: Tensor, n: int, rng: torch.Generator) -> Tensor:
    """n classes of the distribution `prior` (C,) as one-hot float (n,C), on its device."""
    drawn = torch.multinomial(prior.cpu(), n, replacement=True, generator=rng)
    return torch.nn.functional.one_hot(drawn, len(prior)).float().to(prior.device)


def conditions(networks: nn.Module, labels: Tensor, rng: torch.Generator) -> Tensor:
    """What as many images as there are `labels` (N,...) are made for: the labels, or, for networks of the BigGAN family, N
    classes drawn from those that they were trained with, (N,C): these need not be the data set's.
    """
    return draw_classes(networks.prior, len(labels), rng) if hasattr(networks, "prior") else labels


@torch.inference_mode()
def encode(networks: nn.Module, image: Tensor, labels: Tensor) -> Tensor:
    """The mean code mu of images (N,3,H,W) in [-1,1] with labels (N,C,H,W): (N, *z_shape), on the networks' device.

    Raises SmisError for a model without an encoder.
    """
    if networks.E is None:
        raise SmisError("this model has no encoder: smislib.draw gives its codes, None where it has none.")
    device = _device(networks)
    return networks.E(image.to(device), labels.to(device))[0]


@torch.inference_mode()
def generate(networks: nn.Module, labels: Tensor, z: Tensor | None, batch: int = 64) -> Tensor:
    """Images (N,3,H,W) in [-1,1] on the CPU, of labels (N,C,H,W) and codes (N, *z_shape), `batch` at a time.

    One label map (1,C,H,W) serves any number of codes, and one code any number of label maps. z is None for a model without
    codes; classes (N,C) take the place of labels for the BigGAN family.
    """
    n = len(labels) if z is None else max(len(labels), len(z))
    device, images = _device(networks), []
    for i in range(0, n, batch):
        k = min(batch, n - i)
        part = labels if len(labels) == 1 else labels[i : i + k]  # one is broadcast: gamma and beta are computed once
        code = None if z is None else (z.expand(k, *z.shape[1:]) if len(z) == 1 else z[i : i + k]).to(device)
        images.append(networks.G(part.to(device), code).float().cpu())
    return torch.cat(images)


def reconstruct(networks: nn.Module, image: Tensor, labels: Tensor) -> Tensor:
    """Images (N,3,H,W) in [-1,1], encoded and generated with the same labels (N,C,H,W); on the CPU.

    Raises SmisError for a model without an encoder.
    """
    return generate(networks, labels, encode(networks, image, labels))


def resample(
    networks: nn.Module, z: Tensor | Any, c: int, k: int, rng: torch.Generator, labels: Tensor | None = None
) -> Tensor | Any:
    """k copies (k, *z_shape) of one code z (1, *z_shape) that differ in z_c alone.

    A model whose code has no class parts (VSPADE) changes its whole code, as in SMIS figure 4. One whose code is 3-D noise
    (OASIS) takes another vector at the pixels of class c, for which it needs the `labels` (1,C,H,W); z may be a map.
    Raises SmisError for a class that there is not, and where such labels are missing.
    """
    if not networks.schedule.controls_classes:
        return draw(networks, k, rng)
    if has_noise_map(networks):
        if labels is None:
            raise SmisError("the code of this model is a vector for each pixel: give the `labels` whose class c is to change.")
        return renewed(networks, z, labels[:, c] > 0.5, k, rng)
    codes, own = z.repeat(k, *[1] * (z.dim() - 1)), class_slice(networks, c)
    codes[:, own] = draw(networks, k, rng)[:, own]
    return codes


def vary(networks: nn.Module, labels: Tensor, c: int | None, k: int, rng: torch.Generator) -> Tensor:
    """k images (k,3,H,W) of one label map (1,C,H,W) whose codes differ only in z_c (c None: in everything).

    Without a code they are the same image k times.
    """
    z = draw(networks, 1 if c is not None else k, rng)
    images = generate(networks, labels, z if c is None else resample(networks, z, c, k, rng, labels))
    return images.expand(k, -1, -1, -1)


NOISE = ("image", "class", "pixel")  # what has a vector of 3-D noise of its own


def has_noise_map(networks: nn.Module) -> bool:
    """Whether the code may be a map (N,z_dim,H,W): a vector for each pixel (OASIS)."""
    return networks.schedule.controls_classes and not hasattr(networks.schedule, "z_channels")


def noise_map(networks: nn.Module, labels: Tensor, n: int, rng: torch.Generator, each: str = "image") -> Tensor:
    """n maps of 3-D noise (n,z_dim,H,W) for one label map (1,C,H,W): a vector for each "image", "class" or "pixel".

    OASIS trains with one for the image; the others change it in part (2012.04781, section 3.3). Pixels without a label have
    a vector of their own.
    """
    s = networks.schedule
    if not has_noise_map(networks):
        raise SmisError("the code of this model is no 3-D noise: `draw` gives its codes.")
    if each not in NOISE:
        raise did_you_mean("3-D noise", each, NOISE)
    if each == "pixel":
        return torch.randn(n, s.z_dim, s.height, s.width, generator=rng).to(_device(networks))
    classes = labels[0, : s.C] if each == "class" else labels.new_zeros(0, s.height, s.width)
    regions = torch.cat([classes, 1 - classes.sum(0, keepdim=True)])  # (regions,H,W), of which each pixel is in one
    vectors = torch.randn(n, len(regions), s.z_dim, generator=rng)
    return torch.einsum("nrz,rhw->nzhw", vectors, regions.cpu()).to(_device(networks))


def renewed(networks: nn.Module, z: Tensor, region: Tensor, k: int, rng: torch.Generator) -> Tensor:
    """k copies (k,z_dim,H,W) of 3-D noise z, (1,z_dim) or (1,z_dim,H,W), with another vector in `region`, bool (1,H,W).

    The region may be a class, one object, or anything else.
    """
    other = draw(networks, k, rng)[:, :, None, None]
    return torch.where(region[:, None].to(other.device), other, z if z.dim() == 4 else z[:, :, None, None])


def mix(networks: nn.Module, base: Tensor, parts: dict[int, Tensor]) -> Tensor:
    """`base` (N, *z_shape) with z_c taken from `parts[c]`, (1 or N, *z_shape), for every class c in it (appearance mixture,
    SMIS 4.4.3). Raises SmisError for a class that there is not, and for a model whose code has no class parts.
    """
    codes = base.clone()
    for c, source in parts.items():
        own = class_slice(networks, c)
        codes[:, own] = source[:, own]
    return codes


def manipulate(
    networks: nn.Module,
    image: Tensor,
    labels: Tensor,
    edited: Tensor,
    parts: dict[int, Tensor] | None = None,
    rng: torch.Generator | None = None,
) -> Tensor:
    """`image` (N,3,H,W) with `labels` (N,C,H,W), as it looks with the labels `edited` (k,C,H,W): every class keeps its
    appearance (semantic manipulation, SMIS 4.4.3). k = N, or N = 1 and any number of edits. Returns (k,3,H,W) on the CPU.

    A code belongs to a class, not to an instance: what is inserted looks like the others of its class in the image. A class
    that the image lacks has nothing to keep: its code is `parts[c]`, e.g. that of the image it was cut from (see `mix`), or
    is drawn with `rng`. Raises SmisError where it has neither.
    """
    if len(image) not in (1, len(edited)):
        raise SmisError(f"{len(image)} images cannot take {len(edited)} edited label maps: give one image, or one for each.")
    z = encode(networks, image, labels)
    z = mix(networks, z.expand(len(edited), *z.shape[1:]), parts or {})
    if networks.schedule.controls_classes:
        here, wanted = (part[:, : networks.schedule.C].flatten(2).any(2).cpu() for part in (labels, edited))
        new = {c: rows for c, rows in enumerate((wanted & ~here).T) if rows.any() and c not in (parts or {})}
        if new and rng is None:
            raise SmisError(f"the image has no class {', '.join(map(str, new))}: give its code in `parts`, or `rng` to draw it.")
        drawn = draw(networks, len(z), rng) if new and rng else z
        for c, rows in new.items():
            own = class_slice(networks, c)
            z[rows, own] = drawn[rows, own]
    return generate(networks, edited, z)


def interpolate(networks: nn.Module, a: Tensor, b: Tensor, t: Tensor, classes: list[int] | None = None) -> Tensor:
    """Codes on the line from a to b (each (1, *z_shape)) at t (k,) in [0,1], for some classes or all: (k, *z_shape).

    Style morphing of SMIS. Raises SmisError as `mix` does.
    """
    rest = [1] * (a.dim() - 1)
    line = a + t.to(a).view(-1, *rest) * (b - a)
    return line if classes is None else mix(networks, a.repeat(len(t), *rest), {c: line for c in classes})


def _device(networks: nn.Module) -> torch.device:
    return next(networks.parameters()).device
