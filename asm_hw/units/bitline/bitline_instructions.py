"""The micro-operations of a bitline array."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

MOVE = 3
"""The most that the accumulators are shifted in one cycle."""


class Operation(IntEnum):
    """What one micro-operation does. ``MASK`` and ``ACCUMULATE`` exist in the ASM array alone, ``TAG`` and
    ``ADD`` in its bit-serial baseline alone."""

    WRITE = 0  # row d <= the offered row
    READ = 1  # row a leaves
    COPY = 2  # row d <= row a
    CLEAR = 3  # row d <= 0
    AND = 4  # row d <= row a op row b
    OR = 5
    XOR = 6
    NOR = 7  # of one row: its complement
    MASK = 8  # words that are written and accumulate from here on <= the low bits of the offered row
    ACCUMULATE = 9  # accumulators <= (accumulators << move) +- (row a + row b)
    TAG = 10  # tags <= row a
    ADD = 11  # row d <= row a + row b + carry, bit by bit; carry <= what is carried


LOGIC = (Operation.AND, Operation.OR, Operation.XOR, Operation.NOR)
OPENED = {Operation.READ: (1,), Operation.COPY: (1, 2), Operation.TAG: (1,)} | dict.fromkeys(LOGIC, (1, 2))
"""How many rows an operation may open, where it makes something of them: closed rows leave the lines at 1."""
TAKES_ROW = (Operation.WRITE, Operation.MASK)
"""Operations that take a beat of ``i_row``."""
ASM_OPERATIONS = tuple(Operation)[: Operation.ACCUMULATE + 1]
SERIAL_OPERATIONS = tuple(op for op in Operation if op not in (Operation.MASK, Operation.ACCUMULATE))


ADDRESSES = ("a", "b", "d")
"""The parts of an `Instruction` that name rows."""


class End(IntEnum):
    """What becomes of an accumulated sum."""

    STAYS = 0
    LEAVES = 1  # on o_words; the next sum starts at 0
    STORED = 2  # its low bits into row d; the next sum starts at 0


@dataclass(frozen=True)
class Instruction:
    """A micro-operation as the stream ``i_op`` carries it.

    ``opened`` rows take part: none, ``a``, or ``a`` and ``b`` at once. Of ``ACCUMULATE``, ``shift`` and
    ``sign`` are the weight's digit: both activations count ``+-(value << shift)``. Shifts must not rise
    within a sum, since accumulators only move left. Before a serial ``ADD`` ``start`` sets the carries to
    ``carry``; ``tagged`` keeps it to columns whose tag is set.
    """

    op: Operation
    a: int = 0
    b: int = 0
    d: int = 0
    opened: int = 0
    shift: int = 0
    sign: int = 0
    end: End = End.STAYS
    start: int = 0
    carry: int = 0
    tagged: int = 0


COUNTED = {
    "asm": ("write", "read", "copy", "clear", "logic", "mask", "add", "sub", "shift_add", "shift"),
    "exact": ("write", "read", "copy", "clear", "logic", "tag", "add"),
}
"""What the hardware counts, by arithmetic. ``add`` and ``sub`` do not move the accumulators, ``shift_add``
does and adds or subtracts, ``shift`` opens no row: it moves them by 0 to `MOVE`."""
