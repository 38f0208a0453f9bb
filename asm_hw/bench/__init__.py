"""What every bench of a unit needs, whatever simulates it."""
