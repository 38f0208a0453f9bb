"""Parameters of the units that accumulate: ``mac`` and ``dot``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..errors import ParameterError, check_choice, check_flag, check_range
from .multiplier import LIMITS, OVERFLOW, MultiplierConfig, signed_bits


@dataclass(frozen=True, kw_only=True)
class MacConfig(MultiplierConfig):
    """Unit ``mac``: one multiply-accumulate a cycle.

    ``acc_bits`` None means wide enough that ``terms`` products cannot overflow; it is then filled in.
    ``overflow`` says what an accumulator that is too narrow does.
    """

    unit: ClassVar[str] = "mac"
    latency: ClassVar[int] = 1

    acc_bits: int | None = None
    terms: int = 512
    overflow: str = "wrap"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("terms", self.terms, *LIMITS["terms"])
        check_choice("overflow", self.overflow, OVERFLOW)
        if self.structure == "carry_save" and self.overflow == "saturate":
            raise ParameterError("overflow 'saturate' must be wrap where structure is carry_save")
        if self.acc_bits is None:
            low, high = self.product_range
            terms = max(self.terms, getattr(self, "lanes", 1))  # one beat of a dot unit always fits
            object.__setattr__(self, "acc_bits", signed_bits(terms * low, terms * high))
        check_range("acc_bits", self.acc_bits, *LIMITS["acc_bits"])

    @property
    def acc_width(self) -> int:
        """``acc_bits``, filled in."""
        assert self.acc_bits is not None
        return self.acc_bits

    @property
    def safe_terms(self) -> int:
        """Products, whatever their values, that a cleared accumulator takes without overflow."""
        low, high = self.product_range
        top = 1 << self.acc_width - 1
        return min(limit // size for limit, size in ((top, -low), (top - 1, high)) if size > 0)

    def _slug_words(self) -> list[str]:
        return [*super()._slug_words(), f"acc{self.acc_bits}", *["sat"] * (self.overflow == "saturate")]

    @property
    def parameters(self) -> dict[str, Any]:
        values = super().parameters
        del values["terms"]  # only sizes acc_bits
        return values


@dataclass(frozen=True, kw_only=True)
class DotConfig(MacConfig):
    """Unit ``dot``: ``columns`` dot products of ``lanes`` terms a beat, over any number of beats.

    Lane i of every column takes activation i: the columns share the alphabet bank of that lane.
    Without ``weight_registers`` the weights are used where they are: their stream holds them.
    """

    unit: ClassVar[str] = "dot"
    latency: ClassVar[int] = 1

    lanes: int = 16
    columns: int = 1
    weight_registers: bool = True

    def __post_init__(self) -> None:
        for name in ("lanes", "columns"):
            check_range(name, getattr(self, name), *LIMITS[name])
        check_flag("weight_registers", self.weight_registers)
        super().__post_init__()

    def _slug_words(self) -> list[str]:
        columns = [f"c{self.columns}"] * (self.columns > 1)
        return [*super()._slug_words(), f"l{self.lanes}", *columns, *["noreg"] * (not self.weight_registers)]
