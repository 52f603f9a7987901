"""docs/api.md is what the docstrings say, and they say something of all that is public."""

import ast

import pytest

import smislib
from smislib import api, paths, ui
from smislib.errors import SmisError

EXPORTS = (paths.PACKAGE / "__init__.pyi", paths.PACKAGE / "ui" / "__init__.py")


def test_the_page_is_what_the_docstrings_say():
    assert api.PAGE.read_text() == api.page(), "make api"


def test_all_that_is_public_is_on_it_and_says_what_it_is():
    names = [f"{package}.{name}" for package, module in (("smislib", smislib), ("smislib.ui", ui)) for name in module.__all__]
    parts = {part.split("\n", 1)[0]: part for part in api.page().split("### ")[1:]}
    assert set(names) == set(parts)
    for name, part in parts.items():
        assert len(part.split("```")[-1].split("[smislib/")[0].strip()) > 20, name


def test_another_docstring_is_another_page(monkeypatch, tmp_path):
    monkeypatch.setattr(api, "PAGE", tmp_path / "api.md")
    assert api.main(["--check"]) == 1
    assert api.main([]) == 0 and api.main(["--check"]) == 0
    about = api._about
    monkeypatch.setattr(api, "_about", lambda node: about(node).replace("mean code", "code"))
    assert api.main(["--check"]) == 1


def test_a_name_that_its_file_does_not_define_is_an_error():
    with pytest.raises(SmisError, match="no nothing"):
        api.entry("smislib", "nothing", paths.PACKAGE / "sample.py", False)


@pytest.mark.parametrize("exports", EXPORTS, ids=lambda path: path.name)
def test_every_function_says_how_it_fails_where_it_raises(exports):
    """One that itself has a `raise` says so in its docstring."""
    for name, file, module in api.public(exports):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef) and (node.name == name or (module and not node.name.startswith("_"))):
                raises = any(isinstance(part, ast.Raise) for part in ast.walk(node))
                assert not raises or "Raises SmisError" in " ".join(ast.get_docstring(node).split()), f"{file.name}: {node.name}"
