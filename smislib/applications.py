"""The applications of SMIS figures 6 and 14 (section 4.4.3), from samples to what a figure or a widget shows, and numbers.

The codes are mixed, kept and interpolated by `sample.py`, the label maps edited by `data/edit.py`. A sample is what
`data.open_split` gives; the networks are loaded ones, whose experiment names the data set. Images are in [-1,1].
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from . import data, viz
from .errors import did_you_mean
from .sample import encode, generate, interpolate, manipulate, mix


class Edited(NamedTuple):
    """The sample itself, the sample rebuilt, then each edit: label maps in colour and images (k,3,H,W), and where they differ
    from the sample's maps, bool (k,H,W).
    """

    label_maps: Tensor
    images: Tensor
    regions: Tensor


class Morph(NamedTuple):
    """The first image, the frames, the last image (2+k,3,H,W), and where the first shows what changes, bool (H,W)."""

    images: Tensor
    region: Tensor


def where(networks: nn.Module, sample: dict, names: Sequence[str]) -> Tensor:
    """Where a sample shows one of the named classes, or nowhere: bool (H,W)."""
    return torch.isin(sample["label_map"], torch.tensor(_numbers(networks, names)))


def lit(networks: nn.Module, sample: dict, region: Tensor) -> tuple[Tensor, ...]:
    """The label map in colour and the image, each (1,3,H,W), greyed out but for the region, bool (H,W)."""
    pictures = viz.colour(sample["label_map"][None], _classes(networks)), sample["image"][None]
    return tuple(viz.highlight(picture, region[None]) for picture in pictures)


def mixture(networks: nn.Module, base: dict, sources: Mapping[str, dict]) -> Tensor:
    """A sample rebuilt, and with the appearance of each class from its source, `sources[class name]`: (2,3,H,W)."""
    z, labels = _encoded(networks, base)
    parts = {_numbers(networks, [name])[0]: _encoded(networks, source)[0] for name, source in sources.items()}
    return generate(networks, labels, torch.cat([z, mix(networks, z, parts)]))


def manipulations(
    networks: nn.Module, sample: dict, edits: Mapping[str, dict], codes: Mapping[str, dict] | None = None
) -> Edited:
    """A sample and its named edits, each with the appearance of the sample.

    `codes[name]`: the `parts` or the `rng` that `sample.manipulate` takes for what is new in that edit; see there.
    """
    classes, codes = _classes(networks), codes or {}
    batch = data.labelled([sample, sample, *edits.values()], classes)
    image, labels = batch["image"][:1], batch["labels"]
    arguments = [{}, *(codes.get(name, {}) for name in edits)]
    made = [manipulate(networks, image, labels[:1], labels[[i]], **arguments[i - 1]) for i in range(1, len(labels))]
    differ = [batch[key] != batch[key][:1] for key in ("label_map", "instance_map") if key in batch]
    return Edited(viz.colour(batch["label_map"], classes), torch.cat([image, *made]), torch.stack(differ).any(0))


def appearance(networks: nn.Module, sample: dict, *names: str) -> dict[int, Tensor]:
    """The codes of the named classes in a sample, as the `parts` of `sample.mix` and `sample.manipulate`."""
    z, _ = _encoded(networks, sample)
    return {c: z for c in _numbers(networks, names)}


def morph(networks: nn.Module, first: dict, last: dict, names: Sequence[str] | None = None, frames: int = 8) -> Morph:
    """From the appearance of one sample to that of another, in the label map of the first; all classes or the named ones."""
    (a, labels), (b, _) = _encoded(networks, first), _encoded(networks, last)
    line = interpolate(networks, a, b, torch.linspace(0, 1, frames), _numbers(networks, names) if names else None)
    names = names or _classes(networks).names
    start, end = (lit(networks, sample, where(networks, sample, names))[1] for sample in (first, last))
    return Morph(torch.cat([start, generate(networks, labels, line), end]), where(networks, first, names))


def path(found: Morph) -> dict[str, float]:
    """How far a pixel moves from frame to frame in sum (mean over pixels, in image units), `inside` the region and `outside`;
    `straight`: the distance from the first frame to the last as a share of that way, 1 for a straight line.
    """
    frames, inside = found.images[1:-1], found.region
    way, whole = (frames[1:] - frames[:-1]).abs().mean(1).sum(0), (frames[-1] - frames[0]).abs().mean(0)
    means = {"inside": way[inside].mean(), "outside": way[~inside].mean(), "straight": whole[inside].sum() / way[inside].sum()}
    return {name: value.item() for name, value in means.items()}


def change(edited: Edited) -> dict[str, list[float]]:
    """For each edit: the `share` of the frame that it takes, and the mean change of a pixel against the rebuilt image `inside`
    it and `outside` (image units; nan where there is no such pixel).
    """
    moved = (edited.images[2:] - edited.images[1:2]).abs().mean(1)
    pairs = list(zip(moved, edited.regions[2:], strict=True))
    return {
        "share": [region.float().mean().item() for _, region in pairs],
        "inside": [values[region].mean().item() for values, region in pairs],
        "outside": [values[~region].mean().item() for values, region in pairs],
    }


def _classes(networks: nn.Module) -> data.Classes:
    return data.classes(networks.experiment.data)


def _numbers(networks: nn.Module, names: Sequence[str]) -> list[int]:
    """The numbers of classes by their names. Raises SmisError for a name that the data set does not have."""
    known = _classes(networks).names
    for name in names:
        if name not in known:
            raise did_you_mean("class", name, known)
    return [known.index(name) for name in names]


def _encoded(networks: nn.Module, sample: dict) -> tuple[Tensor, Tensor]:
    """(code, labels) of one sample."""
    batch = data.labelled([sample], _classes(networks))
    return encode(networks, batch["image"], batch["labels"]), batch["labels"]
