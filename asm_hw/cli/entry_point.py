"""Where ``asm-hw`` begins, and how it ends: bad input is one sentence on stderr and exit status 2."""

from __future__ import annotations

import os
import sys
import warnings

import click

from asm_hw.errors import ParameterError

BAD_INPUT = 2
MAKE_VARIABLES, MAKE_GOALS = "ASM_HW_MAKE_VARIABLES", "ASM_HW_MAKE_GOALS"
"""Environment variables in which ``make`` says what was given on its command line."""
MAY_BE_EMPTY = "ACT_ALPHABETS"


def main() -> None:
    """Run the command that the arguments name and exit."""
    if len(sys.argv) == 1:
        sys.argv.append("--help")
    warnings.formatwarning = lambda message, *_, **__: f"warning: {_one_line(str(message))}\n"  # no line of source
    try:
        from .commands import cli  # asks the registry for units, and one of a user's own may be wrong

        _check_options(cli)
        _check_make(cli)
        sys.exit(cli.main(standalone_mode=False))
    except ParameterError as error:
        message = str(error)
    except click.exceptions.Abort:
        warnings.simplefilter("ignore")  # of Amaranth: that what was being built is not used
        sys.exit(130)
    except click.ClickException as error:
        message = error.format_message()
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("asm_hw"):
            raise
        extra = "onnx" if str(error.name).startswith("onnx") else "synth" if error.name == "coloquinte" else "demo"
        message = f"module {error.name!r} must be installed for this command: pip install 'asm-hw[{extra}]' has all"
    print("error:", _one_line(message), file=sys.stderr)
    sys.exit(BAD_INPUT)


def _one_line(message: str) -> str:
    """``message`` on one line: a sentence on a line of its own begins behind a semicolon."""
    text = ""
    for line in filter(None, (" ".join(line.split()) for line in message.splitlines())):
        text += (" " if text[-1] in ".,:;" else "; ") + line if text else line
    return text


def _check_options(cli: click.Group) -> None:
    """Refuse a parameter of a user's own unit whose option a command has for something else."""
    for name, command in cli.commands.items():
        seen: set[str] = set()
        for parameter in command.params:
            if parameter.name in seen:
                raise ParameterError(
                    f"parameter {parameter.name} of a unit must have another name: it is an option of `asm-hw {name}`"
                )
            seen.add(str(parameter.name))


def _check_make(cli: click.Group) -> None:
    """Refuse a variable of make that no command of its goals takes, or an empty one: it would be ignored in silence."""
    given, goals = (os.environ.get(name, "").split() for name in (MAKE_VARIABLES, MAKE_GOALS))
    taken = sorted({name for goal in goals for name in _variables(cli, goal)})
    for name in given:
        if name not in taken:
            raise ParameterError(
                f"variable {name} must be one that `make {' '.join(goals)}` takes: {' '.join(taken)} PYTHON VENV"
            )
        if name != MAY_BE_EMPTY and not os.environ.get(f"ASM_HW_{name}"):
            raise ParameterError(f"variable {name} must have a value")


def _variables(cli: click.Group, goal: str) -> list[str]:
    """The variables of make that a command takes."""
    command = cli.commands.get(goal)
    names = [str(parameter.envvar) for parameter in command.params if parameter.envvar] if command else []
    return [name.removeprefix("ASM_HW_") for name in names]
