"""The page of the first hour has thirty rows, and the test of each exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROWS = re.findall(
    r"^\| (\d+) \|.*\| ([^|]*) \|$", (ROOT / "docs" / "first-hour.md").read_text(), re.MULTILINE
)


def test_there_are_thirty_rows() -> None:
    assert [int(number) for number, _ in ROWS] == list(range(1, 31))


@pytest.mark.parametrize(("number", "proof"), ROWS)
def test_the_test_of_a_row_exists(number: str, proof: str) -> None:
    named = re.fullmatch(r"`([\w/]+\.py)::(\w+)`", proof)
    assert named, f"row {number} names no test: {proof}"
    tree = ast.parse((ROOT / named[1]).read_text())
    assert named[2] in {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}, proof
