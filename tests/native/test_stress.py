"""The native tracker's own programs: allocations, memory, threads and damaged states."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from mapt.bench.native.scripted_core import CSRC, build_folder, compile_objects, core
from mapt.io.pretrained import shipped_bundle
from mapt.runtime import PanopticTracker
from mapt.runtime.persistence.recording import Recorder
from mapt.synthetic import render_sequence

PERIOD = 100_000_000  # ns
COMMON = ("-std=c++17", "-ffp-contract=off", "-pthread", "-g")
SANITIZERS = {
    "address": (
        "-O1", "-fno-sanitize-recover=all", "-fsanitize=address,undefined,float-cast-overflow",
    ),
    "thread": ("-O1", "-fsanitize=thread"),
}  # fmt: skip


PARTS = {"stress": ("scripted", "street"), "soak": ("replayed",)}  # files of each program
SIZE = (240, 600)  # of the street's frames
LENGTH = 8


def build(folder: Path, flags: tuple[str, ...], name: str = "stress") -> Path:
    """A program with these options."""
    native = CSRC / "tests" / "native"
    parts = [native / f"{part}.cpp" for part in (name, "allocations", *PARTS[name])]
    objects = compile_objects(build_folder(), [*core(), *parts], (*COMMON, *flags))
    program = folder / name
    command = ["c++", *COMMON, *flags, *map(str, objects), "-o", str(program)]
    subprocess.run(command, check=True)
    return program


def run(program: Path, *arguments: object) -> str:
    """What it prints; it must succeed."""
    command = [str(program), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_steps_allocate_nothing_after_the_warm_up(tmp_path: Path) -> None:
    program = build(tmp_path, ("-O2",))
    assert run(program, "allocations", 1000).startswith("0 allocations in 1000 steps")
    assert "damaged states" in run(program, "restore", 300)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the network gave for a street, recorded in Python."""
    path = tmp_path_factory.mktemp("record") / "run"
    network = PanopticTracker.load(shipped_bundle() / "192x640", core="python", threads=1).backend
    with path.open("wb") as file:
        recorder = Recorder(network, file, "full")
        tracker = PanopticTracker(recorder)
        for number, frame in enumerate(render_sequence(5, 0, LENGTH, SIZE)):
            recorder.begin("street", str(number), number * PERIOD)
            recorder.end(tracker.step(np.ascontiguousarray(frame.image), number * PERIOD))
    return path


def test_a_record_comes_out_alike_without_allocations(record: Path, tmp_path: Path) -> None:
    said = run(build(tmp_path, ("-O2",), "soak"), record, *SIZE, 200)
    assert said.startswith(f"200 frames of {LENGTH} recorded ones, 0 allocations")
    ids = int(said.split()[-1])
    assert ids > 1  # there were objects


@pytest.mark.slow
def test_memory_is_flat_over_twenty_thousand_frames(record: Path, tmp_path: Path) -> None:
    said = run(build(tmp_path, ("-O2",), "soak"), record, *SIZE, 20_000)
    assert said.startswith(f"20000 frames of {LENGTH} recorded ones, 0 allocations")


@pytest.mark.slow
def test_steps_and_damaged_states_are_clean_under_the_sanitizers(tmp_path: Path) -> None:
    program = build(tmp_path, SANITIZERS["address"])
    for mode in ("allocations", "restore", "threads"):
        run(program, mode, 300)


@pytest.mark.slow
def test_health_and_saving_beside_steps_are_free_of_races(tmp_path: Path) -> None:
    assert "states saved" in run(build(tmp_path, SANITIZERS["thread"]), "threads", 100)
