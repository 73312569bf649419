"""Refuses attics and namesakes: a folder of many Python files, and one name for two public classes.

Usage: python .ci/rooms.py; it looks at all that git tracks.
"""

from __future__ import annotations

import ast
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

MOST = 12  # Python files in a folder


def full_folders(files: list[Path]) -> Iterator[str]:
    """Folders with more files than a reader takes in at a glance."""
    for folder, count in sorted(Counter(file.parent for file in files).items()):
        if count > MOST:
            yield f"{folder}: {count} Python files, at most {MOST}; give those of a topic a folder"


def shared_names(files: list[Path]) -> Iterator[str]:
    """Names of public classes that several modules define; tests may name theirs as they like."""
    owners = defaultdict[str, list[str]](list)
    for file in files:
        if file.parts[0] != "tests":
            for node in ast.parse(file.read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    owners[node.name].append(str(file))
    for name, places in sorted(owners.items()):
        if len(places) > 1:
            yield f"class {name}: in {', '.join(places)}; a name has one owner"


def main() -> None:
    """Print what is found; exit code 1 where there is anything."""
    listed = subprocess.run(["git", "ls-files", "*.py"], check=True, capture_output=True)
    files = [file for name in listed.stdout.decode().split() if (file := Path(name)).is_file()]
    found = [*full_folders(files), *shared_names(files)]
    print(*found, sep="\n", end="\n" if found else "")
    raise SystemExit(bool(found))


if __name__ == "__main__":
    main()
