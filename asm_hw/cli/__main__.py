"""``python -m asm_hw.cli``."""

from .entry_point import main

main()
