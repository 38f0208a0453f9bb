"""What micro-operations of a bitline array take: cycles, counters and array accesses, whatever the rows hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from .bitline_config import BitlineConfig
from .bitline_instructions import LOGIC, MOVE, End, Instruction, Operation

KINDS = {Operation.WRITE: "write", Operation.READ: "read", Operation.COPY: "copy", Operation.CLEAR: "clear"}
KINDS |= {Operation.MASK: "mask", Operation.TAG: "tag", Operation.ADD: "add"} | dict.fromkeys(LOGIC, "logic")


class BitlineCounter:
    """Cycles and counters of an array after reset.

    ``counts``: the micro-operations by kind (`BitlineConfig.counted`); ``cycles``: the clock edges that they take where
    no stream stalls. A last sum (``leaving``) leaves on one more.
    """

    def __init__(self, config: BitlineConfig):
        self.config = config
        self.counts: Counter[str] = Counter()
        self.cycles = 0
        self.leaving = False  # a sum is on o_words in the cycle after its last micro-operation
        self._level: int | None = None  # the place of the accumulators' lowest bit; None: they start at 0

    def count(self, instruction: Instruction) -> list[int]:
        """Count one micro-operation; the moves of the accumulators, cycle by cycle, the last one with the addition.

        Raises ValueError where shifts rise within a sum.
        """
        if instruction.op != Operation.ACCUMULATE:
            waits = instruction.op == Operation.READ and self.leaving  # o_words is taken
            self.cycles += 1 + waits
            self.counts[KINDS[instruction.op]] += 1
            self.leaving = False
            return []
        moves = self._moves(instruction)
        # Moves ahead of the addition take cycles of their own, and count as such.
        self.counts["shift"] += len(moves) - 1
        adds = ("shift_add" if moves[-1] else ("add", "sub")[instruction.sign]) if instruction.opened else "shift"
        self.counts[adds] += 1
        self.cycles += len(moves)
        self._level = instruction.shift if instruction.end == End.STAYS else None
        self.leaving = instruction.end == End.LEAVES
        return moves

    def _moves(self, instruction: Instruction) -> list[int]:
        if self._level is None or self.config.product.is_power_of_two:
            return [0]
        gap = self._level - instruction.shift
        if gap < 0:
            raise ValueError(f"shift {instruction.shift} must not rise above {self._level} within a sum")
        extra = max(0, gap - 1) // MOVE
        return [MOVE] * extra + [gap - MOVE * extra]


def access_kinds(instructions: Iterable[Instruction]) -> Counter[str]:
    """Array accesses by kind: what is opened, and whether a row is written in the same cycle."""
    found: Counter[str] = Counter()
    for instruction in instructions:
        opened = ("none", "read", "two_row")[instruction.opened]
        # What is written back is written in the cycle of its access, so it is one access of another kind.
        writes = instruction.op in (*LOGIC, Operation.WRITE, Operation.COPY, Operation.CLEAR, Operation.ADD)
        if writes or instruction.end == End.STORED:
            opened = {"none": "write", "read": "read_write", "two_row": "read_compute_write"}[opened]
        found[opened] += 1
    return found
