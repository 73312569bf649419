"""What a shell offers for the values of arguments and options."""

from __future__ import annotations

from collections.abc import Callable, Iterable


def complete_with(known: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """Complete with the names that begin as what was typed.

    Args:
        known: gives the names. It is called only when a shell asks, so it may import.
    """

    def complete(incomplete: str) -> list[str]:
        return [name for name in known() if name.startswith(incomplete)]

    return complete


def datasets() -> list[str]:
    """Return what `--dataset` takes."""
    from mapt.metrics.frame_pair import LABELS

    return list(LABELS)


def configurations() -> list[str]:
    """Return the shipped configurations of `mapt train`."""
    from mapt.configs import shipped_configs

    return shipped_configs()
