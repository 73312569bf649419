"""Renders streets that differ widely in light, place, plants, ground and traffic."""
