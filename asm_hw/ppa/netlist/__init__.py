"""Mapping, buffering and timing of netlists."""
