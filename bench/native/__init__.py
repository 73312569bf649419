"""The native tracker beside the Python one, both on networks that follow a script."""
