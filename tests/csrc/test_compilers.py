"""The C++ compilers (csrc/compilers.py).

The lowest versions compile every source, and a failed build reports the reason.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.csrc.test_plugins import headers

ROOT = Path(__file__).parents[2]
ARM = "aarch64-linux-gnu"
COMPILERS = {
    "g++ 11": ("g++-11",), "g++ 12": ("g++-12",), "clang++ 14": ("clang++-14",),
    "g++ 11 for aarch64": (f"{ARM}-g++-11",), "g++ 12 for aarch64": (f"{ARM}-g++-12",),
    "clang++ 14 for aarch64": ("clang++-14", f"--target={ARM}"),
}  # fmt: skip
ANSWER = """#!/bin/sh
case "$*" in
  *-dM*) printf '#define __GNUC__ {major}\\n#define __GNUC_MINOR__ 2\\n'; exit 0 ;;
esac
echo 'kernels.h:2:1: warning: an error: not yet' >&2
echo 'kernels.h:3:1: error: no such type' >&2
echo 'kernels.h:4:1: error: what follows' >&2
exit 1
"""


@pytest.fixture
def compilers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "csrc"))
    return importlib.import_module("compilers")


def fake(folder: Path, major: int) -> Path:
    """A compiler that says its release, and refuses everything."""
    program = folder / "some-c++"
    program.write_text(ANSWER.format(major=major))
    program.chmod(0o755)
    return program


def build(
    tmp_path: Path, compiler: Path, asked: str
) -> tuple[subprocess.CompletedProcess[str], dict[str, str]]:
    """setup.py with another compiler and without PyTorch; with the record it leaves."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("csrc", "third_party"):
        shutil.copytree(ROOT / name, source / name)
    (source / "mapt").mkdir()
    (source / "torch.py").write_text("raise ImportError('none')")
    environment = {**os.environ, "CXX": str(compiler), "CC": str(compiler), "MAPT_BUILD": asked}
    environment |= {"PYTHONPATH": str(source), "CUDA_HOME": str(source)}
    command = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"]
    ran = subprocess.run(
        command, cwd=source, env=environment, capture_output=True, text=True, check=False
    )
    record = source / "mapt/build.json"
    return ran, json.loads(record.read_text()) if record.is_file() else {}


def test_a_failed_build_records_the_compilers_first_error(tmp_path: Path) -> None:
    ran, record = build(tmp_path, fake(tmp_path, 12), "auto")
    assert ran.returncode == 0, ran.stderr
    assert (
        record["onnxruntime"] == "the kernels did not compile: kernels.h:3:1: error: no such type"
    )
    assert "kernels.h:4:1: error: what follows" in ran.stderr  # nothing is hidden


def test_a_part_asked_for_by_name_ends_with_the_compilers_first_error(tmp_path: Path) -> None:
    ran, record = build(tmp_path, fake(tmp_path, 12), "onnxruntime")
    last = ran.stderr.strip().splitlines()[-1]
    assert ran.returncode == 1 and last.startswith(
        "setup.py: MAPT_BUILD=onnxruntime: onnxruntime: "
    )
    assert last.endswith("kernels.h:3:1: error: no such type") and not record


def test_a_compiler_that_is_too_old_is_named_with_the_lowest(tmp_path: Path) -> None:
    old = fake(tmp_path, 10)
    _, record = build(tmp_path, old, "auto")
    lowest = "the lowest is g++ 11 or clang++ 14; name one with CXX"
    assert record["onnxruntime"] == f"{old} is g++ 10.2, which is too old: {lowest}"


@pytest.mark.parametrize("version", [("__GNUC__", 11), ("__clang_major__", 14)])
def test_the_lowest_compilers_are_not_too_old(
    compilers: ModuleType, tmp_path: Path, version: tuple[str, int]
) -> None:
    program = tmp_path / "c++"
    macro, release = version
    for major, fine in ((release, True), (release - 1, False)):
        program.write_text(
            f"#!/bin/sh\necho '#define __GNUC__ 4'\necho '#define {macro} {major}'\n"
        )
        if macro == "__GNUC__":
            program.write_text(f"#!/bin/sh\necho '#define {macro} {major}'\n")
        program.chmod(0o755)
        assert (compilers.too_old(str(program)) is None) == fine


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ("half.h:28:35: error: '_Float16' does not name a type", True),
        ("cpu.cpp:1:10: fatal error: torch/library.h: No such file or directory", True),
        ('propagate.cu(12): error: identifier "x" is undefined', True),
        ("nvcc fatal   : Unsupported gpu architecture 'compute_75'", True),
        ("/usr/bin/ld: cannot find -lcudart_static: No such file or directory", True),
        ("ops.cpp:(.text+0x1): undefined reference to `f()'", True),
        ("half.h:28:35: warning: unused variable 'error'", False),
        ("g++ -c error.cpp -o error.o", False),
    ],
)
def test_errors_of_compilers_and_linkers(compilers: ModuleType, line: str, counts: bool) -> None:
    said = f"building 'mapt.ops'\n{line}\nfoo.h:1:1: error: another"
    assert compilers.first_error(said) == (line if counts else "foo.h:1:1: error: another")
    assert compilers.first_error("g++ -c a.cpp\nall is well") is None


def test_a_failure_without_a_message_keeps_what_was_raised(compilers: ModuleType) -> None:
    with (
        pytest.raises(compilers.BuildError, match="failed with exit code 1"),
        compilers.explained(),
    ):
        raise RuntimeError("command 'c++' failed with exit code 1\nmore")


def sources() -> list[tuple[Path, tuple[str, ...]]]:
    """List every C++ file that needs no PyTorch, and how it is compiled.

    CUDA files are compiled as the tests compile them.
    """
    found: list[tuple[Path, tuple[str, ...]]] = []
    plain = (
        "cpu/*.cpp",
        "operators/*/cuda*.cu",
        "onnxruntime/*.cpp",
        "operators/*/onnxruntime.cpp",
        "shim/*.cpp",
        "tests/stress/*.cpp",
        "tests/fuzz_onnxruntime.cpp",
    )
    for pattern in plain:
        found += [(path, ("-x", "c++")) for path in sorted(ROOT.glob(f"csrc/{pattern}"))]
    tensorrt = headers()
    if tensorrt is not None:
        options = ("-isystem", str(tensorrt), "-I", str(ROOT / "csrc/shim"))
        patterns = (
            "tensorrt/*.cpp",
            "operators/*/tensorrt.cpp",
            "tests/plugins.cpp",
            "tests/fuzz_tensorrt.cpp",
        )
        found += [
            (path, options) for pattern in patterns for path in sorted(ROOT.glob(f"csrc/{pattern}"))
        ]
    return found


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", COMPILERS)
def test_the_lowest_compilers_compile_everything(name: str, tmp_path: Path) -> None:
    compiler = COMPILERS[name]
    if shutil.which(compiler[0]) is None:
        pytest.skip(f"no {compiler[0]}")
    for path, options in sources():
        flags = ("-std=c++17", "-O1", "-fPIC", "-Wall", "-Wextra", "-Werror", *options)
        include = ("-I", str(ROOT / "csrc"))
        command = [*compiler, *flags, *include, "-c", str(path), "-o", str(tmp_path / "out.o")]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, f"{path.relative_to(ROOT)}: {ran.stderr}"
