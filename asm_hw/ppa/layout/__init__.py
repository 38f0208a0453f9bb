"""Placement of mapped netlists, and what their wires load."""
