"""The notebook stage notices a stored notebook that is not its source, and knows what may differ."""

import os
import shutil
import time

import jupytext
import nbformat
import pytest
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
