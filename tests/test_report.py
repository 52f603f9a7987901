"""The report: one file, everything in it, nothing counted or left out silently."""

import base64
import io
import re
import shutil
import sys

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from smislib import notebooks, paths, report, results, viz
from smislib.errors import SmisError

SOURCES = {
    "05_table": 'results.save_table(t, "c", "table_two", preset)\n'
    'results.save_table(t, "c", "table_two_claims", preset)\n'
    'viz.save(fig, "fig_absent", "c", preset)\n'
    'for name in ("left", "right"):\n    viz.save(fig, f"fig_{name}", "c", preset)\n'
    'viz.save(fig, "fig_right", "c", preset)\n',
    "10_pix": 'viz.save(fig, "fig_plain", "c", preset)\nviz.save(fig, f"fig{n}_{name}", "c", preset)\n# 7\n',
    "13_oasis": "print()\n",
}
TABLE = pd.DataFrame(
    {("FID ↓", "published"): ["1.5", "not available"], ("FID ↓", "reproduced as FID[embedded]"): ["2.25 [2.1, 2.4]", "not run"]},
    index=pd.Index(["<one>", "two"], name="model"),
)
CLAIMS = pd.DataFrame({"statement": list("abcd"), "found": ["1 [0, 2] | 2 [1, 3]"] * 4,
                       "verdict": ["reproduced", "not reproduced", "reproduced", "not decidable"]})  # fmt: skip


def drawn(name: str, caption: str) -> None:
    fig, ax = plt.subplots(figsize=(2, 1))
    ax.plot([1, 3, 2])
    viz.save(fig, name, caption, "demo")
    plt.close(fig)


@pytest.fixture
def made(home, tmp_path, monkeypatch):
    """A folder of figures, notebooks that name them, and one notebook with a widget's strip."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    monkeypatch.setattr(paths, "NOTEBOOKS", folder)
    monkeypatch.setattr(paths, "COMMITTED_RECORDS", tmp_path / "records")
    for stem, text in SOURCES.items():
        (folder / f"{stem}.py").write_text(text)
    results.save_table(TABLE, "SMIS Table 2. Spread & all.", "table_two", "demo")
    results.save_table(CLAIMS, "Statements, preset demo.", "table_two_claims", "demo")
    for name in ("fig_left", "fig_right", "fig_plain", "fig7_rooms", "fig_nobody_knows_this"):
        drawn(name, f"Caption of {name} ±.")
    strip = io.BytesIO()
    Image.new("RGB", (40, 20), (200, 30, 30)).save(strip, "png")
    output = nbformat.v4.new_output("display_data", {"image/png": base64.b64encode(strip.getvalue()).decode()})
    cells = [
        nbformat.v4.new_markdown_cell("# Top\n\n## Mix two codes"),
        nbformat.v4.new_code_cell("mixer()", outputs=[output], metadata={"tags": ["widget"]}),
        nbformat.v4.new_code_cell("other()", outputs=[output]),
        nbformat.v4.new_code_cell("dead()", metadata={"tags": ["widget"]}),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "10_pix.ipynb")
    records = [
        results.Record("FID", 1.0, {"n": 7}, "spade", "rooms", "demo", 3, "abc", "w", device="abacus", versions={"code": "f00d"}),
        results.Record("FID", 1.0, {"n": 9}, "spade", "rooms", "smoke", 4, "abd", "w", device="slide rule"),
    ]
    results.write(tmp_path / "records", records, "quality")
    return folder


def page() -> str:
    return report.render(report.contents("demo"))


def chapters() -> dict[str, report.Chapter]:
    return {chapter.key: chapter for chapter in report.collect("demo")}


def test_everything_is_inside_and_every_link_leads_somewhere(made):
    html = page()
    assert len(re.findall(r'<img src="data:image/', html)) == html.count("<img ") == 5  # 4 figures, a strip
    assert not re.search(r'(src|href)="(?!data:|#)', html)
    assert not re.search(r"url\(|@import|<script|<link", html)
    anchors = re.findall(r' id="([^"]+)"', html)
    assert len(set(anchors)) == len(anchors)
    assert set(re.findall(r'href="#([^"]*)"', html)) <= set(anchors)
    assert "&lt;one&gt;" in html and "<one>" not in html


def test_the_same_files_make_the_same_bytes(made):
    assert page() == page()


def test_claims_are_counted_by_verdict_and_a_verdict_that_is_none_is_refused(made, home):
    assert chapters()["smis"].verdicts == {"reproduced": 2, "not reproduced": 1, "not decidable": 1}
    assert chapters()["pix2pix"].verdicts == {"reproduced": 0, "not reproduced": 0, "not decidable": 0}
    assert 'aria-label="2 reproduced, 1 not reproduced, 1 not decidable"' in page()
    claims = home / "figures" / "table_two_claims.csv"
    claims.write_text(claims.read_text().replace("not decidable", "maybe"))
    with pytest.raises(SmisError, match=r"table_two_claims\.csv has the verdict 'maybe', expected one of reproduced"):
        page()


def test_what_a_notebook_names_and_is_not_there_is_listed_with_its_command(made, home):
    (missing,) = chapters()["smis"].missing
    assert (missing.name, missing.command) == ("fig_absent", "smis notebooks 05 --preset demo")
    below = page().partition('id="missing"')[2]
    assert "fig_absent" in below and "smis notebooks 05 --preset demo" in below
    assert "05_table.ipynb" in below and "the widget below “Mix two codes” has no strip" in below
    assert "table_two" in below  # it has cells without a number
    (home / "figures" / "table_two.csv").unlink()
    assert [m.name for m in chapters()["smis"].missing] == ["table_two", "fig_absent"]


def test_a_file_goes_to_the_notebook_that_explains_its_name(made):
    found = chapters()
    assert [f.name for f in found["smis"].figures] == ["fig_left", "fig_right"]
    assert [f.name for f in found["pix2pix"].figures] == ["fig_plain", "fig7_rooms"]
    assert "fig_nobody_knows_this" not in page()


def test_a_table_has_its_columns_in_groups_and_its_numbers_at_the_right(made):
    (table,) = chapters()["smis"].tables
    assert (table.title, table.note) == ("SMIS Table 2", "Spread & all.")
    assert table.groups == [("", ["model"]), ("FID ↓", ["published", "here [embedded]"])]
    assert table.rows[0] == [("<one>", "", ""), ("1.5", "", "number"), ("2.25", "[2.1, 2.4]", "number")]
    assert table.numeric == [False, True, True]
    assert table.empty == {"not available": 1, "not run": 1}
    (claims,) = chapters()["smis"].claims
    assert [name for _, names in claims.groups for name in names] == ["statement", "found", "verdict"]
    assert claims.rows[0] == [("a", "", ""), ("1 [0, 2] | 2 [1, 3]", "", ""), ("reproduced", "", "yes")]


def test_a_caption_is_read_from_the_picture_and_cut_off_it(made, home):
    figure = chapters()["smis"].figures[0]
    assert figure.caption == "Caption of fig_left ±."
    svg = base64.b64decode(figure.uri.partition(",")[2]).decode()
    assert "Caption of" not in svg
    drawn_height, seen = (float(re.search(r'height="([\d.]+)pt"', text)[1]) for text in
                          ((home / "figures" / "fig_left.svg").read_text(), svg))  # fmt: skip
    assert 0.5 < seen / drawn_height < 0.95
    (home / "figures" / "fig_left.svg").unlink()
    figure = chapters()["smis"].figures[0]
    whole = Image.open(home / "figures" / "fig_left.png")
    picture = Image.open(io.BytesIO(base64.b64decode(figure.uri.partition(",")[2])))
    assert picture.size == figure.size
    assert picture.height == pytest.approx(whole.height * seen / drawn_height, abs=2)
    last = np.array(picture.convert("L"))[-4:]
    assert last.min() > 200  # no half of a line of the caption


def test_the_strip_of_a_widget_is_there_below_its_heading(made):
    (found,), missing = report.strips("demo")
    assert found[0] == "10_pix"
    assert [picture.caption for picture in found[1]] == ["Mix two codes"]
    assert {m.name for m in missing} == {"05_table.ipynb", "13_oasis.ipynb", "10_pix.ipynb"}


def test_facts_are_those_of_the_presets_records(made):
    html = page()
    assert all(text in html for text in ("1 of 1 trainings", "abacus", "f00d", "n: 7"))
    assert "slide rule" not in html and "n: 9" not in html


def test_bad_input_is_named(made, home, monkeypatch):
    with pytest.raises(SmisError, match="make reproduce PRESET=smoke"):
        report.collect("smoke")
    (home / "figures" / "fig_plain.png").write_bytes(b"no picture")
    with pytest.raises(SmisError, match=r"fig_plain.png is not a picture.*smis notebooks 10 --preset demo writes it again"):
        report.collect("demo")
    (home / "figures" / "fig_plain.png").unlink()
    (home / "figures" / "table_two.csv").write_text("a,b\n1\n")
    with pytest.raises(SmisError, match=r"table_two.csv is not a table.*smis notebooks 05"):
        report.collect("demo")


def test_it_is_written_with_its_size_and_without_a_browser_says_so(made, home, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    first, second = report.report("demo")
    assert first.startswith(f"{home / 'figures' / 'report.html'}  0.") and first.endswith(" MB, 4 missing")
    assert second.startswith("no PDF: none of chromium")
    assert (home / "figures" / "report.html").read_text() == page()


def test_names_come_in_the_order_of_the_source(tmp_path):
    source = tmp_path / "05_a.py"
    source.write_text('for n in "a":\n    viz.save(f, f"fig_{n}", "c", p)\nresults.save_table(t, "c", "table_b", p)\n')
    assert notebooks.named(source) == ["fig_*", "table_b"]


@pytest.mark.parametrize("status", [0, 3])
def test_the_pdf_is_printed_of_a_copy_with_pictures_that_a_pdf_can_hold(made, home, tmp_path, monkeypatch, status):
    browser = tmp_path / "chromium"
    browser.write_text(
        f"#!{sys.executable}\nimport pathlib, sys, urllib.parse\n"
        "target = next(a for a in sys.argv if a.startswith('--print-to-pdf=')).partition('=')[2]\n"
        "page = urllib.parse.unquote(urllib.parse.urlparse(sys.argv[-1]).path)\n"
        f"pathlib.Path(target).write_text(pathlib.Path(page).read_text())\nsys.exit({status} and 'no paper')\n"
    )
    browser.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(browser) if name == "chromium" else None)
    (home / "figures" / "fig_left.svg").unlink()
    if status:
        with pytest.raises(SmisError, match=r"could not print .*: no paper"):
            list(report.report("demo"))
        assert not (home / "figures" / "report.pdf").exists()
        return
    _, second = report.report("demo")
    assert second.startswith(f"{home / 'figures' / 'report.pdf'}  0.")
    printed = (home / "figures" / "report.pdf").read_text()
    assert "image/webp" in page() and "image/webp" not in printed
    Image.open(io.BytesIO(base64.b64decode(re.search(r"image/jpeg;base64,([^\"]+)", printed)[1]))).verify()


def test_a_long_caption_is_broken_inside_the_edges_of_its_figure(made, home):
    """Matplotlib's own wrapping ran to the very edge of the picture, and through it in another font."""
    fig, ax = plt.subplots(figsize=(3, 1))
    ax.plot([1, 3, 2])
    said = "A caption that is longer than its figure is wide, broken into lines of about one length; preset demo, seed 0."
    viz.save(fig, "fig_long", said, "demo")
    plt.close(fig)
    picture = Image.open(home / "figures" / "fig_long.png").convert("L")
    pixels = np.asarray(picture)
    margin = round(0.8 * viz.PAD * 200)
    assert (pixels[:, :margin] == 255).all() and (pixels[:, -margin:] == 255).all()
    svg = (home / "figures" / "fig_long.svg").read_text()
    lines = re.findall(r"<text[^>]*>(.*?)</text>", svg.partition('<g id="caption">')[2].partition("</g>")[0])
    assert " ".join(lines) == said and len(lines) > 1
    assert min(map(len, lines)) > 0.6 * max(map(len, lines))


def test_a_caption_that_fits_is_one_line(made, home):
    svg = (home / "figures" / "fig_left.svg").read_text()
    assert svg.partition('<g id="caption">')[2].partition("</g>")[0].count("<text") == 1


def test_a_page_is_never_turned_for_a_table(made):
    """A page that is, leaves what remains of the one before it, and of itself, empty."""
    assert page().count("@page") == 1 and 'class="table short"' in page()
