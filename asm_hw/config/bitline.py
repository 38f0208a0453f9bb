"""Parameters of unit ``bitline``, its micro-operations and their encoding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property
from typing import Any, ClassVar

from ..alphabet import QUARTET_BITS
from ..encoding import Field, bits_for, join_fields, place_fields
from ..errors import ParameterError, check_choice, check_range
from .accumulating import MacConfig
from .multiplier import LIMITS

MOVE = 3
"""The most that the accumulators are shifted in one cycle."""


class Operation(IntEnum):
    """What one micro-operation does. ``MASK`` and ``ACCUMULATE`` exist in the ASM array alone, ``TAG`` and
    ``ADD`` in its bit-serial counterpart alone."""

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


@dataclass(frozen=True, kw_only=True)
class BitlineConfig(MacConfig):
    """Unit ``bitline``: a memory of ``rows`` x ``cols`` bits that computes on its bit lines.

    A row holds ``words`` words of ``word_bits`` columns; each word has an accumulator of ``acc_bits`` at
    the periphery. ``word_bits`` None is the smallest divisor of ``cols`` that holds an activation and its
    largest multiple. ``counter_bits`` 0 leaves the counters of micro-operations out.

    ``arithmetic`` ``exact`` is the bit-serial counterpart: one word a column, its bits in rows.
    """

    unit: ClassVar[str] = "bitline"
    latency: ClassVar[int] = 1

    rows: int = 128
    cols: int = 64
    word_bits: int | None = None
    counter_bits: int = 32

    def __post_init__(self) -> None:
        for name in ("rows", "cols", "counter_bits"):
            check_range(name, getattr(self, name), *LIMITS[name])
        super().__post_init__()
        check_choice("arithmetic of unit bitline", self.arithmetic, tuple(COUNTED))
        self._check_unused()
        self._check_operands()
        self._check_words()

    def _check_unused(self) -> None:
        """Refuse choices of other units that have no meaning here."""
        only = {"weight_code": "packed", "structure": "heap", "overflow": "wrap"}
        only["weight_form"] = self.default_weight_form
        for name, value in only.items():
            check_choice(f"{name} of unit bitline", str(getattr(self, name)), (value,))

    def _check_operands(self) -> None:
        if self.act_alphabets is not None and not self.one_hot:
            raise ParameterError(
                f"act_alphabets {{{self.act_alphabets}}} must be left out, or 1 where alphabets are 1 "
                f"(not {self.alphabets}): bit lines add binary words"
            )
        if self.arithmetic == "exact" and self.act_signed:
            raise ParameterError(
                "act_signed must be False where arithmetic is exact, not True: the serial array multiplies magnitudes"
            )
        largest = max(self.alphabets)
        if self.arithmetic == "asm" and largest not in self.weight.digits[0].multiples:
            raise ParameterError(
                f"alphabets {{{self.alphabets}}} must fit the digits of weight_bits {self.weight_bits}: "
                f"{largest} needs {largest.bit_length()} bits, a digit has {self.weight.digits[0].bits}"
            )

    def _check_words(self) -> None:
        if self.arithmetic == "exact":
            if self.word_bits not in (None, 1):
                raise ParameterError(f"word_bits must be 1 where arithmetic is exact, not {self.word_bits}")
            object.__setattr__(self, "word_bits", 1)
            if self.rows < self.serial_rows(1):
                raise ParameterError(
                    f"rows must be at least {self.serial_rows(1)} for one term in bit-serial form, not {self.rows}"
                )
            return
        needed = self.value_bits
        most = min(self.acc_width, LIMITS["word_bits"][1])
        if most < needed:
            raise ParameterError(f"acc_bits must be at least {needed}, the bits of a word, not {self.acc_width}")
        if self.cols < needed:
            raise ParameterError(f"cols must be at least {needed}, the bits of a word, not {self.cols}")
        if self.word_bits is None:
            fitting = (bits for bits in range(needed, min(self.cols, most) + 1) if self.cols % bits == 0)
            object.__setattr__(self, "word_bits", next(fitting, needed))
        check_range("word_bits", self.word_bits, needed, most)
        if self.cols % self.columns_a_word:
            raise ParameterError(f"cols must be a multiple of word_bits {self.word_bits}, not {self.cols}")

    def serial_rows(self, terms: int) -> int:
        """Rows that a sum of so many terms takes in bit-serial form: operands, a product and two sums."""
        return (terms + 1) * (self.act_bits + self.magnitude_bits) + 2 * self.acc_width

    @property
    def value_bits(self) -> int:
        """Columns that hold what a word must hold: the activation's code, or its largest multiple."""
        if self.one_hot:
            return self.x_bits
        return self.act_bits + (max(self.alphabets) - 1).bit_length()

    @property
    def columns_a_word(self) -> int:
        """``word_bits``, filled in."""
        assert self.word_bits is not None
        return self.word_bits

    @property
    def words(self) -> int:
        """Words in a row: activations that one weight meets at once."""
        return self.cols // self.columns_a_word

    @property
    def out_bits(self) -> int:
        """Bits of one word of ``o_words``."""
        return 1 if self.arithmetic == "exact" else self.acc_width

    @property
    def magnitude_bits(self) -> int:
        """Bits of a weight's magnitude."""
        return self.weight_bits - 1

    @cached_property
    def w_range(self) -> tuple[int, int]:
        """Smallest and largest weight value; the serial array holds sign and magnitude, so it is symmetric."""
        top = (1 << self.magnitude_bits) - 1
        return (self.weight.min, self.weight.max) if self.arithmetic == "asm" else (-top, top)

    @property
    def max_shift(self) -> int:
        """The largest shift of an instruction: of a digit, or of a step that computes a multiple."""
        return max(self.magnitude_bits - 1, QUARTET_BITS if self.has_bank else 0)

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The micro-operations that this array has."""
        return ASM_OPERATIONS if self.arithmetic == "asm" else SERIAL_OPERATIONS

    @property
    def counted(self) -> tuple[str, ...]:
        """What the hardware counts."""
        return COUNTED[self.arithmetic]

    @cached_property
    def op_fields(self) -> tuple[Field, ...]:
        """Where the parts of an `Instruction` sit in a beat of ``i_op``."""
        address = bits_for(self.rows)
        widths = [("op", 4), ("a", address), ("b", address), ("d", address), ("opened", 2)]
        if self.arithmetic == "asm":
            widths += [("shift", bits_for(self.max_shift + 1)), ("sign", 1), ("end", 2)]
        else:
            widths += [("start", 1), ("carry", 1), ("tagged", 1)]
        return place_fields(widths)

    @cached_property
    def core_fields(self) -> tuple[Field, ...]:
        """`op_fields` without the addresses, which go to the cells as they are."""
        return place_fields((field.name, field.width) for field in self.op_fields if field.name not in ADDRESSES)

    def encode(self, instruction: Instruction, fields: tuple[Field, ...] | None = None) -> int:
        """The beat of ``i_op`` that carries ``instruction``, or these ``fields`` of it."""
        fields = self.op_fields if fields is None else fields
        parts: Mapping[str, Any] = instruction.__dict__
        return join_fields(fields, {field.name: int(parts[field.name]) for field in fields})

    @property
    def parameters(self) -> dict[str, Any]:
        values = super().parameters
        for name in ("weight_code", "structure", "weight_form", "overflow"):  # only one value each
            del values[name]
        return values

    def _slug_words(self) -> list[str]:
        words = [*super()._slug_words(), f"r{self.rows}", f"c{self.cols}"]
        words += [f"b{self.word_bits}"] * (self.word_bits != replace(self, word_bits=None).word_bits)
        return words + ([f"n{self.counter_bits}"] if self.counter_bits != type(self).counter_bits else [])
