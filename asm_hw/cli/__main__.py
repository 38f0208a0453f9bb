"""``python -m asm_hw.cli``."""

from .commands import main

main()
