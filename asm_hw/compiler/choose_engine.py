"""Chooses the smallest engine that runs a network within limits of cycles, area and energy."""

from __future__ import annotations

import math
from dataclasses import dataclass

from asm_hw.errors import ParameterError
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.units.engine.engine_config import EngineConfig

from .area_model import engine_areas_um2, why_unknown
from .engine_candidates import CHOSEN, Fixed
from .engine_program import EngineProgram
from .engine_search import EngineSearch, energy_uj

UM2_PER_MM2 = 1e6
DIGITS = 4
"""Of areas and energies that a refusal names."""


@dataclass(frozen=True)
class Limits:
    """What an engine must keep for one program: cycles, mm2, uJ. At least one is given."""

    max_cycles: float | None = None
    max_area: float | None = None
    max_energy: float | None = None

    def __post_init__(self) -> None:
        given = {name: value for name, value in vars(self).items() if value is not None}
        if not given:
            raise ParameterError(f"lanes auto must come with {', '.join(vars(self))}, or several of them")
        for name, value in given.items():
            if not 0 < value < math.inf:
                raise ParameterError(f"{name} must be above 0, not {value}")


@dataclass(frozen=True)
class Choice:
    """The engine that was chosen, by what the network's program says; ``tried``: how often it was compiled."""

    config: EngineConfig
    cycles: int
    area_mm2: float | None
    energy_uj: float | None
    tried: int

    @property
    def report(self) -> dict[str, float | None]:
        """What ``compile --json`` prints of it; None for what is not known of such an engine."""
        sizes: dict[str, float | None] = {name: getattr(self.config, name) for name in CHOSEN}
        figures = {"cycles": self.cycles, "area_mm2": self.area_mm2, "energy_uj": self.energy_uj, "tried": self.tried}
        return sizes | {name: value if value is None else round(value, 4) for name, value in figures.items()}


def choose_engine(network: IntegerNetwork, fixed: Fixed, limits: Limits) -> Choice:
    """The smallest engine with the parameters ``fixed`` (never ``lanes``) that runs ``network`` within ``limits``.

    Raises `ParameterError`: where nothing is within a limit, with the nearest that was found; where area or energy are
    not known; and as `compile_network` does where the network fits no engine.
    """
    search = EngineSearch(network, fixed, limits.max_cycles or math.inf, limits.max_energy)
    _check_known(search, limits)
    program = search.run()
    if program is None:
        raise _refusal(search, limits)
    area = _area_mm2(program.config)
    if limits.max_area is not None and area is not None and area > limits.max_area:
        raise _too_low("max_area", area, "mm2", limits, program)
    return Choice(program.config, program.cycles, area, energy_uj(program), search.tried)


def _area_mm2(config: EngineConfig) -> float | None:
    areas = engine_areas_um2(config)
    return None if areas is None else sum(areas.values()) / UM2_PER_MM2


def _check_known(search: EngineSearch, limits: Limits) -> None:
    """Raise `ParameterError` where no candidate has a figure for what is limited."""
    if not search.candidates:
        raise ParameterError(
            f"max_energy must be left out, not {limits.max_energy}: of no engine that may be chosen here the energies"
            " of events were measured"
        )
    if limits.max_area is not None and _area_mm2(search.candidates[0]) is None:
        raise ParameterError(f"max_area must be left out, not {limits.max_area}: {why_unknown()}")


def _refusal(search: EngineSearch, limits: Limits) -> ParameterError:
    """Which limit is not kept, and the nearest that was found; why the network fits no engine."""
    if search.costly and limits.max_energy is not None:
        energy, nearest = min(((energy_uj(one) or 0.0, one) for one in search.costly), key=lambda pair: pair[0])
        return _too_low("max_energy", energy, "uJ", limits, nearest)
    fastest = search.fastest()
    if fastest is not None and limits.max_cycles is not None:
        return _too_low("max_cycles", fastest.cycles, "cycles", limits, fastest)
    none = "lanes must be given: no engine of those to choose from runs this network"
    if search.refused is None:
        return ParameterError(none)
    array, reason = search.refused
    return ParameterError(f"{none}; of lanes {array.lanes}, taps {array.taps}, columns {array.columns}: {reason}")


def _too_low(name: str, least: float, unit: str, limits: Limits, program: EngineProgram) -> ParameterError:
    """The refusal of a limit; ``least``: what the nearest program takes."""
    sizes = ", ".join(f"{name} {getattr(program.config, name)}" for name in CHOSEN)
    takes = {
        "max_cycles": (program.cycles, "cycles"),
        "max_area": (_area_mm2(program.config), "mm2"),
        "max_energy": (energy_uj(program), "uJ"),
    }
    beyond = [
        f"{_rounded_up(figure):.12g} {unit}"
        for other, (figure, unit) in takes.items()
        if other != name and figure is not None and figure > (getattr(limits, other) or math.inf)
    ]
    return ParameterError(
        f"{name} must be at least {_rounded_up(least):.12g} {unit} for this network, not {getattr(limits, name):.12g}:"
        f" the nearest engine that was found has {sizes}"
        + (f", and takes {' and '.join(beyond)}, also too much" if beyond else "")
    )


def _rounded_up(value: float) -> float:
    """To a few digits, so that it can be met; an integer as it is."""
    if isinstance(value, int):
        return value
    scale = 10.0 ** (DIGITS - math.ceil(math.log10(value)))
    return math.ceil(value * scale) / scale
