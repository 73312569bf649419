"""The four heads, each with its losses."""
