"""Refuses `a, b = x, y`: an assignment names one thing, unless its values depend on each other.

A swap, or any assignment in which a later value reads an earlier name, stays as it is.
Usage: python .ci/packing.py [FILE.py]...; without files, all that git tracks.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


def packed(tree: ast.AST) -> Iterator[ast.Assign]:
    """Assignments of several values, each written out, to as many names that do not need it."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign) or len(node.targets) != 1:
            continue
        target = node.targets[0]
        value = node.value
        if not isinstance(target, ast.Tuple) or not isinstance(value, ast.Tuple):
            continue
        starred = any(isinstance(part, ast.Starred) for part in (*target.elts, *value.elts))
        if not starred and not _depend(target.elts, value.elts):
            yield node


def _depend(targets: list[ast.expr], values: list[ast.expr]) -> bool:
    """Does a later value, or a later target's index, read what an earlier target names?"""
    for number, target in enumerate(targets[:-1]):
        written = ast.unparse(target)
        later = (*values[number + 1 :], *targets[number + 1 :])
        for part in (inner for expression in later for inner in ast.walk(expression)):
            if isinstance(part, ast.expr) and ast.unparse(part) == written:
                return True
        if isinstance(target, ast.Subscript) and any(
            isinstance(part, ast.Name) and part.id == ast.unparse(target.value)
            for expression in later
            for part in ast.walk(expression)
        ):
            return True
    return False


def main() -> None:
    """Print what is packed; exit code 1 where there is anything."""
    files = sys.argv[1:]
    if not files:
        listed = subprocess.run(["git", "ls-files", "*.py"], check=True, capture_output=True)
        files = [name for name in listed.stdout.decode().split() if Path(name).is_file()]
    found = 0
    for name in files:
        for node in packed(ast.parse(Path(name).read_text())):
            print(f"{name}:{node.lineno}: one assignment each: {ast.unparse(node)[:80]}")
            found += 1
    raise SystemExit(found > 0)


if __name__ == "__main__":
    main()
