"""What every data set shares: its classes, and the one function from a batch to the `labels` that networks take.

Classes are of pixels, in a `label_map`, or of whole images, in a `label`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import SmisError

UNLABELLED = -1  # the label of a whole image whose class is not known


@dataclass(frozen=True)
class Classes:
    """The label set of a data set. `ignore_index` is a label value outside [0, C), or None.

    `things` are the classes whose instances the data set tells apart in an `instance_map`; its labels then carry their edges.
    `picture`: the images are made from a picture of so many channels, the `input` of a sample, in the place of labels.
    `whole`: each image is of one class, the `label` of its sample, and there is no label map; `ignore_index` is then the
    label of an image whose class is not known.
    """

    names: tuple[str, ...]
    palette: tuple[tuple[int, ...], ...]  # RGB, 0..255, one per class
    ignore_index: int | None = None
    things: tuple[int, ...] = ()
    picture: int | None = None
    whole: bool = False

    def __post_init__(self):
        if len(self.names) != len(self.palette):
            raise SmisError(f"{len(self.names)} class names but {len(self.palette)} palette colours; give one each.")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def inputs(self) -> int:
        """Channels that networks are given, the instance edge not counted: C, or those of the picture."""
        return self.picture or len(self)


def colour(label_map: Tensor, classes: Classes) -> Tensor:
    """label_map (N,H,W) -> RGB (N,3,H,W) in [-1,1] by the data set's palette; ignored pixels black."""
    palette = torch.tensor([*classes.palette, (0, 0, 0)], dtype=torch.float32) / 127.5 - 1
    inside = (label_map >= 0) & (label_map < len(classes))
    return palette[label_map.where(inside, torch.tensor(len(classes)))].movedim(-1, 1)


def labels(batch: dict, classes: Classes, device: torch.device | str | None = None) -> Tensor:
    """The `labels` of a batch, float (N,C,H,W) on `device`, from its `label_map`: one-hot. Where the classes have instances
    they are (N,C+1,H,W): the instance edge of its `instance_map` comes last. Where the images are made from a picture it is
    that `input`, (N,K,H,W). Where classes are of whole images they are (N,C), from its `label`: a zero row is not labelled.

    Raises SmisError as `one_hot` does, for an instance map that is missing and for a picture of other channels.
    """
    if classes.picture:
        picture = batch["input"]
        if picture.shape[1] != classes.picture:
            raise SmisError(f"the input of {batch['name'][0]!r} has {picture.shape[1]} channels, expected {classes.picture}.")
        return picture if device is None else picture.to(device, non_blocking=True)
    classified = one_hot(batch["label" if classes.whole else "label_map"], classes, batch.get("name"), device)
    if not classes.things:
        return classified
    if "instance_map" not in batch:
        things = ", ".join(classes.names[c] for c in classes.things)
        raise SmisError(f"the batch has no instance_map, which tells the instances of {things} apart; expected (N,H,W).")
    return torch.cat([classified, instance_edge(batch["instance_map"].to(classified.device, non_blocking=True))], 1)


def instance_edge(instance_map: Tensor) -> Tensor:
    """1 at every pixel with a neighbour (above, below, left, right) of another instance, float (N,1,H,W); else 0.

    Behaviour of pix2pixHD (section 3.3), which SPADE and SMIS took over for Cityscapes.
    """
    edge = torch.zeros_like(instance_map, dtype=torch.bool)
    for axis in (1, 2):
        n = instance_map.shape[axis] - 1
        differ = instance_map.narrow(axis, 1, n) != instance_map.narrow(axis, 0, n)
        edge.narrow(axis, 1, n).logical_or_(differ)
        edge.narrow(axis, 0, n).logical_or_(differ)
    return edge[:, None].float()


def one_hot(
    label_map: Tensor, classes: Classes, names: Sequence[str] | None = None, device: torch.device | str | None = None
) -> Tensor:
    """`label_map` int64 (N,H,W) -> `labels` float (N,C,H,W) on `device`. An ignored pixel is zero in every class.
    Of whole images, their labels int64 (N,) -> (N,C).

    The check reads the values, so let `label_map` be on the CPU: on a GPU it would stall the queue. What then travels to
    the device is the map, not the C times larger labels.

    Raises SmisError for a value outside [0, C) that is not `ignore_index`, naming the file when `names` are given.
    """
    C = len(classes)
    valid = (label_map >= 0) & (label_map < C)
    known = valid if classes.ignore_index is None else valid | (label_map == classes.ignore_index)
    if not known.all():
        n = int((~known).reshape(len(known), -1).any(1).nonzero()[0])
        found = sorted(set(label_map[n][~known[n]].tolist()))[:5]
        where = f" in {names[n]!r}" if names else ""
        ignored = (
            ""
            if classes.ignore_index is None
            else f" or {classes.ignore_index} ({'not labelled' if classes.whole else 'ignored'})"
        )
        raise SmisError(
            f"label value {found[0] if len(found) == 1 else found}{where} is outside [0, {C}){ignored}: "
            f"the data set has {C} classes ({classes.names[0]} .. {classes.names[-1]}). "
            f"{'Correct the label' if classes.whole else 'Remap the label image'} or add the class to the class list."
        )
    if device is not None:
        label_map = label_map.to(device, non_blocking=True)
    valid = (label_map >= 0) & (label_map < C)
    labels = torch.zeros(*label_map.shape, C, device=label_map.device)
    return labels.scatter_(-1, label_map.where(valid, 0)[..., None], valid[..., None].float()).movedim(-1, 1)
