"""The registry of units: everything that the project knows of a kind of hardware, in one entry.

A unit is a package of this folder that names itself in `BUILT_IN`, or a module that calls `register` and that the
environment variable ``ASM_HW_UNITS`` names (several are separated by commas). Nothing else in the project lists units.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib import import_module
from threading import RLock
from typing import Any

from asm_hw.errors import ParameterError, check_choice

from .parameters import AUTO, parameters_of
from .unit_config import DEFAULT_CLOCK_MHZ, UnitConfig

BUILT_IN = ("multiplier", "mac", "dot", "near_memory", "bitline", "vn_scalar", "vn_array", "engine")
"""The packages of this folder that hold a unit, ``UNIT``, in the order of ``--help``."""
ENVIRONMENT = "ASM_HW_UNITS"

Reference = str | Any
"""An object, or ``module:name`` of one that is imported when it is needed: emission imports no PyTorch."""


@dataclass(frozen=True)
class Unit:
    """What a unit consists of.

    Attributes
    ----------
    config : its parameters; ``config.unit`` is its name
    component : of a configuration the Amaranth component
    netlist_bench : of a configuration and the ports of its manifest the `asm_hw.bench.netlist_text.NetlistBench`
        whose expected responses are plain integers
    checks : what its benches must see, a tuple of `asm_hw.bench.driver.Check`; without any it cannot be simulated
    energy : rows of `asm_hw.ppa.energy.memory_comparison` for a unit with a memory; None where the unit is measured
        in operand streams or not at all
    energy_clock_mhz : the clock of ``asm-hw energy`` where none is given
    on_fpga : whether an FPGA can hold it
    """

    config: type[UnitConfig]
    component: Reference
    netlist_bench: Reference
    checks: Reference = ()
    energy: Reference = None
    energy_clock_mhz: float = DEFAULT_CLOCK_MHZ
    on_fpga: bool = True

    @property
    def name(self) -> str:
        """How manifests and the command line call it."""
        return self.config.unit

    def load(self, part: str) -> Any:
        """An attribute, imported where it is a reference."""
        found = getattr(self, part)
        if not isinstance(found, str):
            return found
        module, _, name = found.partition(":")
        return getattr(import_module(module), name)


_UNITS: dict[str, Unit] = {}
_LOADING = RLock()


def register(unit: Unit) -> None:
    """Add a unit. Raises `ParameterError` where it does not fit beside the others."""
    # First, so that no other module takes the name of a built-in unit.
    _import_built_in()
    _add(unit)


def _add(unit: Unit) -> None:
    if not (isinstance(unit.config, type) and issubclass(unit.config, UnitConfig)):
        raise ParameterError(f"config of a unit must be a class of UnitConfig, not {unit.config!r}")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", unit.name):
        raise ParameterError(f"unit {unit.name!r} must be lower-case letters, digits and underscores")
    _check_kinds(unit)
    # The same unit once more is no fault.
    if _UNITS.setdefault(unit.name, unit) != unit:
        raise ParameterError(f"unit {unit.name!r} must have a name of its own: there is one already")


def _check_kinds(unit: Unit) -> None:
    """Units share the options of the command line: one of a name takes one kind of value."""
    own = parameters_of(unit.config)
    for other in _UNITS.values():
        for name, known in parameters_of(other.config).items():
            one = own.get(name, known)
            if (known.kind, known.unset == AUTO) != (one.kind, one.unset == AUTO):
                raise ParameterError(
                    f"parameter {name} of unit {unit.name} must be of the kind that unit {other.name} has, "
                    f"{known.kind}, or have another name, not be of the kind {one.kind}"
                )


def units() -> Mapping[str, Unit]:
    """All units by name. Raises `ParameterError` for a module in ``ASM_HW_UNITS`` that cannot be imported."""
    with _LOADING:  # threads that map units may all be the first to ask
        _import_built_in()
        for module in filter(None, map(str.strip, os.environ.get(ENVIRONMENT, "").split(","))):
            # One that failed is not among them, and fails again.
            if module not in sys.modules:
                _import_unit(module)
    return _UNITS


@cache
def _import_built_in() -> None:
    for package in BUILT_IN:
        _add(import_module(f"{__package__}.{package}").UNIT)


def _import_unit(module: str) -> None:
    """Import a module that registers units; those of the current folder count."""
    before = len(_UNITS)
    # The path of an installed command does not begin with the current folder.
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        if not all(map(str.isidentifier, module.split("."))):
            raise ImportError("no name of a module")
        import_module(module)
    except ParameterError:
        raise
    except (Exception, SystemExit) as error:  # whatever a module of somebody else does
        reason = str(error) if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"
        raise ParameterError(
            f"{ENVIRONMENT} must name modules that can be imported, not {module!r}: {reason}"
        ) from None
    if len(_UNITS) == before:
        raise ParameterError(f"{ENVIRONMENT} must name modules that register a unit, but {module!r} does not")


def unit_of(config: UnitConfig) -> Unit:
    """The unit that a configuration is of."""
    return units()[config.unit]


def make_config(unit: str, **parameters: Any) -> Any:
    """The configuration of ``unit`` from its parameters; ones that the unit does not have are refused."""
    config = units()[check_choice("unit", unit, tuple(units()))].config
    allowed = {f.name for f in fields(config)}
    for name, value in parameters.items():
        if name not in allowed:
            raise ParameterError(f"{name} {value!r} must be left out: unit {unit} has no such parameter")
    return config(**parameters)


def make_component(config: UnitConfig) -> Any:
    """The Amaranth component of a configuration."""
    component: Callable[[UnitConfig], Any] = unit_of(config).load("component")
    return component(config)


def memory_modules(config: UnitConfig, top: str) -> tuple[str, ...]:
    """The modules of the emitted ``top`` that hold the unit's memories or bit cells."""
    return tuple(f"{top}_{name}" for name in config.memories)
