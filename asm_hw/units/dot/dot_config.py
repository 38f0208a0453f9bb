"""Parameters of unit ``dot``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from asm_hw.units.operands_config import AccumulatingConfig
from asm_hw.units.parameters import flag, integer

COLUMNS = (1, 256)


def lanes_field(default: int) -> Any:
    """``lanes`` of the units that add products of many lanes."""
    return integer(default, (1, 256), "Products a column adds in a cycle")


def columns_field(default: int) -> Any:
    """``columns`` of the units with several sums."""
    return integer(default, COLUMNS, "Dot products side by side")


@dataclass(frozen=True, kw_only=True)
class DotConfig(AccumulatingConfig):
    """Unit ``dot``: ``columns`` dot products of ``lanes`` terms a beat, over any number of beats.

    Lane i of every column takes activation i: the columns share the alphabet bank of that lane.
    Without ``weight_registers`` the weights are used where they are: their stream holds them. With ``stages`` the sum
    of the lanes is registered, a cycle before the accumulator takes it.
    """

    unit: ClassVar[str] = "dot"
    port_meanings: ClassVar[Mapping[str, str]] = {
        "i__payload": "activations of one beat; release frees the weights after it, last ends the sum",
        "i__valid": "a beat of activations is offered",
        "i__ready": "the beat of activations is taken on this edge if valid",
        "i_weight__payload": "weight codes of one beat, used until a beat of activations releases them",
        "i_weight__valid": "a beat of weight codes is offered",
        "i_weight__ready": "the beat of weight codes is taken on this edge if valid",
        "o__payload": "sums, one a column",
        "o__valid": "sums are offered",
        "o__ready": "the sums are taken on this edge if valid",
    }

    lanes: int = lanes_field(16)
    columns: int = columns_field(1)
    weight_registers: bool = flag(True, "0: the weight stream holds the weights in use")
    stages: int = integer(0, (0, 1), "Registers between the sum of the lanes and the accumulator")

    @property
    def array_shape(self) -> tuple[int, int]:
        return self.columns, self.lanes

    @property
    def latency(self) -> int:  # type: ignore[override]
        return 1 + self.stages

    def _slug_words(self) -> list[str]:
        words = [*super()._slug_words(), f"l{self.lanes}"]
        words += [f"c{self.columns}"] * (self.columns > 1) + ["noreg"] * (not self.weight_registers)
        return words + [f"s{self.stages}"] * (self.stages > 0)
