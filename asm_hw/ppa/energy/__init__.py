"""Energy of netlists and of whole units."""
