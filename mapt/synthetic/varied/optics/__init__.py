"""Turns surfaces into a photograph: visibility, light, shadows, weather and camera."""
