"""Command-line options that several commands share, and how they become a configuration."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import click

from .config import ARITHMETIC, CONFIGS, OVERFLOW, STRUCTURES, UNITS, WEIGHT_CODES, DotConfig, MultiplierConfig, make_config
from .errors import ParameterError


def option(*names: str, **settings: Any) -> Callable:
    """A click option that ``make`` sets through the environment variable ``ASM_HW_<NAME>``."""
    variable = "ASM_HW_" + names[-1].lstrip("-").replace("-", "_").upper()
    return click.option(*names, envvar=variable, **settings)


def _text(value: str | None) -> int | None:
    """``auto`` or an integer, for --acc-bits."""
    if value is None or value == "auto":
        return None
    try:
        return int(value)
    except ValueError:
        raise ParameterError(f"acc_bits must be auto or an integer from 2 to 62, not {value!r}") from None


_UNIT_OPTIONS = (
    option("--unit", help=f"What to build: {', '.join(UNITS)}. [default: mac]"),
    option("--alphabets", help="Odd integers from 1 to 15, with 1 among them, e.g. 1,3. [default: 1,3]"),
    option("--weight-bits", type=int, help="Weight bits, sign included, 2 to 16. [default: 5]"),
    option("--act-bits", type=int, help="Activation bits, 1 to 16. [default: 8]"),
    option("--act-signed", type=bool, help="1 if activations are signed. [default: 0]"),
    option("--act-alphabets", help="Alphabets on which activations are encoded. [default: none, binary]"),
    option("--arithmetic", help=f"The contender: {', '.join(ARITHMETIC)}. [default: asm]"),
    option("--weight-code", help=f"Form of the w port: {', '.join(WEIGHT_CODES)}. [default: packed]"),
    option("--structure", help=f"How products are added: {', '.join(STRUCTURES)}. [default: heap]"),
    option("--weight-form", help="How decoded weights are held: one_hot or binary (asm), binary or booth (exact)."),
    option("--acc-bits", help="Accumulator bits, 2 to 62, or auto: no overflow in --terms products. [default: auto]"),
    option("--terms", type=int, help="Products that an auto accumulator must hold. [default: 512]"),
    option("--overflow", help=f"What a narrow accumulator does: {', '.join(OVERFLOW)}. [default: wrap]"),
    option("--lanes", type=int, help="Products a column adds in a cycle, 1 to 256 (dot). [default: 16]"),
    option("--weight-registers", type=bool, help="0: the weight stream holds the weights in use (dot). [default: 1]"),
    option("--columns", type=int, help="Dot products side by side, 1 to 256 (dot). [default: 1]"),
)

UNIT_PARAMETERS = ("unit", *(f.name for f in fields(DotConfig)))


def unit_options(command: Callable) -> Callable:
    """Adds the options that describe one unit."""
    for decorate in reversed(_UNIT_OPTIONS):
        command = decorate(command)
    return command


def config_from(options: dict[str, Any], default_unit: str = "mac") -> MultiplierConfig:
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
    DotConfig(**given)  # has every parameter: refuses bad values also where the unit has no use for them
    known = {f.name for f in fields(config)}
    for name in sorted(given.keys() - known):
        print(f"note: unit {unit} has no {name}: {given[name]} is not used", file=sys.stderr)
    return make_config(unit, **{name: value for name, value in given.items() if name in known})


def was_asked(options: dict[str, Any]) -> bool:
    """Whether any unit option was given."""
    return any(options.get(name) is not None for name in UNIT_PARAMETERS)
