"""What every configuration of a unit has: validated parameters, a name, and what it says to the rest of the project."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar, Self

from asm_hw.errors import ParameterError
from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.formats.weight_format import WeightFormat
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.numbers.bit_fields import Field

from .parameters import parameters_of

DEFAULT_CLOCK_MHZ = 100.0
"""The clock of constraints, benches and energy where none is asked for."""


@dataclass(frozen=True)
class Memories:
    """Equal memories of a unit: rows and bits of one, and how many there are."""

    rows: int
    bits: int
    count: int = 1


@dataclass(frozen=True, kw_only=True)
class UnitConfig:
    """The frozen parameters of a unit; each unit's configuration adds its own, and what follows from them.

    All that the gateware, the golden model, the manifest and the benches need to know is here once: none of them
    computes a width or a latency again. What a unit does not have is None here.
    """

    unit: ClassVar[str]
    latency: ClassVar[int] = 1
    """Cycles from accepted operands to the result; 0 for a combinational unit, which has no clock.

    A statement about the component, for manifest and benches: who adds a stage to the component changes it too.
    """
    mapped_once: ClassVar[tuple[str, ...]] = ()
    """Kinds of modules (`asm_hw.gateware.repeated_modules`) that synthesis, for cells and for FPGAs, maps once, however
    many there are."""
    left_out: ClassVar[tuple[str, ...]] = ()
    """Kinds of modules that areas leave out, since their work is done outside of every contender."""
    initiation_interval: ClassVar[int] = 1
    port_meanings: ClassVar[Mapping[str, str]] = {}
    """What ports mean in this unit, where it is not what their names mean elsewhere (`asm_hw.emission.manifest`)."""
    memory_instance: ClassVar[str | None] = None
    """The submodule that holds the unit's memory or bit cells, which logic synthesis leaves out."""
    baseline_names: ClassVar[tuple[str, ...]] = ()
    """The arithmetics of the baselines that it is compared with."""

    def __post_init__(self) -> None:
        for name, parameter in parameters_of(type(self)).items():
            parameter.check(getattr(self, name))

    @property
    def weight(self) -> WeightFormat | None:
        """How weights are coded."""
        return None

    @property
    def activation(self) -> ActivationFormat | None:
        """How activations are coded."""
        return None

    @property
    def safe_terms(self) -> int | None:
        """Products, whatever their values, that a cleared accumulator takes without overflow."""
        return None

    @property
    def max_inputs(self) -> int | None:
        """Terms of the longest sum whose weights fit the memory."""
        return None

    @property
    def memory_shape(self) -> tuple[int, int] | None:
        """Rows and bits of the memory in `memory_instance`."""
        return None

    @property
    def memories(self) -> Mapping[str, Memories]:
        """Each kind of memory, by the submodule that holds it."""
        shape = self.memory_shape
        return {self.memory_instance: Memories(*shape)} if self.memory_instance and shape else {}

    @property
    def macro_shapes(self) -> tuple[tuple[int, int], ...]:
        """Rows and bits of the memories that stand behind a macro boundary, each shape once."""
        shapes = dict.fromkeys((memory.rows, memory.bits) for memory in self.memories.values())
        return tuple(shapes) if getattr(self, "memory", None) == "macro" else ()

    @property
    def multiplies(self) -> bool:
        """Whether the Verilog has a ``*`` for synthesis to map."""
        return False

    @property
    def description(self) -> dict[str, Any]:
        """What the manifest says of this unit alone, beside ports, weights and activations."""
        return {}

    @property
    def own_files(self) -> Mapping[str, str]:
        """Hand-off files of this unit alone, texts by name."""
        return {}

    @property
    def own_waivers(self) -> str:
        """Waivers of Verilator for this unit alone, behind those of all (`waivers.vlt`)."""
        return ""

    @property
    def meanings(self) -> Mapping[str, str]:
        """`port_meanings`, with what parameters change in them."""
        return self.port_meanings

    @property
    def parameters(self) -> dict[str, Any]:
        """All parameters as plain JSON values, derived defaults filled in."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {k: list(v) if isinstance(v, AlphabetSet) else v for k, v in values.items()}

    @property
    def form(self) -> dict[str, Any]:
        """How the unit is built, of all the design points that compute the same."""
        return {}

    def design_points(self, thorough: bool = True) -> list[Self]:
        """The configurations that compute the same, for area: few of them unless ``thorough``."""
        return [self]

    def baseline(self, arithmetic: str) -> Self:
        """The same unit in another arithmetic, one of ``baseline_names``; `ParameterError` where there can be none."""
        raise ParameterError(f"baseline of unit {self.unit} must be left out: it has none, not {arithmetic!r}")

    @property
    def without_macro(self) -> Self:
        """The same unit with nothing behind a macro boundary, which a simulator of gateware cannot run."""
        return type(self)(**self.parameters | {"memory": "inferred"}) if self.macro_shapes else self

    @cached_property
    def slug(self) -> str:
        """A readable name, different for every configuration; a legal Verilog identifier."""
        return "_".join([self.unit, *self._slug_words()])

    def _slug_words(self) -> list[str]:
        words = (f"{name}{value}".replace("-", "m") for name, value in self.parameters.items())
        return [re.sub(r"\W+", "_", word) for word in words]


def describe_fields(fields: tuple[Field, ...]) -> list[dict[str, Any]]:
    """Fields as a manifest has them."""
    return [{"name": field.name, "lsb": field.lsb, "width": field.width} for field in fields]
