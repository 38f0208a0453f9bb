"""The house: imports point one way, names are unique, files and functions stay small, the public face loads lazily."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import asm_hw

REPOSITORY = Path(__file__).resolve().parent.parent
SOURCES = [
    path
    for root in ("asm_hw", "sim", "training")
    for path in sorted((REPOSITORY / root).rglob("*.py"))
    if not any(parent.is_symlink() for parent in path.parents)
]
EVERYTHING = [*SOURCES, *(p for root in ("tests", "benchmarks", "examples") for p in (REPOSITORY / root).rglob("*.py"))]
BY_NAME = ("__init__.py", "registry.py")
"""Files that import by name: the public face, and parts of units."""
MAX_LINES, MAX_FUNCTION, MAX_ELABORATE = 250, 35, 42


def drawn_order():
    """The rooms that CONTRIBUTING draws, by the place of each in the order."""
    block = re.search(r"```rooms\n(.*?)```", (REPOSITORY / "CONTRIBUTING.md").read_text(), re.DOTALL)
    levels = [level.split(",") for level in " ".join(block[1].split()).split("<")]
    return {room.strip(): place for place, level in enumerate(levels) for room in level}


def module_of(path):
    parts = list(path.relative_to(REPOSITORY).with_suffix("").parts)
    return ".".join(parts if parts[0] == "asm_hw" else ["asm_hw", *parts])


def room_of(module, rooms):
    """The room that holds ``module``: the longest drawn path that it begins with; None for the package itself."""
    parts = module.split(".")[1:]
    paths = ("/".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((path for path in paths if path in rooms), None)


def imports(path):
    """The modules of the package that a file imports, wherever in it."""
    package = module_of(path).split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("asm_hw."))
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            if module == "asm_hw":  # a room, or a name of the public face, wherever that lives
                yield from (f"asm_hw.{asm_hw._MODULE_OF.get(alias.name, alias.name)}" for alias in node.names)
            elif module.startswith("asm_hw"):
                yield module


def test_no_import_points_back():
    rooms = drawn_order()
    back = []
    for path in SOURCES:
        own = room_of(module_of(path), rooms)
        if own is None:
            holds_rooms = any(room.startswith(path.parent.name) for room in rooms) or path.parent.name == "asm_hw"
            assert path.name == "__init__.py" and holds_rooms, f"{path} stands in no room that CONTRIBUTING draws"
            continue
        for module in imports(path):
            other = room_of(module, rooms)
            if other is not None and other != own and rooms[other] >= rooms[own]:
                back.append(f"{path.relative_to(REPOSITORY)} ({own}) imports {module} ({other})")
    assert back == []


def test_nothing_but_the_package_is_imported_from_this_repository():
    """Neither folders at the top, which an installed package has not, nor modules by name, which no test sees."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [str(node.module)]
            foreign = {"sim", "training", "tests", "benchmarks", "examples"} & {name.split(".")[0] for name in names}
            assert not foreign, f"{path}:{node.lineno} imports {foreign}"
        by_name = "import_module(" in path.read_text() and path.name not in BY_NAME
        assert not by_name, f"{path} imports modules by name"


def test_every_drawn_room_exists():
    for room in drawn_order():
        places = [REPOSITORY / "asm_hw" / room, REPOSITORY / room, REPOSITORY / "asm_hw" / f"{room}.py"]
        assert any(place.exists() for place in places), room


@pytest.mark.parametrize(
    ("room", "barred"),
    [
        (
            "training",
            (
                "asm_hw.units",
                "asm_hw.gateware",
                "asm_hw.bench",
                "asm_hw.emission",
                "asm_hw.handoff",
                "asm_hw.ppa",
                "asm_hw.sim",
                "asm_hw.network.rtl_layers",
            ),
        ),
        ("asm_hw/network", ("asm_hw.gateware", "asm_hw.emission", "asm_hw.sim")),
        ("asm_hw/golden", ("asm_hw.units",)),
    ],
)
def test_rooms_that_know_formats_alone(room, barred):
    for path in SOURCES:
        if path.is_relative_to(REPOSITORY / room) and path.name != "rtl_layers.py":
            assert not [module for module in imports(path) if module.startswith(barred)], path


def test_the_table_of_where_to_look_is_right():
    page = (REPOSITORY / "docs" / "architecture.md").read_text().split("## Where to look")[1].split("## ")[0]
    rows = re.findall(r"^\| [^|]+ \| `([\w/]+\.py)` \| `([\w.]+)`", page, re.MULTILINE)
    assert len(rows) > 10
    for file, name in rows:
        text = (REPOSITORY / file).read_text()
        for part in name.split("."):
            assert re.search(rf"(class|def) {part}\b", text), (file, name)


def test_every_file_has_a_name_of_its_own():
    names = Counter(path.name for path in EVERYTHING if path.name not in ("__init__.py", "__main__.py"))
    assert [name for name, count in names.items() if count > 1] == []


def test_files_are_short():
    long = {str(path.relative_to(REPOSITORY)): len(path.read_text().splitlines()) for path in EVERYTHING}
    assert {path: lines for path, lines in long.items() if lines > MAX_LINES} == {}


def test_functions_are_short():
    """Of the package: lines from ``def`` to the end, the docstring left out."""
    long = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lines = node.end_lineno - body[0].lineno + 1 if body else 0
                if lines > (MAX_ELABORATE if node.name == "elaborate" else MAX_FUNCTION):
                    long.append(f"{path.relative_to(REPOSITORY)}:{node.lineno} {node.name} has {lines} lines")
    assert long == []


def test_no_assert_validates():
    """``python -O`` removes asserts: they may narrow a type, by ``is not None`` or ``isinstance``, and nothing else."""
    for path in SOURCES:
        if path.name.endswith(("_checks.py", "_harness.py")) or path.is_relative_to(REPOSITORY / "asm_hw" / "bench"):
            continue  # what benches assert is their verdict
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Assert):
                text = ast.unparse(node.test)
                assert re.search(r" is not None|^isinstance\(|\.levels$", text), f"{path}:{node.lineno} asserts {text}"


def test_the_public_face_is_what_its_modules_hold():
    for name in asm_hw.__all__:
        assert getattr(asm_hw, name) is not None, name
    assert set(asm_hw.__all__) <= set(dir(asm_hw))
    with pytest.raises(AttributeError, match="nonsense"):
        _ = asm_hw.nonsense


EMISSION = """
import sys
from asm_hw.emission.emit_folder import render
from asm_hw.units.registry import make_config, units
for name in units():
    small = {"lanes": 4, "columns": 2} if name in ("near_memory", "vn_array") else {}
    render(make_config(name, **small), "unit")
sys.exit("torch" in sys.modules)
"""
TRAINING = """
import sys
from importlib import import_module
from pkgutil import walk_packages
import asm_hw.golden, asm_hw.network.network_file, asm_hw.training
for module in walk_packages(asm_hw.training.__path__, "asm_hw.training."):
    import_module(module.name)
sys.exit("amaranth" in sys.modules)
"""


@pytest.mark.parametrize("program", [EMISSION, TRAINING], ids=["emission of every unit", "training"])
def test_emission_imports_no_torch_and_training_no_amaranth(program):
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
