"""The networks that metrics look through: official ones found on this machine, and small ones, shipped.

    perceptual         FeatureNet, the perceptual loss of the embedded data (in VGG19's place)
    metric             FeatureNet, LPIPS[embedded], FID[embedded], KID[embedded]
    segmenter          Segmenter of `mannequins`, mIoU[embedded], Acc[embedded]
    segmenter_streets  likewise of `streets`
    segmenter_rooms    likewise of `rooms`
    classifier_tokens  Classifier of the 24 things of `tokens`, IS[embedded], FID[embedded]

The first two have one architecture and differ in their seed, so that a loss never optimises the network that judges it.
None has a norm layer: what they compute for an image depends on that image alone. `train_backbones` trains them; notebook
90 runs it and wrote the files in `smislib/assets`.
"""

import hashlib
import json
import pickle
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from .. import atomic, paths
from ..errors import SmisError, did_you_mean

SEGMENTERS = ("segmenter", "segmenter_streets", "segmenter_rooms")
CLASSIFIERS = ("classifier_tokens",)
NAMES = ("perceptual", "metric", *SEGMENTERS, *CLASSIFIERS)


class FeatureNet(nn.Module):
    """A small feature pyramid: `convs` 3x3 convs per stage, average pooling between, so that no stride aliases.

    Any image of at least 32x32. The default has 59 thousand parameters and a receptive field of 66 pixels.
    """

    def __init__(self, channels: tuple[int, ...] = (12, 24, 32, 48), convs: int = 2):
        super().__init__()
        self.channels = tuple(channels)
        self.register_buffer("centre", torch.zeros(sum(channels)))  # of `pooled`, over the training pictures
        self.register_buffer("scale", torch.ones(sum(channels)))  # 1 / spread, likewise
        self.stages = nn.ModuleList()
        for i, c in enumerate(channels):
            # one conv is enough at full resolution, where it costs most
            more = [_conv(c, c) for _ in range(convs - 1)]
            self.stages.append(nn.Sequential(_conv(channels[i - 1], c), *more) if i else _conv(3, c))

    def features(self, x: Tensor) -> list[Tensor]:
        """x (N,3,H,W) in [-1,1] -> one map per stage, (N,channels[i],H/2^i,W/2^i).

        In the shipped networks every stage has the pixels' unit: two pictures differ, in mean absolute value, as much
        in each stage as they do in their pixels. So the weights of a loss over stages mean what they say.
        """
        maps = []
        for i, stage in enumerate(self.stages):
            x = stage(F.avg_pool2d(x, 2) if i else x)
            maps.append(x)
        return maps

    def pooled(self, x: Tensor) -> Tensor:
        """x (N,3,H,W) in [-1,1] -> spatial means of all stages (N,116): few enough for FID with a few hundred images.

        In a trained network they are standardised over the training pictures.
        """
        return (torch.cat([f.mean((2, 3)) for f in self.features(x)], 1) - self.centre) * self.scale


class Segmenter(nn.Module):
    """A small U-Net without norm layers: x (N,3,H,W) in [-1,1] -> logits (N,C,H,W). H and W multiples of 8.

    It works on 2x2 blocks of pixels, four times cheaper than at full resolution; two last convs sharpen the edges.
    """

    multiple = 8

    def __init__(self, C: int, channels: tuple[int, ...] = (24, 40, 64)):
        super().__init__()
        self.C, self.channels = C, tuple(channels)
        self.down = nn.ModuleList(nn.Sequential(_conv(a, c), _conv(c, c)) for a, c in pairwise((12, *channels)))
        self.lift = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(channels))
        self.up = nn.ModuleList(_conv(c, c) for c in channels[:-1])
        self.out = nn.Conv2d(channels[0], 4 * C, 1)
        self.sharpen = nn.Sequential(_conv(C + 3, 16), nn.Conv2d(16, C, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-2] % self.multiple or x.shape[-1] % self.multiple:
            found = tuple(x.shape[-2:])
            raise SmisError(f"the segmenter takes sizes that are multiples of {self.multiple}, found {found}: resize first.")
        image, x = x, F.pixel_unshuffle(x, 2)  # (N,12,H/2,W/2)
        skips = []
        for i, block in enumerate(self.down):
            x = block(F.avg_pool2d(x, 2) if i else x)  # (N,channels[i],H/2^(i+1),..)
            skips.append(x)
        for i in reversed(range(len(self.up))):
            x = self.up[i](skips[i] + F.interpolate(self.lift[i](x), scale_factor=2, mode="nearest"))
        logits = F.pixel_shuffle(self.out(x), 2)  # (N,C,H,W)
        return logits + self.sharpen(torch.cat([logits, image], 1))


class Classifier(nn.Module):
    """The class of a whole image, without norm layers: x (N,3,H,W) in [-1,1] -> logits (N,C). Any image of at least 32x32.

    A FeatureNet of one conv per stage, the mean of its last stage, a linear layer. The default has 23 thousand parameters.
    """

    def __init__(self, C: int, channels: tuple[int, ...] = (10, 20, 36, 40)):
        super().__init__()
        self.C, self.channels = C, tuple(channels)
        self.see = FeatureNet(channels, convs=1)
        self.out = nn.Linear(channels[-1], C)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.see.features(x)[-1].mean((2, 3)))

    def pooled(self, x: Tensor) -> Tensor:
        """As of FeatureNet: x (N,3,H,W) in [-1,1] -> standardised spatial means of all stages (N,106)."""
        return self.see.pooled(x)


def _conv(c_in: int, c_out: int) -> nn.Sequential:
    conv = nn.Conv2d(c_in, c_out, 3, padding=1)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")  # torch's default shrinks features by 3 per layer:
    nn.init.zeros_(conv.bias)  # without norm layers a third of the channels then dies
    return nn.Sequential(conv, nn.ReLU())


ARCHITECTURES = {"FeatureNet": FeatureNet, "Segmenter": Segmenter, "Classifier": Classifier}


def save(net: nn.Module, path: Path, training: dict, scores: dict) -> Path:
    """Write `net` as float16 safetensors that say what they are: architecture, how it was trained, held-out scores."""
    arguments = {"channels": net.channels} | ({} if isinstance(net, FeatureNet) else {"C": net.C})
    described = {"architecture": type(net).__name__, "arguments": arguments, "training": training, "scores": scores}
    state = {k: v.detach().half().contiguous() for k, v in net.state_dict().items()}
    metadata = {k: json.dumps(v) for k, v in described.items()}
    atomic.write_tensors(path, state, metadata)
    return path


def shipped(name: str, folder: Path = paths.ASSETS) -> Path:
    """The file of a shipped network."""
    if name not in NAMES:
        raise did_you_mean("embedded network", name, NAMES)
    path = folder / f"{name}.safetensors"
    if not path.exists():
        raise SmisError(f"{path} is missing: reinstall smislib, or make it again with notebook 90 (`save = True`).")
    return path


def load(name: str, device: str | torch.device = "cpu", folder: Path = paths.ASSETS) -> FeatureNet | Segmenter | Classifier:
    """A shipped network, frozen, in eval mode, float32. It carries `metadata` (training, scores) and `weight_hash`."""
    path = shipped(name, folder)
    metadata, state = _read(path)
    net = ARCHITECTURES[metadata["architecture"]](**metadata["arguments"])
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise SmisError(f"{path} was written by another version of {metadata['architecture']}: reinstall smislib.") from error
    net.metadata, net.weight_hash = metadata, file_hash(path)
    return net.to(device).eval().requires_grad_(False)


def segmenter_of(names: tuple[str, ...], folder: Path = paths.ASSETS) -> str | None:
    """Which shipped segmenter knows the classes `names`, if one does."""
    return _knows(SEGMENTERS, names, folder)


def classifier_of(names: tuple[str, ...], folder: Path = paths.ASSETS) -> str | None:
    """Likewise of classifiers of whole images."""
    return _knows(CLASSIFIERS, names, folder)


def _knows(shipped_names: tuple[str, ...], names: tuple[str, ...], folder: Path) -> str | None:
    return next((name for name in shipped_names if tuple(described(name, folder)["training"]["classes"]) == names), None)


def described(name: str, folder: Path = paths.ASSETS) -> dict:
    """What the file of a shipped network says of it: architecture, arguments, training, scores."""
    return _read(shipped(name, folder), tensors=False)[0]


def _read(path: Path, tensors: bool = True) -> tuple[dict, dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = {k: json.loads(v) for k, v in file.metadata().items()}
            return metadata, {k: file.get_tensor(k).float() for k in file.keys() if tensors}  # noqa: SIM118 (not a dict)
    except SafetensorError as error:
        raise SmisError(f"{path} cannot be read ({error}): reinstall smislib.") from error


class EmbeddedFeatures:
    """The features of `FID[embedded]`: images (N,3,H,W) in [-1,1] -> (N,d), at the images' own size; of "metric" d = 116."""

    suffix = "[embedded]"

    def __init__(self, device: str | torch.device = "cpu", name: str = "metric"):
        self.net, self.device = load(name, device), device
        self.protocol = {
            "backbone": f"embedded/{name}, spatial means of all stages, standardised",
            "weights": self.net.weight_hash,
            "image range": "[-1,1]",
            "resize": "none",
        }

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        return self.net.pooled(images.to(self.device))


class EmbeddedClassifier(EmbeddedFeatures):
    """The features of `FID[embedded]`, (N,106), and the classes of `IS[embedded]` of whole images (N,3,H,W) in [-1,1],
    H, W >= 32.

    Raises SmisError when no shipped classifier was trained on the classes `names`.
    """

    def __init__(self, names: tuple[str, ...], device: str | torch.device = "cpu"):
        known = ", ".join(described(name)["training"]["data"] for name in CLASSIFIERS)
        advice = f"there is one for {known}. Measure with Inception-v3: evaluation.backbone=paper."
        super().__init__(device, _needed(classifier_of(names), "classifier", names, advice))

    @torch.no_grad()
    def probabilities(self, images: Tensor) -> Tensor:
        """(N,C), rows that sum to 1."""
        return self.net(images.to(self.device)).softmax(1)


class EmbeddedSegmenter:
    """What reads the labels of `mIoU[embedded]`: images (N,3,H,W) in [-1,1] -> classes int64 (N,H,W). H, W multiples of 8.

    Raises SmisError when no shipped segmenter was trained on the classes `names`.
    """

    suffix = "[embedded]"

    def __init__(self, names: tuple[str, ...], device: str | torch.device = "cpu"):
        known = ", ".join(described(name)["training"]["data"] for name in SEGMENTERS)
        advice = f"there is one for each of {known}. Leave mIoU out."
        name = _needed(segmenter_of(names), "segmenter", names, advice)
        self.net, self.device = load(name, device), device
        self.predicts = tuple(range(len(names)))
        self.protocol = {"backbone": f"embedded/{name}", "weights": self.net.weight_hash, "image range": "[-1,1]"}

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        return self.net(images.to(self.device)).argmax(1)


def _needed(found: str | None, kind: str, names: tuple[str, ...], advice: str) -> str:
    if found is None:
        raise SmisError(f"no shipped {kind} knows these {len(names)} classes ({', '.join(names[:8])} ..); {advice}")
    return found


@dataclass(frozen=True)
class Official:
    """Weights that the papers' protocol needs and that this library does not ship."""

    file: str
    url: str
    purpose: str

    def places(self) -> list[Path]:
        """Where they are looked for: `SMIS_WEIGHTS`, then torch's hub cache."""
        return [d / self.file for d in (paths.weights(), Path(torch.hub.get_dir()) / "checkpoints") if d is not None]

    def advice(self) -> str:
        target = self.places()[0]
        return f"Fetch it with:\n  mkdir -p {target.parent} && curl -L -o {target} {self.url}"

    def find(self) -> Path:
        """The local file. Raises SmisError with the exact command that fetches it; nothing is downloaded silently."""
        for path in self.places():
            if path.is_file():
                return path
        looked = " or ".join(str(p.parent) for p in self.places())
        raise SmisError(f"{self.purpose} needs {self.file}, which is not in {looked}. {self.advice()}")

    def read(self, path: Path) -> dict[str, Tensor]:
        """Its state dict; only tensors are unpickled."""
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
            raise SmisError(f"{path} is truncated or not a state dict ({type(error).__name__}). {self.advice()}") from error


def file_hash(path: Path) -> str:
    """Sixteen hex digits of the file's SHA-256. Official files carry the first eight in their name."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
