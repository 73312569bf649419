"""Videos: what is read of them, and how they are written."""
