"""The native tracker's own program: allocations, threads and damaged states."""

import subprocess
from pathlib import Path

import pytest

from mapt.bench.native.scripted_core import CSRC, build_folder, compile_objects, sources

COMMON = ("-std=c++17", "-ffp-contract=off", "-pthread", "-g")
SANITIZERS = {
    "address": (
        "-O1", "-fno-sanitize-recover=all", "-fsanitize=address,undefined,float-cast-overflow",
    ),
    "thread": ("-O1", "-fsanitize=thread"),
}  # fmt: skip


def build(folder: Path, flags: tuple[str, ...]) -> Path:
    """The program with these options."""
    native = CSRC / "tests" / "native"
    files = [*sources(), native / "street.cpp", native / "stress.cpp"]
    objects = compile_objects(build_folder(), files, (*COMMON, *flags))
    program = folder / "stress"
    command = ["c++", *COMMON, *flags, *map(str, objects), "-o", str(program)]
    subprocess.run(command, check=True)
    return program


def run(program: Path, mode: str, steps: int) -> str:
    """What it prints; it must succeed."""
    done = subprocess.run([program, mode, str(steps)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_steps_allocate_nothing_after_the_warm_up(tmp_path: Path) -> None:
    program = build(tmp_path, ("-O2",))
    assert run(program, "allocations", 1000).startswith("0 allocations in 1000 steps")
    assert "damaged states" in run(program, "restore", 300)


@pytest.mark.slow
def test_steps_and_damaged_states_are_clean_under_the_sanitizers(tmp_path: Path) -> None:
    program = build(tmp_path, SANITIZERS["address"])
    for mode in ("allocations", "restore", "threads"):
        run(program, mode, 300)


@pytest.mark.slow
def test_health_and_saving_beside_steps_are_free_of_races(tmp_path: Path) -> None:
    assert "states saved" in run(build(tmp_path, SANITIZERS["thread"]), "threads", 100)
