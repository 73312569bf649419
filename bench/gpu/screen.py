"""Prints the results in at most sixty lines, the important ones first."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from mapt.bench.gpu.registry import Check

LINES = 60
WIDTH = 140  # characters of a line
FEW = 4  # names listed one by one
SHOWN = 3  # faults printed of a check

Told = Mapping[str, Any]


class Screen:
    """Prints as long as there is room.

    Args:
        wide: characters of a line.
    """

    def __init__(self, wide: int | None = None) -> None:
        self.used = 0
        self.wide = wide or max(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns)

    def line(self, text: str, keep: int = 0) -> None:
        """Print a line, cut to the width, if at least `keep` lines are left after it."""
        if self.used + keep < LINES:
            self.used += 1
            print(text if len(text) <= self.wide else text[: self.wide - 3] + "...", flush=True)

    def check(self, check: Check, told: Told) -> None:
        """Print the outcome of a check; `end` lists those that lack something."""
        if told["status"] != "skipped":
            text = f"{told['status']:8} {check.name:24} {told['seconds']:6.1f} s  {told['line']}"
            self.line(text, keep=12)

    def end(self, results: Sequence[Told], last: Sequence[str]) -> None:
        """Faults, tables as there is room, what was left out and why, and the `last` lines."""
        skipped: dict[str, list[str]] = {}
        for told in results:
            if told["status"] == "skipped":
                skipped.setdefault(told["line"], []).append(told["name"])
        keep = len(last) + len(skipped)
        for told in results:
            for fault in told.get("faults", ())[:SHOWN]:
                self.line(f"  fault in {told['name']}: {fault}", keep)
        for told in results:
            rows = told.get("rows", ())
            if rows and self.used + len(rows) + 1 + keep <= LINES:
                self.line(f"{told['name']}:", keep)
                for row in rows:
                    self.line(f"  {row}", keep)
        for reason, names in skipped.items():
            self.line(f"skipped  {shortened(names)}: {reason}", len(last))
        for text in last:
            self.line(text)


def shortened(names: Sequence[str]) -> str:
    """Names of checks; where they are many, how many and of which groups."""
    if len(names) <= FEW:
        return ", ".join(names)
    groups = dict.fromkeys(name.partition(".")[0] for name in names)
    return f"{len(names)} checks of {', '.join(groups)}"
