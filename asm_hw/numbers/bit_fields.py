"""Words made of fields and of elements side by side: the one place where bits are packed and taken apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from asm_hw.errors import ParameterError, check_range

from .integers import to_signed


@dataclass(frozen=True)
class Field:
    """A named run of bits inside a code word: ``width`` bits from ``lsb`` up."""

    name: str
    lsb: int
    width: int


def place_fields(widths: Iterable[tuple[str, int]]) -> tuple[Field, ...]:
    """Fields of these (name, width) side by side, the first at bit 0; none for a width of 0."""
    fields, lsb = [], 0
    for name, width in widths:
        if width:
            fields.append(Field(name, lsb, width))
            lsb += width
    return tuple(fields)


def fields_width(fields: Iterable[Field]) -> int:
    """Bits of all fields together."""
    return sum(field.width for field in fields)


def join_fields(fields: Iterable[Field], parts: Mapping[str, int]) -> int:
    """The code word of ``parts``, by field name. Raises `ParameterError` for one that its field cannot hold."""
    word = 0
    for field in fields:
        value = parts[field.name]
        if value >> field.width:
            raise ParameterError(f"{field.name} must be from 0 to {(1 << field.width) - 1}, not {value}")
        word |= value << field.lsb
    return word


def split_fields(fields: Sequence[Field], code: int) -> dict[str, int]:
    """The parts of a code word by field name. Raises `ParameterError` for a code that is too wide."""
    check_range("code", code, 0, (1 << fields_width(fields)) - 1)
    return {field.name: code >> field.lsb & (1 << field.width) - 1 for field in fields}


def pack(elements: Iterable[int], bits: int) -> int:
    """Elements of ``bits`` bits side by side, the first lowest; of each its low bits, two's complement if negative."""
    mask, word = (1 << bits) - 1, 0
    for place, element in enumerate(elements):
        word |= (element & mask) << place * bits
    return word


def unpack(word: int, bits: int, count: int) -> list[int]:
    """The ``count`` lowest elements of ``bits`` bits of a word, raw, the lowest first."""
    mask = (1 << bits) - 1
    return [word >> place * bits & mask for place in range(count)]


def unpack_signed(word: int, bits: int, count: int) -> list[int]:
    """The same in two's complement."""
    return [to_signed(element, bits) for element in unpack(word, bits, count)]
