from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mapt.labels.class_sets import KITTI_STEP
from mapt.synthetic import Style, render_sequence, write_dataset
from mapt.synthetic.rendering.render import SyntheticFrame
from mapt.synthetic.varied.plan.build import build_site

SIZE = (192, 624)


def first(index: int, style: Style, rare: float = 0.0) -> SyntheticFrame:
    return next(iter(render_sequence(5, index, 1, SIZE, rare=rare, style=style)))


@pytest.fixture(scope="module")
def frames() -> list[SyntheticFrame]:
    """The first frames of twelve sequences, some with rare traffic."""
    return [first(index, "varied", rare=0.7 * (index % 2)) for index in range(12)]


def heights(frame: SyntheticFrame, label: int) -> list[int]:
    """Return the heights of a frame's objects of a class, pixels."""
    result = []
    for identity in np.unique(frame.instance[frame.instance > 0]):
        mask = frame.instance == identity
        if frame.semantic[mask][0] == label:
            rows = np.flatnonzero(mask.any(1))
            result.append(int(rows[-1] - rows[0] + 1))
    return result


def test_labels_are_complete_and_consistent(frames: list[SyntheticFrame]) -> None:
    for frame in frames:
        assert frame.image.shape == (*SIZE, 3) and frame.image.dtype == np.uint8
        assert frame.semantic.shape == frame.instance.shape == SIZE
        assert frame.instance.dtype == np.int32
        assert set(np.unique(frame.semantic)) <= set(range(19))
        assert not frame.instance[~np.isin(frame.semantic, KITTI_STEP.things)].any()
        assert frame.instance.max() <= 65535
        for identity in np.unique(frame.instance[frame.instance > 0]):
            assert len(np.unique(frame.semantic[frame.instance == identity])) == 1


def test_almost_all_classes_occur(frames: list[SyntheticFrame]) -> None:
    seen = set(np.concatenate([np.unique(frame.semantic) for frame in frames]).tolist())
    assert set(range(16)) <= seen


def test_the_same_arguments_give_the_same_bytes_with_any_workers(tmp_path: Path) -> None:
    for folder, workers in (("one", 1), ("two", 2)):
        write_dataset(tmp_path / folder, 2, 2, (96, 320), 5, workers=workers, style="varied")
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*.png"))
    assert len(files) == 8
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_streets_are_plain_unless_asked_otherwise() -> None:
    usual = next(iter(render_sequence(7, 0, 1, SIZE)))
    plain = next(iter(render_sequence(7, 0, 1, SIZE, style="plain")))
    varied = next(iter(render_sequence(7, 0, 1, SIZE, style="varied")))
    assert np.array_equal(usual.image, plain.image)
    assert np.array_equal(usual.instance, plain.instance)
    assert (usual.semantic != varied.semantic).mean() > 0.05


@pytest.mark.parametrize(
    ("seed", "road", "building", "car"),
    [(7, 45606, 23238, 22341), (8, 22435, 35831, 30289), (9, 25468, 42588, 19998)],
)
def test_the_streets_of_benchmarks_stay_as_they_are(
    seed: int, road: int, building: int, car: int
) -> None:
    """Published numbers are on these seeds: pixels of classes in the first frame."""
    frame = next(iter(render_sequence(seed, 0, 1, SIZE)))
    counts = np.bincount(frame.semantic.ravel(), minlength=19)
    for label, expected in ((0, road), (2, building), (13, car)):
        assert counts[label] == pytest.approx(expected, abs=40)


def test_an_object_moves_smoothly() -> None:
    """Between frames at 10 Hz the middle of an object stays within a tenth of the width."""
    moved = 0
    previous: dict[int, float] = {}
    for frame in render_sequence(5, 0, 6, SIZE, style="varied"):
        current = {}
        for identity in np.unique(frame.instance[frame.instance > 0]):
            mask = frame.instance == identity
            columns = np.flatnonzero(mask.any(0))
            if mask.sum() > 100 and columns[0] > 0 and columns[-1] < SIZE[1] - 1:
                current[int(identity)] = float(columns.mean())
        for identity in previous.keys() & current.keys():
            assert abs(previous[identity] - current[identity]) < SIZE[1] / 10
            moved += 1
        previous = current
    assert moved > 5


def test_small_and_far_cars_are_more_frequent_than_in_plain_streets() -> None:
    def small(style: Style) -> int:
        cars = [height for index in range(10) for height in heights(first(index, style), 13)]
        return sum(height < 16 for height in cars)

    assert small("varied") > 2 * small("plain")


def test_light_and_contrast_vary_more_than_in_plain_streets() -> None:
    def contrast(style: Style) -> float:
        return float(np.mean([first(index, style).image.std() for index in range(10)]))

    assert contrast("varied") > 1.3 * contrast("plain")


def test_rare_traffic_is_frequent_if_asked_for() -> None:
    def count(rare: float) -> NDArray[np.int64]:
        labels = []
        for seed in range(12):
            rng = np.random.default_rng(seed)
            site = build_site(rng, np.array([0.6, 0.6, 0.5]), 10, 10.0, rare)
            labels += [agent.label for agent in site.agents if not agent.stands]
        return np.bincount(labels, minlength=20)

    usual = count(0.0)
    many = count(1.0)
    assert many[14:17].sum() > 4 * usual[14:17].sum()
    assert many[12] > 2 * usual[12]


def test_pictures_of_any_size_are_rendered() -> None:
    for size in ((32, 64), (360, 480), (97, 131)):
        frame = next(iter(render_sequence(5, 3, 1, size, style="varied")))
        assert frame.image.shape == (*size, 3)


def test_opencv_is_left_with_its_random_numbers_alone() -> None:
    """The noise of a frame does not depend on what OpenCV drew before."""
    cv2.setRNGSeed(3)
    a = first(1, "varied")
    cv2.setRNGSeed(4)
    b = first(1, "varied")
    assert np.array_equal(a.image, b.image)
