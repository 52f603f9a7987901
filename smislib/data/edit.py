"""Editing label maps for semantic manipulation (SMIS 4.4.3): move, remove, replace, insert, swap.

Every edit takes one sample of a data set, a dict with `label_map` (H,W) and, where it has instances, `instance_map` (H,W),
and returns a new one; the sample stays as it is. Instances move with their objects, since labels carry their edges. A
region is a bool mask (H,W): that of `region`, or any other. What an edit uncovers must be told (`fill`); what leaves the
frame, and a class that is not there, is an error.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace as altered

import torch
from scipy import ndimage
from torch import Tensor

from ..errors import SmisError

NEAREST = "nearest"  # a `fill`: whatever is nearest, an object as well
INSTANCES = 1000  # instance k of class c is numbered 1000 c + k, as in Cityscapes


@dataclass(frozen=True)
class Shape:
    """Something cut out of a sample: `label_map` and, with instances, `instance_map` of its box (h,w), and its `mask` in it.

    `foot` (y, x): the lowest row and the middle column of its box in the sample that it was cut from.
    """

    label_map: Tensor
    mask: Tensor
    foot: tuple[int, int]
    instance_map: Tensor | None = None

    def mirrored(self) -> "Shape":
        """Left is right."""
        flipped = None if self.instance_map is None else self.instance_map.flip(-1)
        return altered(self, label_map=self.label_map.flip(-1), mask=self.mask.flip(-1), instance_map=flipped)

    def scaled(self, factor: float) -> "Shape":
        """`factor` times as high and wide, by nearest: what goes further away gets smaller. The foot stays."""
        h, w = (round(n * factor) for n in self.mask.shape)
        if h < 1 or w < 1:
            raise SmisError(f"a shape of {tuple(self.mask.shape)} pixels scaled by {factor:g} has none left.")
        rows, columns = (((torch.arange(n) + 0.5) * old / n).long() for n, old in zip((h, w), self.mask.shape, strict=True))
        maps = {
            key: None if (value := getattr(self, key)) is None else value[rows][:, columns]
            for key in ("label_map", "mask", "instance_map")
        }
        return altered(self, **maps)


def region(sample: dict, *classes: int, instance: int | None = None) -> Tensor:
    """Where the sample shows one of `classes`, or an instance by its number: bool (H,W).

    Raises SmisError when it shows none of them.
    """
    if (instance is None) == (not classes):
        raise SmisError(f"region takes classes or an instance, found classes {classes} and instance {instance}.")
    of, wanted = ("label_map", classes) if instance is None else ("instance_map", (instance,))
    if of not in sample:
        raise SmisError(f"the sample has no {of}: its objects can be told apart by class alone.")
    found = torch.isin(sample[of], torch.tensor(wanted))
    if not found.any():
        kind = "class" if instance is None else "instance"
        there = ", ".join(map(str, sample[of].unique().tolist()))
        raise SmisError(f"{kind} {' or '.join(map(str, wanted))} is not in {_name(sample)}, which has {there}.")
    return found


def instances(sample: dict, c: int) -> list[int]:
    """The numbers of the instances of class c in a sample, the one with the most pixels first."""
    numbers, sizes = sample["instance_map"][region(sample, c)].unique(return_counts=True)
    return numbers[sizes.argsort(descending=True, stable=True)].tolist()


def grown(where: Tensor, within: Tensor, pixels: int) -> Tensor:
    """The region and what it reaches in `pixels` steps inside `within`: sleeves along the arms, a skirt down the legs."""
    if pixels < 1:
        raise SmisError(f"a region grows by 1 pixel or more, found {pixels}.")
    return torch.from_numpy(ndimage.binary_dilation(where.numpy(), iterations=pixels, mask=(where | within).numpy()))


def cut(sample: dict, where: Tensor) -> Shape:
    """The region `where` as a shape to be inserted elsewhere; the sample keeps it."""
    top, bottom, left, right = _box(sample, where)
    box = (slice(top, bottom + 1), slice(left, right + 1))
    numbers = sample["instance_map"][box] if "instance_map" in sample else None
    return Shape(sample["label_map"][box], where[box], (bottom, left + (right - left) // 2), numbers)


def remove(sample: dict, where: Tensor, *, fill: Sequence[int] | str) -> dict:
    """Fill the region: each of its pixels becomes what its nearest pixel outside the region is.

    `fill` says what may flow in: a list of classes (one class: that one everywhere), or NEAREST for whatever is nearest.
    Raises SmisError when no pixel of them remains.
    """
    _box(sample, where)
    source = ~where if fill == NEAREST else ~where & torch.isin(sample["label_map"], torch.tensor(list(fill), dtype=torch.long))
    if not source.any():
        raise SmisError(f"nothing can fill the hole in {_name(sample)}: outside the region there is no pixel of {fill}.")
    nearest = ndimage.distance_transform_edt(~source.numpy(), return_distances=False, return_indices=True)
    y, x = torch.from_numpy(nearest).long()
    maps = {key: torch.where(where, sample[key][y, x], sample[key]) for key in _maps(sample)}
    return sample | maps


def recast(sample: dict, where: Tensor, c: int, instance: int | None = None) -> dict:
    """The region becomes class c, and in the instance map `instance`: by default c itself, as all that is no instance.

    For an object to be told from others of its class, `instance=new_instance(sample, c)`.
    """
    _box(sample, where)
    values = {"label_map": c, "instance_map": c if instance is None else instance}
    return sample | {key: sample[key].masked_fill(where, values[key]) for key in _maps(sample)}


def insert(sample: dict, shape: Shape, foot: tuple[int, int] | None = None, *, behind: Sequence[int] = ()) -> dict:
    """`shape` stands in the sample: its lowest row on row y, the middle of its box in column x of `foot` (y, x), by default
    where it was cut from. `behind`: classes of the sample that stay in front of it.

    Its instances get numbers that are free. Raises SmisError when it would not lie in the frame as a whole.
    """
    (h, w), (H, W), (y, x) = shape.mask.shape, sample["label_map"].shape, foot or shape.foot
    top, left = y - h + 1, x - (w - 1) // 2
    if top < 0 or left < 0 or top + h > H or left + w > W:
        rows, columns = f"rows {h - 1} to {H - 1}", f"columns {(w - 1) // 2} to {(w - 1) // 2 + W - w}"
        fits = f"the foot must be in {rows} and {columns}" if h <= H and w <= W else "it is larger: `scaled` shrinks it"
        raise SmisError(f"a shape of {h}x{w} pixels with its foot at {(y, x)} leaves the frame of {H}x{W}: {fits}.")
    box = (slice(top, top + h), slice(left, left + w))
    shown = shape.mask & ~torch.isin(sample["label_map"][box], torch.tensor(list(behind), dtype=torch.long))
    new = {"label_map": shape.label_map}
    if "instance_map" in sample:
        new["instance_map"] = _renumbered(sample, shape)
    maps = {key: sample[key].clone() for key in new}
    for key, values in new.items():
        maps[key][box] = torch.where(shown, values, maps[key][box])
    return sample | maps


def move(sample: dict, where: Tensor, dy: int, dx: int, *, fill: Sequence[int] | str, behind: Sequence[int] = ()) -> dict:
    """The region dy rows down and dx columns to the right; `fill` as of `remove`, `behind` and errors as of `insert`."""
    shape = cut(sample, where)
    return insert(remove(sample, where, fill=fill), shape, (shape.foot[0] + dy, shape.foot[1] + dx), behind=behind)


def swap(sample: dict, where: Tensor, shape: Shape, *, fill: Sequence[int] | str, behind: Sequence[int] = ()) -> dict:
    """`shape` in place of the region, on the same foot; `fill` as of `remove`, `behind` and errors as of `insert`."""
    return insert(remove(sample, where, fill=fill), shape, cut(sample, where).foot, behind=behind)


def new_instance(sample: dict, c: int) -> int:
    """The smallest free number of an instance of class c: 1000 c + k, as in Cityscapes."""
    taken, number = set(sample["instance_map"].unique().tolist()), INSTANCES * c
    while number in taken:
        number += 1
    return number


def _renumbered(sample: dict, shape: Shape) -> Tensor:
    """The shape's instance map with numbers that the sample does not have; what is no instance keeps its class."""
    if shape.instance_map is None:
        raise SmisError(f"{_name(sample)} has an instance_map, the shape has none: cut it from a sample that has one.")
    numbers, taken = shape.instance_map.clone(), sample["instance_map"].clone()
    things = shape.mask & (shape.instance_map != shape.label_map)
    for old in shape.instance_map[things].unique().tolist():
        own = things & (shape.instance_map == old)
        fresh = new_instance({"instance_map": taken}, int(shape.label_map[own][0]))
        numbers[own] = fresh
        taken = torch.cat([taken.flatten(), torch.tensor([fresh])])
    return numbers


def _box(sample: dict, where: Tensor) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of a region of the sample, all within."""
    if where.dtype != torch.bool or where.shape != sample["label_map"].shape:
        raise SmisError(
            f"the region is {where.dtype} {tuple(where.shape)}, expected bool of the label map's size, "
            f"{tuple(sample['label_map'].shape)}."
        )
    if not where.any():
        raise SmisError("the region is empty: an edit needs at least one pixel.")
    rows, columns = where.any(1).nonzero(), where.any(0).nonzero()
    return int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])


def _maps(sample: dict) -> list[str]:
    return [key for key in ("label_map", "instance_map") if key in sample]


def _name(sample: dict) -> str:
    return repr(sample["name"]) if "name" in sample else "the sample"
