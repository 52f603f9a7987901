"""The furniture of `rooms`, by name."""

from collections.abc import Callable

from . import fixtures, ornaments, seats, tables, walls
from .pieces import Piece

PIECES: dict[str, Callable[..., Piece]] = {
    name: getattr(module, name)
    for module, names in (
        (seats, ("bed", "sofa", "armchair", "stool", "pouf")),
        (tables, ("table", "coffee_table", "desk", "nightstand", "chest", "wardrobe", "cabinet", "bookcase")),
        (walls, ("shelf", "painting", "mirror", "clock", "casement", "door")),
        (ornaments, ("lamp", "pendant_lamp", "rug", "plant", "basket", "ball")),
        (fixtures, ("fireplace", "television", "piano", "counter", "stove", "refrigerator", "bathtub", "washbasin", "toilet")),
    )
    for name in names
}
HEIGHTS = {  # metres of the back wall that a piece covers
    "bed": 1.05, "sofa": 0.85, "armchair": 0.9, "fireplace": 1.15, "television": 1.35, "piano": 1.25, "table": 0.8, "desk": 1.2,
    "nightstand": 1.05, "chest": 1.2, "cabinet": 1.1, "wardrobe": 2.4, "bookcase": 2.4, "door": 2.4, "plant": 1.3, "lamp": 1.7,
    "counter": 0.95, "stove": 0.95, "refrigerator": 2.4, "bathtub": 0.6, "washbasin": 0.9, "toilet": 0.8,
}  # fmt: skip
