"""What the von Neumann machines share."""
