"""Tables of an integer network from the functions of a prepared model."""

from __future__ import annotations

from asm_hw.errors import ParameterError
from asm_hw.network.integer_table import IntegerTable

from .folded_steps import TableStep
from .traced_operations import place_of


def checked(step: TableStep) -> TableStep:
    """``step``; `ParameterError` unless its function has a value for every integer that it may be given."""
    finite, applied = step.real.isfinite(), step.source
    if not finite.all():
        wrong = applied.source.format.binary_range[0] + int((~finite).nonzero()[0])
        raise ParameterError(
            f"{place_of(applied.node)} must be a function of every number that is stored, and"
            f" {applied.function.name} of {wrong * applied.source.scale.item():.3g} is none"
        )
    return step


def table_of(step: TableStep, name: str, source: str) -> IntegerTable:
    """The node ``name``, which reads the tensor ``source``."""
    taken = step.source.source.format
    return IntegerTable(name=name, sources=(source,), taken=taken, stored=step.target.format, values=step.values)
