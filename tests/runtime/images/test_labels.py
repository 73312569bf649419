"""Labels that stay in a GPU's memory are those of the host, and come to it when they are read."""

import copy
import gc
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mapt.errors import InputError
from mapt.runtime import PanopticTracker
from mapt.runtime.frame import PanopticFrame
from mapt.runtime.persistence.recording import digest
from tests.csrc.cuda_source import needs_compiler
from tests.runtime.backends.device.cuda_api import Cuda
from tests.runtime.images.gpu_standin import Interface

PERIOD = 100_000_000
SIZES = [(64, 96), (375, 1242), (33, 47), (7, 301), (301, 7), (61, 95), (98, 37), (200, 96)]
Make = Callable[..., Any]


@pytest.fixture
def trackers(scene: Make, actor: Make) -> Callable[[], PanopticTracker]:
    actors = (actor(8, 8, dx=4), actor(60, 24, label=3, look=1))
    return lambda: PanopticTracker(scene(*actors))


@needs_compiler
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_they_are_the_hosts_pixel_by_pixel(
    gpu: Cuda, trackers: Make, picture: Make, height: int, width: int
) -> None:
    here = trackers()
    there = trackers()
    for number in range(4):
        image = picture(number, height, width)
        want = here.step(image, number * PERIOD)
        got = there.step(Interface(image), number * PERIOD, labels="device")
        assert digest(got) == digest(want) and got.alarms == want.alarms
        assert got.semantic.dtype == np.uint8 and got.instance.dtype == np.int32
        assert want.device_labels is None


@needs_compiler
def test_they_are_fetched_once_and_only_when_they_are_read(
    gpu: Cuda, trackers: Make, picture: Make
) -> None:
    tracker = trackers()
    tracker.step(picture(0), 0, labels="device")
    gpu.log.clear()
    frame = tracker.step(picture(1), PERIOD, labels="device")
    assert not any(gpu.streams.values())  # what is uploaded may be written again
    assert "download" not in gpu.kinds() and "64x96" in repr(frame) and frame.track_array().size
    assert "download" not in gpu.kinds()
    assert frame.semantic is frame.semantic and gpu.kinds().count("download") == 1
    assert frame.instance.any() and gpu.kinds().count("download") == 2
    pair = frame.device_labels
    assert pair is not None
    told = pair[1].__cuda_array_interface__
    assert told["typestr"] == "<i4" and told["shape"] == (64, 96) and told["stream"] == 77


@needs_compiler
def test_their_memory_is_used_again_only_when_nobody_holds_it(
    gpu: Cuda, trackers: Make, picture: Make
) -> None:
    tracker = trackers()
    held = [tracker.step(picture(n), n * PERIOD, labels="device") for n in range(3)]
    copies = [frame.instance.copy() for frame in held]
    addresses = {f.device_labels[0].address for f in held if f.device_labels}
    assert len(addresses) == 3
    count = len(gpu.device | gpu.host)
    pair = held[0].device_labels
    assert pair is not None
    instance = pair[1]
    del held[0], pair
    gc.collect()
    for number in range(3, 9):
        tracker.step(picture(number), number * PERIOD, labels="device")
        gc.collect()
    assert len(gpu.device | gpu.host) == count + 2  # one more pair: half of the first is still held
    np.testing.assert_array_equal(np.asarray(instance), copies[0])
    for frame, want in zip(held, copies[1:], strict=True):
        np.testing.assert_array_equal(frame.instance, want)


@needs_compiler
def test_sizes_may_alternate_without_more_memory(gpu: Cuda, trackers: Make, picture: Make) -> None:
    tracker = trackers()
    counts = []
    for number in range(8):
        tracker.step(picture(number, 64 + number % 2, 90), number * PERIOD, labels="device")
        gc.collect()
        counts.append(len(gpu.device | gpu.host))
    assert len(set(counts[2:])) == 1


@needs_compiler
def test_a_copied_or_pickled_frame_is_the_hosts(gpu: Cuda, trackers: Make, picture: Make) -> None:
    frame = trackers().step(picture(0), 0, labels="device")
    for other in (pickle.loads(pickle.dumps(frame)), copy.deepcopy(frame), copy.copy(frame)):
        assert isinstance(other, PanopticFrame) and other.device_labels is None
        assert digest(other) == digest(frame)


def test_a_frame_of_the_host_keeps_its_arrays(trackers: Make, picture: Make) -> None:
    frame = trackers().step(picture(0), 0)
    assert frame.semantic is frame.__dict__["semantic"] and not hasattr(PanopticFrame, "semantic")
    with pytest.raises(AttributeError):
        frame.semantic = frame.instance
    with pytest.raises(TypeError, match="semantic"):
        PanopticFrame()  # type: ignore[call-arg]


def test_another_place_or_no_gpu_is_refused(gpu: Cuda, trackers: Make, picture: Make) -> None:
    tracker = trackers()
    with pytest.raises(InputError, match="labels 'gpu' is unknown"):
        tracker.step(picture(0), 0, labels="gpu")
    gpu.fails["cudaStreamCreateWithFlags"] = 100
    with pytest.raises(InputError, match="need CUDA, which cannot be used"):
        tracker.step(picture(0), 0, labels="device")
    assert tracker.step(picture(0), 0).instance.any()
