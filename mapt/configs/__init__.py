"""Shipped training configurations."""

from pathlib import Path

FOLDER = Path(__file__).parent


def shipped_configs() -> list[str]:
    """Return the names by which `mapt train` finds the shipped configurations."""
    return sorted(path.stem.replace("_", "-") for path in FOLDER.glob("*.toml"))
