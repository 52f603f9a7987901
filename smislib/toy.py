"""Mode collapse where one can see it: a GAN of two small networks on eight Gaussians in a ring (2-D).

The test of Metz et al. (2017, 1611.02163) and many after them: eight modes of equal weight. A generator that has found one
place where D is fooled puts everything there, and D chases it around the ring.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .errors import did_you_mean
from .losses import GAN_LOSSES, vanilla_d, vanilla_g
from .sample import generator

MODES, RADIUS, SPREAD = 8, 2.0, 0.08  # how many, how far from the middle, standard deviation of each
Z = 8  # dimensions of the noise


def halved_vanilla_d(real: Tensor, fake: Tensor) -> Tensor:
    """-log D(real) - log(1 - D(fake)) on logits, halved as the other losses of D are (Goodfellow et al. 2014, equation 1)."""
    return 0.5 * vanilla_d(real, fake)


def minimax_g(fake: Tensor) -> Tensor:
    """log(1 - D(fake)): what equation 1 has G minimise. Flat where D is sure of the fake."""
    return -F.softplus(fake).mean()


OBJECTIVES: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "minimax": (halved_vanilla_d, minimax_g),
    "non-saturating": (halved_vanilla_d, vanilla_g),
    "lsgan": GAN_LOSSES["lsgan"],
    "hinge": GAN_LOSSES["hinge"],
}


def centres() -> Tensor:
    """The eight means (8,2)."""
    angle = torch.arange(MODES) * (2 * math.pi / MODES)
    return RADIUS * torch.stack([angle.cos(), angle.sin()], dim=1)


def ring(n: int, rng: torch.Generator) -> Tensor:
    """n real points (n,2)."""
    return centres()[torch.randint(MODES, (n,), generator=rng)] + SPREAD * torch.randn(n, 2, generator=rng)


def covered(points: Tensor, share: float = 0.01) -> tuple[int, float]:
    """How many modes have at least `share` of the points (n,2) within three standard deviations, and the share of points
    that are that near to any mode."""
    near = torch.cdist(points, centres()) < 3 * SPREAD  # (n,8)
    return int((near.float().mean(0) >= share).sum()), near.any(1).float().mean().item()


def _mlp(inputs: int, outputs: int, width: int) -> nn.Sequential:
    hidden = [nn.Linear(inputs, width), nn.LeakyReLU(0.2), nn.Linear(width, width), nn.LeakyReLU(0.2)]
    return nn.Sequential(*hidden, nn.Linear(width, outputs))


@dataclass(frozen=True)
class Game:
    """What a training leaves: fakes (n,2) at some of its steps."""

    fakes: dict[int, Tensor]

    @property
    def last(self) -> Tensor:
        return self.fakes[max(self.fakes)]


def play(
    objective: str, *, steps: int = 800, seed: int = 0, lr_g: float = 1e-3, lr_d: float = 1e-3, shown: tuple[int, ...] = (),
    n: int = 1000, batch: int = 128, width: int = 64,
) -> Game:  # fmt: skip
    """Train G and D against each other and keep n fakes at the steps `shown` and at the end: always those of the same noise.

    Raises SmisError for an unknown objective: it is one of `OBJECTIVES`.
    """
    if objective not in OBJECTIVES:
        raise did_you_mean("objective", objective, OBJECTIVES)
    d_loss, g_loss = OBJECTIVES[objective]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        G, D = _mlp(Z, 2, width), _mlp(2, 1, width)
    of_g, of_d = (torch.optim.Adam(net.parameters(), lr, betas=(0.5, 0.999)) for net, lr in ((G, lr_g), (D, lr_d)))
    rng = generator(seed, "toy")
    kept, fakes = torch.randn(n, Z, generator=rng), {}
    for step in range(1, steps + 1):
        fake = G(torch.randn(batch, Z, generator=rng))
        of_d.zero_grad()
        d_loss(D(ring(batch, rng)), D(fake.detach())).backward()
        of_d.step()
        of_g.zero_grad()
        g_loss(D(fake)).backward()  # against the D that has just seen these fakes
        of_g.step()
        if step in shown or step == steps:
            with torch.no_grad():
                fakes[step] = G(kept)
    return Game(fakes)
