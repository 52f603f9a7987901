"""The notebook stage notices a stored notebook that is not its source, and knows what may differ."""

import tomllib

import jupytext
import nbformat
import pytest

from smislib import checks, notebooks, paths

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


def test_a_missing_copy_is_stale(pair, tmp_path):
    source, _ = pair
    assert "missing" in checks.stale([source], tmp_path / "nowhere")[0]


@pytest.mark.parametrize("source", notebooks.select(), ids=lambda source: source.stem)
def test_jupyter_would_write_a_source_as_it_stands(source):
    """Else opening and saving a notebook changes the file that is reviewed."""
    assert jupytext.writes(jupytext.read(source), fmt="py:percent") == source.read_text()


def test_jupyter_opens_a_pair_whichever_file_is_newer():
    """After a checkout their times are arbitrary, and an executed notebook differs from its source in blank lines."""
    settings = tomllib.loads((paths.CHECKOUT / "pyproject.toml").read_text())["tool"]["jupytext"]
    assert settings["outdated_text_notebook_margin"] == float("inf")
