"""A real data set is a value: where its files are, how they pair, what their labels mean. `folders.py` reads it.

What the papers trained on: DeepFashion, Cityscapes, ADE20K (SMIS 4.1, appendix B), COCO-Stuff (SPADE 4.1).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..config import DataSpec
from ..errors import SmisError
from . import label_tables as tables
from .custom import read_classes, spread_palette
from .spec import Classes

PICTURES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class Files:
    """The files of one kind: FOLDER/KEY+tail, KEY being what pairs them. `{split}` and `*` (one level) may be in `folder`."""

    folder: str
    tails: tuple[str, ...] = (".png",)
    beside: tuple[str, ...] = ()  # tails of what else belongs there

    def __str__(self) -> str:
        return f"{self.folder}/*{'|'.join(self.tails)}"


@dataclass(frozen=True)
class Tree:
    """One layout of a data set. `train`, `test`: what `{split}` stands for."""

    image: Files
    label: Files
    instance: Files | None = None
    train: str = "train"
    test: str = "test"


@dataclass(frozen=True)
class Format:
    """A data set on disk. Of several `trees` the first that is there is read.

    `remap`: stored label -> class; None: stored as classes. `exact`: an image of another aspect than asked is a fault;
    else it is stretched, as SPADE and SMIS do. `blank`: stored values that alone say nothing (test-set labels).
    `instance_base`: the stored instance is label * base + number, or the label alone. `mistakes`: (file pattern, what the
    folder is instead), looked at when no sample is complete; `suspect`: likewise from all stored labels.
    """

    title: str
    classes: Classes
    trees: tuple[Tree, ...]
    remap: tables.Remap | None = None
    exact: bool = False
    published: tuple[int, int] | None = None  # images of train and test
    blank: frozenset[int] = frozenset()
    instance_base: int | None = None
    mistakes: tuple[tuple[str, str], ...] = ()
    suspect: Callable[[set[int]], str | None] | None = None

    @property
    def allowed(self) -> str:
        """The label values that may be stored, as text."""
        if self.remap:
            return self.remap.values
        ignored = "" if self.classes.ignore_index is None else f" or {self.classes.ignore_index} (ignored)"
        return f"0..{len(self.classes) - 1}{ignored}"

    def unknown(self, values: np.ndarray) -> np.ndarray:
        """Those of the label `values` that may not be stored."""
        if self.remap:
            table = self.remap.lookup()
            wrong = (values < 0) | (values >= len(table)) | (table[values.clip(0, len(table) - 1)] < 0)
        else:
            wrong = (values < 0) | (values >= len(self.classes))
            if self.classes.ignore_index is not None:
                wrong &= values != self.classes.ignore_index
        return values[wrong]

    def class_map(self, label: np.ndarray) -> np.ndarray:
        """Stored labels, all of them allowed, as classes: uint8 where that holds every class, else int32."""
        largest = max(len(self.classes) - 1, self.classes.ignore_index or 0)
        found = self.remap.lookup()[label] if self.remap else label
        return found.astype(np.uint8 if largest < 256 else np.int32)

    def legend(self) -> list[dict]:
        """A row for every stored value: its meaning, the class it becomes, that class's colour."""
        named = self.remap.rows if self.remap else [(c, name, c) for c, name in enumerate(self.classes.names)]
        classes = self.classes
        return [
            {"stored": value, "means": name, "class": c, "name": classes.names[c], "colour": classes.palette[c]}
            for value, name, c in named
        ]


def _deepfashion_suspect(values: set[int]) -> str | None:
    if max(values, default=8) < 8:
        return (
            "no label is above 7: these look like masks that are merged to 8 classes already, as the ones SMIS released. "
            "Use them as a `custom` folder, or parse the images with a CIHP network (20 labels)"
        )


def _cityscapes_suspect(values: set[int]) -> str | None:
    if 255 in values and max(values - {255}, default=19) < 19:
        return "the labels hold 0..18 and 255 alone: these are trainIds; the files must hold the official labelIds"


_GT_FINE = tuple(
    f"_gtFine_{kind}"
    for kind in ("color.png", "polygons.json", "instanceIds.png", "labelIds.png", "labelTrainIds.png", "instanceTrainIds.png")
)
_SUPPORTED_COCO = "; fetch stuffthingmaps_trainval2017.zip (index PNGs)"

FORMATS: dict[str, Format] = {
    "deepfashion": Format(
        title="DeepFashion In-shop with CIHP parsing, in the layout of SMIS",
        classes=Classes(tables.SMIS_PARTS, tables.SMIS_COLOURS),
        trees=(Tree(Files("{split}", PICTURES), Files("cihp_{split}_mask")),),
        remap=tables.CIHP,
        published=(29_000, 2_500),
        blank=frozenset({0}),
        mistakes=(
            ("img/*/*/*/*.jpg", "the In-shop release itself, which has no parsing: choose a split, parse it with a CIHP network"),
            ("cihp_*_mask/*_vis.png", "pictures of a parsing in colour; the masks must hold the indices 0..19"),
        ),
        suspect=_deepfashion_suspect,
    ),
    "cityscapes": Format(
        title="Cityscapes, leftImg8bit and gtFine",
        classes=Classes(tables.CITYSCAPES_NAMES, tables.CITYSCAPES_COLOURS, things=tables.CITYSCAPES_THINGS),
        trees=(
            Tree(
                Files("leftImg8bit/{split}/*", ("_leftImg8bit.png",)),
                Files("gtFine/{split}/*", ("_gtFine_labelIds.png",), beside=_GT_FINE),
                Files("gtFine/{split}/*", ("_gtFine_instanceIds.png",), beside=_GT_FINE),
                test="val",
            ),
        ),
        remap=tables.CITYSCAPES,
        published=(2_975, 500),
        blank=frozenset({0, 1, 2, 3}),
        instance_base=1000,
        mistakes=(
            ("gtFine/*/*/*_labelTrainIds.png", "labels converted to trainIds; fetch gtFine_trainvaltest.zip for the labelIds"),
            ("gtFine/*/*/*_color.png", "labels in colour alone; fetch gtFine_trainvaltest.zip for the labelIds"),
            ("gtCoarse/*/*/*", "the coarse labels; fetch gtFine_trainvaltest.zip"),
            ("leftImg8bit_*/*/*/*", "blurred or foggy images; fetch leftImg8bit_trainvaltest.zip"),
        ),
        suspect=_cityscapes_suspect,
    ),
    "ade20k": Format(
        title="ADE20K, the SceneParsing release (ADEChallengeData2016)",
        classes=Classes(tables.ADE20K_NAMES, spread_palette(len(tables.ADE20K_NAMES))),
        trees=(
            Tree(
                Files("images/{split}", (".jpg",)),
                Files("annotations/{split}"),
                train="training",
                test="validation",
            ),
        ),
        remap=tables.ADE20K,
        published=(20_210, 2_000),
        blank=frozenset({0}),
        mistakes=(
            (
                "images/**/*_seg.png",
                "the full release of ADE20K (3,000 labels coded in colour); fetch ADEChallengeData2016.zip, 150 classes",
            ),
            ("index_ade20k.*", "the full release of ADE20K; fetch ADEChallengeData2016.zip, 150 classes"),
            ("annotations_instance/*/*.png", "the instance release; fetch ADEChallengeData2016.zip"),
        ),
    ),
    "coco_stuff": Format(
        title="COCO-Stuff 164k (stuffthingmaps), as unpacked or in the layout of SPADE",
        classes=Classes(tables.COCO_STUFF_NAMES, spread_palette(len(tables.COCO_STUFF_NAMES))),
        trees=(
            Tree(
                Files("images/{split}", (".jpg",)),
                Files("annotations/{split}"),
                train="train2017",
                test="val2017",
            ),
            Tree(
                Files("{split}_img", (".jpg",)),
                Files("{split}_label"),
                Files("{split}_inst"),
                test="val",
            ),
        ),
        remap=tables.COCO_STUFF,
        published=(118_287, 5_000),
        blank=frozenset({255}),
        mistakes=(
            ("annotations/*/*_labelTrainIds.png", f"labels renumbered for another program{_SUPPORTED_COCO}"),
            ("annotations/stuff_*.json", f"polygons{_SUPPORTED_COCO}"),
            ("annotations/instances_*.json", f"polygons{_SUPPORTED_COCO}"),
            ("annotations/*.mat", f"COCO-Stuff 10K{_SUPPORTED_COCO}"),
        ),
    ),
}

NAMES = ("custom", "photos", *FORMATS)  # the data sets that are folders


def custom(root: Path) -> Format:
    """The `custom` format with the class list of `root`. Raises SmisError for a class list that is missing or wrong."""
    tree = Tree(Files("{split}/images", PICTURES), Files("{split}/labels", PICTURES))
    return Format("custom folder", read_classes(root), (tree,), exact=True)


def root_of(spec: DataSpec) -> Path:
    """The folder of a spec, which must name one that exists."""
    if spec.root is None:
        raise SmisError(f"data set {spec.name!r} needs its folder: --root FOLDER (see `smis data check {spec.name} FOLDER`).")
    root = Path(spec.root).expanduser()
    if not root.is_dir():
        wanted = FORMATS[spec.name].title if spec.name in FORMATS else "a folder with classes.json, train/ and test/"
        raise SmisError(f"{root} is not a folder. The data set {spec.name!r} needs one: {wanted}.")
    return root


def needs_folder(spec: DataSpec) -> None:
    """Raise SmisError for a data set that has no files."""
    if spec.name not in NAMES:
        raise SmisError(f"{spec.name} are rendered by the library, or have no labels; there is no folder to check or to resize.")


def format_of(spec: DataSpec) -> Format:
    """The format of a spec: of its name, or what its folder says of itself."""
    return FORMATS[spec.name] if spec.name in FORMATS else custom(root_of(spec))
