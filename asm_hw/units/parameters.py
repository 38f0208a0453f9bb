"""Parameters of a unit's configuration: each is declared once, with its default, what is allowed and what it means.

From the declaration come the check of a value, the option of the command line and the variable of ``make``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Generic, TypeVar, overload

from asm_hw.errors import ParameterError, check_choice, check_flag, check_range
from asm_hw.numbers.alphabets import AlphabetSet, AlphabetsLike, named_alphabets

AUTO = "auto"
"""The ``unset`` of an integer whose option takes this word too."""
Held = TypeVar("Held", bound=AlphabetSet | None)


@dataclass(frozen=True)
class Parameter:
    """A parameter of a configuration.

    Attributes
    ----------
    kind : ``integer``, ``flag``, ``choice``, ``text`` or ``alphabets``
    about : what it is, for ``--help``
    default : None where the configuration fills it in
    limits : smallest and largest integer
    choices : the texts that are allowed
    unset : what an absent value means, for ``--help``; None where ``default`` says it
    """

    name: str
    kind: str
    about: str
    default: Any
    limits: tuple[int, int] | None = None
    choices: tuple[str, ...] = ()
    unset: str | None = None

    def check(self, value: Any) -> None:
        """Raise `ParameterError` for a value of the wrong type or beyond what is allowed; None may be unset."""
        if value is None and self.default is None:
            return
        if self.kind == "integer" and self.limits:
            check_range(self.name, value, *self.limits)
        elif self.kind == "flag":
            check_flag(self.name, value)
        elif self.kind == "choice":
            check_choice(self.name, value, self.choices)
        elif self.kind == "text" and not isinstance(value, str):
            raise ParameterError(f"{self.name} must be a text, not {value!r}")
        elif self.kind == "alphabets":
            AlphabetSet.of(value)


def integer(default: int | None, limits: tuple[int, int], about: str, unset: str | None = None) -> Any:
    """A field that holds an integer within ``limits``."""
    return field(default=default, metadata={"kind": "integer", "limits": limits, "about": about, "unset": unset})


def flag(default: bool, about: str) -> Any:
    """A field that holds True or False."""
    return field(default=default, metadata={"kind": "flag", "about": about})


def choice(default: str | None, choices: tuple[str, ...], about: str, unset: str | None = None) -> Any:
    """A field that holds one of ``choices``."""
    return field(default=default, metadata={"kind": "choice", "choices": choices, "about": about, "unset": unset})


def text(default: str | None, about: str, unset: str | None = None) -> Any:
    """A field that holds a text, whose configuration says what it can be."""
    return field(default=default, metadata={"kind": "text", "about": about, "unset": unset})


class _AlphabetsField(Generic[Held]):
    """A descriptor: type checkers know what may be given, and what is held.

    mypy forgets the second in classes derived from the one that has the field; formats have the set as such:
    ``config.weight.alphabets``.
    """

    def __init__(self, default: Held, about: str, unset: str | None = None) -> None:
        self.default, self.about, self.unset = default, about, unset

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Held: ...
    @overload
    def __get__(self, instance: object, owner: type) -> Held: ...
    def __get__(self, instance: object | None, owner: type) -> Any:
        # A dataclass reads the default of a field from its class.
        return self.default if instance is None else vars(instance)[self.name]

    @property
    def parameter(self) -> Parameter:
        """What it declares."""
        return Parameter(self.name, "alphabets", self.about, self.default, unset=self.unset)


class Alphabets(_AlphabetsField[AlphabetSet]):
    """A field that holds an `AlphabetSet` and takes whatever names one (`AlphabetSet.of`)."""

    def __init__(self, default: AlphabetsLike, about: str) -> None:
        super().__init__(AlphabetSet.of(default), about)

    def __set__(self, instance: object, value: AlphabetsLike) -> None:
        # Frozen dataclasses set fields by ``object.__setattr__``, which ends here; the instance's dict is not guarded.
        vars(instance)[self.name] = AlphabetSet.of(value)


class OptionalAlphabets(_AlphabetsField[AlphabetSet | None]):
    """A field as `Alphabets`, or None; errors name it."""

    def __init__(self, about: str, unset: str) -> None:
        super().__init__(None, about, unset)

    def __set__(self, instance: object, value: AlphabetsLike | None) -> None:
        vars(instance)[self.name] = None if value is None else named_alphabets(self.name, value)


def _declared(name: str, default: Any, metadata: Mapping[str, Any]) -> Parameter:
    """The parameter of a field that the functions above made. Raises `ParameterError` for another field."""
    if "kind" not in metadata:
        raise ParameterError(
            f"field {name} must be declared by integer, flag, choice, text or Alphabets, not {default!r}"
        )
    return Parameter(name, default=default, **metadata)


def parameters_of(config: type) -> Mapping[str, Parameter]:
    """The parameters of a configuration's class by name, in the order of their declaration."""
    found = {}
    for one in fields(config):
        # From the dicts of the classes: ``getattr`` would give the default and not the descriptor.
        made = next((vars(c)[one.name] for c in config.__mro__ if one.name in vars(c)), None)
        if isinstance(made, _AlphabetsField):
            found[one.name] = made.parameter
        else:
            found[one.name] = _declared(one.name, one.default, one.metadata)
    return found
