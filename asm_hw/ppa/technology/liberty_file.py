"""A reader of the Liberty group syntax: enough for cell figures, and strict about being Liberty."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from asm_hw.errors import ParameterError

# The first two bytes of every gzip file.
_GZIP = b"\x1f\x8b"
# Comments, and line ends that a backslash hides.
_NOISE = re.compile(r"/\*.*?\*/|\\\r?\n", re.DOTALL)
# Quoted text, with any character after a backslash in it.
_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_NAME = rf"(?:[A-Za-z_][\w.]*|{_STRING})"
# A value ends at the semicolon or, as some libraries leave that out, with its line.
# A statement is `name : value`, `name (args)`, `name (args) {`, `}`, or (malformed) any other character. ++ and *+
# give nothing back of what they took, so that a long table which does not match costs one pass.
_STATEMENT = re.compile(
    rf"(?P<name>{_NAME})\s*(?::[ \t]*(?P<value>(?:[^;{{}}\"\n]++|{_STRING})*+)"
    rf"|\((?P<args>(?:[^()\"]++|{_STRING})*+)\)\s*(?P<open>\{{)?)|(?P<close>\}})|(?P<rest>[^\s;])",
    re.DOTALL,
)
# A word of a list: quoted text without its quotes, or what stands between blanks and commas.
_WORD = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"|([^\s,"]+)', re.DOTALL)


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
        """A numeric attribute. Raises `ParameterError` if it is none."""
        text = self.get(name, str(default))
        try:
            return float(text)
        except ValueError:
            where = " ".join([self.kind, *self.args])
            raise ParameterError(f"liberty {name} of {where} must be a number, not {text!r}") from None


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
        # Every byte is a character there, so that comments in other encodings do no harm.
        text = content.decode("latin-1")
    except OSError as error:
        # gzip.BadGzipFile is an OSError without a strerror.
        reason = error.strerror or "not a complete gzip file"
        raise ParameterError(f"liberty {str(path)!r} must be a readable .lib or .lib.gz file: {reason}") from None
    except (EOFError, zlib.error) as error:
        trouble = "ends early" if isinstance(error, EOFError) else "is damaged"
        raise ParameterError(f"liberty {str(path)!r} must be complete, but its gzip stream {trouble}") from None
    return parse(text, str(path))


def parse(text: str, name: str) -> Group:
    """The library group in ``text``; ``name`` is what errors call it."""
    stack: list[Group] = []
    for statement in _STATEMENT.finditer(_NOISE.sub(" ", text)):
        word, value, args, opened, closed, _ = statement.groups()
        if not stack and not (word == "library" and opened):
            raise ParameterError(f"liberty {name!r} must be a Liberty file: it does not start with a library group")
        if closed:
            group = stack.pop()
            # The library group ends: what follows it is not read.
            if not stack:
                return group
        elif value is not None:
            stack[-1].add(_unquoted(word), [" ".join(_words(value))])
        elif opened:
            group = Group(_unquoted(word), _words(args))
            if stack:
                stack[-1].groups.append(group)
            stack.append(group)
        elif args is not None:
            stack[-1].add(_unquoted(word), _words(args))
        else:
            raise ParameterError(f"liberty {name!r} must be a Liberty file: its groups are malformed")
    if stack:
        raise ParameterError(f"liberty {name!r} must be complete, but it ends inside a group")
    raise ParameterError(f"liberty {name!r} must be a Liberty file: it does not start with a library group")


def _words(text: str) -> list[str]:
    return [quoted or plain for quoted, plain in _WORD.findall(text)]


def _unquoted(word: str) -> str:
    return word[1:-1] if word.startswith('"') else word
