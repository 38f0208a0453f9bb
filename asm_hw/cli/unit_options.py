"""The options that describe a unit, from the parameters that units declare, and how they become a configuration."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any

import click
from click.core import ParameterSource
from rich.console import Console

from asm_hw.errors import ParameterError
from asm_hw.formats.product_format import ProductFormat
from asm_hw.units.operands_config import AccumulatingConfig
from asm_hw.units.parameters import AUTO, Parameter, parameters_of
from asm_hw.units.registry import make_config, units
from asm_hw.units.unit_config import UnitConfig

PIPE_WIDTH = 160
"""Columns of a table that no terminal shows: names are for the next program to read."""
DEFAULT_UNIT = "mac"
DEFAULT_ALPHABETS = str(ProductFormat.of().weight.alphabets)
_TYPES = {"integer": int, "flag": bool}


def option(*names: str, **settings: Any) -> Callable:
    """A click option that ``make`` sets through the environment variable ``ASM_HW_<NAME>``."""
    variable = "ASM_HW_" + names[-1].lstrip("-").replace("-", "_").upper()
    return click.option(*names, envvar=variable, **settings)


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")


def emit_result(as_json: bool, result: Mapping[str, Any], show: Callable[[Console], None]) -> None:
    """Print ``result`` as one JSON object, or let ``show`` draw it."""
    if as_json:
        print(json.dumps(result))
    else:
        show(Console(width=None if sys.stdout.isatty() else PIPE_WIDTH))


def all_parameters() -> dict[str, dict[str, Parameter]]:
    """The parameters of all units: by name, then by unit."""
    found: dict[str, dict[str, Parameter]] = {}
    for name, unit in units().items():
        for parameter in parameters_of(unit.config).values():
            found.setdefault(parameter.name, {})[name] = parameter
    return found


def _help(by_unit: Mapping[str, Parameter]) -> str:
    """What a parameter is, the units that have it where the default unit does not, its range and its defaults."""
    first = next(iter(by_unit.values()))
    text = first.about
    if first.choices and first.choices[0] not in text:
        text += f": {', '.join(first.choices)}"
    if DEFAULT_UNIT not in by_unit:
        text += f", unit{'s' if len(by_unit) > 1 else ''} {', '.join(by_unit)}"
    if first.limits and first.unset is None:
        text += " ({} to {})".format(*first.limits)
    return f"{text}. [default: {_default(by_unit)}]"


def _default(by_unit: Mapping[str, Parameter]) -> str:
    """The default, and those of units where it differs."""
    values = {unit: _plain(parameter) for unit, parameter in by_unit.items()}
    first = next(iter(values.values()))
    return ", ".join([first, *(f"{value} in {unit}" for unit, value in values.items() if value != first)])


def _plain(parameter: Parameter) -> str:
    if parameter.unset is not None:
        return parameter.unset
    return str(int(parameter.default)) if parameter.kind == "flag" else str(parameter.default)


class _IntegerOrAuto(click.ParamType):
    """An integer, or the word `AUTO`."""

    name = "integer|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return value if value == AUTO else int(value)
        except ValueError:
            self.fail(f"{value!r} is no integer and not {AUTO}", param, ctx)


def _option(by_unit: Mapping[str, Parameter], chosen: Collection[str]) -> Callable:
    first = next(iter(by_unit.values()))
    kind: Any = None if _may_be_auto(first) else _TYPES.get(first.kind)
    return option(
        "--" + first.name.replace("_", "-"),
        type=_IntegerOrAuto() if first.name in chosen else kind,
        help=_help(by_unit),
    )


def unit_options(command: Callable, chosen: Collection[str] = ()) -> Callable:
    """Adds the options that describe one unit. Integers that the command can choose, ``chosen``, may be `AUTO`."""
    unit = option("--unit", help=f"What to build: {', '.join(units())}. [default: {DEFAULT_UNIT}]")
    for decorate in reversed([unit, *(_option(by_unit, chosen) for by_unit in all_parameters().values())]):
        command = decorate(command)
    return command


def config_from(options: dict[str, Any], default_unit: str = DEFAULT_UNIT) -> Any:
    """The configuration that the unit options ask for."""
    unit, given = given_parameters(options, default_unit)
    made = make_config(unit, **given)
    note_accumulator(made, given)
    return made


def given_parameters(options: dict[str, Any], default_unit: str) -> tuple[str, dict[str, Any]]:
    """The unit, and those of its parameters that were given.

    An option that the unit does not have (lanes of a mac) is checked, and left out with a note.
    """
    unit = options.get("unit") or default_unit
    declared = all_parameters()
    given = {name: options[name] for name in declared if options.get(name) is not None}
    for name in given:
        given[name] = _integer_of_text(next(iter(declared[name].values())), given[name])
    if given.get("act_alphabets") == "":
        del given["act_alphabets"]  # said to be none
    if unit not in units():
        make_config(unit)  # says which units there are
    known = parameters_of(units()[unit].config)
    for name in sorted(given.keys() - known.keys()):
        next(iter(declared[name].values())).check(given[name])
        print(f"note: unit {unit} has no {name}: {given[name]} is not used", file=sys.stderr)
    return unit, {name: value for name, value in given.items() if name in known}


def _integer_of_text(parameter: Parameter, value: Any) -> Any:
    """Of an integer that may be ``auto`` (None), whose option takes text, the value; of others the value as it is."""
    if not _may_be_auto(parameter) or not parameter.limits:
        return value
    if value == AUTO:
        return None
    try:
        return int(value)
    except ValueError:
        low, high = parameter.limits
        raise ParameterError(
            f"{parameter.name} must be auto or an integer from {low} to {high}, not {value!r}"
        ) from None


def _may_be_auto(parameter: Parameter) -> bool:
    return parameter.kind == "integer" and parameter.unset == AUTO


def config_to_compare(options: dict[str, Any]) -> Any:
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


def note_sums(config: UnitConfig, options: dict[str, Any]) -> None:
    """Say where the memory has room for longer sums than an accumulator takes whose size was left to the default."""
    if not isinstance(config, AccumulatingConfig) or config.max_inputs is None:
        return
    if any(options.get(name) is not None for name in ("acc_bits", "terms")):
        return
    if config.max_inputs > config.safe_terms:
        print(
            f"note: terms {config.terms}, though the memory has room for sums of {config.max_inputs}:"
            f" {config.acc_bits} bits of accumulator may {config.overflow}",
            file=sys.stderr,
        )


def note_accumulator(config: UnitConfig, given: dict[str, Any]) -> None:
    """Say what a given accumulator makes of other options and of products."""
    if config.safe_terms is None or given.get("acc_bits") is None:
        return
    if "terms" in given:
        print("note: terms only sizes an acc_bits of auto: it is not used", file=sys.stderr)
    if config.safe_terms == 0:
        overflow = config.parameters.get("overflow", "wrap")
        text = f"note: acc_bits {given['acc_bits']} are fewer than one product needs: sums {overflow}"
        print(text, file=sys.stderr)


def was_asked(options: dict[str, Any]) -> bool:
    """Whether any unit option was given."""
    return any(options.get(name) is not None for name in ("unit", *all_parameters()))
