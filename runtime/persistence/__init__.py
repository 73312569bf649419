"""State and recordings as bytes."""
