"""Several cameras: their steps, and frame graphs that take their images in one call."""
