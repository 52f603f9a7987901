"""Tables and figures read back from their files, for pages that show them: what `results.save_table` and `viz.save` wrote."""

import base64
import collections
import io
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from . import atomic, results
from .claims.logic import OUTCOMES, VERDICTS
from .errors import SmisError

EMPTY = ("not available", "not run", "not measured", "no study")  # what stands in a cell without a number
SMALL = 150_000  # bytes of an SVG that is embedded; of a larger one its PNG
LARGEST = 1600, 2400  # pixels of an embedded picture
WEBP: dict[str, Any] = {"format": "webp", "quality": 86, "method": 4}  # a fifth of the PNG at twice the size it is shown in


@dataclass(frozen=True)
class Table:
    """A table of `results.save_table`: groups of columns (heading, [column, ...]), and rows of (value, spread, kind)."""

    name: str
    title: str
    note: str
    groups: list[tuple[str, list[str]]]
    rows: list[list[tuple[str, str, str]]]
    numeric: list[bool]  # of each column
    verdicts: collections.Counter
    empty: collections.Counter
    tested: bool  # has verdicts, or outcomes of a target that no paper names

    def counts(self, column: str, value: str) -> collections.Counter:
        """The verdicts of the rows that have `value` in a column; none where there is no such column."""
        header = [name for _, names in self.groups for name in names]
        if not {column, "verdict"} <= set(header):
            return collections.Counter()
        place, verdict = header.index(column), header.index("verdict")
        return collections.Counter(row[verdict][0] for row in self.rows if row[place][0] == value)


@dataclass(frozen=True)
class Picture:
    """A figure, or the strip of a widget, as a data URI; `width` in inches as it was drawn."""

    name: str
    caption: str
    uri: str
    size: tuple[int, int]
    width: float


def read_table(path: Path, command: str) -> Table:
    """A file of `results.save_table`. Raises SmisError for one that is damaged, and for a verdict that is none."""
    caption, header, rows = results.read_table(path, command)
    if not header[0] and [row[0] for row in rows] == [str(i) for i in range(len(rows))]:
        header, rows = header[1:], [row[1:] for row in rows]  # numbers of rows say nothing
    verdicts = collections.Counter(row[header.index("verdict")] for row in rows) if "verdict" in header else collections.Counter()
    if unknown := verdicts.keys() - set(VERDICTS.values()):
        raise SmisError(f"{path} has the verdict {unknown.pop()!r}, expected one of {', '.join(VERDICTS.values())}.")
    title, _, note = caption.partition(". ")
    cells = [[_cell(text) for text in row] for row in rows]
    return Table(
        name=path.stem,
        title=title.rstrip("."),
        note=note,
        groups=_groups(header),
        rows=cells,
        numeric=[_is_numeric(column) for column in zip(*cells, strict=True)],
        verdicts=verdicts,
        empty=collections.Counter(text for row in rows for text in row if text in EMPTY),
        tested=bool({"verdict", "outcome"} & set(header)),
    )


def _cell(text: str) -> tuple[str, str, str]:
    """Value, its interval or spread, and what it is: number, empty, a verdict's number, or nothing of these."""
    if number := re.fullmatch(r"([-−+]?\d[\d,.e+-]*(?: [MGk%])?)(?: (±[^|\[]*|\[[^\]]*\]))?", text):
        return number[1], number[2] or "", "number"
    for kinds in (VERDICTS, OUTCOMES):
        if text in kinds.values():
            return text, "", {True: "yes", False: "no", None: "open"}[next(key for key in kinds if kinds[key] == text)]
    return text, "", "empty" if text in (*EMPTY, "–", "") else ""


def _is_numeric(column: Sequence[tuple[str, str, str]]) -> bool:
    said = [kind for _, _, kind in column if kind != "empty"]
    return not said or said.count("number") * 2 > len(said)


def _groups(header: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Columns "FID ↓, published" and "FID ↓, reproduced as FID" -> ("FID ↓", ["published", "here"])."""
    heads = [re.fullmatch(r"(.+), (.+)", name) for name in header]
    shared = collections.Counter(head[1] for head in heads if head)
    split = [(h[1], h[2]) if h and (shared[h[1]] > 1 or h[2].startswith("reproduced")) else ("", name)
             for h, name in zip(heads, header, strict=True)]  # fmt: skip
    return [(group, [_here(group, name) for _, name in columns]) for group, columns in itertools.groupby(split, lambda s: s[0])]


def _here(group: str, column: str) -> str:
    """ "reproduced as FID[embedded]" below "ADE FID ↓" is "here [embedded]"; another metric than the paper's is named in full."""
    if not column.startswith("reproduced"):
        return column
    metric, bracket, backbone = column.removeprefix("reproduced").removeprefix(" as ").partition("[")
    theirs = group.rstrip(" ↑↓").removesuffix(bracket + backbone)
    same = theirs.endswith(metric) or metric.endswith(f" {theirs}")
    return f"here {bracket}{backbone}".rstrip() if same else f"here, {metric}{bracket}{backbone}"


def read_figure(path: Path, command: str) -> Picture:
    """A figure of `viz.save`: its SVG where that is small, else its PNG; without the caption that is drawn below it, where the
    PNG says what that is. Raises SmisError for a picture that cannot be read."""
    try:
        image = Image.open(path)
        image.load()
    except OSError as error:
        raise SmisError(f"{path} is not a picture ({atomic.first_line(error)}): delete it; {command} writes it again.") from error
    caption, share = image.info.get("Description", ""), float(image.info.get("Picture", 1))
    width = image.width / image.info.get("dpi", (200,))[0]
    image = image.convert("RGB").crop((0, 0, image.width, round(image.height * share)))
    vectors = path.with_suffix(".svg")
    if vectors.exists() and vectors.stat().st_size < SMALL:
        uri = data_uri("svg+xml", _above_caption(vectors.read_text(), share).encode())
        return Picture(path.stem, caption, uri, image.size, width)
    return picture(path.stem, caption, image, width)


def picture(name: str, caption: str, image: Image.Image, width: float) -> Picture:
    """A picture to embed, as WebP, no larger than `LARGEST`; `width` in inches."""
    image.thumbnail(LARGEST, Image.Resampling.LANCZOS)
    written = io.BytesIO()
    image.save(written, **WEBP)
    return Picture(name, caption, data_uri("webp", written.getvalue()), image.size, width)


def _above_caption(svg: str, share: float) -> str:
    """An SVG of `viz.save` without its caption, in fonts that any machine has."""
    svg = re.sub(r'<g id="caption">.*?</g>\n', "", svg, flags=re.DOTALL)
    size = re.search(r'height="([\d.]+)pt" viewBox="0 0 ([\d.]+) ', svg)
    if size and share < 1:
        height = f"{float(size[1]) * share:.6f}"
        svg = svg.replace(size[0], f'height="{height}pt" viewBox="0 0 {size[2]} ', 1).replace(
            f"{size[2]} {size[1]}", f"{size[2]} {height}", 1
        )
    return svg.replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")  # Verdana is as wide


def data_uri(kind: str, body: bytes) -> str:
    """The bytes of an image/KIND as a data URI."""
    return f"data:image/{kind};base64,{base64.b64encode(body).decode()}"
