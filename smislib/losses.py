"""Objectives. Every function returns a scalar that is a mean over the batch.

An objective is what the training loop calls: `generator(networks, batch, noise, progress)` gives the weighted terms and
the fake, `discriminator(networks, batch, fake, noise)` the terms of D, `fake(networks, batch, noise)` a fake alone. `progress` is
the share of the steps that are done.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from .errors import SmisError, did_you_mean
from .metrics import backbones
from .patterns import LARGE
from .sample import Noise

Terms = dict[str, Tensor]  # name -> weighted scalar; the loss is their sum


def hinge_d(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge loss of D on logits of any shape (SPADE, SMIS 3.5)."""
    return 0.5 * ((1 - real).relu().mean() + (1 + fake).relu().mean())


def hinge_g(fake: Tensor) -> Tensor:
    """What G minimises against the hinge."""
    return -fake.mean()


def lsgan_d(real: Tensor, fake: Tensor) -> Tensor:
    """Least squares: D's logits of real images to 1, of fakes to 0 (pix2pixHD, BicycleGAN)."""
    return 0.5 * ((real - 1).square().mean() + fake.square().mean())


def lsgan_g(fake: Tensor) -> Tensor:
    """What G minimises against least squares."""
    return (fake - 1).square().mean()


def vanilla_d(real: Tensor, fake: Tensor) -> Tensor:
    """Cross-entropy of D's logits, real against fake: -log D(real) - log(1 - D(fake)) (Goodfellow et al. 2014, pix2pix)."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def vanilla_g(fake: Tensor) -> Tensor:
    """What G minimises against it: -log D(fake), not log(1 - D(fake)), which saturates (pix2pix 3.3)."""
    return F.softplus(-fake).mean()


GAN_LOSSES = {"hinge": (hinge_d, hinge_g), "lsgan": (lsgan_d, lsgan_g)}  # name -> (of D, of G)


def kl(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, exp logvar) || N(0,1)) in nats: summed over one image's code, mean over images. SMIS equation 1."""
    mu, logvar = mu.float(), logvar.float()  # hundreds of terms: too many for half precision
    return -0.5 * (1 + logvar - mu.square() - logvar.exp()).flatten(1).sum(1).mean()


def feature_matching(real: list[list[Tensor]], fake: list[list[Tensor]]) -> Tensor:
    """L1 between D's features of real and fake, logits excluded; sum over layers, mean over scales (pix2pixHD)."""
    per_scale = [sum(F.l1_loss(f, r) for r, f in zip(rs[:-1], fs[:-1], strict=True)) for rs, fs in zip(real, fake, strict=True)]
    return sum(per_scale) / len(per_scale)


def paired_terms(
    D: nn.Module,
    batch: dict,
    fake: Tensor,
    weights: "VaeGan | PairedGan",
    perceptual: "Perceptual | None",
    gan_g: Callable[[Tensor], Tensor],
) -> Terms:
    """What G minimises where each fake has its real image: GAN (mean over scales), feature matching, perceptual."""
    on_fake = D(torch.cat([batch["labels"], fake], dim=1))
    terms: Terms = {"gan": sum(gan_g(scale[-1]) for scale in on_fake) / len(on_fake)}  # ty: ignore[invalid-assignment]
    if weights.feature:
        with torch.no_grad():
            on_real = D(torch.cat([batch["labels"], batch["image"]], dim=1))
        terms["feature"] = weights.feature * feature_matching(on_real, on_fake)
    return terms if perceptual is None else terms | {"perceptual": weights.perceptual * perceptual(fake, batch["image"])}


def real_against_fake(D: nn.Module, batch: dict, fake: Tensor, gan_d: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """What D minimises, mean over scales. Real and fake go through D together, as one batch."""
    labels = batch["labels"]
    both = D(torch.cat([torch.cat([labels, labels]), torch.cat([fake, batch["image"]])], dim=1))
    logits = [scale[-1].chunk(2) for scale in both]
    return sum(gan_d(real, fake) for fake, real in logits) / len(logits)  # ty: ignore[invalid-explicit-return]


class FromNoise:
    """An objective whose fakes are what G makes of a batch's labels and, where it has a code, a drawn one."""

    def fake(self, networks: nn.Module, batch: dict, noise: Noise) -> Tensor:
        """(N,3,H,W)."""
        labels, shape = batch["labels"], networks.schedule.z_shape
        return networks.G(labels, None if shape is None else noise.normal((len(labels), *shape)).to(labels))


class _AtOnce(torch.autograd.Function):
    """A scalar of x whose gradient is taken with it, so that what the way there keeps is free before the next term."""

    @staticmethod
    def forward(ctx, x: Tensor, term: Callable[[Tensor], Tensor]) -> Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            value = term(x)
        ctx.save_for_backward(*torch.autograd.grad(value, x))
        return value.detach()

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * ctx.saved_tensors[0], None


class Perceptual(nn.Module):
    """Weighted L1 between features of a frozen network (SMIS 3.5; VGG19 relu1_1 .. relu5_1 in the paper)."""

    def __init__(self, features: Callable[[Tensor], list[Tensor]], weights: tuple[float, ...]):
        super().__init__()
        self.features, self.weights = features, weights

    def forward(self, fake: Tensor, real: Tensor) -> Tensor:
        """fake, real (N,3,H,W) in [-1,1]."""
        with torch.no_grad():
            targets = self.features(real)

        def distance(fake: Tensor) -> Tensor:
            pairs = zip(self.weights, self.features(fake), targets, strict=True)
            return sum(w * F.l1_loss(f, t) for w, f, t in pairs)

        at_once = min(fake.shape[-2:]) >= LARGE and fake.device.type == "cpu"  # on a GPU half precision scales the loss first
        return _AtOnce.apply(fake, distance) if at_once and torch.is_grad_enabled() else distance(fake)


VGG19 = backbones.Official(
    "vgg19-dcbb9e9d.pth", "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth", "the perceptual loss of SMIS 3.5"
)


VGG19_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
# The image itself is the zeroth feature, as in CRN (Chen and Koltun 2017): D's instance norm is blind to a region's mean
# colour, and four small conv stages carry less of it than VGG19 does.
EMBEDDED_WEIGHTS = (1.0, 0.25, 0.25, 0.5, 1.0)
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # mean and deviation of the colours, in [0,1]


def perceptual_loss(backbone: str, device: torch.device) -> Perceptual | None:
    """The perceptual loss of a name: "vgg19" (local weights), "embedded" (shipped) or "none".

    Raises SmisError for an unknown name, and for VGG19 weights that are not there, with the command that fetches them.
    """
    match backbone:
        case "none":
            return None
        case "embedded":
            net = backbones.load("perceptual", device)
            return Perceptual(lambda x: [x, *net.features(x)], EMBEDDED_WEIGHTS)
        case "vgg19":
            import torchvision  # seconds to import, and only the paper's loss needs it

            path = None if device.type == "meta" else VGG19.find()  # only to be counted, it needs no weights
            with torch.device("meta"):  # its classifier, 124 of 144 M parameters, is never made
                layers = torchvision.models.vgg19().features.requires_grad_(False)
            if path is not None:
                state = {key.removeprefix("features."): value for key, value in VGG19.read(path).items()}
                try:
                    layers.load_state_dict({key: state[key] for key in layers.state_dict()}, assign=True)
                except (KeyError, RuntimeError) as error:
                    raise SmisError(f"{path} does not hold the weights of VGG19 ({error}). {VGG19.advice()}") from error
                layers = layers.to(device).eval().requires_grad_(False)
            mean, std = (torch.tensor(v, device=device).view(3, 1, 1) for v in IMAGENET)  # once: it waits for the device
            return Perceptual(lambda x: _vgg_features(layers, ((x + 1) / 2 - mean) / std), VGG19_WEIGHTS)
    raise did_you_mean("perceptual backbone", backbone, ("vgg19", "embedded", "none"))


def _vgg_features(net: nn.Sequential, x: Tensor) -> list[Tensor]:
    """relu1_1, relu2_1, relu3_1, relu4_1, relu5_1 of images that are normalised as ImageNet was."""
    features = []
    for i, layer in enumerate(net[:30]):
        x = layer(x)
        if i in (1, 6, 11, 20, 29):
            features.append(x)
    return features


@dataclass(frozen=True)
class VaeGan:
    """The loss weights of SMIS 3.5: hinge GAN + lambda1 feature matching + lambda2 perceptual + lambda3 KL."""

    feature: float = 10.0
    perceptual: float = 10.0
    kl: float = 0.05  # per nat of one image's code
    kl_warmup: float = 0.0  # share of the steps over which the weight of the KL rises from 0
    backbone: str = "vgg19"  # of the perceptual loss: "vgg19", "embedded" or "none"

    def __post_init__(self):
        if not 0 <= self.kl_warmup <= 1:
            raise SmisError(f"VaeGan.kl_warmup is a share of the steps, in [0, 1]; found {self.kl_warmup}.")


class VaeGanObjective:
    """GAN + feature matching + perceptual + KL on (G, E, D): GroupDNet, its relatives and VSPADE."""

    def __init__(self, weights: VaeGan, perceptual: Perceptual | None):
        self.weights, self.perceptual = weights, perceptual

    def fake(self, networks: nn.Module, batch: dict, noise: Noise) -> Tensor:
        """(N,3,H,W)."""
        return self._reconstruct(networks, batch, noise)[0]

    def _reconstruct(self, networks: nn.Module, batch: dict, noise: Noise) -> tuple[Tensor, Tensor, Tensor]:
        """Encode, reparameterise, decode (SMIS 3.3): the fake, mu and logvar."""
        mu, logvar = networks.E(batch["image"], batch["labels"])
        eps = noise.normal(mu.shape).to(mu)
        return networks.G(batch["labels"], mu + eps * (0.5 * logvar).exp()), mu, logvar

    def generator(self, networks: nn.Module, batch: dict, noise: Noise, progress: float) -> tuple[Terms, Tensor]:
        """The terms of G and E, and the fake (N,3,H,W)."""
        w = self.weights
        risen = min(1.0, progress / w.kl_warmup) if w.kl_warmup else 1.0
        fake, mu, logvar = self._reconstruct(networks, batch, noise)
        terms = paired_terms(networks.D, batch, fake, w, self.perceptual, hinge_g)
        return terms | {"kl": risen * w.kl * kl(mu, logvar)}, fake

    def discriminator(self, networks: nn.Module, batch: dict, fake: Tensor, noise: Noise) -> Terms:
        """`fake` carries no gradient."""
        return {"hinge": real_against_fake(networks.D, batch, fake, hinge_d)}


@dataclass(frozen=True)
class PairedGan:
    """The loss weights of a model that gives one image per label map: GAN + feature matching + perceptual.

    SPADE: hinge, 1 x GAN + 10 x feature + 10 x perceptual. pix2pixHD: least squares, summed over its scales.
    """

    objective: str = "hinge"  # of the GAN: "hinge" or "lsgan"
    gan: float = 1.0
    feature: float = 10.0
    perceptual: float = 10.0
    backbone: str = "vgg19"  # of the perceptual loss: "vgg19", "embedded" or "none"

    def __post_init__(self):
        if self.objective not in GAN_LOSSES:
            raise did_you_mean("GAN objective", self.objective, GAN_LOSSES)


class PairedGanObjective(FromNoise):
    """GAN + feature matching + perceptual on (G, D): SPADE without encoder, pix2pixHD. Where G has a code it is drawn."""

    def __init__(self, weights: PairedGan, perceptual: Perceptual | None):
        self.weights, self.perceptual = weights, perceptual
        self.gan_d, self.gan_g = GAN_LOSSES[weights.objective]

    def generator(self, networks: nn.Module, batch: dict, noise: Noise, progress: float) -> tuple[Terms, Tensor]:
        """The terms of G, and the fake (N,3,H,W)."""
        fake = self.fake(networks, batch, noise)
        terms = paired_terms(networks.D, batch, fake, self.weights, self.perceptual, self.gan_g)
        return terms | {"gan": self.weights.gan * terms["gan"]}, fake

    def discriminator(self, networks: nn.Module, batch: dict, fake: Tensor, noise: Noise) -> Terms:
        """`fake` carries no gradient."""
        return {self.weights.objective: real_against_fake(networks.D, batch, fake, self.gan_d)}
