"""A unit beside its baselines: every way to build each of them."""
