"""The boundary behind which a memory macro stands."""

from __future__ import annotations


def sram_module(words: int, bits: int) -> str:
    """The name of the module behind a memory's macro boundary."""
    return f"asm_hw_sram_{words}x{bits}"
