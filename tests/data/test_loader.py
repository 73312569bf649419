import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mapt.data import labelled_video as video
from mapt.data import static_images as stills
from mapt.data.datasets.camvid import open_camvid
from mapt.data.datasets.kitti_step import open_step
from mapt.data.loader import check_shares, load_batches
from mapt.data.samples import DatasetMix, SampleDataset, SampleRule
from mapt.data.transforms import Augmentation, View
from mapt.data.triplet import Image
from mapt.errors import InputError
from mapt.io.image_files import read_rgb
from mapt.model.targets import FrameTargets, PairBatch


def make_rule(
    step: Path, camvid: Path | None = None, static: float = 0.2, seed: int = 5
) -> SampleRule:
    shares = [DatasetMix(open_step(step, "train", (1, 2)), 1.0, (View(64, 192, (64, 120)),))]
    if camvid:
        shares.append(DatasetMix(open_camvid(camvid), 1.0, (View(64, 192, (120, 200)),)))
    return SampleRule(tuple(shares), (11, 13), Augmentation(), static, seed)


def flat(batch: PairBatch) -> list[torch.Tensor]:
    """Every tensor of a batch."""
    frames: list[FrameTargets] = [*batch.prev, *batch.now]
    parts = [
        t
        for f in frames
        for t in (f.semantic, f.index, f.boxes, f.labels, f.track_ids, f.ignore_boxes)
    ]
    return [batch.images_before, batch.images_prev, batch.images, *parts]


def same(a: PairBatch, b: PairBatch) -> bool:
    pairs = zip(flat(a), flat(b), strict=True)
    return a.names == b.names and all(torch.equal(x, y) for x, y in pairs)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_batches_do_not_depend_on_workers_or_on_where_the_run_started(
    step_root: Path, camvid_root: Path
) -> None:
    rule = make_rule(step_root, camvid_root)
    alone = list(load_batches(rule, 2, 0, 6, 0))
    assert len(alone) == 6
    assert all(same(a, b) for a, b in zip(alone, load_batches(rule, 2, 0, 6, 2), strict=True))
    assert all(same(a, b) for a, b in zip(alone[4:], load_batches(rule, 2, 4, 6, 1), strict=True))
    assert not same(alone[0], alone[1])
    assert not same(
        alone[0], next(load_batches(make_rule(step_root, camvid_root, seed=6), 2, 0, 1, 0))
    )
    sources = {"camvid" in name for batch in alone for name in batch.names}
    assert sources == {True, False}


def test_triplets_are_drawn_by_their_chances(step_root: Path) -> None:
    rule = make_rule(step_root)
    (share,) = rule.shares
    chances = np.eye(len(share.source))[3]
    only = replace(rule, shares=(replace(share, chances=chances),))
    names = {name for batch in load_batches(only, 2, 0, 4, 0) for name in batch.names}
    assert names == {share.source.read(3, np.random.default_rng(0)).name}


def test_views_take_turns_batch_by_batch(step_root: Path) -> None:
    rule = make_rule(step_root)
    (share,) = rule.shares
    views = (View(64, 192, (64, 120)), View(96, 128, (96, 120)))
    turns = replace(rule, shares=(replace(share, views=views),))
    batches = list(load_batches(turns, 2, 0, 4, 0))
    assert [tuple(batch.images.shape[1:3]) for batch in batches] == [(64, 192), (96, 128)] * 2
    assert same(batches[3], next(load_batches(turns, 2, 3, 4, 0)))


def test_shapes_types_and_masks(step_root: Path, camvid_root: Path) -> None:
    seen = 0
    for batch in load_batches(make_rule(step_root, camvid_root), 2, 0, 8, 0):
        assert (
            batch.images.shape
            == batch.images_prev.shape
            == batch.images_before.shape
            == (2, 64, 192, 3)
        )
        assert batch.images.dtype == torch.uint8
        for prev, now in zip(batch.prev, batch.now, strict=True):
            for frame in (prev, now):
                assert frame.boxes.dtype == torch.float32 and frame.labels.dtype == torch.int64
                assert frame.index.dtype == frame.semantic.dtype == torch.uint8
                assert frame.masks().flatten(1).any(1).all()
            seen += len(set(prev.track_ids.tolist()) & set(now.track_ids.tolist()))
    assert seen > 10  # the same objects in both frames


def test_static_samples_repeat_the_previous_frame(step_root: Path, camvid_root: Path) -> None:
    always = SampleDataset(make_rule(step_root, camvid_root, static=1.0))
    assert all(torch.equal(always[i].images[0], always[i].images[1]) for i in range(6))
    never = SampleDataset(make_rule(step_root, static=0.0))
    assert any(not torch.equal(never[i].images[0], never[i].images[1]) for i in range(6))


def test_a_single_frame_stands_in_for_the_others_and_is_all_that_is_read(
    step_root: Path, camvid_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = make_rule(step_root, camvid_root)
    read: list[str] = []

    def record(path: Path) -> Image:
        read.append(str(path))
        return read_rgb(path)

    for module in (video, stills):
        monkeypatch.setattr(module, "read_rgb", record)
    single = SampleDataset(replace(rule, single=True))
    triplets = SampleDataset(rule)
    for i in range(8):
        read.clear()
        sample = single[i]
        assert read == [sample.name]
        assert torch.equal(sample.images[0], sample.images[2]) and torch.equal(
            sample.images[1], sample.images[2]
        )
        assert sample.prev is sample.now
        assert triplets[i].name == sample.name  # the same last frame as in a triplet


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
@pytest.mark.parametrize("workers", [0, 1])
def test_a_bad_file_is_one_line_with_its_name(step_root: Path, workers: int) -> None:
    rule = make_rule(step_root)
    for path in (step_root / "panoptic_maps" / "train").glob("*/000002.png"):
        path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError) as caught:
        list(load_batches(rule, 2, 0, 12, workers))
    assert "000002.png" in str(caught.value) and "\n" not in str(caught.value)


def test_processes_share_every_batch(step_root: Path) -> None:
    rule = make_rule(step_root)
    whole = list(load_batches(rule, 4, 2, 4, 0))
    parts = [list(load_batches(rule, 4, 2, 4, 0, rank, 2)) for rank in (0, 1)]
    for batch, first, second in zip(whole, *parts, strict=True):
        assert (
            batch.seeds == first.seeds + second.seeds and batch.names == first.names + second.names
        )
        assert torch.equal(batch.images, torch.cat((first.images, second.images)))
    with pytest.raises(InputError, match="batch = 3: cannot be shared equally by 2 processes"):
        check_shares(3, 2)


def test_the_global_generator_is_left_alone(step_root: Path) -> None:
    """A resumed run restores the generator's state before it opens the loader."""
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    next(load_batches(make_rule(step_root), 1, 0, 2, 0))
    np.random.default_rng(0)
    assert torch.equal(torch.rand(4), expected)


HELD = """
import faulthandler, sys
from pathlib import Path
from mapt.data.loader import load_batches
from tests.data.test_loader import make_rule
held = load_batches(make_rule(Path(sys.argv[1])), 2, 0, 100, 1)
next(held)
faulthandler.dump_traceback_later(100, exit=True)
"""


def test_a_process_that_still_holds_its_batches_ends(step_root: Path) -> None:
    """A process that still holds its batches ends.

    A process that fails is in this state. It must not wait for workers that ignore SIGTERM.
    """
    command = [sys.executable, "-c", HELD, str(step_root)]
    ran = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )
    assert (ran.returncode, ran.stdout) == (0, "") and "Traceback" not in ran.stderr, ran.stderr
