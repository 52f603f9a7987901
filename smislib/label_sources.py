"""Where the labels of a class-conditional GAN come from when few images have one, or none (S3GAN, 1903.02271, section 3).

A source is a function from a partially labelled training set to the label of every image, a distribution over C classes:
one-hot, or soft where it is inferred, or zero where it stays unknown.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from filelock import FileLock
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from . import atomic, data, paths
from .config import Experiment, content_hash
from .data.classed import keep_labels
from .data.presized import decoders
from .errors import SmisError
from .sample import generator

Reading = Callable[[], Any]  # a pair: the labeller's representation (n,d) and class logits (n,K) of all images
READ = ("clusters", "inferred", "inferred_soft")  # the sources that need a labeller


@dataclass(frozen=True)
class Partial:
    """A training set of n images of which some are labelled, and how many classes the GAN shall have."""

    labels: Tensor  # int64 (n,), looked at where `known` alone
    known: Tensor  # bool (n,)
    C: int
    seed: int


def true_labels(partial: Partial, read: Reading) -> Tensor:
    """The label of an image that has one; zero for the others."""
    return one_hot(partial.labels.where(partial.known, 0), partial.C) * partial.known[:, None]


def single_label(partial: Partial, read: Reading) -> Tensor:
    """One class for everything: (n,1)."""
    return torch.ones(len(partial.labels), 1)


def random_labels(partial: Partial, read: Reading) -> Tensor:
    """A class drawn for each image, once and for all."""
    rng = generator(partial.seed, "random labels")
    return one_hot(torch.randint(partial.C, (len(partial.labels),), generator=rng), partial.C)


def clusters(partial: Partial, read: Reading) -> Tensor:
    """The cluster of each image's representation: mini-batch k-means, k = C (section 3.1, "clustering")."""
    from sklearn.cluster import MiniBatchKMeans  # not above: it takes as long to import as torch

    features = F.normalize(read()[0]).numpy()
    found = MiniBatchKMeans(partial.C, batch_size=1024, n_init=5, random_state=partial.seed).fit_predict(features)
    return one_hot(torch.from_numpy(found).long(), partial.C)


def inferred(partial: Partial, read: Reading) -> Tensor:
    """What the labeller takes each image for; a label that is known stays."""
    return _with_known(partial, one_hot(read()[1].argmax(1), partial.C))


def inferred_soft(partial: Partial, read: Reading) -> Tensor:
    """How probable the labeller finds each class (section 5.4); a label that is known stays."""
    return _with_known(partial, read()[1].softmax(1))


SOURCES: dict[str, Callable[[Partial, Reading], Tensor]] = {
    "true": true_labels,
    "single": single_label,
    "random": random_labels,
    "clusters": clusters,
    "inferred": inferred,
    "inferred_soft": inferred_soft,
}


def one_hot(labels: Tensor, C: int) -> Tensor:
    """int64 (n,) -> float (n,C)."""
    return F.one_hot(labels, C).float()


def _with_known(partial: Partial, guess: Tensor) -> Tensor:
    return torch.where(partial.known[:, None], true_labels(partial, lambda: ()), guess)


def partially_labelled(experiment: Experiment, train_set: Dataset, C: int) -> Partial:
    """The training set with the labels that an experiment may look at: the share `loss.fraction` of those that there are.

    Raises SmisError when a class would be left without any.
    """
    labels, names, fraction = train_set.labels, data.classes(experiment.data).names, experiment.loss.fraction
    known = keep_labels(labels, fraction, experiment.seed, names) if fraction else torch.zeros_like(labels, dtype=torch.bool)
    return Partial(labels, known, C, experiment.seed)


def labels_for(experiment: Experiment, train_set: Dataset, C: int, labeller: nn.Module | None = None) -> Tensor:
    """The label (n,C) that a class-conditional GAN is trained with for every image, on the CPU.

    What a labeller read (as `runs.load` gives it) is kept in the cache: reading ImageNet takes an hour.
    Raises SmisError for a source that gives another number of classes than C.
    """
    source, known = experiment.loss.labels, partially_labelled(experiment, train_set, C)
    if source not in READ:
        y = SOURCES[source](known, lambda: ())
    else:
        e = labeller.experiment  # ty: ignore[missing-union-attribute]
        key = content_hash([e.hash, source, C, len(train_set), experiment.seed, experiment.loss.fraction])
        path = paths.cache() / "labels" / f"{e.name}-{source}-{key}.npz"
        waiting = contextlib.nullcontext()  # of several processes of one training all but the first only read
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            waiting = FileLock(path.with_suffix(".lock"))
        with waiting:
            kept = atomic.arrays(path, lambda: {"y": SOURCES[source](known, lambda: read(labeller, train_set)).numpy()})
        y = torch.from_numpy(kept["y"])
    if y.shape[1] != C:
        raise SmisError(f"{source} gives {y.shape[1]} classes, the networks have {C}: --set network.C={y.shape[1]}.")
    return y


@torch.inference_mode()
def read(labeller: nn.Module, images: Dataset, batch: int = 256) -> tuple[Tensor, Tensor]:
    """What a labeller makes of images as they are: representation (n,d) and class logits (n,K), on the CPU."""
    device = next(labeller.parameters()).device
    workers = 0 if device.type == "cpu" else decoders()
    found = []
    for part in DataLoader(images, batch, collate_fn=data.collate, num_workers=workers):
        h = labeller.E(part["image"].to(device))
        found.append((h.cpu(), labeller.E.classifier(h).cpu()))
    features, logits = zip(*found, strict=True)
    return torch.cat(features), torch.cat(logits)


class Relabelled(Dataset):
    """Images of a data set with labels of another source, as `labels` (C,): those at `indices`."""

    def __init__(self, dataset: Dataset, y: Tensor, indices: Tensor):
        self.dataset, self.y, self.indices = dataset, y, indices.tolist()

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> dict:
        i = self.indices[index]
        sample = self.dataset[i]
        return {"image": sample["image"], "name": sample["name"], "labels": self.y[i]}


class Paired(Dataset):
    """Every image of a data set, and beside it a labelled one, over and over: few labels are then half of each batch.

    Samples have `image`, `labelled_image` and its `labels` (C,); without labelled images, `image` and `labels` of zeros.
    """

    def __init__(self, dataset: Dataset, partial: Partial):
        self.dataset, self.y = dataset, true_labels(partial, lambda: ())
        self.known = partial.known.nonzero()[:, 0].tolist()

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict:
        sample = self.dataset[index]
        pair = {"image": sample["image"], "name": sample["name"]}
        if not self.known:
            return pair | {"labels": torch.zeros(self.y.shape[1])}
        other = self.known[index % len(self.known)]
        return pair | {"labelled_image": self.dataset[other]["image"], "labels": self.y[other]}
