"""The documentation's pointers into the code stay true."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
POINTER = re.compile(r"`([\w/]+\.py): ([\w.]+)` \((\d+)\)")


def line_of(path: Path, symbol: str) -> int | None:
    """Find the line, from 1, on which a class, function or constant is defined.

    `Class.method` is looked up in its class.
    """
    line = 0
    lines = path.read_text().splitlines()
    for name in symbol.split("."):
        defined = re.compile(rf"\s*(class |def |)({re.escape(name)})\b(\(|:| = |: )")
        line = next((i for i in range(line, len(lines)) if defined.match(lines[i])), -2) + 1
    return line if line > 0 else None


POINTERS = POINTER.findall((ROOT / "docs" / "paper.md").read_text())


@pytest.mark.parametrize(("file", "symbol", "line"), POINTERS)
def test_paper_md_points_at_the_line_it_names(file: str, symbol: str, line: str) -> None:
    assert line_of(ROOT / file, symbol) == int(line), f"docs/paper.md: correct the line of {symbol}"


def test_there_are_pointers() -> None:
    assert len(POINTERS) > 20
