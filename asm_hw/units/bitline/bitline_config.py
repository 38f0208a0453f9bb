"""Parameters of unit ``bitline``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

from asm_hw.errors import ParameterError, check_choice, check_range
from asm_hw.formats.accumulator_format import ACC_BITS, AccumulatorFormat
from asm_hw.formats.weight_format import ARITHMETIC, WeightFormat
from asm_hw.numbers.alphabets import QUARTET_BITS
from asm_hw.numbers.bit_fields import Field, join_fields, place_fields
from asm_hw.numbers.integers import ceil_log2
from asm_hw.units.operands_config import OperandsConfig, acc_bits_field, terms_field
from asm_hw.units.parameters import choice, integer

from .bitline_instructions import ADDRESSES, ASM_OPERATIONS, COUNTED, SERIAL_OPERATIONS, End, Instruction, Operation

WORD_BITS = (1, 62)


@dataclass(frozen=True, kw_only=True)
class BitlineConfig(OperandsConfig):
    """Unit ``bitline``: a memory of ``rows`` x ``cols`` bits that computes on its bit lines.

    A row holds ``words`` words of ``word_bits`` columns; each word has an accumulator of ``acc_bits`` at
    the periphery. ``word_bits`` None is the smallest divisor of ``cols`` that holds an activation and its
    largest multiple. ``counter_bits`` 0 leaves the counters of micro-operations out.

    ``arithmetic`` ``exact`` is the bit-serial baseline: one word a column, its bits in rows.
    """

    unit: ClassVar[str] = "bitline"
    port_meanings: ClassVar[Mapping[str, str]] = {
        "i_op__payload": "a micro-operation of the bitline array; docs/bitline.md lists them",
        "i_op__valid": "a micro-operation is offered",
        "i_op__ready": "the micro-operation is done on this edge if valid",
        "i_row__payload": "a row to write, or a mask in its low bits, for the micro-operation offered with it",
        "i_row__valid": "a row is offered",
        "i_row__ready": "the row is taken on this edge if valid",
        "o_words__payload": "sums in two's complement, or the words of a row that is read",
        "o_words__valid": "words are offered",
        "o_words__ready": "the words are taken on this edge if valid",
        "counts": "micro-operations done since reset, by kind",
    }
    memory_instance: ClassVar[str | None] = "array"
    baseline_names: ClassVar[tuple[str, ...]] = ("exact",)

    arithmetic: str = choice("asm", tuple(COUNTED), "The contender")
    acc_bits: int | None = acc_bits_field()
    terms: int = terms_field()
    rows: int = integer(128, (4, 1024), "Rows of bit cells")
    cols: int = integer(64, (4, 1024), "Columns of bit cells")
    word_bits: int | None = integer(
        None, WORD_BITS, "Columns of a word", "the fewest that divide --cols and hold an activation"
    )
    counter_bits: int = integer(32, (0, 62), "Bits of each counter, 0 for none")

    def __post_init__(self) -> None:
        # ``bare`` exists in other units: the error says that it is this one that has none.
        if self.arithmetic in ARITHMETIC:
            check_choice(f"arithmetic of unit {self.unit}", self.arithmetic, tuple(COUNTED))
        super().__post_init__()
        if self.acc_bits is None:
            accumulator = AccumulatorFormat.for_terms(self.product, self.terms)
            object.__setattr__(self, "acc_bits", check_range("acc_bits", accumulator.bits, *ACC_BITS))
        self._check_operands()
        self._check_words()

    def _check_operands(self) -> None:
        if self.act_alphabets is not None and not self.product.is_power_of_two:
            raise ParameterError(
                f"act_alphabets {{{self.act_alphabets}}} must be left out, or 1 where alphabets are 1 "
                f"(not {self.alphabets}): bit lines add binary words"
            )
        if self.arithmetic == "exact" and self.act_signed:
            raise ParameterError(
                "act_signed must be False where arithmetic is exact, not True: the serial array multiplies magnitudes"
            )
        largest = max(self.weight.alphabets)
        if self.arithmetic == "asm" and largest not in self.weight.levels.digits[0].multiples:
            raise ParameterError(
                f"alphabets {{{self.alphabets}}} must fit the digits of weight_bits {self.weight_bits}: "
                f"{largest} needs {largest.bit_length()} bits, a digit has {self.weight.levels.digits[0].bits}"
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
        # A row that is read leaves in words as wide as accumulators.
        most = min(self.accumulator.bits, WORD_BITS[1])
        if most < needed:
            raise ParameterError(f"acc_bits must be at least {needed}, the bits of a word, not {self.accumulator.bits}")
        if self.cols < needed:
            raise ParameterError(f"cols must be at least {needed}, the bits of a word, not {self.cols}")
        if self.word_bits is None:
            fitting = (bits for bits in range(needed, min(self.cols, most) + 1) if self.cols % bits == 0)
            # Where none divides ``cols``, the last check below refuses ``needed``.
            object.__setattr__(self, "word_bits", next(fitting, needed))
        check_range("word_bits", self.word_bits, needed, most)
        if self.cols % self.columns_per_word:
            raise ParameterError(f"cols must be a multiple of word_bits {self.word_bits}, not {self.cols}")

    def serial_rows(self, terms: int) -> int:
        """Rows that a sum of so many terms takes in bit-serial form: operands, a product and two sums."""
        return (terms + 1) * (self.act_bits + self.magnitude_bits) + 2 * self.accumulator.bits

    @cached_property
    def weight(self) -> WeightFormat:
        """How weights are coded; the serial array holds sign and magnitude, so its range is symmetric."""
        return replace(super().weight, symmetric=self.arithmetic == "exact")

    @cached_property
    def accumulator(self) -> AccumulatorFormat:
        """How sums are kept."""
        assert self.acc_bits is not None
        return AccumulatorFormat(self.acc_bits)

    @property
    def safe_terms(self) -> int:
        return self.accumulator.safe_terms(self.product)

    @property
    def memory_shape(self) -> tuple[int, int]:
        return self.rows, self.cols

    @property
    def form(self) -> dict[str, Any]:
        """The one way in which it is built, in the words of the other units."""
        return {"structure": "heap", "weight_form": self.weight.form}

    @property
    def value_bits(self) -> int:
        """Columns that hold what a word must hold: the activation's code, or its largest multiple."""
        if self.product.is_power_of_two:
            return self.activation.code_bits
        return self.act_bits + (max(self.weight.alphabets) - 1).bit_length()

    @property
    def columns_per_word(self) -> int:
        """``word_bits``, filled in."""
        assert self.word_bits is not None
        return self.word_bits

    @property
    def words(self) -> int:
        """Words in a row: activations that one weight meets at once."""
        return self.cols // self.columns_per_word

    @property
    def out_bits(self) -> int:
        """Bits of one word of ``o_words``."""
        return 1 if self.arithmetic == "exact" else self.accumulator.bits

    @property
    def magnitude_bits(self) -> int:
        """Bits of a weight's magnitude."""
        return self.weight_bits - 1

    @property
    def shift_bits(self) -> int:
        """Bits of the shift of an instruction; one, too, where all digits have the same place."""
        return max(1, ceil_log2(self.max_shift + 1))

    @property
    def max_shift(self) -> int:
        """The largest shift of an instruction: of a digit, or of a step that computes a multiple."""
        # A multiple may begin with 16 times the activation: 15 of {1,15} is 16 - 1.
        return max(self.magnitude_bits - 1, QUARTET_BITS if self.product.has_bank else 0)

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
        address = ceil_log2(self.rows)
        widths = [("op", 4), ("a", address), ("b", address), ("d", address), ("opened", 2)]
        if self.arithmetic == "asm":
            widths += [("shift", self.shift_bits), ("sign", 1), ("end", 2)]
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
        del values["terms"]  # only sizes acc_bits
        return values

    def _slug_words(self) -> list[str]:
        words = [*super()._slug_words(), f"acc{self.acc_bits}", f"r{self.rows}", f"c{self.cols}"]
        if self.word_bits != replace(self, word_bits=None).word_bits:
            words.append(f"b{self.word_bits}")
        return words if self.counter_bits == type(self).counter_bits else [*words, f"n{self.counter_bits}"]

    def _baseline_parameters(self, arithmetic: str) -> dict[str, Any]:
        """A word of the serial array is a column."""
        return super()._baseline_parameters(arithmetic) | {"word_bits": None}

    @property
    def description(self) -> dict[str, Any]:
        """The codes of micro-operations and of ends of sums, as ``op`` and ``end`` of ``i_op`` take them."""
        found = {"operations": {operation.name.lower(): int(operation) for operation in self.operations}}
        return found | ({"ends": {end.name.lower(): int(end) for end in End}} if self.arithmetic == "asm" else {})
