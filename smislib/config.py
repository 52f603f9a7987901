"""An experiment is a frozen value; its content hash names its folder in the run store.

The values behind `smoke`, `demo` and `paper` live in `presets.py`; this file only says what an experiment is.
"""

import dataclasses
import functools
import hashlib
import json
import math
import typing
from dataclasses import dataclass, field
from typing import Any

from .errors import SmisError, did_you_mean

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")  # of Lightning Fabric, those that keep float32 weights
OPTIMIZERS = ("adam", "sgd")
LARGEST = 2**31 - 1  # of a count or a seed
FEWEST = 4  # images: a subset of KID holds half of them, and compares pairs

ADDED = {"added": True}  # metadata of a field that came later: while it has its default, older experiments keep their hash


@dataclass(frozen=True)
class DataSpec:
    """A data set as a value: which one, at which size, which part of it."""

    name: str  # a key of smislib.data.DATA
    height: int
    width: int
    n_train: int | None = None  # images used; None: all that the folder has
    n_test: int | None = None
    seed: int = 0  # of the renderer of embedded data; no effect on folders
    root: str | None = None  # folder of a real data set
    flip: bool = False  # also train on the mirrored images
    margin: float = field(
        default=0.0, metadata=ADDED
    )  # train on random cuts of images this share larger: 30/256 for ADE20K and COCO-Stuff (SPADE)

    def __post_init__(self):
        _at_least(self, 1, "height", "width", "n_train", "n_test")
        _at_least(self, 0, "seed")
        if not 0 <= self.margin <= 1:
            raise SmisError(f"data.margin is the share, in [0, 1], by which images are larger than the cut, found {self.margin}.")


@dataclass(frozen=True)
class TrainSpec:
    """The optimisation, common to every two-player model."""

    steps: int
    batch: int  # global: over all devices; D sees so many real images in each of its steps
    lr_g: float = 1e-4  # TTUR: the discriminator learns four times as fast (SMIS 4.1)
    lr_d: float = 4e-4
    beta1: float = 0.0
    beta2: float = 0.9
    constant: float = 0.6  # share of the steps before the learning rate falls linearly to 0
    ema: float = 0.0  # decay per step of the averaged generator; 0: none
    standing: int = field(default=0, metadata=ADDED)  # batches of drawn codes that give the final G its batch statistics
    reuse_fake: bool = False  # D's (first) step sees the fake that G's step made, instead of a new one after it
    d_steps: int = field(default=1, metadata=ADDED)  # of D, on images of their own, for each step of G
    # Parts of a batch whose gradients are added up before a step. It is the large batch where nothing spans that: instance norm
    # or none, and losses that are means over images (pix2pix, pix2pixHD). Where it is not: batch norm takes its statistics over
    # a part; OASIS weighs classes, BicycleGAN halves, S3GAN turns a quarter of a part; spectral norm iterates once for each.
    accumulate: int = field(default=1, metadata=ADDED)
    snapshots: int = field(default=0, metadata=ADDED)  # generators that are kept on the way, to be measured
    optimizer: str = field(default="adam", metadata=ADDED)  # or "sgd", with momentum beta1
    precision: str = "32-true"  # as Lightning Fabric names them: 32-true, bf16-mixed, 16-mixed
    threads: int | None = None  # CPU threads; part of the experiment since it changes the order of sums
    log_every: int = 10
    sample_every: int = 200
    checkpoint_every: int = 200

    def __post_init__(self):
        _at_least(self, 1, "steps", "batch", "d_steps", "accumulate", "log_every", "sample_every", "checkpoint_every", "threads")
        _at_least(self, 0, "standing", "snapshots")
        if self.batch % self.accumulate:
            raise SmisError(f"TrainSpec.batch={self.batch} does not divide evenly into accumulate={self.accumulate} parts.")
        if self.optimizer not in OPTIMIZERS:
            raise did_you_mean("optimizer", self.optimizer, OPTIMIZERS)
        for name, top in {"lr_g": math.inf, "lr_d": math.inf, "beta1": 1, "beta2": 1, "ema": 1}.items():
            if not 0 <= getattr(self, name) < top:
                raise SmisError(f"TrainSpec.{name} must be in [0, {top}), found {getattr(self, name)}.")
        if not 0 <= self.constant <= 1:
            raise SmisError(f"TrainSpec.constant is a share of the steps, in [0, 1]; found {self.constant}.")
        if self.precision not in PRECISIONS:
            raise did_you_mean("precision", self.precision, PRECISIONS)


@dataclass(frozen=True)
class EvalSpec:
    """The protocol of the measurements: how many images, label maps, pairs."""

    n_fid: int  # images for FID, KID and segmentation, real and generated
    n_maps: int  # n label maps per class for mCSD, mOCD and LPIPS (SMIS 4.3: 100), of which intervals need 2; 0: not measured
    m_pairs: int  # m pairs of codes per label map (SMIS 4.3: 19)
    backbone: str = "embedded"  # "embedded", or "paper": AlexNet for LPIPS, Inception-v3 for FID, SegFormer for mIoU
    seed: int = 0

    def __post_init__(self):
        _at_least(self, FEWEST, "n_fid")
        _at_least(self, 2 if self.n_maps == 1 else 0, "n_maps")
        _at_least(self, 1, "m_pairs")
        if self.backbone not in ("embedded", "paper"):
            raise did_you_mean("backbone of the metrics", self.backbone, ("embedded", "paper"))


@dataclass(frozen=True)
class Experiment:
    """Everything that decides a run's numbers, and nothing else."""

    model: str  # a key of smislib.MODELS
    preset: str
    seed: int
    data: DataSpec
    network: Any  # the model family's own frozen dataclass: its schedule
    loss: Any  # likewise: its loss weights; its `check(network)`, if it has one, raises SmisError where they do not fit
    train: TrainSpec
    evaluation: EvalSpec
    made_with: tuple[str, ...] = ()  # versions of what training reads beside this: the renderer, the perceptual network

    def __post_init__(self):
        _at_least(self, 0, "seed")
        for side in ("height", "width"):
            made_for, given = getattr(self.network, side, None), getattr(self.data, side)
            if made_for not in (None, given):
                raise SmisError(f"network.{side}={made_for} does not fit data.{side}={given}, from which it follows: set that.")
        if hasattr(self.loss, "check"):
            self.loss.check(self.network)

    @property
    def hash(self) -> str:
        """Sixteen hex digits over everything that changes training (the evaluation protocol does not)."""
        body = {k: v for k, v in to_dict(self).items() if k not in ("evaluation", "preset")}
        return content_hash(body)

    @property
    def name(self) -> str:
        return f"{self.data.name}-{self.model}-{self.preset}-s{self.seed}-{self.hash[:8]}"


def content_hash(value: Any) -> str:
    """Sixteen hex digits of the canonical JSON of `value`."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]


def to_dict(spec: Any) -> dict:
    """A frozen dataclass as plain JSON values, without the fields that were `ADDED` and have their default."""
    values = {f.name: getattr(spec, f.name) for f in dataclasses.fields(spec) if not _is_absent(spec, f)}
    return json.loads(json.dumps(values, default=to_dict))


def from_dict(cls: type[Any], values: dict) -> Any:
    """The inverse of `to_dict`. A key that `cls` does not have is an error that names the nearest one."""
    if not isinstance(values, dict):
        raise SmisError(f"{cls.__name__} is made of named values, found {values!r:.80}.")
    fields = {f.name: f for f in dataclasses.fields(cls)}
    hints = _hints(cls)
    for key in values:
        if key not in fields:
            raise did_you_mean(f"{cls.__name__} key", key, fields)
    missing = [k for k, f in fields.items() if k not in values and f.default is f.default_factory is dataclasses.MISSING]
    if missing:
        raise SmisError(f"{cls.__name__} lacks {', '.join(missing)}.")
    return cls(**{key: _convert(hints[key], value, f"{cls.__name__}.{key}") for key, value in values.items()})


def replace(spec: Any, assignments: dict[str, str], within: str = "") -> Any:
    """`spec` with dotted keys replaced by parsed text, e.g. {"train.steps": "100"}: the command line's `--set`.

    All of them at once: values that only fit together may come in any order. `within` is what a message puts before a key:
    "train.".
    """
    changes: dict[str, Any] = {}
    inner: dict[str, dict[str, str]] = {}  # group of values -> the assignments within it
    for key, text in assignments.items():
        path = within + key
        head, _, rest = key.partition(".")
        fields = {f.name for f in dataclasses.fields(spec)}
        if head not in fields:
            raise did_you_mean(f"{type(spec).__name__} key", head, fields)
        old = getattr(spec, head)
        if rest:
            if not dataclasses.is_dataclass(old):
                raise SmisError(f"{within}{head} is a single value, it has no {rest!r}.")
            inner.setdefault(head, {})[rest] = text
        elif dataclasses.is_dataclass(old):
            keys = ", ".join(f"{path}.{f.name}" for f in dataclasses.fields(old))
            raise SmisError(f"{path} is a group of values; change one of {keys}.")
        else:
            value = _parse(text)
            if not all(math.isfinite(v) for v in (value if isinstance(value, list) else [value]) if isinstance(v, float)):
                raise SmisError(f"{path} must be finite, found {text}.")
            changes[head] = _convert(_hints(type(spec))[head], value, path)
    changes |= {head: replace(getattr(spec, head), texts, f"{within}{head}.") for head, texts in inner.items()}
    return dataclasses.replace(spec, **changes) if changes else spec


_hints = functools.cache(typing.get_type_hints)  # asked for with every record that is read


def _is_absent(spec: Any, f: dataclasses.Field) -> bool:
    return bool(f.metadata.get("added")) and getattr(spec, f.name) == f.default


def _at_least(spec: Any, least: int, *names: str) -> None:
    for name in names:
        value = getattr(spec, name)
        if value is not None and not least <= value <= LARGEST:
            bound = f"at least {least}" if value < least else f"at most {LARGEST}"
            raise SmisError(f"{type(spec).__name__}.{name} must be {bound}, found {value}.")


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _convert(hint: Any, value: Any, where: str) -> Any:
    """`value` as `hint` wants it; JSON knows lists where the dataclasses have tuples."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or (type(None) in args and value is None):
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise SmisError(f"{where} must be a list, found {value!r}.")
        if args[-1] is not Ellipsis and len(value) != len(args):
            raise SmisError(f"{where} must be a list of {len(args)} values, found {value!r}.")
        return tuple(_convert(args[0], v, where) for v in value)
    if origin is not None:  # X | None
        return _convert(next(a for a in args if a is not type(None)), value, where)
    if dataclasses.is_dataclass(hint):
        return value if isinstance(value, hint) else from_dict(hint, value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise SmisError(f"{where} must be {hint.__name__}, found {value!r}.")
    return value
