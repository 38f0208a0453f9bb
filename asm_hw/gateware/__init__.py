"""Amaranth components that units are built from; none of them is a unit."""
