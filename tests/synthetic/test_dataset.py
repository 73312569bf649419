import errno
import threading
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mapt.labels.class_sets import KITTI_STEP
from mapt.synthetic import render_sequence, write_dataset
from mapt.synthetic.rendering.render import SyntheticFrame
from mapt.synthetic.scene.build import build_street

SIZE = (192, 624)


@pytest.fixture(scope="module")
def frames() -> list[SyntheticFrame]:
    """Three sequences of four frames."""
    return [frame for index in range(3) for frame in render_sequence(5, index, 4, SIZE)]


def test_labels_are_complete_and_consistent(frames: list[SyntheticFrame]) -> None:
    for frame in frames:
        assert frame.image.shape == (*SIZE, 3) and frame.image.dtype == np.uint8
        assert frame.semantic.shape == frame.instance.shape == SIZE
        assert set(np.unique(frame.semantic)) <= set(range(19)), (
            "every pixel has one of the 19 classes"
        )
        thing = np.isin(frame.semantic, KITTI_STEP.things)
        assert not frame.instance[~thing].any(), "only cars and people have ids"
        assert frame.instance.max() <= 65535
        for identity in np.unique(frame.instance[frame.instance > 0]):
            assert len(np.unique(frame.semantic[frame.instance == identity])) == 1


def test_all_classes_occur() -> None:
    seen: set[int] = set()
    for index in range(24):
        seen |= set(np.unique(next(iter(render_sequence(5, index, 1, SIZE))).semantic).tolist())
    assert seen == set(range(19))


def test_rare_traffic_is_not_rare_where_that_is_asked_for() -> None:
    """Rare traffic is frequent if that is asked for, and usual streets stay as they are.

    Trucks, buses and trams are then equally frequent, and two-wheelers five times as frequent as
    usual.
    """

    def count(rare: float) -> NDArray[np.int64]:
        streets = [build_street(np.random.default_rng(seed), 10, 10.0, rare) for seed in range(40)]
        return np.bincount(
            [mover.label for street in streets for mover in street.movers], minlength=256
        )

    usual = count(0.0)
    many = count(1.0)
    assert many[14:17].sum() > 4 * usual[14:17].sum()
    assert many[14:17].min() > 0.7 * many[14:17].max()
    assert 3 < many[12] / usual[12] < 7
    a, b = (
        next(iter(how(5, 0, 1, SIZE)))
        for how in (render_sequence, partial(render_sequence, rare=0.0))
    )
    assert np.array_equal(a.image, b.image)


def test_an_id_keeps_its_class_and_moves_smoothly() -> None:
    """Between frames at 10 Hz an object's centre stays within a tenth of the width."""
    previous: dict[int, tuple[int, float]] = {}
    moved = 0
    for frame in render_sequence(5, 1, 8, SIZE):
        current = {}
        for identity in np.unique(frame.instance[frame.instance > 0]):
            mask = frame.instance == identity
            x = np.flatnonzero(mask.any(0))
            whole = x[0] > 0 and x[-1] < SIZE[1] - 1
            current[int(identity)] = (
                int(frame.semantic[mask][0]),
                float(x.mean()) if whole else np.nan,
            )
        for identity in previous.keys() & current.keys():
            assert previous[identity][0] == current[identity][0]
            step = abs(previous[identity][1] - current[identity][1])
            if np.isfinite(step) and (frame.instance == identity).sum() > 100:
                assert step < SIZE[1] / 10
                moved += 1
        previous = current
    assert moved > 5


def test_a_higher_rate_means_smaller_steps() -> None:
    """The second of two frames at 2 frames/s is the sixth of ten at 10: same street, same time."""
    first, slow = render_sequence(5, 2, 2, SIZE, fps=2.0)
    fast = list(render_sequence(5, 2, 10, SIZE, fps=10.0))
    later = (slow.semantic == fast[5].semantic).mean()
    assert later > 0.98
    assert (first.semantic == slow.semantic).mean() < (first.semantic == fast[1].semantic).mean()


def test_two_sequences_differ_and_one_repeats() -> None:
    a, b = (next(iter(render_sequence(5, index, 1, SIZE))) for index in (0, 1))
    again = next(iter(render_sequence(5, 0, 1, SIZE)))
    assert np.array_equal(a.image, again.image) and np.array_equal(a.instance, again.instance)
    assert (a.semantic != b.semantic).mean() > 0.05


def test_rendering_in_this_process_leaves_its_threads_as_they_were(tmp_path: Path) -> None:
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        write_dataset(tmp_path / "data", 1, 1, (32, 64), seed=5)
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)


def test_a_failure_ends_the_run_and_keeps_its_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr("mapt.synthetic.dataset.write_sequence", full)
    with pytest.raises(OSError, match="no space left") as failure:
        write_dataset(tmp_path / "data", 3, 1, (32, 64), seed=5, workers=1)
    assert failure.value.errno == errno.ENOSPC and not (tmp_path / "data").exists()


def test_no_thread_is_needed_to_render_in_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the machine's threads are used up, an executor would wait for ever."""

    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    write_dataset(tmp_path / "data", 3, 1, (32, 64), seed=5, workers=2)
    assert len(list((tmp_path / "data").rglob("*.png"))) == 6
