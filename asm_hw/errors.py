"""The one exception that user input can raise, and the checks every parameter object shares."""

from __future__ import annotations


class ParameterError(ValueError):
    """A parameter is outside its allowed values.

    The message is one sentence that names the parameter, shows the value and says what is allowed;
    the command line prints it on stderr and exits with status 2.
    """


def check_range(name: str, value: object, low: int, high: int) -> int:
    """Return ``value`` if it is an integer in ``low..high``; raise `ParameterError` otherwise."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ParameterError(f"{name} must be an integer from {low} to {high}, not {value!r}")
    return value


def check_flag(name: str, value: object) -> bool:
    """Return ``value`` if it is True or False; raise `ParameterError` otherwise."""
    if not isinstance(value, bool):
        raise ParameterError(f"{name} must be True or False (1 or 0 on the command line), not {value!r}")
    return value


def check_choice(name: str, value: str, allowed: tuple[str, ...]) -> str:
    """Return ``value`` if it is one of ``allowed``; raise `ParameterError` otherwise."""
    if value not in allowed:
        choices = f"one of {', '.join(allowed)}" if len(allowed) > 1 else allowed[0]
        raise ParameterError(f"{name} must be {choices}, not {value!r}")
    return value
