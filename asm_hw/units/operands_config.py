"""Parameters of units that multiply weights by activations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

from asm_hw.errors import ParameterError, check_range
from asm_hw.formats.accumulator_format import ACC_BITS, OVERFLOW, STRUCTURES, AccumulatorFormat, AdderStyle
from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.formats.product_format import ProductFormat
from asm_hw.formats.weight_format import ARITHMETIC, WEIGHT_CODES, WeightFormat
from asm_hw.formats.weight_forms import DIGITS, check_form, searched_forms
from asm_hw.numbers.level_code import ACT_BITS, WEIGHT_BITS
from asm_hw.numbers.weight_digits import booth_form

from .parameters import AUTO, Alphabets, OptionalAlphabets, choice, flag, integer, text
from .unit_config import UnitConfig

TERMS = (1, 1 << 24)


@dataclass(frozen=True, kw_only=True)
class OperandsConfig(UnitConfig):
    """Weights and activations of a unit.

    ``arithmetic`` picks the weights: ``asm``, its ``exact`` baseline (a two's complement weight of the same
    ``weight_bits``) or ``bare`` (the weight is one sign bit: the sum of +-x, the lower bound in area of any MAC).
    """

    baseline_names: ClassVar[tuple[str, ...]] = ("exact", "bare")

    alphabets: Alphabets = Alphabets((1, 3), "Odd integers up to 15, with 1 among them")
    weight_bits: int = integer(5, WEIGHT_BITS, "Weight bits, sign included")
    act_bits: int = integer(8, ACT_BITS, "Activation bits")
    act_signed: bool = flag(False, "1 if activations are signed")
    act_alphabets: OptionalAlphabets = OptionalAlphabets("Alphabets on which activations are encoded", "none, binary")
    arithmetic: str = choice("asm", ARITHMETIC, "The contender")

    def __post_init__(self) -> None:
        super().__post_init__()
        # Signed and encoded, an activation is a sign beside a magnitude: two bits at least.
        check_range("act_bits", self.act_bits, ACT_BITS[0] + bool(self.act_signed and self.act_alphabets), ACT_BITS[1])

    @cached_property
    def weight(self) -> WeightFormat:
        """How weights are coded."""
        # The default form depends on both operands: it is asked of the product of a plain weight.
        plain = WeightFormat(self.alphabets, self.weight_bits, self.arithmetic)
        return replace(plain, form=ProductFormat(plain, self.activation).default_form)

    @cached_property
    def activation(self) -> ActivationFormat:
        """How activations are coded."""
        return ActivationFormat(self.act_bits, self.act_signed, self.act_alphabets)

    @cached_property
    def product(self) -> ProductFormat:
        """A weight times an activation."""
        return ProductFormat(self.weight, self.activation)

    def baseline(self, arithmetic: str) -> Self:
        """The same unit in another arithmetic: same widths, same accumulator, binary activations.

        Raises `ParameterError` where there can be no such unit.
        """
        return type(self)(**self.parameters | self._baseline_parameters(arithmetic))

    def _baseline_parameters(self, arithmetic: str) -> dict[str, Any]:
        """What differs in the baseline of an arithmetic."""
        return {"arithmetic": arithmetic, "act_alphabets": None}

    def _slug_words(self) -> list[str]:
        words = [self.arithmetic]
        if self.arithmetic == "asm":
            words.append("_".join(map(str, self.alphabets)))
        if self.arithmetic != "bare":
            words.append(f"w{self.weight_bits}")
        sign = "s" if self.act_signed else "u"
        if self.act_alphabets is None:
            return [*words, f"{sign}{self.act_bits}"]
        return [*words, f"e{sign}{self.act_bits}_{'_'.join(map(str, self.act_alphabets))}"]


@dataclass(frozen=True, kw_only=True)
class DatapathConfig(OperandsConfig):
    """Operands, and lanes that multiply them (`asm_hw.gateware.datapath`).

    ``structure`` is how products are added (`AdderStyle`). ``weight_form`` is how a decoded weight is held:
    ``one_hot`` (shifts as one bit each) or ``binary`` for ASM, ``binary`` or ``booth`` (radix-4 digits) for exact;
    None picks one. ``weight_code`` is what the ``w`` port takes: ``packed`` codes as memories hold them, ``fields``
    (ASM), or weights that were ``decoded`` into their form beforehand.
    """

    heaps: ClassVar[tuple[str, ...]] = ("greedy", "wallace")
    """The heaps among the design points that are compared for area."""

    weight_code: str = choice("packed", WEIGHT_CODES, "Form of the w port")
    structure: str = choice("heap", STRUCTURES, "How products are added")
    weight_form: str | None = text(
        None,
        "How decoded weights are held: one_hot or binary (asm); binary, pairs, booth or widths of digits (exact)",
        "one_hot for alphabet 1 alone, else binary",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weight_form is None:
            # Defaults that follow from other parameters are filled in once, though the fields are frozen.
            object.__setattr__(self, "weight_form", self.product.default_form)
        check_form(self.product, self.adders, self.array_shape[1])
        if self.arithmetic != "asm" and self.weight_code == "fields":
            raise ParameterError(f"weight_code {self.weight_code!r} needs arithmetic asm, not {self.arithmetic!r}")

    @cached_property
    def weight(self) -> WeightFormat:
        """How weights are coded at the ``w`` port, and held in the datapath."""
        packed = super().weight
        form = packed.form if self.weight_form is None else self.weight_form
        return replace(packed, code=self.weight_code, form=form)

    @property
    def array_shape(self) -> tuple[int, int]:
        """Columns, sums side by side, and lanes, products that a column adds in a cycle."""
        return 1, 1

    @property
    def adders(self) -> AdderStyle:
        """How products are added."""
        return AdderStyle(self.structure)

    @property
    def form(self) -> dict[str, Any]:
        return {"structure": self.structure, "weight_form": self.weight_form}

    @property
    def multiplies(self) -> bool:
        return self.arithmetic == "exact" and not self.product.shifts_weight

    @property
    def weight_forms(self) -> Sequence[str]:
        """The forms of decoded weights that are searched: those with a name, and the cheapest digits of exact ones."""
        # Units with a memory take minutes to map: forms with a name are enough.
        return searched_forms(self.product, *self.array_shape, 0 if self.memories else DIGITS)

    @property
    def few_forms(self) -> Sequence[str]:
        """Of `weight_forms` those that whole arrays are measured in: neither pairs, which glitch, nor digits twice."""
        forms = self.weight_forms
        twice = {"booth"} if booth_form(self.weight_bits) in forms else set()
        return [form for form in forms if form not in {"pairs"} | twice]

    @property
    def left_out(self) -> tuple[str, ...]:  # type: ignore[override]
        """What decodes pairs of weights that come decoded."""
        return ("pair_decoder",) if self.weight_form == "pairs" and self.weight_code == "decoded" else ()

    def design_points(self, thorough: bool = True) -> list[Self]:
        """Heaps in every form of weights, and a tree; unless ``thorough``, a heap in few forms."""
        few = ["binary", "booth"] if self.multiplies else [str(self.weight_form)]
        forms = self.weight_forms if thorough else few
        heaps = [replace(self, structure=kind, weight_form=form) for kind in self._heaps(thorough) for form in forms]
        # The tree takes the default form, since booth digits need a heap.
        return [*heaps, replace(self, structure="tree", weight_form=None)] if thorough else heaps

    def _heaps(self, thorough: bool) -> tuple[str, ...]:
        return self.heaps if thorough else ("heap",)

    def _baseline_parameters(self, arithmetic: str) -> dict[str, Any]:
        """Where weights come decoded, so do those of the baseline: nothing is paid for a decoder of its own."""
        code = "packed" if self.weight_code == "packed" else "decoded"
        return super()._baseline_parameters(arithmetic) | {"weight_code": code, "weight_form": None}

    def _slug_words(self) -> list[str]:
        words = super()._slug_words()
        if self.weight_code != "packed":
            words.append(self.weight_code)
        if self.structure != "heap":
            words.append(self.structure)
        if self.weight_form != self.product.default_form:
            words.append(str(self.weight_form))
        return words


def acc_bits_field() -> Any:
    """``acc_bits`` of the units that accumulate."""
    return integer(
        None,
        ACC_BITS,
        "Accumulator bits ({} to {}), or auto: no overflow in --terms products".format(*ACC_BITS),
        AUTO,
    )


def terms_field() -> Any:
    """``terms`` of the units that accumulate: it sizes an ``acc_bits`` that is not given, and is no parameter then."""
    return integer(512, TERMS, "Products that an auto accumulator must hold")


@dataclass(frozen=True, kw_only=True)
class AccumulatingConfig(DatapathConfig):
    """A datapath whose products are accumulated.

    ``acc_bits`` None means wide enough that ``terms`` products cannot overflow; it is then filled in.
    ``overflow`` says what an accumulator that is too narrow does.
    """

    acc_bits: int | None = acc_bits_field()
    terms: int = terms_field()
    overflow: str = choice("wrap", OVERFLOW, "What a narrow accumulator does")

    def __post_init__(self) -> None:
        super().__post_init__()
        # Whether a sum of two rows overflows is known only after they have been added.
        if self.structure == "carry_save" and self.overflow == "saturate":
            raise ParameterError("overflow 'saturate' must be wrap where structure is carry_save")
        if self.acc_bits is None:
            terms = max(self.terms, self.array_shape[1])  # one beat always fits
            object.__setattr__(self, "acc_bits", AccumulatorFormat.for_terms(self.product, terms).bits)
        check_range("acc_bits", self.acc_bits, *ACC_BITS)

    @cached_property
    def accumulator(self) -> AccumulatorFormat:
        """How sums are kept."""
        assert self.acc_bits is not None
        return AccumulatorFormat(self.acc_bits, self.overflow)

    @property
    def safe_terms(self) -> int:
        return self.accumulator.safe_terms(self.product)

    @property
    def parameters(self) -> dict[str, Any]:
        values = super().parameters
        del values["terms"]  # only sizes acc_bits
        return values

    def _slug_words(self) -> list[str]:
        words = [*super()._slug_words(), f"acc{self.acc_bits}"]
        return [*words, "sat"] if self.overflow == "saturate" else words
