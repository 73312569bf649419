"""Reports measurements on the screen, as HTML, and in the README."""
