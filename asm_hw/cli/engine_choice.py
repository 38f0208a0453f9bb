"""The engine that ``asm-hw compile`` is asked for: as its options give it, or chosen within limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from asm_hw.units.parameters import AUTO

from .unit_options import config_from, given_parameters, note_accumulator, option, refuse_given

if TYPE_CHECKING:
    from asm_hw.network.integer_network import IntegerNetwork
    from asm_hw.units.engine.engine_config import EngineConfig

LIMITS = {
    "max_cycles": (int, "Most cycles of the program"),
    "max_area": (float, "Most mm2, estimated"),
    "max_energy": (float, "Most uJ of the program"),
}
"""What ``--lanes auto`` keeps to."""


def limit_options(command: Callable) -> Callable:
    """Decorator of a command: its options of `LIMITS`."""
    for name, (kind, about) in reversed(LIMITS.items()):
        command = option("--" + name.replace("_", "-"), type=kind, help=f"{about}, with --lanes auto.")(command)
    return command


def refuse_limits(options: dict[str, Any]) -> None:
    """Raise `ParameterError` for limits of an engine that is not to be chosen."""
    if options["lanes"] != AUTO:
        refuse_given(LIMITS, "unless lanes are auto")


def engine_of(network: IntegerNetwork, batch: int, options: dict[str, Any]) -> tuple[EngineConfig, dict[str, Any]]:
    """The engine that is asked for; where it is chosen, what the report says of that."""
    if options["lanes"] != AUTO:
        return config_from(options, "engine"), {}
    from asm_hw.compiler.batch import batched
    from asm_hw.compiler.choose_engine import Limits, choose_engine

    limits = Limits(**{name: options[name] for name in LIMITS})
    _, fixed = given_parameters(options | {"lanes": None}, "engine")
    choice = choose_engine(batched(network, batch), fixed, limits)
    note_accumulator(choice.config, fixed)
    return choice.config, {"chosen": choice.report}
