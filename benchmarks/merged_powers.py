"""Internal energies of Liberty groups: states with about the same figures as one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

TIGHT, LOOSE = 0.05, 0.02  # powers merge where they differ by less than 5 % of themselves + 2 % of the cell's mean
DIGITS, TABLE_DIGITS = 4, 3


def merge_powers(rows: list[dict[str, Any]], scale: float) -> list[dict[str, Any]]:
    """Rows with about the same tables as one, their conditions together and their figures averaged."""
    merged: list[list[dict[str, Any]]] = []
    for row in rows:
        for others in merged:
            if all(_alike(row, other, scale) for other in others):
                others.append(row)
                break
        else:
            merged.append([row])
    return [_mean(alike) for alike in merged]


def _alike(row: dict[str, Any], other: dict[str, Any], scale: float) -> bool:
    names = {name for name in row if name.endswith("_fj")}
    if names != {name for name in other if name.endswith("_fj")}:
        return False
    if any(isinstance(row[name], list) != isinstance(other[name], list) for name in names):
        return False  # a scalar 0 says that this edge is counted elsewhere
    pairs = [pair for name in names for pair in zip(_flat(row[name]), _flat(other[name]), strict=True)]
    return all(abs(a - b) <= TIGHT * max(abs(a), abs(b)) + LOOSE * scale for a, b in pairs)


def _mean(rows: list[dict[str, Any]]) -> dict[str, Any]:
    first = rows[0]
    if first["when"] == [""]:
        return first
    mean = {name: _average([row[name] for row in rows]) if name.endswith("_fj") else first[name] for name in first}
    return mean | {"when": [when for row in rows for when in row["when"]]}


def _average(tables: list[Any]) -> Any:
    if isinstance(tables[0], list):
        return [_average(list(column)) for column in zip(*tables, strict=True)]
    return short(sum(tables) / len(tables), TABLE_DIGITS)


def _flat(table: Any) -> Iterator[float]:
    if isinstance(table, list):
        for row in table:
            yield from _flat(row)
    else:
        yield table


def short(value: float, digits: int = DIGITS) -> float:
    """``value`` to a few digits, as an integer where it is one."""
    short = float(f"{value:.{digits}g}")
    return int(short) if short == int(short) else short
