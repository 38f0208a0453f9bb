"""The generator of multiplier-less neural-network hardware."""

__version__ = "0.1.0"
