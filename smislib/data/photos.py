"""The data set `photos`: real photographs without a download, written in the `custom` format.

Random square crops of the colour photographs that ship inside the scikit-image wheel (0.26: astronaut, chelsea, coffee,
rocket, retina, ihc and the stereo pair motorcycle_left / motorcycle_right) and the scikit-learn wheel (china, flower).
The files are read from the installed packages; their fetching functions, which may download, are never called.

Training crops come from the left two thirds of each photograph, test crops from the right third. The stereo pair shows
one scene twice, so only its left view is trained on and only its right view tested: a point lies further left in the
right view, so what is right of a column there is right of it in the left view too: no test crop shows a trained point.

Label maps are clusters of colour, position and texture (k-means on training regions), ordered from dark to light.
"""

import importlib.util
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from .. import atomic, paths
from ..config import DataSpec, content_hash
from ..errors import SmisError

VERSION = 1  # of the pictures and label maps
C = 8  # clusters
SPLITS = ("train", "test", "fit")  # "fit": the crops of training regions that the clusters are fitted on
COUNTS = {"train": 600, "test": 150}  # where the spec gives no number
N_FIT = 96
HELD_OUT = 1 / 3  # share of each photograph's width, on the right, that only test crops see
SKIMAGE, SKLEARN = ("skimage", "data"), ("sklearn", "datasets/images")
PHOTOS: dict[str, tuple[Any, ...]] = {  # name: (package, folder), file to train on, file to test on
    "astronaut": (SKIMAGE, "astronaut.png", "astronaut.png"),
    "chelsea": (SKIMAGE, "chelsea.png", "chelsea.png"),
    "coffee": (SKIMAGE, "coffee.png", "coffee.png"),
    "rocket": (SKIMAGE, "rocket.jpg", "rocket.jpg"),
    "motorcycle": (SKIMAGE, "motorcycle_left.png", "motorcycle_right.png"),
    "retina": (SKIMAGE, "retina.jpg", "retina.jpg"),
    "ihc": (SKIMAGE, "ihc.png", "ihc.png"),
    "china": (SKLEARN, "china.jpg", "china.jpg"),
    "flower": (SKLEARN, "flower.jpg", "flower.jpg"),
}
COLOUR_NAMES = {
    "black": "141214", "charcoal": "3e3c3e", "grey": "808080", "silver": "bebebc", "white": "f5f4f0", "navy": "1e2850",
    "blue": "3c64aa", "sky blue": "8cb9e1", "teal": "287878", "forest": "284628", "green": "5a8c46", "olive": "6e6937",
    "brown": "5f3c23", "sienna": "a05a32", "tan": "c8a578", "cream": "e8d7be", "red": "b42d28", "orange": "e18232",
    "yellow": "e1c846", "pink": "dc96a0", "purple": "6e4682", "mauve": "a087a0",
}  # fmt: skip


@dataclass(frozen=True)
class Crop:
    """A square of a photograph, in its pixels."""

    photo: str
    file: str
    left: int
    top: int
    side: int


def installed() -> dict[str, list[Path]]:
    """The photographs that are in the installed packages: name -> [file to train on, file to test on]."""
    found = {}
    for name, ((package, folder), *names) in PHOTOS.items():
        if spec := importlib.util.find_spec(package):  # finds the package without the second that importing it takes
            files = [Path(spec.origin).parent / folder / file for file in names]  # ty: ignore[invalid-argument-type]
            if all(file.is_file() for file in files):
                found[name] = files
    if not found:
        raise SmisError("no photographs found: install scikit-image and scikit-learn, whose packages contain them.")
    return found


def load() -> dict[str, dict[str, np.ndarray]]:
    """Their pixels: name -> {"train": (H,W,3) uint8, "test": likewise}."""
    pixels = {}
    for name, files in installed().items():
        views = [np.array(Image.open(file).convert("RGB")) for file in files]
        pixels[name] = dict(zip(("train", "test"), views, strict=True))
    return pixels


def crop(photos: dict, seed: int, split: str, index: int) -> Crop:
    """The crop of (seed, split, index): a photograph in turn, a random square of its training or held-out part."""
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    name = list(photos)[index % len(photos)]
    view = "test" if split == "test" else "train"
    height, width = photos[name][view].shape[:2]
    border = math.ceil(width * (1 - HELD_OUT))
    start, stop = (border, width) if view == "test" else (0, border)
    largest = min(width - border, height)  # the held-out part is the narrower one: both splits see the same scales
    side = round(largest * (0.6 + 0.4 * rng.random()))
    left = start + int(rng.random() * (stop - start - side + 1))
    top = int(rng.random() * (height - side + 1))
    return Crop(name, PHOTOS[name][1 + (view == "test")], left, top, side)


def _pixels(photos: dict, c: Crop, split: str, size: int) -> Image.Image:
    view = photos[c.photo]["test" if split == "test" else "train"]
    square = Image.fromarray(view[c.top : c.top + c.side, c.left : c.left + c.side])
    return square.resize((size, size), Image.Resampling.BICUBIC)


def _features(image: Image.Image) -> np.ndarray:
    """(size*size, 6): smoothed Lab, the local contrast of lightness, and the position in the crop, weighted."""
    from scipy import ndimage  # not above: every `import smislib` would wait for it
    from skimage.color import rgb2lab

    size = image.width
    lab = rgb2lab(np.array(image))
    sigma = size / 64
    smooth = ndimage.gaussian_filter(lab, (sigma, sigma, 0))
    contrast = ndimage.gaussian_filter(np.abs(lab[..., 0] - smooth[..., 0]), 1.5 * sigma)
    y, x = np.mgrid[:size, :size] / size
    weighted = [smooth[..., 0], 1.6 * smooth[..., 1], 1.6 * smooth[..., 2], 0.8 * contrast, 14 * y, 6 * x]
    return np.stack(weighted, -1).reshape(-1, len(weighted))


def _clusters(photos: dict, seed: int, size: int) -> np.ndarray:
    """The centres (C,6), dark to light, fitted on crops of their own from the training regions."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    crops = [crop(photos, seed, "fit", i) for i in range(N_FIT)]
    features = np.concatenate([_features(_pixels(photos, c, "fit", size))[:: max(1, size * size // 512)] for c in crops])
    with threadpool_limits(1):  # with more threads the order of sums, and so the last bits, would vary
        centres = KMeans(C, n_init=4, random_state=seed).fit(features).cluster_centers_
    return centres[np.argsort(centres[:, 0])]


def segment(image: Image.Image, centres: np.ndarray) -> np.ndarray:
    """The label map (H,W) uint8: nearest centre, then the neighbourhood's majority, then no specks (< 0.4 %)."""
    from scipy import ndimage

    size = image.width
    features = _features(image)
    nearest = ((centres**2).sum(1) - 2 * features @ centres.T).argmin(1).reshape(size, size)
    window = max(3, size // 16 | 1)
    for _ in range(2):
        votes = [ndimage.uniform_filter((nearest == c).astype(np.float32), window) for c in range(len(centres))]
        nearest = np.argmax(votes, 0)
    small = np.zeros((size, size), bool)
    for c in range(len(centres)):
        regions, n = ndimage.label(nearest == c)
        areas = np.bincount(regions.ravel(), minlength=n + 1)
        small |= (areas < 0.004 * size * size)[regions] & (regions > 0)
    if small.any() and not small.all():
        rows, columns = ndimage.distance_transform_edt(small, return_distances=False, return_indices=True)
        nearest = nearest[rows, columns]
    return nearest.astype(np.uint8)


def _colours(centres: np.ndarray) -> tuple[list[str], list[list[int]]]:
    """Names and RGB of the centres; a name used twice gets a number."""
    from skimage.color import lab2rgb, rgb2lab

    lab = centres[:, :3] / (1, 1.6, 1.6)
    known = rgb2lab(np.array([list(bytes.fromhex(colour)) for colour in COLOUR_NAMES.values()]) / 255)
    names = [list(COLOUR_NAMES)[np.square(known - colour).sum(1).argmin()] for colour in lab]
    names = [f"{name} {names[:i].count(name) + 1}" if names[:i].count(name) else name for i, name in enumerate(names)]
    return names, (lab2rgb(lab) * 255).round().astype(int).tolist()


def build(root: str | Path, size: int, n_train: int, n_test: int, seed: int = 0) -> Path:
    """Writes the data set as a new folder `root` in the `custom` format, all or nothing; returns it.

    `crops.json` in it says which square of which photograph each image is. Raises SmisError if `root` exists.
    """
    root = Path(root).expanduser()
    if not 32 <= size <= 256:
        raise SmisError(f"photos are cut to 32 to 256 pixels, found {size}.")
    with atomic.folder(root) as temporary:
        photos = load()
        centres = _clusters(photos, seed, size)
        names, palette = _colours(centres)
        crops = {"train": {}, "test": {}}
        jobs = [(split, i) for split, n in (("train", n_train), ("test", n_test)) for i in range(n)]
        for split in crops:
            for part in ("images", "labels"):
                (temporary / split / part).mkdir(parents=True)
        for split, i in tqdm(jobs, f"cutting {len(jobs)} photographs ({size}x{size})", delay=1, leave=False):
            c = crop(photos, seed, split, i)
            image = _pixels(photos, c, split, size)
            label = Image.fromarray(segment(image, centres))
            label.putpalette(np.array(palette, np.uint8).tobytes())
            stem = f"{i:05d}-{c.photo}"
            image.save(temporary / split / "images" / f"{stem}.png")
            label.save(temporary / split / "labels" / f"{stem}.png")
            crops[split][stem] = vars(c)
        (temporary / "classes.json").write_text(json.dumps({"names": names, "palette": palette}, indent=1))
        (temporary / "crops.json").write_text(json.dumps(crops, indent=1))
    return root


def as_folder(spec: DataSpec) -> DataSpec:
    """The spec with `root`: the given one, or the folder in the cache, built now if it is not there."""
    if spec.root is not None:
        return spec
    if spec.height != spec.width:
        raise SmisError(f"photos are square, found {spec.height}x{spec.width} (height x width).")
    n_train = COUNTS["train"] if spec.n_train is None else spec.n_train
    n_test = COUNTS["test"] if spec.n_test is None else spec.n_test
    key = content_hash([VERSION, list(installed()), spec.width, n_train, n_test, spec.seed])
    root = paths.cache() / "data" / f"photos-{spec.width}px-{n_train}-{n_test}-{key}"
    if not root.exists():
        try:
            build(root, spec.width, n_train, n_test, spec.seed)
        except (SmisError, OSError) as error:
            if not root.exists():  # else another process has finished the same folder meanwhile
                raise SmisError(f"cannot build the photos in {root.parent}: {error}") from error
    return replace(spec, root=str(root))
