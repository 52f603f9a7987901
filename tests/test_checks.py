"""The notebook stage notices a stored notebook that is not its source, and knows what may differ."""

import base64
import io
import os
import shutil
import time

import jupytext
import nbformat
import numpy as np
import pytest
from PIL import Image
from tornado.web import HTTPError

from smislib import checks, notebooks, paths
from smislib.errors import SmisError

SOURCE = """# %%
import math

# %% tags=["parameters"]
preset = "demo"
seed = 0

# %% [markdown]
# Why.

# %%
print(preset, seed)
"""


@pytest.fixture
def pair(tmp_path):
    source, stored = tmp_path / "00_tiny.py", tmp_path / "stored"
    source.write_text(SOURCE)
    stored.mkdir()
    notebook = notebooks.without_injected(jupytext.read(source), {"preset": "smoke"})
    nbformat.write(notebook, stored / "00_tiny.ipynb")
    return source, stored


def test_parameters_take_the_executed_values():
    notebook = notebooks.without_injected(jupytext.reads(SOURCE, fmt="py:percent"), {"preset": "smoke"})
    assert notebook.cells[1].source == 'preset = "smoke"\nseed = 0'
    unchanged = notebooks.without_injected(jupytext.reads(SOURCE, fmt="py:percent"), {"preset": "demo"})
    assert unchanged.cells[1].source == 'preset = "demo"\nseed = 0'


def test_a_fresh_copy_is_not_stale(pair):
    source, stored = pair
    assert checks.stale([source], stored) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("print(preset, seed)", "print(preset)"),
        ("# Why.", "# Why not."),
        ('tags=["parameters"]', 'tags=["parameters", "other"]'),
        ("seed = 0", "seed = 1"),
        ("# %%\nprint", "# %%\n1\n\n# %%\nprint"),
        ("seed)\n", "seed)\n\n# %%\n1\n"),
    ],
)
def test_a_changed_cell_is_stale(pair, old, new):
    source, stored = pair
    source.write_text(SOURCE.replace(old, new))
    reasons = checks.stale([source], stored)
    assert len(reasons) == 1 and "00_tiny.ipynb" in reasons[0]


def test_a_pair_that_is_none_is_an_error_that_says_what_to_run(pair, tmp_path):
    source, stored = pair
    nbformat.write(jupytext.read(source), tmp_path / "00_tiny.ipynb")  # at `demo`
    checks.check_pairs([source], tmp_path, stored)
    source.write_text(SOURCE.replace("# Why.", "# Why not."))
    with pytest.raises(SmisError, match=r"00_tiny.ipynb differs.*smis notebooks.*\n.*smislib.checks NUMBER --store"):
        checks.check_pairs([source], tmp_path, stored)


def test_a_missing_copy_is_stale(pair, tmp_path):
    source, _ = pair
    assert "missing" in checks.stale([source], tmp_path / "nowhere")[0]


@pytest.mark.parametrize("source", notebooks.select(), ids=lambda source: source.stem)
def test_jupyter_would_write_a_source_as_it_stands(source):
    """Else opening and saving a notebook changes the file that is reviewed."""
    assert jupytext.writes(jupytext.read(source), fmt="py:percent") == source.read_text()


def test_jupyter_opens_a_pair_whichever_file_is_newer(tmp_path):
    """After a checkout their times are arbitrary, and an executed notebook differs from its source in a blank line.

    The server's root is the notebooks' folder, as `make lab` has it.
    """
    for suffix, text in ((".py", "# %%\n1\n\n# %%\ndef f():\n    pass\n"), (".ipynb", "# %%\n1\n\n\n# %%\ndef f(): pass\n")):
        jupytext.write(
            jupytext.reads(text, fmt="py:percent"), tmp_path / f"pair{suffix}", fmt=suffix.replace(".py", "py:percent")
        )
    now = time.time()
    os.utime(tmp_path / "pair.py", (now - 3600, now - 3600))
    (tmp_path / "jupytext.toml").write_text('formats = "ipynb,py:percent"')
    manager = jupytext.TextFileContentsManager(root_dir=str(tmp_path), allow_hidden=True)
    with pytest.raises(HTTPError, match="is more recent than"):
        manager.get("pair.ipynb")
    shutil.copy(paths.NOTEBOOKS / "jupytext.toml", tmp_path)
    opened = manager.get("pair.ipynb")["content"]
    assert opened["cells"][1]["source"] == "def f():\n    pass"  # of the .py


def test_a_stored_picture_keeps_its_colours_and_a_notebook_its_size():
    """Flat colours are a palette's; a small patch of another colour among many thousands must not take its neighbours'."""
    rng = np.random.default_rng(0)
    photograph = np.repeat(np.repeat(rng.integers(0, 255, (60, 90, 3)), 8, 0), 8, 1).astype(np.uint8)
    photograph[:40, :40] = (171, 40, 188)
    diagram = np.full((400, 600, 3), 255, np.uint8)
    diagram[100:200, 100:300] = (53, 102, 168)
    outputs = []
    for picture in (photograph, diagram):
        written = io.BytesIO()
        Image.fromarray(picture).save(written, "png")
        data = {"image/png": base64.b64encode(written.getvalue()).decode()}
        outputs.append(nbformat.v4.new_output("display_data", data))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("", outputs=outputs)])
    stored = notebooks._small(notebook).cells[0].outputs
    assert [list(output.data) for output in stored] == [["image/jpeg"], ["image/png"]]
    for output, picture in zip(stored, (photograph, diagram), strict=True):
        shown = Image.open(io.BytesIO(base64.b64decode(*output.data.values()))).convert("RGB")
        off = np.abs(np.asarray(shown, int) - picture).reshape(-1, 3)
        assert np.quantile(off, 0.99) <= 2 * notebooks.SHIFT
        assert off.reshape(*picture.shape)[4:36, 4:36].max() <= notebooks.SHIFT  # the patch
