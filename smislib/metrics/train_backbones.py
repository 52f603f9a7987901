"""How the shipped networks of `backbones` came about: supervised on the embedded data's true factors and part labels.

A `FeatureNet` learns to tell, from the features inside each part, the part's colours and pattern, and from all stages
together a coarse part segmentation: what it has to know to do so (colour, texture, shape) is what a perceptual distance
on this data should see. Its heads are thrown away. A `Segmenter` learns the labels of one data set under colour jitter,
blur and noise, since it has to read images that a generator made. So does a `Classifier`, of whole images. Picture sizes
alternate, so that all work from 32 pixels up.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.transforms.functional import gaussian_blur
from tqdm.auto import tqdm

from ..config import DataSpec
from ..data import classes, open_split
from ..data.synthetic import RENDERERS
from . import segmentation
from .backbones import Classifier, FeatureNet, Segmenter

COLOURS = 6  # the first factors: main and second colour, sRGB 0..1; the rest is the pattern, one-hot
Loss = Callable[[dict], dict[str, Tensor]]  # a batch -> named losses, summed for the step
SEEN = 12  # pixels of a part below which its factors are not asked for


@dataclass(frozen=True)
class Lessons:
    """How a shipped network is trained. A step takes `pixels` pixels of pictures of one `rendered` height, halved up to
    `halvings` times.
    """

    seed: int
    steps: int
    data_seed: int = 1000  # of the renderer; the experiments' pictures have other seeds
    n_train: int = 1000
    n_test: int = 256
    rendered: tuple[int, ...] = (64, 96)
    tested: tuple[int, ...] = (32, 64)
    pixels: int = 8 * 64 * 64
    lr: float = 2e-3
    halvings: int = 1
    data: str = "mannequins"  # a key of RENDERERS
    balance: float = 0.0  # a segmenter's loss weighs a class by its share of the pixels, to the power of -balance


LESSONS = {
    "perceptual": Lessons(seed=1, steps=2500, pixels=16 * 64 * 64),
    "metric": Lessons(seed=2, steps=2500, pixels=16 * 64 * 64),
    "segmenter": Lessons(seed=3, steps=3000),
    "segmenter_streets": Lessons(seed=4, steps=3000, n_test=96, tested=(32, 48, 64), data="streets", balance=0.5),
    "segmenter_rooms": Lessons(seed=5, steps=3000, n_train=2000, tested=(32, 48, 64), data="rooms", balance=0.5),
    "classifier_tokens": Lessons(
        seed=6, steps=4000, n_train=8000, n_test=2000, rendered=(32, 64), pixels=64 * 32 * 32, lr=4e-3, halvings=0, data="tokens"
    ),
}


class FactorHeads(nn.Module):
    """What a FeatureNet is asked during training: factors of each part, and a segmentation at a quarter of the size."""

    def __init__(self, channels: Sequence[int], C: int, K: int):
        super().__init__()
        self.factors = nn.Sequential(nn.Linear(sum(channels) + C, 96), nn.ReLU(), nn.Linear(96, K))
        self.parts = nn.Conv2d(sum(channels), C, 1)

    def forward(self, maps: list[Tensor], labels: Tensor) -> tuple[Tensor, Tensor]:
        """Stage maps and labels (N,C,H,W) -> factors (N,C,K), logits (N,C,H/4,W/4)."""
        size = (labels.shape[-2] // 4, labels.shape[-1] // 4)
        inside = []
        for f in maps:
            share = F.adaptive_avg_pool2d(labels, f.shape[-2:])  # (N,C,h,w)
            inside.append(torch.einsum("nchw,nfhw->ncf", share, f) / (share.sum((2, 3))[..., None] + 1e-6))
        one_hot = torch.eye(labels.shape[1], device=labels.device).expand(len(labels), -1, -1)
        column = torch.cat([F.adaptive_avg_pool2d(f, size) if f.shape[-1] > size[1] else _upsample(f, size) for f in maps], 1)
        return self.factors(torch.cat([*inside, one_hot], 2)), self.parts(column)


def train_features(lessons: Lessons, device: str = "cpu") -> tuple[FeatureNet, dict, list[dict]]:
    """A trained FeatureNet, its held-out scores, and the log (one dict per 10 steps)."""
    torch.manual_seed(lessons.seed)
    pictures = _pictures(lessons, lessons.rendered, "train", device)
    C, K = pictures[lessons.rendered[0]]["factors"].shape[1:]
    net = FeatureNet().to(device)
    heads = FactorHeads(net.channels, C, K).to(device)
    weight = torch.ones(K - COLOURS, device=device)
    weight[0] = 0.2  # most parts are always plain

    def loss(batch: dict) -> dict[str, Tensor]:
        labels, factors = batch["labels"], batch["factors"]
        guess, parts = heads(net.features(batch["image"]), labels)
        seen = labels.sum((2, 3)) >= SEEN
        coarse = F.adaptive_avg_pool2d(labels, parts.shape[-2:])
        return {
            "colour": (guess - factors)[seen][:, :COLOURS].abs().mean() * 10,
            "pattern": F.cross_entropy(guess[seen][:, COLOURS:], factors[seen][:, COLOURS:].argmax(1), weight),
            "parts": F.cross_entropy(parts, coarse),
        }

    log = _fit([net, heads], loss, lessons, pictures)
    _store_as_float16(net)
    held_out = _pictures(lessons, lessons.tested, "test", device)
    scores = {f"{size}px": _feature_scores(net, heads, _with_labels(batch)) for size, batch in held_out.items()}
    _set_units(net, pictures[lessons.rendered[0]]["image"])
    _store_as_float16(net)
    return net, scores, log


@torch.no_grad()
def _feature_scores(net: FeatureNet, heads: FactorHeads, batch: dict) -> dict[str, float]:
    maps, factors = net.features(batch["image"]), batch["factors"]
    guess, parts = heads(maps, batch["labels"])
    seen = batch["labels"].sum((2, 3)) >= SEEN
    right = guess[seen][:, COLOURS:].argmax(1) == factors[seen][:, COLOURS:].argmax(1)
    patterned = factors[seen][:, COLOURS] < 1  # most parts are plain and easy: score the others
    truth = F.adaptive_avg_pool2d(batch["labels"], parts.shape[-2:]).argmax(1)
    return {
        "colour error": (guess - factors)[seen][:, :3].abs().mean().item(),  # of 0..1
        "pattern accuracy": right[patterned].float().mean().item(),
        "coarse part accuracy": (parts.argmax(1) == truth).float().mean().item(),
        "dead channels": sum(int((f.amax((0, 2, 3)) == 0).sum()) for f in maps),
    }


@torch.no_grad()
def _set_units(net: FeatureNet, images: Tensor) -> None:
    """Every stage in the pixels' unit, `pooled` standardised. (ReLU commutes with a positive scale.)"""
    x = images[:256]
    unit = (x - x.roll(1, 0)).abs().mean()
    convs = [[m for m in stage.modules() if isinstance(m, nn.Conv2d)] for stage in net.stages]
    for i in range(len(convs)):
        f = net.features(x)[i]
        scale = unit / (f - f.roll(1, 0)).abs().mean()
        convs[i][-1].weight *= scale
        convs[i][-1].bias *= scale
        if i + 1 < len(convs):
            convs[i + 1][0].weight /= scale
    _standardise(net, x)


@torch.no_grad()
def _standardise(net: FeatureNet, images: Tensor) -> None:
    pooled = net.pooled(images)
    spread = pooled.std(0)
    net.centre.copy_(pooled.mean(0))
    net.scale.copy_(1 / spread.clamp(min=0.25 * spread.median()))  # a channel that is nearly dead must not rule FID


def train_segmenter(lessons: Lessons, device: str = "cpu") -> tuple[Segmenter, dict, list[dict]]:
    """A trained Segmenter, its held-out scores, and the log (one dict per 10 steps)."""
    torch.manual_seed(lessons.seed)
    pictures = _pictures(lessons, lessons.rendered, "train", device)
    net = Segmenter(len(classes(_spec(lessons, 64)))).to(device)
    label_maps = pictures[lessons.rendered[0]]["label_map"]
    share = torch.bincount(label_maps.flatten(), minlength=net.C).clamp(min=1) / label_maps.numel()
    weight = share**-lessons.balance if lessons.balance else None

    def loss(batch: dict) -> dict[str, Tensor]:
        image = disturb(batch["image"]) if torch.rand(()) < 0.5 else batch["image"]
        return {"parts": F.cross_entropy(net(image), batch["label_map"], weight)}

    log = _fit([net], loss, lessons, pictures)
    _store_as_float16(net)
    scores = {}
    for size, batch in _pictures(lessons, lessons.tested, "test", device).items():
        with torch.no_grad():
            found = torch.cat([net(images).argmax(1) for images in batch["image"].split(16)])
        right, counts = found == batch["label_map"], segmentation.confusion(found, batch["label_map"], net.C)
        scores[f"{size}px"] = {
            "pixel accuracy": right.float().mean().item(),
            "mIoU": float(segmentation.scores(counts.sum(0).cpu().numpy())[0]),
            "accuracy per part": [right[batch["label_map"] == c].float().mean().item() for c in range(net.C)],
        }
    return net, scores, log


def train_classifier(lessons: Lessons, device: str = "cpu") -> tuple[Classifier, dict, list[dict]]:
    """A trained Classifier, its held-out scores, and the log (one dict per 10 steps)."""
    torch.manual_seed(lessons.seed)
    pictures = _pictures(lessons, lessons.rendered, "train", device)
    net = Classifier(len(classes(_spec(lessons, 64)))).to(device)

    def loss(batch: dict) -> dict[str, Tensor]:
        image = disturb(batch["image"]) if torch.rand(()) < 0.5 else batch["image"]
        return {"class": F.cross_entropy(net(image), batch["label"])}

    log = _fit([net], loss, lessons, pictures)
    _standardise(net.see, pictures[lessons.rendered[0]]["image"][:1024])
    _store_as_float16(net)
    scores = {}
    for size, batch in _pictures(lessons, lessons.tested, "test", device).items():
        with torch.no_grad():
            right = torch.cat([net(images).argmax(1) for images in batch["image"].split(64)]) == batch["label"]
        scores[f"{size}px"] = {
            "accuracy": right.float().mean().item(),
            "accuracy per class": [right[batch["label"] == c].float().mean().item() for c in range(net.C)],
        }
    return net, scores, log


def disturb(image: Tensor) -> Tensor:
    """Colour jitter, and in half of the batches each a little blur and noise, of images (N,3,H,W) in [-1,1]."""
    N = len(image)
    saturation, gain, shift = torch.rand(N, 1, 1, 1), torch.rand(N, 3, 1, 1), torch.rand(N, 3, 1, 1)
    grey = image.mean(1, keepdim=True)
    x = grey + (image - grey) * (0.6 + 0.8 * saturation).to(image)
    x = x * (0.8 + 0.4 * gain).to(image) + (0.2 * shift - 0.1).to(image)
    if torch.rand(()) < 0.5:
        x = gaussian_blur(x, [5, 5], [0.2 + torch.rand(()).item()])
    if torch.rand(()) < 0.5:
        x = x + 0.12 * torch.rand(()).item() * torch.randn_like(x)
    return x.clamp(-1, 1)


def description(lessons: Lessons) -> dict:
    """What a shipped file says about its training."""
    return {**asdict(lessons), "version": RENDERERS[lessons.data].version, "classes": classes(_spec(lessons, 64)).names}


def _fit(modules: list[nn.Module], loss: Loss, lessons: Lessons, pictures: dict[int, dict]) -> list[dict]:
    parameters = [p for m in modules for p in m.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=lessons.lr, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lessons.lr, total_steps=lessons.steps, pct_start=0.1)
    log = []
    bar = tqdm(range(lessons.steps), desc=type(modules[0]).__name__)
    for step in bar:
        rendered = lessons.rendered[int(torch.randint(len(lessons.rendered), ()))]
        shrink = 2 ** int(torch.randint(lessons.halvings + 1, ()))
        size = rendered // shrink
        area = size**2 * RENDERERS[lessons.data].aspect
        chosen = torch.randint(lessons.n_train, (max(1, lessons.pixels // area),))
        batch = {k: v[chosen.to(v.device)] for k, v in pictures[rendered].items()}
        batch = batch if "label" in batch else _with_labels(batch)
        if shrink > 1:
            batch |= {k: F.avg_pool2d(batch[k], shrink) for k in ("image", "labels") if k in batch}
            batch |= {"label_map": batch["labels"].argmax(1)} if "labels" in batch else {}
        if torch.rand(()) < 0.5:
            batch |= {k: batch[k].flip(-1) for k in ("image", "label_map", "labels") if k in batch}
        losses = loss(batch)
        total = sum(losses.values())
        optimiser.zero_grad()
        total.backward()  # ty: ignore[missing-union-attribute]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        if step % 10 == 0 or step == lessons.steps - 1:
            log.append({"step": step, "size": size} | {k: v.item() for k, v in losses.items()})
            bar.set_postfix({k: f"{v.item():.3f}" for k, v in losses.items()})
    return log


def _pictures(lessons: Lessons, sizes: Sequence[int], split: str, device: str) -> dict[int, dict[str, Tensor]]:
    pictures, keys = {}, ("image", "label", "label_map", "factors")
    for size in sizes:
        data = open_split(_spec(lessons, size), split)
        samples = [data[i] for i in range(len(data))]
        pictures[size] = {k: torch.stack([s[k] for s in samples]).to(device) for k in keys if k in samples[0]}
    return pictures


def _with_labels(batch: dict) -> dict:
    C = batch["factors"].shape[1]
    return {**batch, "labels": F.one_hot(batch["label_map"], C).movedim(-1, 1).float()}


def _spec(lessons: Lessons, size: int) -> DataSpec:
    width = RENDERERS[lessons.data].aspect * size
    return DataSpec(lessons.data, size, width, n_train=lessons.n_train, n_test=lessons.n_test, seed=lessons.data_seed)


def _store_as_float16(net: nn.Module) -> None:
    """Round to what the shipped file holds, so that the scores are those of the shipped network."""
    with torch.no_grad():
        for value in net.state_dict().values():
            value.copy_(value.half())


def _upsample(f: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(f, size=size, mode="bilinear", align_corners=False)
