"""The search for the smallest engine that runs a network within limits.

Candidates are taken by their size, the smallest first: an array, with the least memories that may do; once the network
was compiled for ample ones, each of its memories; once it was compiled for that, the engine with the rows that it
needs. What is taken is never larger than what it stands for, so the first engine within the limits is the smallest one.
An array is left out where its products a cycle, or its cycles with ample memories, say that it is too slow.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from asm_hw.errors import ParameterError
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.units.engine.engine_config import EngineConfig
from asm_hw.units.engine.program_header import HEADER_ROWS

from .compile_network import compile_network
from .engine_candidates import (
    AMPLE,
    Fixed,
    Needs,
    Size,
    arrays,
    rows_with,
    saved_cycles,
    size_of,
    with_activations,
    with_rows,
)
from .engine_program import EngineProgram
from .event_energy import event_energies, layer_energies_pj
from .wide_maxima import without_wide_maxima


@dataclass(order=True)
class _Entry:
    """An engine to look at, by its size or a lower bound of it.

    ``array``: it stands for all memories of its array; ``program``: it was compiled, and has the rows that it needs.
    """

    size: Size
    number: int
    config: EngineConfig = field(compare=False)
    array: bool = field(compare=False, default=False)
    program: EngineProgram | None = field(compare=False, default=None)


def energy_uj(program: EngineProgram) -> float | None:
    """Energy of a program; None where none was measured for its engine."""
    energies = layer_energies_pj(program)
    return None if energies is None else sum(energies) / 1e6


class EngineSearch:
    """Looks for the smallest engine with what is ``fixed`` within ``max_cycles`` and ``max_energy`` (uJ).

    ``tried``: how often the network was compiled; ``slow``, ``costly``: programs that took more cycles, or more energy;
    ``refused``: the last engine that does not run the network, and why.
    """

    def __init__(self, network: IntegerNetwork, fixed: Fixed, max_cycles: float, max_energy: float | None):
        self._fixed = fixed
        self._max_cycles, self._max_energy = max_cycles, max_energy
        every = arrays(fixed)
        self._network = without_wide_maxima(network, every[0].act_bits)
        self._needs = Needs.of(self._network, every[0].act_bits)
        self.candidates = [config for config in every if self._memories(config)]
        """Arrays, with ample memories."""
        self._heap: list[_Entry] = []
        self._pushed = 0
        self._ample: dict[tuple[int, ...], EngineProgram | None] = {}
        self.tried = 0
        self.slow: list[EngineProgram] = []
        self.costly: list[EngineProgram] = []
        self.refused: tuple[EngineConfig, ParameterError] | None = None

    def run(self) -> EngineProgram | None:
        """The program of the smallest engine; None where there is none."""
        for config in self.candidates:
            if self._needs.cycles(config) <= self._max_cycles:
                self._push(config, self._least_size(config), array=True)
        while self._heap:
            entry = heapq.heappop(self._heap)
            if entry.array:
                self._take_array(entry.config)
            else:
                program = entry.program or self._fitted(entry.config)
                if program is not None and self._meets(program, entry.size):
                    return program
        return None

    def fastest(self) -> EngineProgram | None:
        """The program of fewest cycles; None where no engine runs the network.

        Of those that were too slow, and of the memories of the array that is fastest with ample ones.
        """
        nearest: EngineProgram | None = None
        for config in sorted(self.candidates, key=self._needs.cycles):
            fewest = math.inf if nearest is None else nearest.cycles
            program = self._with_ample(config, fewest) if self._needs.cycles(config) < fewest else None
            if program is not None and program.cycles < fewest:
                nearest = program
        several = [] if nearest is None else [self._fitted(one) for one in self._memories(nearest.config)]
        return _least([*self.slow, *(one for one in several if one is not None)])

    def _memories(self, config: EngineConfig) -> list[EngineConfig]:
        """An array with the activation memories that may do; those whose energies are known, if energy is limited."""
        several = with_activations(config, self._fixed, self._needs.addresses(config))
        return [one for one in several if self._max_energy is None or event_energies(one) is not None]

    def _least_size(self, config: EngineConfig) -> Size:
        """A lower bound of the sizes of an array's engines."""
        # Of as many segments the one of fewest addresses.
        several = {one.segments: one for one in reversed(self._memories(config))}.values()
        rows = self._needs.rows(config)
        return min(size_of(with_rows(one, self._fixed, *rows)) for one in several)

    def _push(self, config: EngineConfig, size: Size, **given: Any) -> None:
        self._pushed += 1
        heapq.heappush(self._heap, _Entry(size, self._pushed, config, **given))

    def _compile(self, config: EngineConfig) -> EngineProgram | None:
        self.tried += 1
        try:
            return compile_network(self._network, config)
        except ParameterError as error:
            self.refused = config, error
            return None

    def _take_array(self, config: EngineConfig) -> None:
        """Go on with the memories of an array that is fast enough with ample ones."""
        program = self._with_ample(config, self._max_cycles)
        if program is None:
            return
        for one in self._memories(config):
            if program.cycles - saved_cycles(one, program) <= self._max_cycles:
                whole = with_rows(one, self._fixed, *rows_with(one, program))
                self._push(whole, size_of(whole))

    def _meets(self, program: EngineProgram, size: Size) -> bool:
        """Whether a program is within the limits, and its engine of no more than ``size``: else it is taken again."""
        own = size_of(program.config)
        if own > size:
            self._push(program.config, own, program=program)
        elif program.cycles > self._max_cycles:
            self.slow.append(program)
        elif self._max_energy is not None and (energy_uj(program) or 0) > self._max_energy:
            self.costly.append(program)
        else:
            return True
        return False

    def _with_ample(self, config: EngineConfig, most: float) -> EngineProgram | None:
        """The program for ample memories; None where it is refused, or its steps alone are more than ``most``."""
        array = config.lanes, config.taps, config.columns
        key = *array, config.hold
        if key not in self._ample:
            alike = [one for other, one in self._ample.items() if other[:-1] == array and one is not None]
            # With another hold the steps are the same.
            if alike and sum(layer.predicted.steps for layer in alike[0].layers) > most:
                return None
            self._ample[key] = self._compile(config)
        return self._ample[key]

    def _fitted(self, config: EngineConfig) -> EngineProgram | None:
        """The program on an engine with the rows that it needs: more than an array's, if windows find no room."""
        rows: dict[str, Any] = {name: AMPLE[name] for name in ("weight_rows", "program_rows")}
        rows = {name: many for name, many in rows.items() if name not in self._fixed}
        program = self._compile(replace(config, **rows))
        if program is None:
            return None
        fitted = with_rows(program.config, self._fixed, len(program.weights), HEADER_ROWS + len(program.program))
        return replace(program, config=fitted)


def _least(programs: Iterable[EngineProgram]) -> EngineProgram | None:
    return min(programs, key=lambda one: one.cycles, default=None)
