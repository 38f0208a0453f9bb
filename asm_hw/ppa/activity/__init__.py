"""Operands, stimulus and transitions."""
