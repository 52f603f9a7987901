"""S3GAN's two objectives (1903.02271, section 3): of the GAN with its auxiliary heads, and of the network that labels.

The GAN is BigGAN with the hinge loss. Two heads on D's representation may help it: one tells by how many quarter turns an
image was turned (self-supervision, section 3.3), one its class where no label is known (co-training, section 3.2).
Behaviour beside the text: google/compare_gan, see NOTICE.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Dataset

from . import processes
from .config import Experiment
from .errors import SmisError, did_you_mean
from .label_sources import READ, SOURCES, Paired, Relabelled, labels_for, one_hot, partially_labelled
from .losses import Perceptual, Terms, hinge_d, hinge_g
from .sample import Noise

PENALISED = 4  # every so manieth real image of a batch counts in the gradient penalty
ROTATED = 4  # every so manieth image of a batch is also turned, by a quarter, a half and three quarters


@dataclass(frozen=True)
class ClassGan:
    """Where the labels come from, and the weights of the heads; each head is there when it has a weight."""

    labels: str = "true"  # a key of label_sources.SOURCES
    fraction: float = 1.0  # share of each class whose labels may be looked at; 0: none
    labeller: str = ""  # the model that reads labels off images, for the sources that need one
    rotation_d: float = 0.0  # beta: of telling how real images were turned, for D
    rotation_g: float = 0.0  # alpha: of D telling how fakes were turned, for G
    classifier: float = 0.0  # gamma: of D telling the class of labelled images; then those without a label are kept
    r1: float = 0.0  # of the squared gradient of D at real images, for short trainings without spectral norm (1801.04406)
    backbone: str = "none"  # there is no perceptual loss

    def __post_init__(self):
        if not 0 <= self.fraction <= 1:
            raise SmisError(f"ClassGan.fraction is a share of the labels, in [0, 1]; found {self.fraction}.")
        if self.labels not in SOURCES:
            raise did_you_mean("label source", self.labels, SOURCES)
        if bool(self.labeller) != (self.labels in READ):
            raise SmisError(
                f"loss.labels={self.labels!r} with loss.labeller={self.labeller!r}: {', '.join(READ)} are read off images, the "
                "other sources are not. Set loss.labeller to the model that reads, e.g. labeller_20 (for clusters rotation), or "
                "to ''."
            )

    def check(self, network: Any) -> None:
        """Raise SmisError for a schedule without the heads of D that have a weight."""
        weights = {"rotations": ("rotation_d", "rotation_g"), "classifier": ("classifier",)}  # head -> what needs it
        for head, names in weights.items():
            asked = [f"loss.{name}={getattr(self, name)}" for name in names if getattr(self, name)]
            if asked and not getattr(network, head):
                raise SmisError(
                    f"{' and '.join(asked)} but network.{head} is false, so D has no such head: --set network.{head}=true."
                )

    @property
    def reads(self) -> str:
        """The model whose finished run the labels are read by; none for most sources."""
        return self.labeller if self.labels in READ else ""


def turned(image: Tensor) -> Tensor:
    """Square images (N,3,H,H) -> (4N,3,H,H): as they are, then by a quarter turn, a half, three quarters."""
    return torch.cat([image.rot90(k, (2, 3)) for k in range(4)])


def rotation_loss(logits: Tensor) -> Tensor:
    """Cross entropy of the logits (4N,4) of images that `turned` made with their turns."""
    turns = torch.arange(4, device=logits.device).repeat_interleave(len(logits) // 4)
    return F.cross_entropy(logits, turns)


def prepare_gan(experiment: Experiment, networks: nn.Module, train_set: Dataset, labeller: nn.Module | None = None) -> Dataset:
    """The training set with the labels of the experiment's source, whose distribution becomes that of the fakes.

    Images without a label are dropped (BigGAN-k%), unless D's classifier has a use for them.
    """
    y = labels_for(experiment, train_set, networks.schedule.C, labeller)
    kept = torch.ones(len(y), dtype=torch.bool) if experiment.loss.classifier else y.sum(1) > 0
    networks.prior.copy_(y.sum(0) / y.sum())
    return Relabelled(train_set, y, kept.nonzero()[:, 0])


class ClassGanObjective:
    """Hinge GAN on (G, D) of BigGAN with S3GAN's heads. What D is given as the fake is (images, their classes)."""

    def __init__(self, weights: ClassGan, perceptual: Perceptual | None):
        self.weights, self.prior = weights, None

    def fake(self, networks: nn.Module, batch: dict, noise: Noise) -> tuple[Tensor, Tensor]:
        """As many as the batch has images, (N,3,H,W), and their classes (N,C)."""
        n = len(batch["image"])
        if self.prior is None:  # it stays what it is, and to ask a GPU for it is to wait for the GPU
            self.prior = networks.prior.cpu()
        y = noise.classes(self.prior, n).to(networks.prior)
        return networks.G(y, noise.normal((n, *networks.schedule.z_shape)).to(y)), y

    def generator(self, networks: nn.Module, batch: dict, noise: Noise, progress: float) -> tuple[Terms, tuple[Tensor, Tensor]]:
        """The terms of G for as many fakes as the batch has images."""
        n, w, D = len(batch["image"]), self.weights, networks.D
        fake, y = self.fake(networks, batch, noise)
        q = _first(n, ROTATED, noise) if w.rotation_g else 0
        h = D.represent(torch.cat([fake, turned(fake[:q])[q:]]))  # (N + 3q,d)
        terms = {"hinge": hinge_g(D.judge(h[:n], y))}
        if q:
            terms["rotation"] = w.rotation_g * rotation_loss(D.rotation(torch.cat([h[:q], h[n:]])))
        return terms, (fake, y)

    def discriminator(self, networks: nn.Module, batch: dict, fake: tuple[Tensor, Tensor], noise: Noise) -> Terms:
        """`fake` carries no gradient. Everything goes through D as one batch."""
        (image, y), (fake_image, fake_y), w, D = (batch["image"], batch["labels"]), fake, self.weights, networks.D
        n = len(image)
        q = _first(n, ROTATED, noise) if w.rotation_d else 0
        h = D.represent(torch.cat([image, fake_image, turned(image[:q])[q:]]))  # (2N + 3q,d)
        terms = {}
        if w.classifier:
            known, guess = y.sum(1) > 0, D.classifier(h[:n])  # (N,), (N,C)
            errors = F.cross_entropy(guess, y, reduction="none")  # 0 where y is
            # of the whole batch: a mean over each process's share would count its labelled images by how few there are
            terms["class"] = w.classifier * errors.sum() / (processes.total(known.sum()).clamp(min=1) / noise.world)
            y = torch.where(known[:, None], y, one_hot(guess.argmax(1), y.shape[1]))
        terms["hinge"] = 2 * hinge_d(D.judge(h[:n], y), D.judge(h[n : 2 * n], fake_y))  # equation 1 has no half
        if q:
            terms["rotation"] = w.rotation_d * rotation_loss(D.rotation(torch.cat([h[:q], h[2 * n :]])))
        if w.r1:
            terms["r1"] = w.r1 * squared_gradient(D, *(x[: _first(n, PENALISED, noise)] for x in (image, y)))
        return terms


def _first(n: int, every: int, noise: Noise) -> int:
    """How many of the n images here are among the first `every`-th part of the whole batch."""
    first, rest = divmod(n * noise.world // every, noise.world)
    if rest:
        raise SmisError(
            f"a part of each batch (1 of {every} images) is turned or penalised; of {n} images on each of {noise.world} devices "
            f"that is no whole number each. Make train.batch a multiple of {every * noise.world}."
        )
    return first


def squared_gradient(D: nn.Module, image: Tensor, y: Tensor) -> Tensor:
    """Half of the squared norm of the gradient of D's logit with respect to each image (N,3,H,W), mean over images."""
    image = image.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(D.judge(D.represent(image), y).sum(), image, create_graph=True)
    return 0.5 * gradient.square().sum((1, 2, 3)).mean()


@dataclass(frozen=True)
class Labelling:
    """The weights of the labeller (section 3.1, equation 2): rotations of all images, classes of those with a label."""

    fraction: float = 0.0  # share of each class whose labels may be looked at; 0: rotations alone
    supervised: float = 0.5  # gamma
    shift: int = 4  # pixels by which a training image is moved at most, along each axis
    mirror: bool = True  # half of the training images are mirrored
    backbone: str = "none"  # there is no perceptual loss

    def __post_init__(self):
        if not 0 <= self.fraction <= 1:
            raise SmisError(f"Labelling.fraction is a share of the labels, in [0, 1]; found {self.fraction}.")


def prepare_labeller(experiment: Experiment, networks: nn.Module, train_set: Dataset, labeller: None = None) -> Dataset:
    """The training set, each image beside a labelled one."""
    return Paired(train_set, partially_labelled(experiment, train_set, networks.schedule.C))


class LabellingObjective:
    """Cross entropies of the turns and the classes on E; there is no fake."""

    def __init__(self, weights: Labelling, perceptual: Perceptual | None):
        self.weights = weights

    def generator(self, networks: nn.Module, batch: dict, noise: Noise, progress: float) -> tuple[Terms, tuple]:
        """The terms of E. Labelled images are asked for their turns too, and for their class however they are turned."""
        w, E = self.weights, networks.E
        image = self._varied(batch["image"], noise)
        h = E(turned(image))  # (4N,d)
        if "labelled_image" not in batch:
            return {"rotation": rotation_loss(E.rotation(h))}, ()
        labelled = E(turned(self._varied(batch["labelled_image"], noise)))
        turns = 0.5 * (rotation_loss(E.rotation(h)) + rotation_loss(E.rotation(labelled)))
        classes = F.cross_entropy(E.classifier(labelled), batch["labels"].repeat(4, 1))
        return {"rotation": turns, "class": w.supervised * classes}, ()

    def _varied(self, image: Tensor, noise: Noise) -> Tensor:
        """Images (N,3,H,W), each moved and perhaps mirrored; what moves in is a reflection."""
        (N, _, H, W), s = image.shape, self.weights.shift
        drawn = noise.normal((N, 3)).to(image.device)
        if self.weights.mirror:
            image = torch.where(drawn[:, 2, None, None, None] > 0, image, image.flip(-1))
        moves = (torch.special.ndtr(drawn[:, :2]) * (2 * s + 1)).long().clamp(max=2 * s)  # (N,2), each in 0 .. 2s
        rows = moves[:, :1] + torch.arange(H, device=image.device)  # (N,H)
        columns = moves[:, 1:] + torch.arange(W, device=image.device)  # (N,W)
        padded = F.pad(image, (s, s, s, s), mode="reflect").movedim(1, -1)  # (N,H+2s,W+2s,3)
        first = torch.arange(N, device=image.device)[:, None, None]
        return padded[first, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)
