"""The package runs on the lowest Python that it admits."""

import ast
import sys
from pathlib import Path

import pytest

from mapt.io.toml import TOMLDecodeError, loads

ROOT = Path(__file__).parents[2]
NEWER = {  # names of the standard library that came after Python 3.10
    "tomllib",
    "StrEnum",
    "file_digest",
    "ReprEnum",
    "ExceptionGroup",
    "TaskGroup",
    "Self",
    "assert_never",
    "batched",
    "UTC",
    "LiteralString",
    "Never",
    "assert_type",
}
FOLDERS = ("mapt", "runtime", "export", "bench", "tests", "examples", ".ci")


def test_nothing_newer_than_python_3_10_is_used() -> None:
    """By name; syntax is what ruff's target looks after."""
    found = []
    for path in sorted(p for folder in FOLDERS for p in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import | ast.ImportFrom)
                else []
            )
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [node.attr] if isinstance(node, ast.Attribute) else []
            found += [f"{path.relative_to(ROOT)}: {name}" for name in names if name in NEWER]
    assert set(found) <= {"mapt/io/toml.py: tomllib"}, found


def test_toml_is_read_and_refused() -> None:
    assert loads("x = [1, 2]")["x"] == [1, 2]
    with pytest.raises(TOMLDecodeError):
        loads("x = ")
    assert loads.__module__.startswith("tomllib" if sys.version_info >= (3, 11) else "tomli")
