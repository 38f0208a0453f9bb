"""How the command line says what went wrong: one line, sentences apart, warnings without source text."""

from __future__ import annotations

import sys
import warnings

import pytest

from asm_hw.cli import commands, entry_point
from asm_hw.errors import ParameterError


@pytest.fixture
def ended(monkeypatch, capsys):
    """Runs ``asm-hw levels`` with a body of the test's own, and gives exit status and stderr."""
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)  # what main sets is taken back

    def run(body):
        monkeypatch.setattr(sys, "argv", ["asm-hw", "levels"])
        monkeypatch.setattr(commands.cli.commands["levels"], "callback", lambda **_: body())
        with pytest.raises(SystemExit) as end:
            entry_point.main()
        return end.value.code, capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("a must be 1, not 2", "a must be 1, not 2"),
        ("module 'a' has none\nmodule 'b' has none", "module 'a' has none; module 'b' has none"),
        ("Choose from:\n\tone,\n\ttwo", "Choose from: one, two"),
        ("  spaces   within\n\n", "spaces within"),
    ],
)
def test_an_error_is_one_line_with_its_sentences_apart(ended, message, line):
    def refuse():
        raise ParameterError(message)

    assert ended(refuse) == (2, f"error: {line}\n")


def test_a_warning_is_its_own_words_alone(ended):
    def warn():
        text = warnings.formatwarning(UserWarning("something was\nleft out"), UserWarning, "file.py", 3, "source()")
        print(text, end="", file=sys.stderr)

    _, written = ended(warn)
    assert written == "warning: something was; left out\n"
