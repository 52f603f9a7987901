"""The fronts of houses in a street: windows, a ground floor, a cornice and a roof on a wall of any texture."""

from dataclasses import dataclass

import numpy as np

from .canvas import smooth
from .perspective import Scene, main, second, textured
from .texture import scatter, texture_of, window

GLASS = np.array([0.82, 0.94, 1.1], np.float32)
SHOP = np.array([0.19, 0.22, 0.26], np.float32)
SLATE = np.array([0.16, 0.14, 0.15], np.float32)


@dataclass(frozen=True)
class Front:
    """How a house is built, in metres; the share of a window in its pitch and its storey."""

    top: float
    base: float  # height of the ground floor
    storey: float
    pitch: float  # from window to window
    wide: float
    high: float
    shop: bool
    roof: float  # height of the roof, which belongs to `top`; 0: flat

    @classmethod
    def draw(cls, s: Scene, low: float, high: float) -> "Front":
        """A house between `low` and `high` metres tall."""
        return cls(
            top=s.u(low, high),
            base=s.u(3.2, 4.2),
            storey=s.u(2.9, 3.6),
            pitch=s.u(2.1, 3.4),
            wide=s.u(0.34, 0.62),
            high=s.u(0.42, 0.6),
            shop=s.rng.random() < 0.55,
            roof=s.u(1.4, 2.6) if s.rng.random() < 0.5 else 0.0,
        )

    def colours(self, look: np.ndarray, along: np.ndarray, Y: np.ndarray, sharp, other: int, blind: bool = False) -> np.ndarray:
        """Colours (h,w,3) at `along` metres and height Y; `sharp` is in samples per metre.

        `other` swaps the two colours of `look`, the factors of the class; a `blind` front has no shop.
        """
        look = np.concatenate([second(look), main(look), look[6:]]) if other else look
        wall = textured(look, along, Y, 0.32, sharp)
        if texture_of(look) != "plain":
            wall = main(look) + 0.45 * (wall - main(look))
        Y, eaves = Y + 0 * along, self.top - self.roof
        colour = np.broadcast_to(wall, (*Y.shape, 3)) * (1 - 0.16 * smooth(3.0, 0.0, Y))[..., None]
        trim = main(look) * 0.35 + 0.62

        def over(share: np.ndarray, tone: np.ndarray) -> None:
            nonlocal colour
            colour = colour + share[..., None] * (tone - colour)

        place, level = along / self.pitch, (Y - self.base) / self.storey
        u, v, upper = place % 1, level % 1, (self.base < Y) & (eaves - 0.5 > Y)
        sharp_u, sharp_v, half = sharp * self.pitch, sharp * self.storey, self.wide / 2
        over(window(u, 0.44 - half, 0.56 + half, sharp_u) * window(v, 0.16, 0.30 + self.high, sharp_v) * upper, trim)
        shine = 0.16 + 0.42 * scatter(place, level) * smooth(0.1, 0.9, v)
        panes = window(u, 0.5 - half, 0.5 + half, sharp_u) * window(v, 0.22, 0.22 + self.high, sharp_v) * upper
        over(0.94 * panes, GLASS * shine[..., None])
        if self.shop and not blind:
            shop = window(along / (1.6 * self.pitch) % 1, 0.06, 0.94, 1.6 * sharp_u) * window(Y, 0.5, self.base - 0.7, sharp)
            over(0.92 * shop, SHOP * (0.8 + 0.8 * v[..., None]))
            over(0.9 * window(Y, self.base - 0.6, self.base, sharp), main(look) * 0.55)
        over(window(Y, eaves - 0.35, eaves, sharp), trim)
        if self.roof:
            over(smooth(0, 0.1, Y - eaves), main(look) * 0.32 + SLATE)
        return colour
