"""Draws cars, trucks, buses and trams, and the chance by which they look as they do."""
