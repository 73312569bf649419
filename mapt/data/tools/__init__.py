"""`mapt data`: check, convert, stats."""
