"""Runs the tracker's native core: libmapt, called through its C interface."""
