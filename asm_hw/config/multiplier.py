"""Parameters of every unit: operands and the combinational multiplier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, ClassVar

from ..alphabet import AlphabetSet
from ..encoding import ACT_BITS, WEIGHT_BITS, Field, LevelCode, activation_code, weight_code
from ..errors import ParameterError, check_choice, check_flag, check_range
from ..forms import booth_fields, encode_booth, encode_one_hot, one_hot_fields

ARITHMETIC = ("asm", "exact", "bare")
WEIGHT_CODES = ("packed", "fields", "decoded")
OVERFLOW = ("wrap", "saturate")
STRUCTURES = ("heap", "greedy", "carry_save", "tree", "plain")
WEIGHT_FORMS = {"asm": ("one_hot", "binary"), "exact": ("binary", "booth"), "bare": ("binary",)}
LIMITS = {
    "weight_bits": WEIGHT_BITS,
    "act_bits": ACT_BITS,
    "acc_bits": (2, 62),  # so that acc plus one beat of products stays inside a 64-bit golden integer
    "terms": (1, 1 << 24),
    "lanes": (1, 256),
    "columns": (1, 256),
    "hold": (1, 1024),
    "depth": (2, 1 << 16),
    "bus_bits": (8, 512),
    "out_bits": (1, 32),
    "rows": (4, 1024),
    "cols": (4, 1024),
    "word_bits": (1, 62),
    "counter_bits": (0, 62),
}
"""Smallest and largest value of each integer parameter."""


def integer_range(bits: int, signed: bool) -> tuple[int, int]:
    """Smallest and largest integer of ``bits`` bits, two's complement if ``signed``."""
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)


def signed_bits(low: int, high: int) -> int:
    """Two's complement bits that hold every integer from ``low`` to ``high``."""
    return max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 0) + 1


def _act_alphabets(value: Any) -> AlphabetSet:
    """An alphabet set whose errors say that it is the activations'."""
    try:
        return AlphabetSet.of(value)
    except ParameterError as error:
        raise ParameterError(f"act_alphabets: {error}") from None


@dataclass(frozen=True, kw_only=True)
class MultiplierConfig:
    """Operands of every unit, and the combinational unit ``multiplier``: ``p = value(w) * x``.

    ``arithmetic`` picks the contender: ``asm``, its ``exact`` twin (two's complement weight of the
    same ``weight_bits``, binary multiplier) or ``bare`` (the weight is one sign bit: the sum of +-x,
    the lower bound in area of any MAC).

    ``structure`` is how products are added: a compressor ``heap`` with one carry-propagate adder, the
    accumulator among its rows (``greedy``: the same with fewer adders in longer chains; ``carry_save``:
    the same with a carry-save accumulator); a balanced ``tree`` of
    ``+``, which suits the carry chains of FPGAs; or ``plain``, as one would write it, product by
    product. ``weight_form`` is how a decoded weight is held: ``one_hot`` (shifts as one bit each) or
    ``binary`` for ASM, ``binary`` or ``booth`` (radix-4 digits) for exact; None picks one.
    ``weight_code`` is what the ``w`` port takes: ``packed`` codes as memories hold them, ``fields``
    (ASM), or weights that were ``decoded`` into their form beforehand.
    """

    unit: ClassVar[str] = "multiplier"
    latency: ClassVar[int] = 0
    """Cycles from accepted operands to the result."""
    initiation_interval: ClassVar[int] = 1
    act_limits: ClassVar[tuple[int, int]] = LIMITS["act_bits"]
    meanings: ClassVar[Mapping[str, str]] = {}
    """What ports mean in this unit, where it is not what their names mean elsewhere."""

    alphabets: AlphabetSet = field(default_factory=lambda: AlphabetSet((1, 3)))
    weight_bits: int = 5
    act_bits: int = 8
    act_signed: bool = False
    act_alphabets: AlphabetSet | None = None
    arithmetic: str = "asm"
    weight_code: str = "packed"
    structure: str = "heap"
    weight_form: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "alphabets", AlphabetSet.of(self.alphabets))
        if self.act_alphabets is not None:
            object.__setattr__(self, "act_alphabets", _act_alphabets(self.act_alphabets))
        check_range("weight_bits", self.weight_bits, *LIMITS["weight_bits"])
        check_flag("act_signed", self.act_signed)
        fewest, most = self.act_limits
        check_range("act_bits", self.act_bits, fewest + bool(self.act_signed and self.act_alphabets), most)
        check_choice("arithmetic", self.arithmetic, ARITHMETIC)
        check_choice("weight_code", self.weight_code, WEIGHT_CODES)
        check_choice("structure", self.structure, STRUCTURES)
        self._check_weight_form()
        if self.arithmetic != "asm" and self.weight_code == "fields":
            raise ParameterError(f"weight_code {self.weight_code!r} needs arithmetic asm, not {self.arithmetic!r}")

    def _check_weight_form(self) -> None:
        if self.weight_form is None:
            object.__setattr__(self, "weight_form", self.default_weight_form)
        check_choice("weight_form", str(self.weight_form), WEIGHT_FORMS[self.arithmetic])
        if self.weight_form == "one_hot" and self.one_hot:
            raise ParameterError("weight_form 'one_hot' must be binary where activations are on {1} too")
        if self.weight_form == "booth" and self.shifts_weight:
            raise ParameterError("weight_form 'booth' must be binary where activations are on {1}: nothing multiplies")
        if self.weight_form == "booth" and not self.has_heap:
            raise ParameterError(f"weight_form 'booth' needs structure heap or carry_save, not {self.structure!r}")

    @property
    def default_weight_form(self) -> str:
        """``weight_form`` where none is given."""
        one_hot = self.arithmetic == "asm" and len(self.alphabets) == 1 and not self.one_hot
        return "one_hot" if one_hot else "binary"

    @property
    def has_bank(self) -> bool:
        """Whether multiples of the activation are computed."""
        return self.arithmetic == "asm" and len(self.alphabets) > 1

    @property
    def has_heap(self) -> bool:
        """Whether products are added by a compressor heap."""
        return self.structure in ("heap", "greedy", "carry_save")

    @cached_property
    def weight(self) -> LevelCode:
        """The levels and codes of an ASM weight."""
        return weight_code(self.alphabets, self.weight_bits)

    @cached_property
    def activation(self) -> LevelCode | None:
        """The levels and codes of the activation if it is encoded, else None (binary)."""
        if self.act_alphabets is None:
            return None
        return activation_code(self.act_alphabets, self.act_bits, self.act_signed)

    @property
    def w_bits(self) -> int:
        """Width of the ``w`` port."""
        return sum(field.width for field in self.w_fields)

    @cached_property
    def w_fields(self) -> tuple[Field, ...]:
        """The fields of the ``w`` port."""
        if self.weight_code == "decoded":
            return self.form_fields
        if self.arithmetic == "asm":
            return self.weight.packed_fields if self.weight_code == "packed" else self.weight.fields
        return (Field("sign", 0, 1),) if self.arithmetic == "bare" else (Field("value", 0, self.weight_bits),)

    @cached_property
    def form_fields(self) -> tuple[Field, ...]:
        """The fields of a decoded weight, in ``weight_form``."""
        if self.weight_form == "one_hot":
            return one_hot_fields(self.weight)
        if self.weight_form == "booth":
            return booth_fields(self.weight_bits)
        return self.weight.fields if self.arithmetic == "asm" else replace(self, weight_code="packed").w_fields

    def encode_weight(self, value: int) -> int:
        """The code word of a weight at the ``w`` port."""
        if self.arithmetic == "bare":
            return int(value < 0)
        if self.weight_code == "decoded" and self.weight_form == "one_hot":
            return encode_one_hot(self.weight, value)
        if self.weight_code == "decoded" and self.weight_form == "booth":
            return encode_booth(self.weight_bits, value)
        if self.arithmetic == "exact":
            return value & (1 << self.weight_bits) - 1
        return self.weight.encode(value) if self.weight_code == "packed" else self.weight.encode_fields(value)

    @cached_property
    def w_range(self) -> tuple[int, int]:
        """Smallest and largest weight value."""
        if self.arithmetic == "bare":
            return -1, 1
        if self.arithmetic == "exact":
            return integer_range(self.weight_bits, signed=True)
        return self.weight.min, self.weight.max

    @property
    def weight_values(self) -> Sequence[int]:
        """Every weight value, ascending."""
        if self.arithmetic == "asm":
            return self.weight.levels
        low, high = self.w_range
        return (low, high) if self.arithmetic == "bare" else range(low, high + 1)

    @cached_property
    def weight_table(self) -> list[tuple[int, int]]:
        """(code, value) of every legal ``w``, by ascending code."""
        return sorted((self.encode_weight(value), value) for value in self.weight_values)

    @property
    def x_bits(self) -> int:
        """Width of the ``x`` port."""
        return self.act_bits if self.activation is None else self.activation.packed_bits

    @cached_property
    def x_range(self) -> tuple[int, int]:
        """Smallest and largest activation value."""
        if self.activation is not None:
            return self.activation.min, self.activation.max
        return integer_range(self.act_bits, self.act_signed)

    @cached_property
    def act_table(self) -> list[tuple[int, int]]:
        """(code, value) of every legal ``x``, by ascending code."""
        if self.activation is not None:
            return self.activation.table()
        low, high = self.x_range
        return sorted((value & (1 << self.act_bits) - 1, value) for value in range(low, high + 1))

    @property
    def one_hot(self) -> bool:
        """Whether both operands are on {1}: then each product of two digits is one bit."""
        return (
            self.arithmetic == "asm"
            and self.act_alphabets is not None
            and len(self.alphabets) == len(self.act_alphabets) == 1
        )

    @property
    def shifts_weight(self) -> bool:
        """Whether a two's complement weight meets an activation on {1}: then each digit's product is a shift."""
        return self.arithmetic == "exact" and self.act_alphabets is not None and len(self.act_alphabets) == 1

    @cached_property
    def product_range(self) -> tuple[int, int]:
        """Smallest and largest product."""
        corners = [w * x for w in self.w_range for x in self.x_range]
        return min(corners), max(corners)

    @property
    def p_bits(self) -> int:
        """Width of a signed product."""
        return signed_bits(*self.product_range)

    @property
    def parameters(self) -> dict[str, Any]:
        """All parameters as plain JSON values, derived defaults filled in."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {k: list(v) if isinstance(v, AlphabetSet) else v for k, v in values.items()}

    @property
    def form(self) -> dict[str, Any]:
        """How the unit is built, of all the ways that compute the same."""
        return {"structure": self.structure, "weight_form": self.weight_form}

    @property
    def slug(self) -> str:
        """A readable name, different for every configuration; a legal Verilog identifier."""
        return "_".join([self.unit, *self._slug_words()])

    def _slug_words(self) -> list[str]:
        words = [self.arithmetic]
        if self.arithmetic == "asm":
            words += ["_".join(map(str, self.alphabets))]
        words += [f"w{self.weight_bits}"] * (self.arithmetic != "bare")
        sign = "s" if self.act_signed else "u"
        words += [
            f"{sign}{self.act_bits}"
            if self.act_alphabets is None
            else f"e{sign}{self.act_bits}_{'_'.join(map(str, self.act_alphabets))}"
        ]
        words += [self.weight_code] * (self.weight_code != "packed")
        words += [self.structure] * (self.structure != "heap")
        return words + [str(self.weight_form)] * (self.weight_form != self.default_weight_form)
