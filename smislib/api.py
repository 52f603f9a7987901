"""docs/api.md: the public API on one page, from signatures and docstrings. `make api` writes it.

    python -m smislib.api            write it
    python -m smislib.api --check    exit status 1 where it is not what the docstrings say

Public is what `smislib/__init__.pyi` and `smislib.ui` name. Sources are parsed, nothing is imported.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from . import atomic, paths
from .errors import SmisError

PAGE = paths.CHECKOUT / "docs" / "api.md"
HEAD = """# The public API

What `import smislib` and `from smislib import ui` give. `make api` writes this page from the docstrings: edit those.
N images, C classes, H x W pixels; `labels` are one-hot float (N,C,H,W), images float (N,3,H,W) in [-1,1]. What is wrong with
an argument is a `smislib.errors.SmisError` that says what was found, what was expected, and what to do.
"""


def page() -> str:
    """The whole page as Markdown."""
    parts = [HEAD]
    for title, exports in (("smislib", paths.PACKAGE / "__init__.pyi"), ("smislib.ui", paths.PACKAGE / "ui" / "__init__.py")):
        parts.append(f"## {title}\n\n{ast.get_docstring(ast.parse((exports.parent / '__init__.py').read_text()))}\n")
        parts += [entry(title, *exported) for exported in public(exports)]
    return "\n".join(parts)


def public(exports: Path) -> Iterator[tuple[str, Path, bool]]:
    """(name, the file that has it, whether it is that module) of all that a file imports from beside itself, in its order."""
    for node in ast.parse(exports.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            for alias in node.names:
                place = exports.parent / (node.module or alias.name)
                yield alias.name, place / "__init__.py" if place.is_dir() else place.with_suffix(".py"), not node.module


def entry(package: str, name: str, file: Path, module: bool) -> str:
    """The heading, signature, docstring and file of a function, of a module all its public functions, of a value its type.

    Raises SmisError for a name that its file does not define.
    """
    tree, where = ast.parse(file.read_text()), file.relative_to(paths.CHECKOUT).as_posix()
    heading, source = f"### {package}.{name}", f"[{where}](../{where})\n"
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    if module:
        return "\n".join([heading, "", f"{_about(tree)}\n", *map(_function, functions), source])
    for node in functions:
        if node.name == name:
            return "\n".join([heading, "", _function(node), source])
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == name:
            value = f"```python\n{name}: {ast.unparse(node.annotation)}\n```\n"
            return "\n".join([heading, "", value, f"{_about(tree)}\n", source])
    raise SmisError(f"{where} defines no {name}, which {package} exports.")


def _function(node: ast.FunctionDef) -> str:
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    line = f"{node.name}({ast.unparse(node.args)}){returns}"
    if len(line) > 100:
        line = re.sub(r", (?=\*?\w+: )", ",\n    ", line).replace("(", "(\n    ", 1)
    return f"```python\n{line}\n```\n\n{_about(node)}\n"


def _about(node: ast.Module | ast.FunctionDef) -> str:
    return ast.get_docstring(node) or ""


def main(arguments: list[str]) -> int:
    """Exit status: 1 where `--check` finds another page than the docstrings make."""
    made = page()
    if "--check" in arguments:
        current = PAGE.exists() and PAGE.read_text() == made
        print(f"{PAGE.name} is {'' if current else 'not '}what the docstrings say{'' if current else ': make api'}.")
        return int(not current)
    PAGE.parent.mkdir(exist_ok=True)
    atomic.write(PAGE, lambda path: path.write_text(made))
    print(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
