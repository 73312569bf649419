"""Inputs and images in a GPU's memory, which the networks read where they lie."""

import gc
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mapt.runtime import PanopticTracker
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.backends.protocol import CopyCounts
from mapt.runtime.backends.tensorrt import Machine, TensorrtBackend
from mapt.runtime.bundle.manifest import Bundle
from mapt.runtime.images import device_input
from mapt.runtime.persistence.recording import digest
from tests.csrc.cuda_source import needs_compiler
from tests.runtime.backends import tensorrt_standin
from tests.runtime.backends.cuda_standin import Ort
from tests.runtime.backends.device.cuda_api import STREAM, Cuda, OnGpu
from tests.runtime.backends.ort_bundles import PERIOD, images
from tests.runtime.images.gpu_standin import QueuedKernel, library

Backend = OrtBackend | TensorrtBackend


@pytest.fixture
def tensorrt(engines: Bundle, machine: Machine) -> TensorrtBackend:
    return TensorrtBackend(engines, machine)


@pytest.fixture
def streamed(checked: Bundle, streamed_ort: Ort) -> OrtBackend:
    return OrtBackend(checked, 1, "cuda")


@pytest.fixture(params=["tensorrt", "streamed"])
def backend(request: pytest.FixtureRequest) -> Any:
    """TensorRT and ONNX Runtime, each with NVIDIA's bindings."""
    return request.getfixturevalue(request.param)


def cuda_of(backend: Backend) -> Cuda:
    assert backend.memory is not None
    found: Cuda = backend.memory.api
    return found


def picture_of(backend: Backend, seed: int = 0) -> Any:
    shape = 1, backend.info.height, backend.info.width, 3
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def test_a_tensor_on_the_gpu_is_read_where_it_lies(backend: Backend) -> None:
    cuda = cuda_of(backend)
    picture = picture_of(backend)
    want = {n: t.numpy() for n, t in backend.run("backbone", {"image": picture}).items()}
    before = replace(backend.traffic)
    cuda.log.clear()
    for stream in (None, STREAM):
        outputs = backend.run("backbone", {"image": OnGpu(cuda, picture, stream)})
        assert backend.traffic.since(before) == CopyCounts()
        assert not [line for line in cuda.log if "upload" in line or "duplicate" in line]
        assert not [line for line in cuda.log if "follows" in line]
    assert all(np.array_equal(tensor.numpy(), want[name]) for name, tensor in outputs.items())


def test_an_address_that_a_network_cannot_take_is_copied_on_the_device(backend: Backend) -> None:
    cuda = cuda_of(backend)
    picture = picture_of(backend)
    want = {n: t.numpy() for n, t in backend.run("backbone", {"image": picture}).items()}
    cuda.log.clear()
    given = OnGpu(cuda, picture, offset=16)
    before = replace(backend.traffic)
    outputs = backend.run("backbone", {"image": given})
    assert backend.traffic.since(before) == CopyCounts()
    assert [line for line in cuda.log if line == f"duplicate {given.address:#x}"]
    assert all(np.array_equal(tensor.numpy(), want[name]) for name, tensor in outputs.items())


def test_the_device_orders_the_work_of_an_owners_stream(backend: Backend) -> None:
    cuda = cuda_of(backend)
    picture = picture_of(backend)
    want = backend.run("backbone", {"image": picture})["p4"].numpy()
    late = OnGpu(cuda, np.zeros_like(picture), stream=9)
    cuda.streams[9].append(lambda: np.copyto(late.array, picture))
    cuda.log.clear()
    found = backend.run("backbone", {"image": late})["p4"]
    cuda.streams[9].append(lambda: late.array.fill(0))  # the owner's next work
    assert [line for line in cuda.log if "follows" in line] == ["77 follows 9", "9 follows 77"]
    cuda.run(9)
    assert not late.array.any()
    np.testing.assert_array_equal(found.numpy(), want)


def test_what_the_device_may_still_read_is_kept(backend: Backend) -> None:
    given = OnGpu(cuda_of(backend), picture_of(backend))
    alive = weakref.ref(given)
    found = backend.run("backbone", {"image": given})["p4"]
    del given
    gc.collect()
    assert alive() is not None
    found.numpy()
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"shape": (1, 5, 7, 3)}, r"^image is uint8 \(1, 5, 7, 3\), not uint8"),
        ({"typestr": "|i1"}, r"^image is int8"),
        ({"strides": (1, 999, 3, 1)}, "is not contiguous"),
        ({"mask": 1}, "has a mask"),
        ({"stream": 0}, "stream 0"),
        ({"data": (4096, False)}, r"^image lies in no GPU's memory, and the network on GPU 0"),
    ],
)
def test_other_tensors_are_refused(backend: Backend, change: dict[str, Any], told: str) -> None:
    given = OnGpu(cuda_of(backend), picture_of(backend))
    given.__cuda_array_interface__ |= change
    with pytest.raises(ValueError, match=told):
        backend.run("backbone", {"image": given})


def test_without_a_stream_a_tensor_on_the_gpu_is_refused(checked: Bundle, ort: Ort) -> None:
    backend = OrtBackend(checked, 1, "cuda")
    assert backend.stream is None and OrtBackend(checked, 1, "cpu").stream is None
    with pytest.raises(ValueError, match="image lies in a GPU's memory, which cannot be read here"):
        backend.run("backbone", {"image": OnGpu(None, picture_of(backend))})


def kernel_on(cuda: Cuda, patch: pytest.MonkeyPatch) -> None:
    """Let the image kernel run when this GPU gets to it."""
    patch.setattr(device_input, "find_library", library)
    patch.setattr(device_input, "ImageKernel", type("Kernel", (QueuedKernel,), {"gpu": cuda}))


def sent(backend: Backend, image: Any, number: int, tracker: PanopticTracker) -> Any:
    """The frame of an image, and what it copied."""
    before = replace(backend.traffic)
    frame = tracker.step(image, number * PERIOD)
    return frame, backend.traffic.since(before)


@needs_compiler
def test_a_frame_of_an_image_on_the_gpu_moves_no_pixel_through_the_host(
    checked: Bundle, streamed: OrtBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuda = cuda_of(streamed)
    kernel_on(cuda, monkeypatch)
    plain = PanopticTracker(OrtBackend(checked, 1, "cpu"))
    above = PanopticTracker(streamed)
    beside = PanopticTracker(streamed)
    for number, image in enumerate(images(3)):
        want = digest(plain.step(image, number * PERIOD))
        from_host, host = sent(streamed, image, number, beside)
        from_gpu, gpu = sent(streamed, OnGpu(cuda, image), number, above)
        assert digest(from_host) == digest(from_gpu) == want
        assert host.up - gpu.up == streamed.info.height * streamed.info.width * 3
        assert gpu.down - host.down == 8 * streamed.info.height, "the kernel's summary"
        assert gpu.waits == host.waits


@needs_compiler
def test_tensorrt_reads_the_kernels_output(
    network: Any,
    tensorrt: TensorrtBackend,
    world: tensorrt_standin.Trt,
    picture: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kernel_on(world.cuda, monkeypatch)
    plain = PanopticTracker(network)
    tracker = PanopticTracker(tensorrt)
    for number in range(4):
        image = picture(number)
        frame, moved = sent(tensorrt, OnGpu(world.cuda, image), number, tracker)
        assert digest(frame) == digest(plain.step(image, number * PERIOD))
        assert moved.waits <= 4  # one for the logits, in some frames
    world.cuda.log.clear()
    tracker.step(OnGpu(world.cuda, picture(4)), 4 * PERIOD)
    log = [line.split()[0] if "execute" not in line else line for line in world.cuda.log]
    assert log[:3] == ["kernel", "download", "replay"]


@needs_compiler
def test_labels_outlive_tracker_and_backend(
    engines: Bundle,
    machine: Machine,
    world: tensorrt_standin.Trt,
    picture: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kernel_on(world.cuda, monkeypatch)
    tracker = PanopticTracker(TensorrtBackend(engines, machine))
    frame = tracker.step(picture(0), 0, labels="device")
    wanted = PanopticTracker(world.network).step(picture(0), 0)
    backend = weakref.ref(tracker.backend)
    assert frame.device_labels is not None
    labels = frame.device_labels[0]
    del frame, tracker
    gc.collect()
    assert backend() is None and STREAM in world.cuda.alive
    np.testing.assert_array_equal(labels.numpy(), wanted.semantic)
    del labels
    gc.collect()
    assert not world.cuda.alive and not world.cuda.device and not world.cuda.host
