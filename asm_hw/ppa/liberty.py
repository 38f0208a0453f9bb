"""A reader of the Liberty group syntax: enough for cell figures, and strict about being Liberty."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ParameterError

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[A-Za-z0-9_.+\-*/!&|^\'<>\[\]$]+|[(){}:;,=]', re.DOTALL)
_GZIP = b"\x1f\x8b"
_NOISE = re.compile(r"/\*.*?\*/|\\\r?\n", re.DOTALL)


@dataclass
class Group:
    """``kind (args) { attributes and groups }``. Attributes keep their text; complex ones a list.

    ``attributes`` holds the last of each name, ``statements`` all of them in order.
    """

    kind: str
    args: list[str]
    attributes: dict[str, list[str]] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)
    statements: list[tuple[str, list[str]]] = field(default_factory=list)

    def find(self, kind: str) -> Iterator[Group]:
        """The groups of one kind, in order."""
        return (group for group in self.groups if group.kind == kind)

    def repeated(self, name: str) -> list[list[str]]:
        """The values of an attribute that may be given more than once, such as ``fanout_length``."""
        return [words for key, words in self.statements if key == name]

    def add(self, name: str, words: list[str]) -> None:
        """Append an attribute."""
        self.attributes[name] = words
        self.statements.append((name, words))

    def get(self, name: str, default: str = "") -> str:
        """A simple attribute."""
        return self.attributes.get(name, [default])[0]

    def number(self, name: str, default: float = 0.0) -> float:
        """A numeric attribute."""
        return float(self.get(name, str(default)))


def is_gzip(path: Path) -> bool:
    """Whether a file is compressed, by its first bytes and not by its name."""
    with path.open("rb") as file:
        return file.read(len(_GZIP)) == _GZIP


def read(path: Path) -> Group:
    """The library group of a ``.lib`` or ``.lib.gz`` file.

    Raises `ParameterError` if it is missing, unreadable, truncated or not Liberty.
    """
    try:
        content = path.read_bytes()
        if content.startswith(_GZIP):
            content = gzip.decompress(content)
        text = content.decode("latin-1")
    except OSError as error:
        reason = error.strerror or "not a complete gzip file"
        raise ParameterError(f"liberty {str(path)!r} must be a readable .lib or .lib.gz file: {reason}") from None
    except EOFError:
        raise ParameterError(f"liberty {str(path)!r} must be complete, but its gzip stream ends early") from None
    return parse(text, str(path))


def parse(text: str, name: str) -> Group:
    """The library group in ``text``; ``name`` is what errors call it."""
    tokens = _TOKEN.findall(_NOISE.sub(" ", text))
    if tokens[:2] != ["library", "("]:
        raise ParameterError(f"liberty {name!r} must be a Liberty file: it does not start with a library group")
    stack: list[Group] = []
    position = 0
    try:
        while position < len(tokens):
            if tokens[position] == "}":
                group = stack.pop()
                if not stack:
                    return group
                position += 1
            elif tokens[position] == ";":
                position += 1
            else:
                position = _statement(tokens, position, stack)
    except (IndexError, ValueError):
        raise ParameterError(f"liberty {name!r} must be a Liberty file: its groups are malformed") from None
    raise ParameterError(f"liberty {name!r} must be complete, but it ends inside a group")


def _statement(tokens: list[str], position: int, stack: list[Group]) -> int:
    """Read ``name : value ;``, ``name (values) ;`` or ``name (args) {``; the position after it."""
    word = tokens[position]
    if tokens[position + 1] == ":":
        end = position + 2
        while tokens[end] not in (";", "}"):
            end += 1
        stack[-1].add(word, [" ".join(map(_unquoted, tokens[position + 2 : end]))])
        return end
    if tokens[position + 1] != "(":
        raise ValueError(word)
    end = tokens.index(")", position)
    args = [_unquoted(token) for token in tokens[position + 2 : end] if token != ","]
    if end + 1 < len(tokens) and tokens[end + 1] == "{":
        group = Group(word, args)
        if stack:
            stack[-1].groups.append(group)
        stack.append(group)
        return end + 2
    stack[-1].add(word, args)
    return end + 1


def _unquoted(token: str) -> str:
    return token[1:-1] if token.startswith('"') else token
