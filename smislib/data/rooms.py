"""The renderer of `rooms`: a stand-in for ADE20K, with many classes of which a picture shows 5 to 12.

Geometry is the room, which pieces stand in it, where and how large. What each class looks like is drawn for itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .appearance import pick
from .canvas import Canvas, smooth
from .furniture import HEIGHTS, PIECES
from .furniture.pieces import Room
from .perspective import SIDE, textured
from .renderer import Looks, Renderer
from .room_appearance import CLASSES, draw
from .texture import FACTOR_NAMES, texture_of

__all__ = ["CLASSES", "FACTOR_NAMES", "RENDERER", "factors", "render"]

LABELS = {name: c for c, name in enumerate(CLASSES.names)}
MOST = 12  # classes in a picture


@dataclass(frozen=True)
class Kind:
    """What may stand in a kind of room; names are keys of `PIECES`."""

    main: tuple[str, ...]  # in the middle of the back wall
    sides: tuple[str, ...]  # to its left and right
    walls: tuple[str, ...]  # hung where there is room
    fronts: tuple[str, ...]  # on the floor before them
    rug: float = 0.5  # how often there is one
    pendant: float = 0.3  # likewise a lamp that hangs
    tiles: float = 0.0  # and tiles on the lower wall
    weight: float = 1.0  # how often there is such a room


KINDS = (
    Kind(("bed",), ("nightstand", "nightstand", "wardrobe", "chest", "door", "plant", "bookcase"),
         ("painting", "casement", "mirror", "shelf"), ("pouf", "basket", "ball", "stool"), 0.6, weight=1.2),
    Kind(("sofa", "sofa", "fireplace", "television"), ("lamp", "plant", "bookcase", "cabinet", "door", "armchair", "piano"),
         ("painting", "casement", "casement", "clock", "shelf", "mirror"), ("coffee_table", "pouf", "ball"), 0.6, weight=2.0),
    Kind(("table",), ("cabinet", "plant", "door", "lamp", "fireplace", "bookcase"), ("painting", "casement", "clock", "mirror"),
         ("basket", "ball"), 0.5, 0.8),
    Kind(("desk",), ("bookcase", "plant", "lamp", "door", "chest", "armchair"), ("painting", "casement", "clock", "shelf"),
         ("basket", "pouf", "ball"), 0.4),
    Kind(("counter",), ("refrigerator", "stove", "door", "cabinet", "plant"), ("casement", "shelf", "clock", "painting"),
         ("stool", "basket"), 0.2, 0.6, 0.7),
    Kind(("bathtub", "bathtub", "washbasin"), ("toilet", "washbasin", "plant", "door", "cabinet"),
         ("casement", "mirror", "painting"), ("stool", "basket"), 0.5, 0.3, 0.8, weight=1.2),
    Kind(("piano",), ("plant", "lamp", "bookcase", "door", "armchair"), ("painting", "casement", "mirror", "clock"),
         ("stool", "pouf"), 0.6, 0.4, weight=0.6),
)  # fmt: skip


def _shell(room: Room, tiled: bool) -> None:
    """Ceiling, floor and walls, darker towards the corners."""
    L, R, T, Z, near = room.left, room.right, room.tall, room.back, 1.0
    sunny = 1 if room.rng.random() < 0.5 else -1  # the side from which daylight comes
    ceiling = room.tread(L, R, T, near, Z)
    away = room.level(ceiling, T)[1]
    room.paint(ceiling, room.look("ceiling")[:3] * (0.8 + 0.2 * smooth(Z, 0.55 * Z, away))[..., None], LABELS["ceiling"])
    floor = room.tread(L, R, 0, near, Z)
    X, away, sharp = room.level(floor)
    look = room.look("floor")
    colour = textured(look, X, away + 0 * X, 0.5 if texture_of(look) == "checks" else 0.17, sharp)
    room.paint(floor, colour * (0.82 + 0.2 * smooth(Z, 0.6 * Z, away))[..., None], LABELS["floor"])
    walls = [("wall", T, 0.34)] + ([("tiles", room.u(1.1, 1.7), 0.2)] if tiled else [])
    for name, high, period in walls:
        look = room.look(name)
        back = room.upright(L, R, 0, high, Z)
        X, Y = room.facing(back, Z)
        sheen = 1 + 0.05 * sunny * (2 * (X - L) / (R - L) - 1) - 0.10 * smooth(0.5, 0.0, T - Y)
        room.paint(back, textured(look, X, Y, period, room.sharpness(Z)) * sheen[..., None], LABELS[name])
        for X in (L, R):
            side = room.polygon([(X, 0, near), (X, high, near), (X, high, Z), (X, 0, Z)])
            away, Y, sharp = room.side(side, X)
            lit = np.float32(0.93) if (X > 0) != (sunny > 0) else SIDE * np.float32(1.08)
            fall = (0.86 + 0.14 * smooth(Z, 0.7 * Z, away)) * (1 - 0.10 * smooth(0.5, 0.0, T - Y))
            room.paint(side, textured(look, away, Y, period, sharp) * lit * fall[..., None], LABELS[name])
    board = room.upright(L, R, 0, 0.1, Z)
    room.paint(board, room.look("wall")[:3] * 0.35 + 0.6, LABELS["wall"])


def _furnish(room: Room, kind: Kind) -> list[tuple[float, Callable[[], None]]]:
    """(distance, paint) of every piece; no more than MOST classes in all."""
    rng, u, middle, third = room.rng, room.u, room.middle, 0.31 * (room.right - room.left)
    seen, pieces = {"ceiling", "wall", "floor", "tiles"}, []

    def place(name: str, X: float, **where: float) -> bool:
        piece = PIECES[name](room, X, **where)
        if len(seen.union(piece.classes)) > MOST:
            return False
        seen.update(piece.classes)
        pieces.append((piece.Z, piece.paint))
        return True

    def any_of(names: list[str]) -> str:
        return names.pop(pick(rng, *np.ones(len(names))))

    main = any_of(list(kind.main))
    place(main, middle + u(-0.15, 0.15))
    free, sides, walls = [(middle, HEIGHTS[main])], list(kind.sides), list(kind.walls)  # the wall is free above a height
    for X in (middle - third, middle + third):
        height = 0.0
        if rng.random() < 0.8:
            name = any_of(sides)
            if place(name, X + u(-0.05, 0.05)):
                height = HEIGHTS[name]
        free.append((X, height))
    for X, height in free:
        if height < 1.3 and rng.random() < 0.7:
            place(any_of(walls), X + u(-0.06, 0.06), above=height)
    if rng.random() < kind.rug:
        place("rug", middle + u(-0.3, 0.3))
    fronts = list(kind.fronts)
    for side in (-1, 1):
        if rng.random() < 0.6:
            place(any_of(fronts), middle + side * u(0.65, 1.1) * third, Z=room.back - u(1.3, 1.8))
    if rng.random() < kind.pendant:
        place("pendant_lamp", middle + u(-0.2, 0.2))
    return pieces


def _paint(rng: np.random.Generator, looks: Looks, canvas: Canvas) -> None:
    room = Room(canvas, looks, rng, LABELS)
    kind = KINDS[pick(rng, *(kind.weight for kind in KINDS))]
    _shell(room, rng.random() < kind.tiles)
    for _, paint in sorted(_furnish(room, kind), key=lambda piece: -piece[0]):
        paint()


RENDERER = Renderer(name="rooms", version=1, classes=CLASSES, factor_names=FACTOR_NAMES, draw=draw, paint=_paint, fineness=128)
render, factors = RENDERER.render, RENDERER.factors
