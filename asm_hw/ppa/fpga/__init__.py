"""Placing and routing on FPGAs."""
