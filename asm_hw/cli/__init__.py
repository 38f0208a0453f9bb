"""The command line: ``asm-hw COMMAND``."""

from .entry_point import main

__all__ = ["main"]
