"""Every library that was compiled here is hardened, as csrc/compilers.py asks of the compiler."""

from __future__ import annotations

import importlib
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
LIBRARIES = sorted([*ROOT.glob("mapt/ops/*.so"), *ROOT.glob("runtime/*.so")])
ENDBR64 = b"\xf3\x0f\x1e\xfa"  # where an indirect jump may land
pytestmark = pytest.mark.skipif(shutil.which("readelf") is None, reason="no readelf")
each_library = pytest.mark.parametrize(
    "library", LIBRARIES, ids=lambda path: path.name.partition(".")[0]
)


def read(library: Path, what: str) -> str:
    return subprocess.run(
        ["readelf", "-W", what, library], capture_output=True, text=True, check=True
    ).stdout


@each_library
def test_addresses_are_bound_at_the_start_and_then_read_only(library: Path) -> None:
    assert "BIND_NOW" in read(library, "--dynamic")
    assert "GNU_RELRO" in read(library, "--program-headers")


@each_library
def test_the_stack_holds_no_code(library: Path) -> None:
    (stack,) = [
        line for line in read(library, "--program-headers").splitlines() if "GNU_STACK" in line
    ]
    assert stack.split()[-2] == "RW"


@each_library
def test_the_stack_is_protected(library: Path) -> None:
    """FORTIFY leaves no mark where the compiler knows that a call is right."""
    assert "__stack_chk_fail" in read(library, "--dyn-syms")


@each_library
@pytest.mark.skipif(platform.machine() != "x86_64", reason="CET is of x86-64")
def test_indirect_jumps_land_where_they_may(library: Path) -> None:
    """The linker marks a library for CET only if the system's start files are marked.

    Those of Debian are not.
    """
    assert library.read_bytes().count(ENDBR64) > 100
    found = subprocess.run(
        ["c++", "-print-file-name=crti.o"], capture_output=True, text=True, check=False
    )
    if found.returncode == 0 and "IBT" in read(Path(found.stdout.strip()), "--notes"):
        assert "IBT" in read(library, "--notes") and "SHSTK" in read(library, "--notes")


@pytest.fixture
def compilers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "csrc"))
    return importlib.import_module("compilers")


def test_a_compiler_gets_the_options_that_it_takes(compilers: ModuleType, tmp_path: Path) -> None:
    """This one knows neither CET nor the third level of FORTIFY."""
    compiler = tmp_path / "some-c++"
    compiler.write_text('#!/bin/sh\ncase "$*" in *protection*|*SOURCE=3*) exit 1 ;; esac\nexit 0\n')
    compiler.chmod(0o755)
    compiled, linked = compilers.hardening(str(compiler))
    assert compiled == ["-fstack-protector-strong", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"]
    assert linked == ["-Wl,-z,relro,-z,now", "-Wl,-z,noexecstack", "-Wl,-z,defs"]


def test_a_compiler_that_is_not_there_gets_none(compilers: ModuleType) -> None:
    assert compilers.hardening("no-such-compiler") == ([], [])


@pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("c++") is None, reason="no C++ compiler"
)
def test_the_compiler_here_takes_something_of_every_kind(compilers: ModuleType) -> None:
    compiled, linked = compilers.hardening("c++")
    assert "-fstack-protector-strong" in compiled and "-U_FORTIFY_SOURCE" in compiled
    assert "-Wl,-z,relro,-z,now" in linked and "-Wl,-z,defs" in linked
