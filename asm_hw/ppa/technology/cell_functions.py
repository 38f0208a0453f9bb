"""Liberty's boolean expressions: evaluated in Python, translated to Verilog."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property

from asm_hw.errors import ParameterError

# A name, a constant, an operator or parenthesis, or (malformed) any other character.
_TOKEN = re.compile(r"\s*(?:([A-Za-z_][\w.\[\]$]*)|([01])\b|([!'^&*|+()])|(\S))")
_LEVELS = (("|", "|+"), ("&", "&*"), ("^", "^"))  # loosest first: XOR binds tighter than AND (Liberty user guide)

Tree = str | int | tuple
"""A name, 0 or 1, ``("!", a)``, or ``(operator, a, b)`` with one of ``| & ^``."""


class Expression:
    """A ``function``, ``when``, ``next_state`` or the like: ``! ' & * | + ^ ( ) 0 1`` and A B for A AND B.

    Attributes
    ----------
    text : the expression as given
    names : the names in it, each once, in order of appearance

    Raises `ParameterError` where the text is not such an expression.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        # What is left to read: `_binary` and `_inverted` take from its front, and must leave nothing.
        self._tokens: list[str] = list(_tokens(text))
        self._tree = self._binary(0)
        if self._tokens:
            raise _malformed(text)
        self.names: tuple[str, ...] = tuple(dict.fromkeys(_names(self._tree)))

    def __call__(self, values: Mapping[str, int]) -> int:
        """The value, 0 or 1, for values 0 or 1 of `names`."""
        return self.function(*(values[name] for name in self.names))

    @cached_property
    def function(self) -> Callable[..., int]:
        """The expression as a Python function of `names` in their order, over 0 and 1."""
        places = {name: f"v{index}" for index, name in enumerate(self.names)}
        # `1 ^ a` and not `~a`, which is -1 for 0. Energies pass arrays of 0 and 1: `&`, `|` and `^` take them too.
        code = f"lambda {', '.join(places.values())}: {_format(self._tree, places, '(1 ^ {})')}"
        return eval(code)  # noqa: S307 (only parentheses, & | ^ 0 1 v0 v1 ...)

    def verilog(self, names: Mapping[str, str] | None = None) -> str:
        """The expression in Verilog, fully parenthesised; ``names`` replaces names where it has them."""
        places = {name: (names or {}).get(name, name) for name in self.names}
        return _format(self._tree, places, "(~{})", "1'b")

    def _binary(self, level: int) -> Tree:
        if level == len(_LEVELS):
            return self._inverted()
        operator, spellings = _LEVELS[level]
        tree = self._binary(level + 1)
        # Two operands side by side, `A B`, are an AND too.
        while self._tokens and (self._tokens[0] in spellings or (operator == "&" and self._starts_operand())):
            if self._tokens[0] in spellings:
                self._tokens.pop(0)
            tree = (operator, tree, self._binary(level + 1))
        return tree

    def _starts_operand(self) -> bool:
        return self._tokens[0] in ("!", "(") or self._tokens[0][0].isalnum() or self._tokens[0][0] == "_"

    def _inverted(self) -> Tree:
        token = self._tokens.pop(0) if self._tokens else ")"
        if token == "!":
            return ("!", self._inverted())
        if token == "(":
            tree = self._binary(0)
            if not self._tokens or self._tokens.pop(0) != ")":
                raise _malformed(self.text)
        elif token in "'^&*|+)":
            raise _malformed(self.text)
        else:
            tree = int(token) if token in "01" else token
        # `A'` is Liberty's other way to write `!A`.
        while self._tokens and self._tokens[0] == "'":
            self._tokens.pop(0)
            tree = ("!", tree)
        return tree


def _tokens(text: str) -> Iterator[str]:
    for name, digit, operator, _ in _TOKEN.findall(text.strip()):
        if not (name or digit or operator):
            raise _malformed(text)
        yield name or digit or operator


def _malformed(text: str) -> ParameterError:
    return ParameterError(f"liberty expression {text!r} must be names, 0 and 1 under ! ' & * | + ^ and parentheses")


def _names(tree: Tree) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, tuple):
        for part in tree[1:]:
            yield from _names(part)


def _format(tree: Tree, names: Mapping[str, str], inverse: str, digit: str = "") -> str:
    if isinstance(tree, str):
        return names[tree]
    if isinstance(tree, int):
        return f"{digit}{tree}"
    parts = [_format(part, names, inverse, digit) for part in tree[1:]]
    return inverse.format(*parts) if tree[0] == "!" else f"({parts[0]} {tree[0]} {parts[1]})"
