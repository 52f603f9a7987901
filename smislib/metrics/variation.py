"""How unlike the samples of one label map are: LPIPS (higher is more diverse) and MS-SSIM (lower is), as OASIS has them.

MS-SSIM (Wang et al. 2003) is made for images of 176 pixels and more. Below, as many of its five scales are left out as the
window of 11 pixels does not fit, and the weights of the others made to sum to one again: the protocol says how many there
are. 48 pixels have three.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import SmisError
from ..processes import in_order, mine
from . import Measurement, bootstrap_weights, uncertainty
from .diversity import Pool, draw
from .lpips import Lpips

WINDOW, SIGMA = 11, 1.5
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, finest first
STABILISERS = (0.01**2, 0.03**2)  # of luminance and contrast, for images in [0,1]

# reading -> sample(labels (1,C,H,W), k, rng) -> images (k,3,H,W) of that label map
Samples = Mapping[str, Callable[[Tensor, int, torch.Generator], Tensor]]


def scales(height: int, width: int) -> int:
    """Scales of MS-SSIM at this size, at most five. Raises SmisError below 11 pixels."""
    if min(height, width) < WINDOW:
        raise SmisError(f"images are {height}x{width}; the window of MS-SSIM needs at least {WINDOW} pixels.")
    return sum(min(height, width) >> s >= WINDOW for s in range(len(WEIGHTS)))


def ms_ssim(a: Tensor, b: Tensor) -> Tensor:
    """Similarity of images (N,3,H,W) in [-1,1]: (N,), 1 for equal ones, each colour channel by itself."""
    n = scales(*a.shape[-2:])
    weights = a.new_tensor(WEIGHTS[:n]) / sum(WEIGHTS[:n])
    a, b = (a + 1) / 2, (b + 1) / 2
    factors = []
    for s in range(n):
        luminance, contrast = _similarity(a, b)
        factors.append((contrast * luminance if s == n - 1 else contrast).mean((2, 3)).relu())  # (N,3)
        a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
    return (torch.stack(factors) ** weights[:, None, None]).prod(0).mean(1)


def _similarity(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Maps of the luminance and the contrast-and-structure factor of SSIM, where the whole window fits."""
    steps = torch.arange(WINDOW, dtype=a.dtype, device=a.device) - WINDOW // 2
    bell = (-steps.square() / (2 * SIGMA**2)).exp()
    bell = bell / bell.sum()
    maps = torch.cat([a, b, a * a, b * b, a * b], dim=1)
    channels = maps.shape[1]
    for shape in ((1, 1, -1, 1), (1, 1, 1, -1)):
        maps = F.conv2d(maps, bell.view(shape).expand(channels, -1, -1, -1), groups=channels)
    mean_a, mean_b, aa, bb, ab = maps.chunk(5, dim=1)
    c1, c2 = STABILISERS
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return luminance, (2 * (ab - mean_a * mean_b) + c2) / (aa - mean_a**2 + bb - mean_b**2 + c2)


def measure(samples: Samples, labels: Pool, *, n: int, m: int, distance: Lpips, seed: int = 0) -> list[Measurement]:
    """LPIPS and MS-SSIM of each reading: of m + 1 samples of each of the first n label maps, each is paired with the next."""
    height, width = labels[:1].shape[-2:]
    shared = {"resolution": f"{height}x{width}", "n": min(n, len(labels)), "m": m, "seed": seed}
    measured = []
    for reading, sample in samples.items():
        values = []
        for i in mine(range(shared["n"])):
            images = draw(lambda one, c, k, rng, sample=sample: sample(one, k, rng), labels[i : i + 1], None, m + 1, (seed, i))
            pairs = distance.consecutive(images), ms_ssim(images[:-1], images[1:])
            values.append([d.double().mean().item() for d in pairs])
        values = in_order(values)
        resampled = bootstrap_weights(len(values), 1000, seed) @ np.array(values)
        protocols = {
            f"LPIPS{distance.suffix}": distance.protocol,
            "MS-SSIM": {"implementation": "smislib.metrics.variation", "scales": scales(height, width)},
        }
        measured += [
            Measurement(metric, value, protocol | shared | {"reading": reading}, **uncertainty(resampled[:, k]))
            for k, (value, (metric, protocol)) in enumerate(zip(np.mean(values, 0).tolist(), protocols.items(), strict=True))
        ]
    return measured
