"""The files that a result comes from: what a cache must know of the program, found by following its imports."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

import asm_hw

PACKAGE = asm_hw.__name__
ROOT = Path(asm_hw.__file__).parent


_PARSING = Lock()
"""Threads that parse at a time upset one another in Python 3.11: "AST constructor recursion depth mismatch"."""


def sources_of(*modules: str) -> tuple[Path, ...]:
    """The source files of ``modules`` and of all that they import within the package, in order of their paths.

    Imports inside of functions count, those for type checkers alone do not. A file beside a module counts too where
    the module has its name as a text: data that it reads. What is looked up by a text of another kind, such as a unit
    in the registry, must be named in ``modules``.
    """
    with _PARSING:
        return _followed(modules)


@cache
def _followed(modules: tuple[str, ...]) -> tuple[Path, ...]:
    waiting, found = list(modules), {}
    while waiting:
        module = waiting.pop()
        path = _path(module)
        if path is not None and module not in found:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            found[module] = {path, *_data_files(tree, path.parent)}
            # What relative imports count from: an __init__.py is its package, other modules lie in one.
            package = module if path.name == "__init__.py" else module.rpartition(".")[0]
            waiting += _imports(tree, package)
    return tuple(sorted(set().union(*found.values())))


def _path(module: str) -> Path | None:
    """The file of a module of the package, or of one that is loaded already; None for what is no module."""
    head, _, rest = module.partition(".")
    if head != PACKAGE:
        # A unit of somebody else. Only where it is loaded: to find `a.b` Python imports `a`.
        spec = find_spec(module) if module in sys.modules else None
        return Path(spec.origin) if spec and spec.origin else None
    base = ROOT.joinpath(*rest.split(".")) if rest else ROOT
    places = (base / "__init__.py", base.with_name(f"{base.name}.py"))
    return next((place for place in places if place.is_file()), None)


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    """The modules of the package that a file names in imports, and the packages that they lie in."""
    for node in _runtime_nodes(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *filter(None, [node.module])])
            # What is imported from a package may be a module of it.
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        for name in names:
            words = name.split(".")
            if words[0] == PACKAGE:
                # An import of a.b.c runs the __init__.py of a and of a.b too.
                yield from (".".join(words[:length]) for length in range(1, len(words) + 1))


def _runtime_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under ``if TYPE_CHECKING``."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            yield node
            yield from _runtime_nodes(node)


def _data_files(tree: ast.AST, folder: Path) -> Iterator[Path]:
    """The files in ``folder`` whose names stand as texts in a module."""
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    for path in folder.iterdir():
        if path.name in texts and path.is_file():
            yield path
