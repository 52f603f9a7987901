"""How good labels are that nobody wrote (S3GAN, 1903.02271): clusters and inferred classes against the true ones, turns told
against turns made, and whether a generator shows the class that it was asked for.
"""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import torch
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor, nn

from .label_sources import Partial, clusters, one_hot
from .metrics.inception_score import Judge
from .s3gan import turned
from .sample import draw, generate, generator


def confusion(truth: Tensor, said: Tensor, rows: int, columns: int) -> Tensor:
    """int64 (rows,columns): how many of true class r are said to be c; `truth` and `said` int64 (n,)."""
    return torch.bincount(truth * columns + said, minlength=rows * columns).view(rows, columns)


def most_confused(matrix: Tensor, n: int) -> list[tuple[int, int]]:
    """The n pairs (true class, what it is taken for) with the largest share of the true class in `matrix` (C,C), largest first.

    Pairs that never occur are left out.
    """
    share = matrix / matrix.sum(1, keepdim=True).clamp(min=1)
    share = share.masked_fill(torch.eye(len(matrix), dtype=torch.bool), 0)
    order = share.flatten().argsort(descending=True, stable=True)[:n].tolist()
    return [divmod(i, len(matrix)) for i in order if share.flatten()[i] > 0]


def purity(clustered: Tensor, truth: Tensor) -> float:
    """The share of images whose class is the commonest of their cluster. It grows with the number of clusters, whatever they
    are: read it beside the purity of shuffled ones."""
    matrix = confusion(clustered, truth, int(clustered.max()) + 1, int(truth.max()) + 1)
    return matrix.max(1).values.sum().item() / len(truth)


def mutual_information(clustered: Tensor, truth: Tensor) -> float:
    """Mutual information of cluster and class over the mean of their entropies: 0 if independent, 1 if they are one."""
    return float(normalized_mutual_info_score(truth.numpy(), clustered.numpy()))


def sweep(features: Tensor, truth: Tensor, ks: Sequence[int], seed: int) -> pd.DataFrame:
    """Representations (n,d) clustered as S3GAN does, into k clusters for each of `ks`, against the true classes int64 (n,).

    A row for each k; "shuffled" are clusters of the same sizes that know nothing, whose scores a finite n lifts above 0.
    """
    images = Partial(truth, torch.zeros_like(truth, dtype=torch.bool), 0, seed)
    shuffled = truth[torch.randperm(len(truth), generator=generator(seed, "shuffled"))]
    rows = {}
    for k in ks:
        found = clusters(replace(images, C=k), lambda: (features, features)).argmax(1)
        rows[k] = {
            "purity": purity(found, truth),
            "purity, shuffled": purity(found, shuffled),
            "NMI": mutual_information(found, truth),
            "NMI, shuffled": mutual_information(found, shuffled),
            "smallest cluster": int(torch.bincount(found, minlength=k).min()),
            "largest cluster": int(torch.bincount(found, minlength=k).max()),
        }
    return pd.DataFrame(rows).T.rename_axis("k").astype({"smallest cluster": int, "largest cluster": int})


@torch.no_grad()
def turns_told(E: nn.Module, images: Tensor, batch: int = 64) -> Tensor:
    """By how many quarter turns a labeller thinks that images (N,3,H,H) were turned, for each of the four turns: int64 (4,N).

    It reads them in eval mode, whatever mode it is in, and is left as it was.
    """
    training, device = E.training, next(E.parameters()).device
    E.eval()
    told = [E.rotation(E(turned(part).to(device))).argmax(1).view(4, -1).cpu() for part in images.split(batch)]
    E.train(training)
    return torch.cat(told, dim=1)


def turns_right(told: Tensor) -> list[float]:
    """The share that is right of each of the four turns; `told` as of `turns_told`."""
    return (told == torch.arange(4)[:, None]).double().mean(1).tolist()


def class_agreement(networks: nn.Module, judge: Judge, n: int, rng: torch.Generator, truncation: float | None = None) -> Tensor:
    """Of n images that a class-conditional generator makes for each of its C classes, the share that the judge takes for the
    class asked for: (C,). The generator's classes must be the judge's, not clusters. `truncation` as of `sample.draw`."""
    C = networks.schedule.C
    asked = torch.arange(C).repeat_interleave(n)
    images = generate(networks, one_hot(asked, C), draw(networks, len(asked), rng, truncation))
    said = torch.cat([judge.probabilities(part).argmax(1).cpu() for part in images.split(64)])
    return (said == asked).double().view(C, n).mean(1)
