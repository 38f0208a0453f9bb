"""Registers of a unit as one table: what the hardware has, what its SystemRDL says and what its page shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from asm_hw.numbers.integers import ceil_log2

WORD_BITS = 32
"""Bits of a register, and of the data of its bus."""
WORD_BYTES = WORD_BITS // 8


class Access(Enum):
    """How a bus and the hardware move a field; the values are the words of pages, those of Vitis HLS."""

    READ = "R"
    """The hardware drives it."""
    WRITE = "R/W"
    SET = "R/W, COH"
    """A written 1 sets it; the hardware clears it (clear on handshake)."""
    CLEAR_ON_READ = "R/COR"
    """The hardware sets it, a read clears it."""
    TOGGLE = "R/TOW"
    """The hardware sets it, a written 1 toggles it."""


RDL_PROPERTIES = {
    Access.READ: "sw = r; hw = w;",
    Access.WRITE: "sw = rw; hw = r;",
    Access.SET: "sw = rw; onwrite = woset; hw = r; hwclr;",
    Access.CLEAR_ON_READ: "sw = r; onread = rclr; hw = r; hwset;",
    Access.TOGGLE: "sw = rw; onwrite = wot; hw = r; hwset;",
}
"""Properties of SystemRDL 2.0 that say the same."""


@dataclass(frozen=True)
class RegisterField:
    """Bits of a register.

    Attributes
    ----------
    about : what it means; plain text without quotation marks
    reset : what it is after a reset; None where the hardware leaves it as it was
    codes : names of its values from 0 on, for an enumeration
    """

    name: str
    lsb: int
    access: Access
    about: str
    width: int = 1
    reset: int | None = 0
    codes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Register:
    """A word of the map at ``offset``, in bytes; bits without a field read 0."""

    name: str
    offset: int
    fields: tuple[RegisterField, ...]


def map_address_bits(registers: Sequence[Register]) -> int:
    """Bits of a byte address that reach every register."""
    return ceil_log2(max(register.offset for register in registers) + WORD_BYTES)


def to_rdl(name: str, registers: Sequence[Register], notes: str, about: str) -> str:
    """The registers in SystemRDL 2.0, an ``addrmap`` called ``name``; ``notes`` are lines of comment above it."""
    lines = [*(f"// {line}".rstrip() for line in notes.splitlines()), ""]
    for field in (field for register in registers for field in register.fields if field.codes):
        lines += _enumeration(field)
    lines += [f"addrmap {name} {{", f'    desc = "{about}";', f"    default regwidth = {WORD_BITS};"]
    for register in registers:
        lines += ["", "    reg {", *map(_field, register.fields), f"    }} {register.name} @ {register.offset:#04x};"]
    return "\n".join([*lines, "};", ""])


def _enumeration(field: RegisterField) -> list[str]:
    codes = [f"    {code} = {field.width}'d{value};" for value, code in enumerate(field.codes)]
    return [f"enum {field.name}_values {{", *codes, "};", ""]


def _field(field: RegisterField) -> str:
    encode = f"encode = {field.name}_values; " if field.codes else ""
    reset = "" if field.reset is None else f" = {field.width}'d{field.reset}"
    span = f"[{field.lsb + field.width - 1}:{field.lsb}]"
    return (
        f'        field {{ desc = "{field.about}"; {encode}{RDL_PROPERTIES[field.access]} }} {field.name}{span}{reset};'
    )


def to_markdown(registers: Sequence[Register]) -> str:
    """The registers as a table of a page."""
    rows = ["| address | register | bits | field | access | what |", "|---|---|---|---|---|---|"]
    for register in registers:
        for field in register.fields:
            bits = str(field.lsb) if field.width == 1 else f"{field.lsb + field.width - 1}:{field.lsb}"
            head = f"| `{register.offset:#04x}` | `{register.name}`"
            codes = ", ".join(f"{value} {code}" for value, code in enumerate(field.codes))
            about = f"{field.about}: {codes}" if codes else field.about
            rows.append(f"{head} | {bits} | `{field.name}` | {field.access.value} | {about} |")
    return "\n".join(rows)
