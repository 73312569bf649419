"""The rules that `make check` enforces find what they are for."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("a, b = 1, 2\n", True),
        ("self.a, b = f(x), y\n", True),
        ("a, b = b, a\n", False),
        ("a, b = f(), a + 1\n", False),
        ("a[i], a[j] = a[j], a[i]\n", False),
        ("a, b = pair\n", False),
        ("first, *rest = 1, 2, 3\n", False),
    ],
)
def test_values_that_do_not_depend_on_each_other_are_assigned_one_by_one(
    tmp_path: Path, text: str, refused: bool
) -> None:
    file = tmp_path / "code.py"
    file.write_text(text)
    command = [sys.executable, str(ROOT / ".ci" / "packing.py"), str(file)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode == 1) is refused and (f"{file}:1:" in ran.stdout) is refused


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({f"room/f{n}.py": "" for n in range(13)}, "room: 13 Python files, at most 12"),
        ({"a.py": "class One: ...", "b/c.py": "class One: ..."}, "class One: in a.py, b/c.py"),
        ({"a.py": "class One: ...", "tests/b.py": "class One: ..."}, ""),
        ({f"room/f{n}.py": f"class C{n}: ..." for n in range(12)}, ""),
    ],
    ids=["an attic", "namesakes", "a test's own", "a room"],
)
def test_attics_and_namesakes_are_refused(tmp_path: Path, files: dict[str, str], told: str) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    command = [sys.executable, str(ROOT / ".ci" / "rooms.py")]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == bool(told) and ran.stdout.startswith(told), ran.stdout + ran.stderr


@pytest.mark.skipif(importlib.util.find_spec("importlinter") is None, reason="no import-linter")
@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("runtime/tracker.py", "from mapt.labels import class_sets", "knows no dataset"),
        ("mapt/metrics/results.py", "import torch", "need no PyTorch"),
        ("mapt/model/boxes.py", "import mapt.training.loop", "what stands below it"),
        ("export/bundle/writer.py", "import mapt.bench.suites", "what stands below it"),
    ],
)
def test_a_wrong_import_breaks_its_contract(
    tmp_path: Path, module: str, line: str, contract: str
) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    tracked = ["git", "ls-files", "mapt", "runtime", "export", "bench", "pyproject.toml"]
    listed = subprocess.run(tracked, cwd=ROOT, check=True, capture_output=True, text=True)
    for name in listed.stdout.split():
        source = ROOT / name
        target = copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            target.symlink_to(source.readlink())
        elif source.suffix in (".py", ".toml"):
            target.write_bytes(source.read_bytes())
    file = copy / module
    file.write_text(file.read_text() + f"\n{line}\n")
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    ran = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    broken = next((text for text in ran.stdout.splitlines() if " BROKEN" in text), "")
    assert ran.returncode == 1 and contract in broken, ran.stdout + ran.stderr
