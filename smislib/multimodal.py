"""The objectives of two baselines that make a plain image-to-image network multi-modal: BicycleGAN and DSCGAN."""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .errors import SmisError
from .losses import FromNoise, Perceptual, Terms, kl, lsgan_d, lsgan_g
from .sample import Noise


@dataclass(frozen=True)
class Bicycle:
    """The loss weights of BicycleGAN (1711.11586, section 3.4; released defaults)."""

    l1: float = 10.0  # |B - G(A, E(B))|
    latent: float = 0.5  # |E(G(A, z)) - z|
    kl: float = 0.01  # per nat of one image's code
    backbone: ClassVar[str] = "none"  # no perceptual loss


class BicycleObjective:
    """Two cycles at once. cVAE-GAN: an image's code must give the image back. cLR-GAN: an image's code must come back.

    Half of a batch is encoded, as released; its labels also get drawn codes, whose images D "lr" holds against the other
    half. The latent regression trains G alone: E would learn to hide the code in what it can read.
    """

    multiple_of = 2  # images on a device

    def __init__(self, weights: Bicycle, perceptual: Perceptual | None):
        self.weights = weights

    def fake(self, networks: nn.Module, batch: dict, noise: Noise) -> Tensor:
        """(N,3,H,W) of both cycles: encoded codes, then drawn ones."""
        return self._both(networks, batch, noise)[0]

    def _both(self, networks: nn.Module, batch: dict, noise: Noise) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The fakes, the codes that were drawn, mu and logvar."""
        image, labels = (batch[key][: _half(batch)] for key in ("image", "labels"))
        mu, logvar = networks.E(image, labels)
        encoded = mu + noise.normal(mu.shape).to(mu) * (0.5 * logvar).exp()
        drawn = noise.normal(mu.shape).to(mu)
        return networks.G(torch.cat([labels, labels]), torch.cat([encoded, drawn])), drawn, mu, logvar

    def generator(self, networks: nn.Module, batch: dict, noise: Noise, progress: float) -> tuple[Terms, Tensor]:
        """The terms of G and E, and the fakes as `fake` gives them."""
        E, D, w = networks.E, networks.D, self.weights
        image, labels = (batch[key][: _half(batch)] for key in ("image", "labels"))
        fake, drawn, mu, logvar = self._both(networks, batch, noise)
        reconstructed, invented = fake.chunk(2)
        E.requires_grad_(False)
        regressed = E(invented, labels)[0]
        E.requires_grad_(True)
        terms = {
            "gan_vae": _fool(D["vae"], labels, reconstructed),
            "gan_lr": _fool(D["lr"], labels, invented),
            "l1": w.l1 * F.l1_loss(reconstructed, image),
            "latent": w.latent * F.l1_loss(regressed, drawn),
            "kl": w.kl * kl(mu, logvar),
        }
        return terms, fake

    def discriminator(self, networks: nn.Module, batch: dict, fake: Tensor, noise: Noise) -> Terms:
        """`fake` carries no gradient."""
        half, (reconstructed, invented) = _half(batch), fake.chunk(2)
        pairs = torch.cat([batch["labels"], batch["image"]], dim=1)  # (N,C+3,H,W)
        first, second = pairs[:half], pairs[half:]
        labels = batch["labels"][:half]
        return {
            "vae": _tell(networks.D["vae"], first, torch.cat([labels, reconstructed], dim=1)),
            "lr": _tell(networks.D["lr"], second, torch.cat([labels, invented], dim=1)),
        }


@dataclass(frozen=True)
class DiversitySensitive:
    """The loss weights of DSCGAN (1901.09024, section 3; released settings for BicycleGAN's networks)."""

    l1: float = 10.0
    diversity: float = 8.0  # lambda
    clamp: float = 10.0  # tau
    backbone: ClassVar[str] = "none"  # no perceptual loss


class DiversitySensitiveObjective(FromNoise):
    """GAN + L1, minus how far apart the images of two codes are for the distance of the codes. There is no encoder."""

    def __init__(self, weights: DiversitySensitive, perceptual: Perceptual | None):
        self.weights = weights

    def generator(self, networks: nn.Module, batch: dict, noise: Noise, progress: float) -> tuple[Terms, Tensor]:
        """The terms of G, and the fake (N,3,H,W) of its first code. As released, the second image is held fixed."""
        image, labels, w = batch["image"], batch["labels"], self.weights
        shape = (len(image), *networks.schedule.z_shape)
        z, other = (noise.normal(shape).to(image) for _ in range(2))
        fake = networks.G(labels, z)
        with torch.no_grad():
            second = networks.G(labels, other)
        terms = {
            "gan": _fool(networks.D, labels, fake),
            "l1": w.l1 * F.l1_loss(fake, image),
            "diversity": -w.diversity * diversity(fake, second, z, other, w.clamp),
        }
        return terms, fake

    def discriminator(self, networks: nn.Module, batch: dict, fake: Tensor, noise: Noise) -> Terms:
        """`fake` carries no gradient."""
        real, fake = (torch.cat([batch["labels"], x], dim=1) for x in (batch["image"], fake))
        return {"lsgan": _tell(networks.D, real, fake)}


def diversity(a: Tensor, b: Tensor, z_a: Tensor, z_b: Tensor, clamp: float) -> Tensor:
    """min(|a - b| / |z_a - z_b|, clamp), mean over pairs (1901.09024, section 3). |.| is a mean over elements.

    a, b (N,3,H,W) are images of the codes z_a, z_b (N,...). Without the clamp the ratio has no upper bound, and G would
    trade realism for it without end.
    """
    apart, codes_apart = ((x - y).abs().flatten(1).mean(1) for x, y in ((a, b), (z_a, z_b)))  # (N,)
    return (apart / codes_apart.clamp(min=1e-5)).clamp(max=clamp).mean()


def _half(batch: dict) -> int:
    n = len(batch["image"])
    if n % 2:
        raise SmisError(f"BicycleGAN splits each batch in two; found {n} images on a device. Make train.batch even on each.")
    return n // 2


def _fool(D: nn.Module, labels: Tensor, fake: Tensor) -> Tensor:
    """What G minimises, summed over scales as released."""
    return sum(lsgan_g(scale[-1]) for scale in D(torch.cat([labels, fake], dim=1)))  # ty: ignore[invalid-explicit-return]


def _tell(D: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """What D minimises, summed over scales; each input (n,C+3,H,W)."""
    logits = [scale[-1].split([len(real), len(fake)]) for scale in D(torch.cat([real, fake]))]
    return sum(lsgan_d(r, f) for r, f in logits)  # ty: ignore[invalid-explicit-return]
