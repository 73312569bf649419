"""One head each, with its losses."""
