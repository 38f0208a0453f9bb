"""Which adders reduce the bits of a compressor heap to two rows, and when their results arrive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from asm_hw.formats.accumulator_format import AdderStyle

Bit = tuple[int, int]
"""(arrival, number) of a bit in a plan, in quarters of a full adder; the constant 1 has a number of its own."""
ONE = -1
ADDER_TIME = 4
"""Units of arrival in a full adder, from a or b to its sum."""
_HEIGHTS = (2, 3, 4, 6, 9, 13, 19, 28, 42, 63, 94, 141, 211, 316, 474, 711, 1066, 1599)


@dataclass(frozen=True)
class Adder:
    """Adds two or three bits of ``column``; ``total`` and ``carry`` are the numbers of its results."""

    column: int
    inputs: tuple[int, ...]
    total: int
    carry: int


def plan(columns: list[list[Bit]], number: int, style: AdderStyle) -> list[Adder]:
    """Reduce ``columns``, in place, to at most two bits each; results are numbered from ``number``.

    An adder takes the bits of its column that arrived first, so that late ones cross few adders and glitch little; the
    last of them is its c. Carries past the last column are lost. Styles with a heap:

    - ``heap``, ``carry_save``: the fewest stages (Dadda 1965), each of one unit of delay;
    - ``greedy``: column after column, by full adders alone (the three-greedy approach of Stelling, Martel, Oklobdzija
      and Ravi, IEEE Trans. Computers 47(3), 1998), each of one unit of delay;
    - ``wallace``: in each stage every three bits of a column, by full adders alone (Wallace 1964), with the delays of
      their gates: bits that arrive together are added together, which glitches least.
    """
    numbers = count(number)
    if style == AdderStyle.WALLACE:
        return _in_stages(columns, numbers)
    tallest = max(map(len, columns), default=0)
    greedy = style == AdderStyle.GREEDY
    adders: list[Adder] = []
    for height in [2] if greedy else reversed([h for h in _HEIGHTS if h < tallest]):
        for column, bits in enumerate(columns):  # from the lowest: carries of one column enter the next
            while len(bits) > height:
                bits.sort()
                taken = bits[: 2 if len(bits) == height + 1 and not greedy else 3]
                del bits[: len(taken)]
                one_later = taken[-1][0] + ADDER_TIME
                adders.append(_add(taken, column, numbers, columns, (one_later, one_later)))
    return adders


def _in_stages(columns: list[list[Bit]], numbers: Iterator[int]) -> list[Adder]:
    adders = []
    while max(map(len, columns), default=0) > 2:
        following: list[list[Bit]] = [[] for _ in columns]
        for column, bits in enumerate(columns):
            bits.sort()
            while len(bits) > 2:
                taken = bits[:3]
                del bits[:3]
                adders.append(_add(taken, column, numbers, following, _arrivals([time for time, _ in taken])))
            following[column] += bits  # those that arrived last wait for the next stage
        columns[:] = following
    return adders


def _add(
    taken: list[Bit], column: int, numbers: Iterator[int], columns: list[list[Bit]], arrivals: tuple[int, int]
) -> Adder:
    """An adder of ``taken`` bits; ``columns`` get its sum and its carry, which arrive at ``arrivals``."""
    adder = Adder(column, tuple(bit for _, bit in taken), next(numbers), next(numbers))
    columns[column].append((arrivals[0], adder.total))
    if column + 1 < len(columns):
        columns[column + 1].append((arrivals[1], adder.carry))
    return adder


def _arrivals(times: list[int]) -> tuple[int, int]:
    """When the sum and the carry of a full adder are there whose inputs arrive at ``times``, ascending.

    From a or b an XOR follows another one, or half of one and a gate; from c one gate.
    """
    _, ab, c = times
    return max(ab + 4, c + 2), max(ab + 3, c + 2)
