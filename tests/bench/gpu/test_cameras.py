"""What the check of whole frames measures, apart from running it."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from mapt.bench.costs.copies import FrameCopies
from mapt.bench.gpu.frames import cameras, timing
from mapt.bench.gpu.frames.cameras import Round
from mapt.errors import InputError
from mapt.runtime.backends.cuda import CudaMemory
from mapt.runtime.backends.protocol import CopyCounts
from tests.runtime.backends.device.cuda_api import Cuda


def some() -> Iterator[Round]:
    return (Round(float(number), []) for number in itertools.count())


def test_rounds_are_kept_until_the_time_is_over_and_at_least_one() -> None:
    clock = itertools.count().__next__  # a second a look
    kept = timing.timed(some(), 3, 4.0, lambda: float(clock()))
    assert [taken.ms for taken in kept] == [3, 4, 5, 6]
    assert [taken.ms for taken in timing.timed(some(), 2, 0.0)] == [2]
    assert len(timing.timed(itertools.islice(some(), 10), 3, 1e9)) == 7


def test_a_round_is_a_frame_of_every_camera() -> None:
    shown: list[tuple[int, object]] = []

    class Counter:
        def __init__(self, number: int) -> None:
            self.number = number

        def step(self, image: object) -> FrameCopies:
            shown.append((self.number, image))
            return FrameCopies(1.0, CopyCounts(), {}, 0, {})

    counters = [Counter(number) for number in range(2)]
    taken = list(itertools.islice(cameras.rounds(counters, "ab"), 3))  # type: ignore[arg-type]
    assert shown == [(0, "a"), (1, "a"), (0, "b"), (1, "b"), (0, "a"), (1, "a")]
    assert [len(one.frames) for one in taken] == [2, 2, 2]


def test_the_longest_stages_come_first() -> None:
    stages = {"fusion": 6.0, "backbone": 3.0, "render": 0.5, "semantic": 0.5}
    assert cameras.longest(stages, 2) == "fusion 60%, backbone 30%"
    assert cameras.longest({}) == ""


def test_a_picture_is_put_on_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cameras, "find_library", lambda: None)
    picture = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    cuda = Cuda()
    memory = CudaMemory(cuda)
    array = cameras.on_gpu(picture, memory)
    assert cuda.holds(array.address, picture.nbytes)
    np.testing.assert_array_equal(array.numpy(), picture)
    assert array.__cuda_array_interface__["stream"] == memory.stream


def test_without_a_gpu_or_its_kernel_images_stay_on_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    picture = np.zeros((6, 8, 3), np.uint8)
    with pytest.raises(NotImplementedError, match="no memory of a GPU"):
        cameras.on_gpu(picture, None)

    def missing() -> None:
        raise InputError("not built")

    monkeypatch.setattr(cameras, "find_library", missing)
    with pytest.raises(NotImplementedError, match="not built"):
        cameras.on_gpu(picture, CudaMemory(Cuda()))
