"""What commands share where they run on an engine."""
