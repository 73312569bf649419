"""PyInstaller's hooks for MAPT; it finds them by the entry point of the installed package."""

from pathlib import Path


def get_hook_dirs() -> list[str]:
    """The folder of the hooks, as PyInstaller asks for it."""
    return [str(Path(__file__).parent)]
