"""Folders to results: neither threads nor ranks nor the number of frames may show."""

import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapt.errors import InputError
from mapt.labels.step_png import pack, write_step
from mapt.metrics.distributed_eval import share_sequences
from mapt.metrics.evaluate import Evaluation, evaluate_pairs
from mapt.metrics.folders import pair_frames
from mapt.metrics.frame_pair import FramePair
from tests.metrics.drawing import random_sequence
from tests.tools.processes import torchrun


@pytest.fixture
def many(tmp_path: Path) -> tuple[Path, Path]:
    """Three random sequences of 7, 12 and 3 frames."""
    rng = np.random.default_rng(3)
    for name, frames in (("0000", 7), ("0001", 12), ("0002", 3)):
        for side in ("gt", "pred"):
            (tmp_path / side / name).mkdir(parents=True)
        for number, (gt, pred) in enumerate(random_sequence(rng, frames)):
            write_step(tmp_path / "gt" / name / f"{number:06d}.png", *gt)
            write_step(tmp_path / "pred" / name / f"{number:06d}.png", *pred)
    return tmp_path / "gt", tmp_path / "pred"


@pytest.mark.parametrize("variant", ["step", "nuscenes"])
def test_workers_change_no_bit(many: tuple[Path, Path], variant: str) -> None:
    pairs = pair_frames(*many, "kitti-step")
    alone = evaluate_pairs(pairs, "kitti-step", variant).to_json()  # type: ignore[arg-type]
    for workers in (2, 3, 16):
        found = evaluate_pairs(pairs, "kitti-step", variant, workers)  # type: ignore[arg-type]
        assert found.to_json() == alone


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), frames=st.integers(1, 12), workers=st.integers(2, 9))
def test_any_number_of_workers_changes_no_bit(seed: int, frames: int, workers: int) -> None:
    packed = [
        tuple(map(pack, *zip(*f, strict=True)))
        for f in random_sequence(np.random.default_rng(seed), frames)
    ]
    pairs = [
        FramePair(str(n % 2), "gt", "pred", partial(np.copy, gt), partial(np.copy, pred))
        for n, (gt, pred) in enumerate(packed)
    ]
    alone = evaluate_pairs(pairs, "kitti-step").to_json()
    assert evaluate_pairs(pairs, "kitti-step", workers=workers).to_json() == alone


def test_a_bad_frame_stops_all_workers(many: tuple[Path, Path]) -> None:
    path = many[1] / "0001" / "000007.png"
    path.write_bytes(path.read_bytes()[:-30])
    counted = []
    with pytest.raises(InputError, match=r"0001/000007\.png: is truncated"):
        evaluate_pairs(
            pair_frames(*many, "kitti-step"),
            "kitti-step",
            workers=2,
            on_progress=lambda: counted.append(1),
        )
    assert len(counted) <= 14


def test_sequences_are_shared_by_their_length(many: tuple[Path, Path]) -> None:
    pairs = pair_frames(*many, "kitti-step")
    shares = [share_sequences(pairs, rank, 2) for rank in range(2)]
    assert [[p.sequence for p in share][:: max(1, len(share) - 1)] for share in shares] == [
        ["0001", "0001"],
        ["0000", "0002"],
    ]
    assert sorted(id(p) for share in shares for p in share) == sorted(id(p) for p in pairs)
    assert share_sequences(pairs, 3, 4) == []


def on_two_ranks(gt: Path, pred: Path, out: Path) -> subprocess.CompletedProcess[str]:
    return torchrun(
        ["eval", str(gt), str(pred), "--dataset", "kitti-step", "--json", str(out)],
        OMP_NUM_THREADS="1",
    )


def test_two_ranks_write_what_one_process_writes(many: tuple[Path, Path], tmp_path: Path) -> None:
    on_progress = on_two_ranks(*many, tmp_path / "two.json")
    assert on_progress.returncode == 0, on_progress.stderr
    alone = [sys.executable, "-m", "mapt.cli", "eval", *map(str, many), "--dataset", "kitti-step"]
    subprocess.run([*alone, "--json", str(tmp_path / "one.json")], check=True, capture_output=True)
    assert (tmp_path / "two.json").read_bytes() == (tmp_path / "one.json").read_bytes()
    assert on_progress.stdout.count(" PAT ") == 2  # one rank's tables


def test_a_mistake_on_either_rank_is_one_line_and_no_result(
    many: tuple[Path, Path], tmp_path: Path
) -> None:
    (many[1] / "0002" / "000001.png").write_bytes(b"no picture")
    on_progress = on_two_ranks(*many, tmp_path / "two.json")
    assert on_progress.returncode != 0 and not (tmp_path / "two.json").exists()
    assert [line for line in on_progress.stderr.splitlines() if line.startswith("mapt: ")] == [
        f"mapt: {many[1]}/0002/000001.png: is not a PNG; labels are 8-bit RGB PNGs"
    ]


def test_a_frame_leaves_little_in_memory() -> None:
    """Ten thousand frames take little more memory than a thousand.

    Only what Python and NumPy allocate is counted. Resident memory also includes what the allocator
    keeps for each thread.
    """
    frames = random_sequence(np.random.default_rng(1), 50)
    packed = [
        tuple(np.kron(pack(*side), np.ones((8, 8), np.uint32)) for side in frame)
        for frame in frames
    ]

    def pairs() -> Iterator[FramePair]:
        for number in range(10_000):
            gt, pred = packed[number % 50]
            yield FramePair("0000", "gt", "pred", gt.copy, pred.copy)

    seen = 0
    sizes = {}

    def note() -> None:
        nonlocal seen
        seen += 1
        if seen in (1_000, 10_000):
            sizes[seen] = tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        evaluation = evaluate_pairs(pairs(), "kitti-step", workers=2, on_progress=note)
    finally:
        tracemalloc.stop()
    assert seen == 10_000 and evaluation.metrics.compute().dataset.N_IDS > 10_000
    assert sizes[10_000] - sizes[1_000] < 9_000 * 200  # bytes; HOTA needs every frame's overlaps
    assert isinstance(evaluation, Evaluation)
