"""How much faster the library is than the plain way of computing the same: `smis bench`.

A row of BENCHMARKS makes inputs and gives two functions of them, a plain one and ours. Both must agree to a stated
tolerance; then they take turns, so that what else the machine does slows both down.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from . import atomic, data, folded, paths, patterns, results, runs, schedules
from .class_view import crop_by_class
from .config import DataSpec
from .errors import SmisError, did_you_mean
from .layers import ParamFreeBatchNorm, glorot_
from .metrics import diversity, lpips
from .models import groupdnet
from .sample import draw, generate, resample, vary
from .versions import versions

Way = Callable[[], tuple[Tensor, ...]]


@dataclass(frozen=True)
class Race:
    """Two ways to compute the same on the same inputs. `tolerance`: the largest absolute difference that is allowed."""

    plain: Way
    ours: Way
    sizes: dict
    tolerance: float = 0.0


@dataclass(frozen=True)
class Row:
    """What a race gave. Seconds are medians over the turns; a ratio is the median of plain / ours in each turn."""

    name: str
    sizes: dict
    seconds: dict
    ratio: float
    cpu_seconds: dict
    cpu_ratio: float
    max_error: float
    tolerance: float
    turns: int
    device: str
    versions: dict


def class_views_one_by_one(image: Tensor, labels: Tensor, crop: bool) -> tuple[Tensor, Tensor]:
    """`crop_by_class`, or without `crop` `split_by_class` and the labels, one image and one class at a time."""
    N, C, H, W = labels.shape
    views, regions = [], []
    for n in range(N):
        for c in range(C):
            view, region = image[n] * labels[n, c], labels[n, c, None]
            colour = view.sum(0)
            rows, columns = ((colour.sum(axis) != 0).nonzero().flatten().tolist() for axis in (1, 0))
            if crop and columns:
                ranges = ((H, rows or range(H)), (W, columns))
                y, x = (torch.arange(size) * (i[-1] - i[0] + 1) // size + i[0] for size, i in ranges)
                view, region = view[:, y][:, :, x], region[:, y][:, :, x]
            views.append(view)
            regions.append(region)
    return torch.cat(views).view(N, -1, H, W), torch.cat(regions).view(N, C, H, W)


def distances_one_by_one(distance: lpips.Lpips, images: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
    """`diversity.masked`, one pair and one side at a time."""
    pairs = [(images[i, None], images[i + 1, None]) for i in range(len(images) - 1)]
    inside, outside = (
        torch.cat([distance(*(torch.where(side, image, diversity.MID_GREY) for image in pair)) for pair in pairs])
        for side in (region, ~region)
    )
    return inside, outside


def class_view_crop(N: int = 8, C: int = 151, size: int = 256, present: int = 10) -> Race:
    """What the encoder of ADE20K is given: each image has `present` classes at most."""
    rng = torch.Generator().manual_seed(0)
    chosen = torch.stack([torch.randperm(C, generator=rng)[:present] for _ in range(N)])
    patches = chosen.gather(1, torch.randint(present, (N, 36), generator=rng)).view(N, 1, 6, 6)
    label_map = F.interpolate(patches.double(), (size, size), mode="nearest")[:, 0].long()
    image = torch.rand(N, 3, size, size, generator=rng) * 2 - 1
    inputs = image, F.one_hot(label_map, C).movedim(-1, 1).float().contiguous()
    sizes = {"images": N, "classes": C, "present": present, "size": f"{size}x{size}"}
    return Race(partial(class_views_one_by_one, *inputs, crop=True), partial(crop_by_class, *inputs), sizes)


def mcsd(n: int = 4, m: int = 19, *, drawing: bool = False) -> Race:
    """mCSD and mOCD of the shipped model, of images that are there; `drawing` times the generator too."""
    networks, distance = runs.load(runs.SHIPPED), lpips.embedded()
    s, images = networks.schedule, dict[int, Tensor]()
    spec = DataSpec("mannequins", s.height, s.width)
    split = data.open_first(spec, "test", n)
    labels = data.labelled([split[i] for i in range(n)], data.classes(spec))["labels"]

    def drawn(one: Tensor, c: int | None, k: int, rng: torch.Generator) -> Tensor:
        cell = rng.initial_seed()
        if cell not in images:
            images[cell] = vary(networks, one, c, k, rng)
        return images[cell]

    def pair_by_pair(one: Tensor, c, k: int, rng: torch.Generator) -> Tensor:
        z = resample(networks, draw(networks, 1, rng), c, k, rng, one)
        pairs = [generate(networks, one, z[i : i + 2]) for i in range(k - 1)]
        return torch.cat([pairs[0][:1], *(pair[1:] for pair in pairs)])

    def ours() -> tuple[Tensor, ...]:
        sample = partial(vary, networks) if drawing else drawn
        found = diversity.class_diversity(sample, labels, s.C, n=n, m=m, distance=distance)["masked"]
        return torch.from_numpy(found.inside), torch.from_numpy(found.outside)

    def plain() -> tuple[Tensor, ...]:
        values = torch.full((2, s.C, n), torch.nan, dtype=torch.float64)
        for c, i in (labels.amax((2, 3)).T > 0).nonzero().tolist():
            shown = diversity.draw(pair_by_pair if drawing else drawn, labels[i, None], c, m + 1, (0, c, i))
            sides = distances_one_by_one(distance, shown, labels[i, c] > 0.5)
            values[:, c, i] = torch.stack([side.double().mean() for side in sides])
        return tuple(values)

    sizes = {"label maps": n, "pairs": m, "classes": s.C, "size": f"{s.height}x{s.width}"}
    return Race(plain, ours, sizes, tolerance=1e-5)


def generator(of: str, codes: int = 1, *, bf16: bool = False, preset: str = "paper", size: int = 256) -> Race:
    """GroupDNet as for `of`, deepfashion or ade20k, with random weights: some codes for one label map, drawn here, of which
    nothing is known before each turn.

    bf16: ours by autocast, the plain one in fp32. Images are in [-1, 1]; what they differ by is that of numbers of 8 bits.
    """
    drawn, C = {"deepfashion": ("mannequins", 8), "ade20k": ("rooms", 151)}[of]
    spec, s = DataSpec(drawn, size, size), schedules.schedule("groupdnet", preset, size, size, C, of)
    torch.manual_seed(0)
    G = groupdnet.Generator(s)
    G.apply(partial(glorot_, gain=1.0))
    sample = data.open_first(spec, "test", 1)[0]
    labels = F.one_hot(sample["label_map"], s.C).movedim(-1, 0)[None].float()
    z = torch.randn(codes, *s.z_shape)
    _settle(G, labels, z[:1])
    fast = folded.Folded(G)

    @torch.inference_mode()
    def plain() -> tuple[Tensor, ...]:
        with patterns.dense():
            return tuple(G(labels, one) for one in z.split(1))

    def ours() -> tuple[Tensor, ...]:
        fast.forget()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            return tuple(fast(labels, one).float() for one in z.split(1))

    present = len(sample["label_map"].unique())
    sizes = {"parameters": sum(p.numel() for p in G.parameters()), "classes": s.C, "present": present, "codes": codes}
    return Race(plain, ours, sizes | {"size": f"{size}x{size}"}, tolerance=0.2 if bf16 else 1e-4)


def _settle(G: groupdnet.Generator, labels: Tensor, z: Tensor) -> None:
    """Give random weights' norms the statistics of one image, and go to eval mode."""
    for module in G.modules():
        if isinstance(module, ParamFreeBatchNorm):
            module.momentum = 1.0
    with torch.no_grad():
        G(labels, z)
    G.eval()


def step(*, preset: str = "paper", size: int = 256) -> Race:
    """Forward and backward through DeepFashion's generator."""
    s = schedules.schedule("groupdnet", preset, size, size, 8, "deepfashion")
    torch.manual_seed(0)
    G = groupdnet.Generator(s).to(memory_format=torch.channels_last)
    G.apply(partial(glorot_, gain=1.0))
    sample = data.open_first(DataSpec("mannequins", size, size), "test", 1)[0]
    labels = F.one_hot(sample["label_map"], s.C).movedim(-1, 0)[None].float()
    z = torch.randn(1, *s.z_shape)
    _settle(G, labels, z)  # into eval mode: in training each call moves the spectral norms

    def ours() -> tuple[Tensor, ...]:
        code = z.clone().requires_grad_()
        image = G(labels, code)
        image.square().mean().backward()
        G.zero_grad()
        return image.detach(), code.grad  # ty: ignore[invalid-explicit-return]

    def plain() -> tuple[Tensor, ...]:
        with patterns.dense():
            return ours()

    return Race(plain, ours, {"images": 1, "classes": s.C, "size": f"{size}x{size}"}, tolerance=1e-4)


def classes(C: int = 151, present: int = 10, size: int = 64) -> Race:
    """Forward and backward through MulNet's encoder and generator, of many classes, on an image that has few."""
    small = schedules.schedule("mulnet", "demo", size, size, C)
    torch.manual_seed(0)
    dense, sparse = (groupdnet.Networks(replace(small, sparse=on)) for on in (False, True))
    sparse.load_state_dict(dense.state_dict())
    dense.eval(), sparse.eval()  # in training each call moves the spectral norms
    rng = torch.Generator().manual_seed(0)
    label_map = F.interpolate(torch.randint(present, (1, 1, 6, 6), generator=rng).double(), (size, size))[:, 0].long()
    labels, image = F.one_hot(label_map, C).movedim(-1, 1).float(), torch.rand(1, 3, size, size, generator=rng) * 2 - 1

    def drawn(networks: groupdnet.Networks) -> tuple[Tensor, ...]:
        mu, logvar = networks.E(image, labels)
        fake = networks.G(labels, mu)
        (fake.square().mean() + logvar.mean()).backward()
        networks.zero_grad()
        return mu.detach(), fake.detach()

    sizes = {"classes": C, "present": present, "size": f"{size}x{size}"}
    return Race(partial(drawn, dense), partial(drawn, sparse), sizes, tolerance=1e-4)


BENCHMARKS: dict[str, Callable[[], Race]] = {
    "generator deepfashion": partial(generator, "deepfashion"),
    "generator deepfashion bf16": partial(generator, "deepfashion", bf16=True),  # slow where the CPU has no bf16
    "16 codes deepfashion": partial(generator, "deepfashion", 16),
    "generator ade20k": partial(generator, "ade20k"),
    "16 codes ade20k": partial(generator, "ade20k", 16),
    "step deepfashion": step,
    "classes mulnet": classes,
    "class view": class_view_crop,
    "mCSD": mcsd,
    "mCSD with generator": partial(mcsd, n=2, drawing=True),
}


def bench(name: str, turns: int = 5) -> Row:
    """Run a row of BENCHMARKS and keep its record in `paths.bench()`. Raises SmisError when the two ways do not agree."""
    if name not in BENCHMARKS:
        raise did_you_mean("benchmark", name, BENCHMARKS)
    race = BENCHMARKS[name]()
    error = max(_difference(a, b) for a, b in zip(race.ours(), race.plain(), strict=True))
    if not error <= race.tolerance:
        raise SmisError(f"benchmark {name!r}: the two ways differ by {error:.3g}, more than the tolerance of {race.tolerance}.")
    clocked = torch.tensor([[_clock(race.plain), _clock(race.ours)] for _ in range(turns)], dtype=torch.float64)
    wall, cpu = clocked.unbind(2)  # (turns,2) each
    row = Row(
        name=name,
        sizes=race.sizes,
        seconds=_by_way(wall),
        ratio=(wall[:, 0] / wall[:, 1]).median().item(),
        cpu_seconds=_by_way(cpu),
        cpu_ratio=(cpu[:, 0] / cpu[:, 1]).median().item(),
        max_error=error,
        tolerance=race.tolerance,
        turns=turns,
        device=results.device_name(torch.device("cpu")),
        versions=versions(),
    )
    body = json.dumps(asdict(row), indent=1) + "\n"
    atomic.write(paths.bench() / file_name(name), lambda path: path.write_text(body))
    return row


def rows() -> list[Row]:
    """What was measured on this machine, else what the library comes with, in the order of BENCHMARKS."""
    for folder in (paths.bench(), paths.COMMITTED_BENCH):
        if found := [path for name in BENCHMARKS if (path := folder / file_name(name)).exists()]:
            return [Row(**json.loads(path.read_text())) for path in found]
    return []


def file_name(name: str) -> str:
    return f"{name.replace(' ', '_')}.json"


def _clock(way: Way) -> tuple[float, float]:
    """Wall-clock and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    way()
    return time.perf_counter() - wall, time.process_time() - cpu


def _by_way(seconds: Tensor) -> dict[str, float]:
    return dict(zip(("plain", "ours"), seconds.median(0).values.tolist(), strict=True))


def _difference(a: Tensor, b: Tensor) -> float:
    """The largest; NaN in one place alone is infinitely far."""
    if a.shape != b.shape or not torch.equal(a.isnan(), b.isnan()):
        return float("inf")
    return (a - b).nan_to_num().abs().amax().item()
