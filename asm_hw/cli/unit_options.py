"""Command-line options that several commands share, and how they become a configuration."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection
from dataclasses import fields
from typing import Any

import click
from click.core import ParameterSource
from rich.console import Console

from asm_hw.cli.post_training_commands import UNITS
from asm_hw.errors import ParameterError, check_range
from asm_hw.formats.accumulator_format import OVERFLOW, STRUCTURES
from asm_hw.formats.weight_format import ARITHMETIC, WEIGHT_CODES
from asm_hw.numbers.alphabets import MAX_ALPHABET
from asm_hw.units.dot.dot_config import DotConfig
from asm_hw.units.mac.mac_config import MacConfig
from asm_hw.units.make_config import CONFIGS
from asm_hw.units.memory_config import MEMORIES, MemoryConfig
from asm_hw.units.multiplier.multiplier_config import LIMITS, MultiplierConfig
from asm_hw.units.registry import make_config

PIPE_WIDTH = 160
"""Columns of a table that no terminal shows: names are for the next program to read."""
DEFAULT_UNIT = "mac"
DEFAULT_ALPHABETS = str(MultiplierConfig().alphabets)


def option(*names: str, **settings: Any) -> Callable:
    """A click option that ``make`` sets through the environment variable ``ASM_HW_<NAME>``."""
    variable = "ASM_HW_" + names[-1].lstrip("-").replace("-", "_").upper()
    return click.option(*names, envvar=variable, **settings)


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")


def emit_result(as_json: bool, result: dict[str, Any], show: Callable[[Console], None]) -> None:
    """Print ``result`` as one JSON object, or let ``show`` draw it."""
    if as_json:
        print(json.dumps(result))
    else:
        show(Console(width=None if sys.stdout.isatty() else PIPE_WIDTH))


def _text(value: str | None) -> int | None:
    """``auto`` or an integer, for --acc-bits."""
    if value is None or value == "auto":
        return None
    try:
        return int(value)
    except ValueError:
        low, high = LIMITS["acc_bits"]
        raise ParameterError(f"acc_bits must be auto or an integer from {low} to {high}, not {value!r}") from None


_DEFAULTS = {f.name: f.default for f in fields(DotConfig)}


def _about(name: str, text: str, default: object = None) -> str:
    """Help of a parameter: ``text``, its range and its default, as the configuration has them."""
    low_high = " ({} to {})".format(*LIMITS[name]) if name in LIMITS else ""
    return f"{text}{low_high}. [default: {default or _DEFAULTS[name]}]"


def _of_units(name: str, text: str) -> str:
    """`_about` a parameter that some units have: these units, and the defaults where they differ."""
    defaults = {unit: f.default for unit, config in CONFIGS.items() for f in fields(config) if f.name == name}
    first = next(iter(defaults.values()))
    others = [f"{value} in {unit}" for unit, value in defaults.items() if value != first]
    plural = "s" * (len(defaults) > 1)
    return _about(name, f"{text}, unit{plural} {', '.join(defaults)}", ", ".join([str(first), *others]))


_UNIT_OPTIONS = (
    option("--unit", help=f"What to build: {', '.join(UNITS)}. [default: {DEFAULT_UNIT}]"),
    option("--alphabets", help=f"Odd integers up to {MAX_ALPHABET}, with 1 among them. [default: {DEFAULT_ALPHABETS}]"),
    option("--weight-bits", type=int, help=_about("weight_bits", "Weight bits, sign included")),
    option("--act-bits", type=int, help=_about("act_bits", "Activation bits")),
    option("--act-signed", type=bool, help="1 if activations are signed. [default: 0]"),
    option("--act-alphabets", help="Alphabets on which activations are encoded. [default: none, binary]"),
    option("--arithmetic", help=_about("arithmetic", f"The contender: {', '.join(ARITHMETIC)}")),
    option("--weight-code", help=_about("weight_code", f"Form of the w port: {', '.join(WEIGHT_CODES)}")),
    option("--structure", help=_about("structure", f"How products are added: {', '.join(STRUCTURES)}")),
    option(
        "--weight-form",
        help="How decoded weights are held: one_hot or binary (asm), binary or booth (exact)."
        " [default: one_hot for alphabet 1 alone, else binary]",
    ),
    option(
        "--acc-bits",
        help="Accumulator bits ({} to {}), or auto: no overflow in --terms products. [default: auto]".format(
            *LIMITS["acc_bits"]
        ),
    ),
    option("--terms", type=int, help=_about("terms", "Products that an auto accumulator must hold")),
    option("--overflow", help=_about("overflow", f"What a narrow accumulator does: {', '.join(OVERFLOW)}")),
    option("--lanes", type=int, help=_of_units("lanes", "Products a column adds in a cycle")),
    option(
        "--weight-registers", type=bool, help="0: the weight stream holds the weights in use, unit dot. [default: 1]"
    ),
    option("--columns", type=int, help=_of_units("columns", "Dot products side by side")),
    option("--hold", type=int, help=_of_units("hold", "Vectors that a tile of weights is held for")),
    option("--depth", type=int, help=_of_units("depth", "Rows of the memory")),
    option("--memory", help=_of_units("memory", f"The memory: {', '.join(MEMORIES)}")),
    option("--outputs", type=int, help="Columns requantized a cycle, units near_memory and vn_array. [default: all]"),
    option("--out-bits", type=int, help=_of_units("out_bits", "Bits of a requantized output")),
    option("--out-signed", type=bool, help="1 if requantized outputs are signed, where --out-bits is. [default: 0]"),
    option("--bus-bits", type=int, help=_of_units("bus_bits", "Bits of a word of the memory")),
    option("--rows", type=int, help=_of_units("rows", "Rows of bit cells")),
    option("--cols", type=int, help=_of_units("cols", "Columns of bit cells")),
    option(
        "--word-bits",
        type=int,
        help="Columns of a word, unit bitline. [default: the fewest that divide --cols and hold an activation]",
    ),
    option("--counter-bits", type=int, help=_of_units("counter_bits", "Bits of each counter, 0 for none")),
)

UNIT_PARAMETERS = ("unit", *dict.fromkeys(f.name for config in CONFIGS.values() for f in fields(config)))


def unit_options(command: Callable) -> Callable:
    """Adds the options that describe one unit."""
    for decorate in reversed(_UNIT_OPTIONS):
        command = decorate(command)
    return command


def config_from(options: dict[str, Any], default_unit: str = DEFAULT_UNIT) -> MultiplierConfig:
    """The configuration that the unit options ask for.

    An option that the unit does not have (lanes of a mac) is checked, and left out with a note.
    """
    unit = options.get("unit") or default_unit
    given = {name: options[name] for name in UNIT_PARAMETERS[1:] if options.get(name) is not None}
    if "acc_bits" in given:
        given["acc_bits"] = _text(given["acc_bits"])
    if given.get("act_alphabets") == "":
        del given["act_alphabets"]  # said to be none
    config = CONFIGS.get(unit)
    if config is None:
        return make_config(unit)  # says which units there are
    known = {f.name for f in fields(config)}
    _check_unused(given, known)
    for name in sorted(given.keys() - known):
        print(f"note: unit {unit} has no {name}: {given[name]} is not used", file=sys.stderr)
    made = make_config(unit, **{name: value for name, value in given.items() if name in known})
    _note_accumulator(made, given)
    return made


def config_to_compare(options: dict[str, Any]) -> MultiplierConfig:
    """`config_from` for commands that choose the structure and the form of weights of every contender."""
    for name in ("structure", "weight_form"):
        if options.get(name) is not None:
            print(f"note: the best {name} is looked for: {options[name]} is not used", file=sys.stderr)
    return config_from(options)


def refuse_given(names: Collection[str], where: str) -> None:
    """Raise `ParameterError` for an option of the running command among ``names`` that was given."""
    context = click.get_current_context()
    for name in sorted(names):
        if context.get_parameter_source(name) not in (None, ParameterSource.DEFAULT):
            raise ParameterError(f"{name} {context.params[name]!r} must be left out {where}")


def _check_unused(given: dict[str, Any], known: set[str]) -> None:
    """Refuse bad values also of parameters that the unit has no use for."""
    of_dot = {f.name for f in fields(DotConfig)}
    DotConfig(**{name: value for name, value in given.items() if name in of_dot})
    for name in given.keys() & LIMITS.keys() - known:
        check_range(name, given[name], *LIMITS[name])


def note_sums(config: MultiplierConfig, options: dict[str, Any]) -> None:
    """Say where the memory has room for longer sums than an accumulator takes whose size was left to the default."""
    if not isinstance(config, MemoryConfig) or any(options.get(name) is not None for name in ("acc_bits", "terms")):
        return
    if config.max_inputs > config.safe_terms:
        print(
            f"note: terms {config.terms}, though the memory has room for sums of {config.max_inputs}:"
            f" {config.acc_bits} bits of accumulator may {config.overflow}",
            file=sys.stderr,
        )


def _note_accumulator(config: MultiplierConfig, given: dict[str, Any]) -> None:
    """Say what a given accumulator makes of other options and of products."""
    if not isinstance(config, MacConfig) or given.get("acc_bits") is None:
        return
    if "terms" in given:
        print("note: terms only sizes an acc_bits of auto: it is not used", file=sys.stderr)
    if config.safe_terms == 0:
        print(
            f"note: acc_bits {config.acc_bits} are fewer than one product needs: sums {config.overflow}",
            file=sys.stderr,
        )


def was_asked(options: dict[str, Any]) -> bool:
    """Whether any unit option was given."""
    return any(options.get(name) is not None for name in UNIT_PARAMETERS)
