"""Frame graphs that take the images of several cameras in one call."""
