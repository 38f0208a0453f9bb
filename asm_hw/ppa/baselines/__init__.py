"""A unit beside its baselines: the design points of each, and which of them counts."""
