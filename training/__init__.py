"""Alphabet-aware training in PyTorch."""
