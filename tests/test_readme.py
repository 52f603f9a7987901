"""Every number of README.md is checked against records or the values of the library, or is listed here with a reason."""

import collections
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from smislib import data, notebooks, paths, presets, results
from smislib.claims import ledger
from smislib.models import MODELS
from smislib.publish import README, fill, table_1

NO_RECORD = {  # what no record has, and why it may stand there all the same: pattern -> reason
    r"CVPR\s+2020": "a year",
    r"N\(0,1\)": "the name of a distribution",
    r"Python 3\.\d+ or newer": "pyproject.toml says so",
    r"127\.0\.0\.1": "an address",
    r"(Tables?|Figures?|study protocol of) [\d, ]+((and|to) \d+)?((, \d+)*( to \d+)?)*": "names of tables and figures",
    r"\| \d+ \|$": "seconds of a notebook alone, timed by hand: it runs as part of no record",
    r"took \d+ minutes\s+from a clone.*?: more\)": "minutes, from logs and a clock: no record sums them",
}


def _steps(low: str, high: str) -> bool:
    """Of all that is trained on `streets` and `rooms` at `demo`."""
    experiments = [(r.model, r.data, r.seed) for r in committed() if r.data in ("streets", "rooms") and r.preset == "demo"]
    steps = {presets.experiment(model, name, "demo", seed).train.steps for model, name, seed in dict.fromkeys(experiments)}
    return (min(steps), max(steps)) == (int(low), int(high))


def _parts(n: str, height: str, width: str) -> bool:
    spec = presets.data_spec("mannequins", "demo")
    return (len(data.classes(spec)), spec.height, spec.width) == (int(n), int(height), int(width))


def _seeds(*seeds: str) -> bool:
    """Of every row of the papers' tables; `photos` are ours, and notebook 06 trains them once."""
    trained = collections.defaultdict(set)
    for r in committed():
        if r.preset == "demo" and r.data != "photos":
            trained[r.model, r.data].add(r.seed)
    return all(of == set(map(int, seeds)) for of in trained.values())


def _notebooks(text: str) -> bool:
    return set(re.findall(r"\b\d\d\b", text)) <= {path.stem[:2] for path in paths.NOTEBOOKS.glob("[0-9][0-9]_*.py")}


def _printed(ours: str, baseline: str) -> bool:
    """The paper's mIoU of SPADE's decoder and of pix2pixHD++, where `rooms` stand."""
    table = results.published("SPADE_1903.07291", "table_3")
    values = [table["rows"][MODELS[row].title][table["columns"].index("ADE mIoU")] for row in ("spade_short", "pix2pixhdpp")]
    return values == [float(ours), float(baseline)]


def _inferred(share: str) -> bool:
    """At that share of the labels, and at no other."""
    said = r"with (\d+) % of the labels, labels that are inferred before"
    verdicts = {m[1]: f.truth for f in ledger.ledger("demo") if (m := re.match(said, f.claim.text))}
    return {k for k, truth in verdicts.items() if truth} == {share}


CHECKED: dict[str, Callable[..., bool]] = {  # pattern -> whether its groups are what records, or values, say
    r"\((\d+) parts, (\d+)x(\d+)": _parts,
    r"have (\d+) to (\d+) steps": _steps,
    r"three trainings \(seeds (\d+), (\d+) and (\d+)\)": _seeds,
    r"test images of seed (\d+) in view": lambda seed: int(seed) == presets.data_spec("streets_from_labels", "demo").seed,
    r"the paper prints ([\d.]+) and ([\d.]+) mIoU": _printed,
    r"with (\d+) % of the\s+labels those inferred": _inferred,
    r"opens JupyterLab\. (.*?metric networks)\.": _notebooks,
}


def committed() -> list[results.Record]:
    return results.committed()


def prose(text: str) -> str:
    """Without code, addresses and the table that `smis publish` writes."""
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    text = re.sub(r"<!-- (.+?) -->\n.*?<!-- /\1 -->", "", text, flags=re.DOTALL)
    return re.sub(r"`[^`\n]*`", "", re.sub(r"\]\([^)]*\)", "]", text))


def unexplained(text: str) -> list[str]:
    """The numbers of the README that neither a check nor a reason covers, each with what stands around it."""
    text = prose(text)
    for pattern in (*CHECKED, *NO_RECORD):
        text = re.sub(pattern, "", text, flags=re.DOTALL | re.MULTILINE)
    found = re.finditer(r"(?<![A-Za-z\d])\d[\d.,]*", text)
    names = ("pix2pix",)
    return [text[max(0, m.start() - 30) : m.end() + 20] for m in found if not text[: m.end()].endswith(names)]


def test_the_table_is_that_of_the_committed_records():
    text = README.read_text()
    assert fill(text, "table 1", table_1()) == text


@pytest.mark.parametrize("pattern", CHECKED)
def test_numbers_in_sentences_are_what_the_records_and_values_say(pattern):
    (found,) = re.findall(pattern, prose(README.read_text()), flags=re.DOTALL)
    assert CHECKED[pattern](*([found] if isinstance(found, str) else found))


def test_no_other_number_stands_in_it():
    assert unexplained(README.read_text()) == []


@pytest.mark.parametrize("added", ["its FID is 14.6", "9 of 12 claims come out", "| GroupDNet | 3.42 | 0.779 |", "a gain of 7 %"])
def test_a_number_that_somebody_types_is_noticed(added):
    assert len(unexplained(README.read_text() + f"\n{added}\n")) == len(re.findall(r"\d[\d.]*", added))


@pytest.mark.parametrize("pattern", NO_RECORD)
def test_every_reason_is_of_something_that_is_there(pattern):
    assert re.search(pattern, prose(README.read_text()), flags=re.DOTALL | re.MULTILINE)


def test_what_it_says_of_rooms_in_a_comment():
    (classes,) = re.findall(r"rooms with (\d+) classes", README.read_text())
    assert int(classes) == len(data.classes(presets.data_spec("rooms", "demo")))


def test_every_notebook_and_table_of_its_map_is_there():
    text = README.read_text()
    rows = re.findall(r"^\|.*\| `(\d\d_\w+)` \| \d+ \|$", text, flags=re.MULTILINE)
    assert {Path(name).stem for name in rows} <= {path.stem for path in notebooks.select()}
