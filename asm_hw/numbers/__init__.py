"""Alphabets, levels and codes: what a number on an alphabet set is, and how it is stored. Standard library only."""
