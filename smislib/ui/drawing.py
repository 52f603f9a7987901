"""A label map under a brush: strokes, flood fill, pick, undo and redo. No widget in it, so that it can be tested and scripted.

A cell is (y, x), a pixel of the label map. Where classes have instances, what is painted of a `thing` is one new object for each
stroke or fill (1000 c + the next free number, as `edit.new_instance`), so that its edge is in the labels; anything else is
numbered by its class, as in the data sets.
"""

import torch
from torch import Tensor

from ..data.edit import new_instance, recast
from ..data.spec import Classes
from ..errors import SmisError

KEPT = 200  # steps that can be undone

Cell = tuple[int, int]


class Drawing:
    """`sample` is the state: `label_map` int64 (H,W) and, where the classes have instances, `instance_map` int64 (H,W).

    Its tensors are never written to: each change makes new ones, so a thread may draw them while the next stroke is on its way.
    """

    def __init__(self, sample: dict, classes: Classes):
        self.classes = classes
        self.sample = self._maps(sample)
        self._undone: list[dict] = []
        self._done: list[dict] = []
        self._pen: tuple[int, int, Cell, int | None] | None = None  # class, size, last cell, instance of an open stroke

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)."""
        return tuple(self.sample["label_map"].shape)

    @property
    def painting(self) -> bool:
        """Whether a stroke is open."""
        return self._pen is not None

    def inside(self, cell: Cell) -> bool:
        """Whether there is such a cell."""
        return all(0 <= at < n for at, n in zip(cell, self.shape, strict=True))

    def start(self, c: int, size: int, cell: Cell) -> None:
        """Put the brush, a disc `size` cells wide, of class c, down on a cell; one `undo` takes back all until `end`.

        Raises SmisError for a class that there is not and for a size below 1.
        """
        if size < 1:
            raise SmisError(f"a brush is 1 cell wide or more, found {size}.")
        number = self._number(c)
        self.end()
        self._remember()
        self._pen = (c, size, cell, number)
        self._put(disc_path(self.shape, cell, cell, size), c, number)

    def to(self, cell: Cell) -> None:
        """Draw the brush on to a cell, which may lie outside; nothing when it is not down."""
        if self._pen is not None:
            c, size, last, number = self._pen
            self._pen = (c, size, cell, number)
            self._put(disc_path(self.shape, last, cell, size), c, number)

    def end(self) -> None:
        """Lift the brush."""
        self._pen = None

    def stroke(self, c: int, size: int, *cells: Cell) -> None:
        """A whole stroke along `cells`."""
        self.start(c, size, cells[0])
        for cell in cells[1:]:
            self.to(cell)
        self.end()

    def fill(self, c: int, cell: Cell) -> None:
        """Make class c of the region of a cell: what it is joined to (above, below, left, right) of its class and instance."""
        self._check(cell)
        number = self._number(c)
        self.end()
        self._remember()
        alike = torch.ones(self.shape, dtype=torch.bool)
        for values in self.sample.values():
            alike &= values == values[cell]
        self._put(next(region for region in joined(alike) if region[cell]), c, number)

    def pick(self, cell: Cell) -> int | None:
        """The class of a cell; None where it is ignored."""
        self._check(cell)
        c = int(self.sample["label_map"][cell])
        return c if 0 <= c < len(self.classes) else None

    def load(self, sample: dict) -> None:
        """Another label map, of the same size; it can be undone."""
        maps = self._maps(sample)
        if maps["label_map"].shape != self.shape:
            raise SmisError(f"the label map is {tuple(maps['label_map'].shape)}, expected {self.shape} as the one before.")
        self.end()
        self._remember()
        self.sample = maps

    def undo(self) -> bool:
        """As before the last change; False where there is none."""
        return self._go(self._done, self._undone)

    def redo(self) -> bool:
        """As before the last `undo`; False where there was none since."""
        return self._go(self._undone, self._done)

    def _go(self, source: list[dict], target: list[dict]) -> bool:
        self.end()
        if not source:
            return False
        target.append(self.sample)
        self.sample = source.pop()
        return True

    def _remember(self) -> None:
        self._done = [*self._done, self.sample][-KEPT:]
        self._undone = []

    def _put(self, where: Tensor, c: int, number: int | None) -> None:
        if where.any():
            self.sample = recast(self.sample, where, c, number)

    def _number(self, c: int) -> int | None:
        if not 0 <= c < len(self.classes):
            raise SmisError(f"class {c} is outside [0, {len(self.classes)}).")
        return new_instance(self.sample, c) if c in self.classes.things else None

    def _check(self, cell: Cell) -> None:
        if not self.inside(cell):
            raise SmisError(f"cell {cell} is outside the label map of {self.shape[0]}x{self.shape[1]} (rows x columns).")

    def _maps(self, sample: dict) -> dict:
        maps = {"label_map": sample["label_map"]}
        if self.classes.things:
            found = sample.get("instance_map")
            maps["instance_map"] = instances(maps["label_map"], self.classes) if found is None else found
        return maps


def disc_path(shape: Cell, a: Cell, b: Cell, size: int) -> Tensor:
    """Where a disc `size` cells wide passes on its straight way from cell a to cell b: bool (H,W).

    The centres within size / 2 of the line. The narrowest brush leaves no gap: of any line from centre to centre, each column
    (or row, where it is steep) has a centre at half a cell or less.
    """
    y, x = torch.arange(shape[0])[:, None] - a[0], torch.arange(shape[1])[None] - a[1]
    dy, dx = b[0] - a[0], b[1] - a[1]
    t = ((y * dy + x * dx) / max(dy * dy + dx * dx, 1)).clamp(0, 1)
    return (y - t * dy) ** 2 + (x - t * dx) ** 2 <= (size / 2) ** 2 + 1e-3


def joined(mask: Tensor) -> list[Tensor]:
    """The regions of a mask, bool (H,W), in which pixels are above, below, left or right of each other, each as a mask."""
    from scipy import ndimage  # not above: every notebook with widgets would wait for it

    numbers, n = ndimage.label(mask.numpy())
    return [torch.from_numpy(numbers == i + 1) for i in range(n)]


def instances(label_map: Tensor, classes: Classes) -> Tensor:
    """An instance map for a label map that came without, int64 (H,W): each joined region of a thing is one object."""
    numbers = label_map.clone()
    for c in classes.things:
        for region in joined(label_map == c):
            numbers[region] = new_instance({"instance_map": numbers}, c)
    return numbers
