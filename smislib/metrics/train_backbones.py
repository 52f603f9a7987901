"""How the shipped networks of `backbones` came about: supervised on the embedded data's true factors and part labels.

A `FeatureNet` learns to tell, from the features inside each part, the part's colours and pattern, and from all stages
together a coarse part segmentation: what it has to know to do so (colour, texture, shape) is what a perceptual distance on
this data should see. Its heads are thrown away. The `Segmenter` learns part labels under colour jitter, blur and noise, since it
has to read images that a generator made. Every step has one picture size, so that the networks work from 32 pixels up.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Dataset
from torchvision.transforms.v2 import functional as T
from tqdm.auto import tqdm

from ..config import DataSpec
from ..data import classes, open_split
from ..data.synthetic import FACTOR_NAMES
from .backbones import FeatureNet, Segmenter

COLOURS = 6  # the first factors: main and second colour, sRGB 0..1; the rest is the pattern, one-hot
SEEN = 12  # pixels of a part below which its factors are not asked for


@dataclass(frozen=True)
class Lessons:
    """How a shipped network is trained. A step takes `pixels` pixels of pictures of one size: rendered, or that halved."""

    seed: int
    steps: int
    data_seed: int = 1000  # of the renderer; the experiments' pictures have other seeds
    n_train: int = 1500
    n_test: int = 256
    rendered: tuple[int, ...] = (64, 96)
    tested: tuple[int, ...] = (32, 64)
    pixels: int = 16 * 64 * 64
    lr: float = 2e-3


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
    C, K = len(classes(_spec(lessons, 64))), len(FACTOR_NAMES)
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

    log = _fit([net, heads], loss, lessons, device)
    _store_as_float16(net)
    scores = {}
    for size, batch in _held_out(lessons, device).items():
        with torch.no_grad():
            guess, parts = heads(net.features(batch["image"]), batch["labels"])
        seen, factors = batch["labels"].sum((2, 3)) >= SEEN, batch["factors"]
        right = guess[seen][:, COLOURS:].argmax(1) == factors[seen][:, COLOURS:].argmax(1)
        patterned = factors[seen][:, COLOURS] < 1  # plain parts are the majority: do not count them twice
        truth = F.adaptive_avg_pool2d(batch["labels"], parts.shape[-2:]).argmax(1)
        scores[f"{size}px"] = {
            "colour error": (guess - factors)[seen][:, :3].abs().mean().item(),
            "pattern accuracy": right.float().mean().item(),
            "pattern accuracy, patterned parts": right[patterned].float().mean().item(),
            "coarse part accuracy": (parts.argmax(1) == truth).float().mean().item(),
        }
    return net, scores, log


def train_segmenter(lessons: Lessons, device: str = "cpu") -> tuple[Segmenter, dict, list[dict]]:
    """A trained Segmenter, its held-out scores, and the log (one dict per 10 steps)."""
    torch.manual_seed(lessons.seed)
    net = Segmenter(len(classes(_spec(lessons, 64)))).to(device)
    # balanced a little: a shoe has a hundredth of the background's pixels
    weight = torch.ones(net.C, device=device)
    weight[0] = 0.5

    def loss(batch: dict) -> dict[str, Tensor]:
        return {"parts": F.cross_entropy(net(disturb(batch["image"])), batch["label_map"], weight)}

    log = _fit([net], loss, lessons, device)
    _store_as_float16(net)
    scores = {}
    for size, batch in _held_out(lessons, device).items():
        with torch.no_grad():
            right = net(batch["image"]).argmax(1) == batch["label_map"]
        scores[f"{size}px"] = {
            "pixel accuracy": right.float().mean().item(),
            "accuracy per part": [right[batch["label_map"] == c].float().mean().item() for c in range(net.C)],
        }
    return net, scores, log


def disturb(image: Tensor) -> Tensor:
    """Colour jitter, and in half of the batches each a little blur and noise, of images (N,3,H,W) in [-1,1]."""
    x = (image + 1) / 2
    low, high = torch.empty(3).uniform_(0.75, 1.25), torch.empty(1).uniform_(-0.05, 0.05).item()
    x = T.adjust_hue(T.adjust_saturation(T.adjust_contrast(x, low[0].item()), low[1].item()), high)
    x = T.adjust_brightness(x, low[2].item())
    if torch.rand(()) < 0.5:
        x = T.gaussian_blur(x, 5, [torch.empty(1).uniform_(0.2, 1.2).item()])
    if torch.rand(()) < 0.5:
        x = x + 0.06 * torch.rand(()) * torch.randn_like(x)
    return (x * 2 - 1).clamp(-1, 1)


def description(lessons: Lessons) -> dict:
    """What a shipped file says about its training."""
    spec = _spec(lessons, 64)
    return {**asdict(lessons), "data": spec.name, "classes": classes(spec).names}


def _fit(modules: list[nn.Module], loss, lessons: Lessons, device: str) -> list[dict]:
    parameters = [p for m in modules for p in m.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=lessons.lr, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lessons.lr, total_steps=lessons.steps, pct_start=0.1)
    sets = {size: _stack(open_split(_spec(lessons, size), "train"), device) for size in lessons.rendered}
    log = []
    bar = tqdm(range(lessons.steps), desc=type(modules[0]).__name__)
    for step in bar:
        rendered, halved = lessons.rendered[int(torch.randint(len(lessons.rendered), ()))], int(torch.randint(2, ()))
        size = rendered // 2 if halved else rendered
        chosen = torch.randint(lessons.n_train, (max(1, lessons.pixels // size**2),))
        batch = _with_labels({k: v[chosen.to(device)] for k, v in sets[rendered].items()})
        if halved:
            batch |= {k: F.avg_pool2d(batch[k], 2) for k in ("image", "labels")}
            batch["label_map"] = batch["labels"].argmax(1)
        if torch.rand(()) < 0.5:
            batch |= {k: batch[k].flip(-1) for k in ("image", "label_map", "labels")}
        losses = loss(batch)
        total = sum(losses.values())
        optimiser.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        if step % 10 == 0 or step == lessons.steps - 1:
            log.append({"step": step, "size": size} | {k: v.item() for k, v in losses.items()})
            bar.set_postfix({k: f"{v.item():.3f}" for k, v in losses.items()})
    return log


def _held_out(lessons: Lessons, device: str) -> dict[int, dict]:
    return {s: _with_labels(_stack(open_split(_spec(lessons, s), "test"), device)) for s in lessons.tested}


def _stack(data: Dataset, device: str) -> dict[str, Tensor]:
    samples = [data[i] for i in range(len(data))]
    return {k: torch.stack([s[k] for s in samples]).to(device) for k in ("image", "label_map", "factors")}


def _with_labels(batch: dict) -> dict:
    C = batch["factors"].shape[1]
    return {**batch, "labels": F.one_hot(batch["label_map"], C).movedim(-1, 1).float()}


def _spec(lessons: Lessons, size: int) -> DataSpec:
    return DataSpec("mannequins", size, size, n_train=lessons.n_train, n_test=lessons.n_test, seed=lessons.data_seed)


def _store_as_float16(net: nn.Module) -> None:
    """Round to what the shipped file holds, so that the scores are those of the shipped network."""
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(p.half())


def _upsample(f: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(f, size=size, mode="bilinear", align_corners=False)
