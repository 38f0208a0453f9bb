"""Cell libraries: a compact table of the package, or the Liberty files of a user."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from asm_hw.errors import ParameterError, check_choice

from .compact_tables import TECHNOLOGIES, compact_table, to_liberty
from .liberty_file import Group, is_gzip, read
from .named_cells import SpecialCells, find_special, special_from
from .wire_models import WIRE_MODELS, WireModel


@dataclass(frozen=True)
class Library:
    """Cells to map onto: a name for tables, the Liberty files for the tools, the cells placed by name.

    ``wires``: what wires load; None where there are none.
    """

    name: str
    paths: tuple[Path, ...]
    special: SpecialCells = field(default_factory=SpecialCells)
    wires: WireModel | None = None

    def link_into(self, folder: Path) -> list[str]:
        """Link the files into ``folder`` under names of its own and return them.

        Paths with spaces or equal file names then reach the tools, which tell a gzip file by ``.gz``.
        """
        names = []
        for index, path in enumerate(self.paths):
            names.append(f"library_{index}.lib{'.gz' if is_gzip(path) else ''}")
            (folder / names[-1]).symlink_to(path.resolve())
        return names


def user_library(liberty: str) -> Library:
    """The library of ``--liberty``: comma-separated .lib or .lib.gz files that together hold a flip-flop.

    Raises `ParameterError` where one is missing, unreadable, truncated or not Liberty, or none holds
    a flip-flop or a gate, or two hold the same cell.
    """
    words = [word.strip() for word in liberty.split(",")]
    if not all(words):
        raise ParameterError(f"liberty {liberty!r} must be comma-separated .lib or .lib.gz files: one path is empty")
    paths = tuple(map(Path, words))
    groups = [read(path) for path in paths]
    cells = [cell for group in groups for cell in group.find("cell") if cell.args]
    _check_mappable(liberty, cells)
    name = "+".join(" ".join(group.args) for group in groups)
    return Library(name, tuple(path.resolve() for path in paths), find_special(cells))


def choose_library(
    folder: Path, technology: str | None, liberty: str | None = None, wires: bool | None = False
) -> Library:
    """The library of ``--liberty`` where that is given, else the table of ``--technology``, put into ``folder``.

    ``wires``: see `compact_library`; None is with them where there is a table. Raises `ParameterError` as
    `user_library` and `compact_library` do, where both are given, and for wires of a user's library.
    """
    if liberty is None:
        chosen = TECHNOLOGIES[0] if technology is None else technology
        check_choice("technology", chosen, TECHNOLOGIES)
        return compact_library(folder, chosen, wires is not False)
    if technology is not None:
        raise ParameterError(f"technology must be left out where liberty names the cells, not {technology!r}")
    if wires:
        raise ParameterError(
            f"wires must be left out where liberty names the cells: nothing says what those of {liberty!r} load"
        )
    return user_library(liberty)


def _check_mappable(liberty: str, cells: list[Group]) -> None:
    names = Counter(cell.args[0] for cell in cells)
    if names and names.most_common(1)[0][1] > 1:
        raise ParameterError(f"liberty {liberty!r} must name each cell once, not {names.most_common(1)[0][0]} again")
    gates = [cell for cell in cells if not any(cell.find("ff"))]
    if len(gates) == len(cells):
        raise ParameterError(f"liberty {liberty!r} must hold a flip-flop: no cell has an ff group")
    if not any(pin.get("function") for cell in gates for pin in cell.find("pin")):
        raise ParameterError(f"liberty {liberty!r} must hold gates: no other cell has a pin with a function")


def compact_library(folder: Path, technology: str = TECHNOLOGIES[0], wires: bool = False) -> Library:
    """The package's table of a technology, written as a Liberty file into ``folder``; ``wires`` load nets, or do not.

    Raises `ParameterError` if there is no such technology.
    """
    table = compact_table(technology)
    path = folder / f"{technology}.lib"
    # As a file: that is how Yosys, ABC and our own reader take any library.
    path.write_text(to_liberty(table), encoding="utf-8")
    return Library(
        f"{table['library']} (compact)",
        (path,),
        special_from(table["special"]),
        WIRE_MODELS[technology] if wires else None,
    )


def check_power(library: Library) -> None:
    """Raises `ParameterError` unless some gate and some flip-flop of ``library`` have tables of internal energy."""
    cells = [cell for path in library.paths for cell in read(path).find("cell")]
    for kind, wanted in (("flip-flop", True), ("gate", False)):
        alike = (cell for cell in cells if any(cell.find("ff")) == wanted)
        if not any(power.groups for cell in alike for pin in cell.find("pin") for power in pin.find("internal_power")):
            raise ParameterError(f"liberty {library.name!r} must have power tables: no {kind} has internal_power")
