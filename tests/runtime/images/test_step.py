"""What a tracker's step takes as an image, and what it says of anything else."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from mapt.errors import InputError
from mapt.runtime import PanopticTracker, Status, StepError
from mapt.runtime.images import device_input
from mapt.runtime.images.kernel import find_library
from tests.csrc.cuda_source import needs_compiler
from tests.runtime.backends.device.cuda_api import Cuda
from tests.runtime.images.gpu_standin import Dlpack, Interface
from tests.runtime.images.pictures import bt601, bt709, nv12, rgb
from tests.runtime.images.watching import Watching, seen

PERIOD = 100_000_000


@pytest.mark.parametrize(("height", "width"), [(64, 96), (90, 61), (33, 47)])
def test_bgr_is_rgb_in_the_other_order(
    watching: Callable[..., Watching], height: int, width: int
) -> None:
    picture = rgb(height, width)
    want = seen(watching(), picture)
    swapped = np.ascontiguousarray(picture[..., ::-1])
    np.testing.assert_array_equal(seen(watching(), swapped, pixel_format="bgr"), want)
    assert (seen(watching(), swapped) != want).any()


def test_nv12_is_what_opencv_makes_of_it(watching: Callable[..., Watching]) -> None:
    picture = nv12(90, 62)
    want = seen(watching(), bt601(picture))
    np.testing.assert_array_equal(seen(watching(), picture, pixel_format="nv12"), want)
    planes = picture[:90], picture[90:].reshape(45, 31, 2)
    np.testing.assert_array_equal(seen(watching(), planes, pixel_format="nv12"), want)
    pitch = np.zeros((135, 128), np.uint8)
    pitch[:, :62] = picture
    np.testing.assert_array_equal(seen(watching(), pitch[:, :62], pixel_format="nv12"), want)


def test_nv12_of_bt709_is_within_a_grey_level_of_the_formula(
    watching: Callable[..., Watching],
) -> None:
    picture = nv12(64, 96)  # not resampled
    got = seen(watching(), picture, pixel_format="nv12-709").astype(np.int16)
    assert np.abs(got[0] - bt709(picture)).max() <= 1
    assert (got[0] != bt601(picture)).any()


def test_grey_stays_grey(watching: Callable[..., Watching]) -> None:
    picture = np.full((96, 96), 128, np.uint8)
    picture[:64] = np.linspace(16, 235, 96).astype(np.uint8)
    for pixel_format in ("nv12", "nv12-709"):
        got = seen(watching(), picture, pixel_format=pixel_format)[0]
        assert got[0, 0].max() <= 1 and got[0, -1].min() >= 254
        assert (got.max(2) - got.min(2)).max() <= 1


def test_a_host_array_of_another_library_is_read_where_it_lies(
    watching: Callable[..., Watching], monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = rgb(90, 61)
    want = seen(watching(), picture)
    addresses = []
    original = cv2.resize

    def noting(image: Any, *arguments: Any, **more: Any) -> Any:
        addresses.append(image.ctypes.data)
        return original(image, *arguments, **more)

    monkeypatch.setattr(cv2, "resize", noting)
    tensor = torch.from_numpy(picture.copy())
    np.testing.assert_array_equal(seen(watching(), tensor), want)
    assert tensor.data_ptr() in addresses
    planar = torch.from_numpy(picture.copy()).permute(2, 0, 1).contiguous()
    np.testing.assert_array_equal(seen(watching(), planar.permute(1, 2, 0)), want)
    np.testing.assert_array_equal(seen(watching(), Dlpack(picture, 1)), want)


@needs_compiler
@pytest.mark.parametrize("kind", [Interface, Dlpack])
@pytest.mark.parametrize("pixel_format", ["rgb", "bgr", "nv12", "nv12-709"])
@pytest.mark.parametrize("stream", [None, 5])
def test_an_image_on_a_gpu_gives_the_hosts_input(
    gpu: Cuda, watching: Callable[..., Watching], kind: Any, pixel_format: str, stream: int | None
) -> None:
    picture = nv12(90, 62) if pixel_format.startswith("nv12") else rgb(90, 62)
    want = seen(watching(), picture, pixel_format=pixel_format)
    backend = watching(stream)
    backend.gpu = gpu
    got = seen(backend, kind(picture), pixel_format=pixel_format)
    assert np.abs(got.astype(np.int16) - want).max() <= 1
    assert gpu.kinds().count("kernel") == 1 and gpu.kinds().count("upload") == 0
    assert backend.kinds[0].__name__ == ("DeviceArray" if stream else "ndarray")


@needs_compiler
def test_nothing_but_a_summary_travels_where_the_backend_reads_on_the_gpu(
    gpu: Cuda, watching: Callable[..., Watching]
) -> None:
    backend = watching(5)
    backend.gpu = gpu
    tracker = PanopticTracker(backend)
    tracker.step(Interface(rgb(90, 61)), 0)
    gpu.log.clear()
    tracker.step(Interface(rgb(91, 61)), PERIOD)
    assert gpu.kinds() == ["kernel", "download"]


@needs_compiler
def test_the_kernel_waits_for_the_images_own_stream(
    gpu: Cuda, watching: Callable[..., Watching]
) -> None:
    picture = rgb(90, 61)
    late = np.zeros_like(picture)
    gpu.streams[9].append(lambda: np.copyto(late, picture))
    got = seen(watching(), Interface(late, stream=9))
    want = seen(watching(), picture)
    assert np.abs(got.astype(np.int16) - want).max() <= 1 and "77 follows 9" in gpu.log
    tensor = Dlpack(picture)
    seen(watching(), tensor)
    assert tensor.streams == [77]  # DLPack lets the producer do it


def test_a_host_image_is_uploaded_from_page_locked_memory(
    gpu: Cuda, watching: Callable[..., Watching]
) -> None:
    picture = rgb(90, 61)
    want = seen(watching(), picture)
    backend = watching(5)
    backend.gpu = gpu
    got = seen(backend, picture)
    np.testing.assert_array_equal(got, want)
    copies = [kind for kind in gpu.kinds() if kind in ("upload", "download")]
    assert copies == ["upload"] and backend.kinds[0].__name__ == "DeviceArray"


@needs_compiler
def test_a_gpus_images_are_looked_at_as_the_hosts_are(
    gpu: Cuda, watching: Callable[..., Watching]
) -> None:
    tracker = PanopticTracker(watching())
    for number, (picture, alarms) in enumerate(
        [
            (rgb(90, 61), ()),
            (rgb(90, 61), ("frozen",)),
            (rgb(90, 61) // 2, ()),
            (np.full((90, 61, 3), 9, np.uint8), ("blind",)),
        ]
    ):
        found = tracker.step(Interface(picture), number * PERIOD).alarms
        assert tuple(a for a in found if a in ("frozen", "blind")) == alarms


@needs_compiler
def test_the_image_may_change_after_the_step(gpu: Cuda, watching: Callable[..., Watching]) -> None:
    backend = watching()
    tracker = PanopticTracker(backend)
    picture = rgb(90, 61)
    tracker.step(Interface(picture), 0)
    assert not any(gpu.streams.values())
    first = backend.inputs[0].copy()
    picture[:] = 0
    np.testing.assert_array_equal(backend.inputs[0], first)


ARRAYS = np.zeros((64, 96, 3), np.uint8)


@pytest.mark.parametrize(
    ("image", "pixel_format", "told"),
    [
        (ARRAYS, "gbr", "pixel_format 'gbr' is unknown"),
        (ARRAYS, "nv12", r"uint8 (64, 96, 3); step() needs uint8 (height * 3 / 2, width)"),
        (ARRAYS[..., 0], "bgr", "uint8 (64, 96); step() needs uint8 (height, width, 3) for"),
        (ARRAYS[:50, :, 0], "nv12", "uint8 (50, 96)"),
        ((ARRAYS[:63, :, 0], ARRAYS[:31, :, 0]), "nv12", "even sides"),
        ((ARRAYS[..., 0], 5), "nv12", "image is int; step() needs"),
        (ARRAYS[:60, :95, 0], "nv12", "uint8 (60, 95)"),
        ((ARRAYS[..., 0], ARRAYS[:32, :, 0], ARRAYS), "nv12", "uint8 (64, 96) and (32, 96) and"),
        ((ARRAYS[..., 0], ARRAYS[:31, :, 0]), "nv12", "uint8 (64, 96) and (31, 96)"),
        ((ARRAYS[..., 0], ARRAYS[:32, :, 0]), "nv12", "rows without gaps"),
        ((), "nv12", "step() needs"),
        ((ARRAYS, ARRAYS), "rgb", "image is tuple; step() needs"),
        (np.zeros((0, 96), np.uint8), "nv12", "empty"),
        (torch.zeros(3, 64, 96, dtype=torch.uint8), "rgb", "uint8 (3, 64, 96); step() needs"),
        (torch.zeros(64, 96, 3), "rgb", "float32 (64, 96, 3); step() needs"),
        (torch.zeros(64, 96, 3, requires_grad=True), "rgb", "torch.Tensor on DLPack device 1:0"),
        (Dlpack(ARRAYS, 10), "rgb", "DLPack device 10:0 that cannot be read"),
        (Dlpack(ARRAYS.astype(np.float32)), "rgb", "float32 (64, 96, 3); step() needs"),
        (Dlpack(ARRAYS.astype(np.int8)), "rgb", "int8 (64, 96, 3); step() needs"),
        (Interface(ARRAYS.astype(np.int16)), "rgb", "int16 (64, 96, 3); step() needs"),
        (Interface(ARRAYS[..., :2]), "rgb", "uint8 (64, 96, 2); step() needs"),
        (Interface(ARRAYS[:0]), "rgb", "empty"),
        (Interface(ARRAYS, mask=1), "rgb", "with a mask"),
        (Interface(ARRAYS, stream=0), "rgb", "stream 0"),
        ((ARRAYS[..., 0], Interface(ARRAYS[:32])), "nv12", "one on a GPU"),
    ],
)
def test_anything_else_is_refused_in_one_line(
    gpu: Cuda, watching: Callable[..., Watching], image: Any, pixel_format: Any, told: str
) -> None:
    backend = watching()
    tracker = PanopticTracker(backend)
    with pytest.raises(InputError) as error:
        tracker.step(image, 0, pixel_format=pixel_format)
    assert told in str(error.value) and "\n" not in str(error.value)
    assert not backend.inputs and tracker.health().status is Status.NO_INPUT


def test_an_exporter_that_raises_is_told(gpu: Cuda, watching: Callable[..., Watching]) -> None:
    image = Dlpack(ARRAYS)
    image.raises = BufferError("no strides\nfor you")
    with pytest.raises(InputError, match=r"cannot be read \(no strides\); step\(\) needs"):
        PanopticTracker(watching()).step(image, 0)


@needs_compiler
@pytest.mark.parametrize(("place", "told"), [(None, "no GPU's memory"), (1, "memory of GPU 1")])
def test_memory_of_another_place_is_refused(
    gpu: Cuda, watching: Callable[..., Watching], place: int | None, told: str
) -> None:
    gpu.unknown = place
    with pytest.raises(InputError, match=told):
        PanopticTracker(watching()).step(Interface(rgb(64, 96)), 0)
    assert "kernel" not in gpu.kinds()


def test_without_cuda_an_image_on_a_gpu_is_refused(
    gpu: Cuda, watching: Callable[..., Watching]
) -> None:
    gpu.fails["cudaStreamCreateWithFlags"] = 100
    tracker = PanopticTracker(watching())
    for image in (Interface(rgb(64, 96)), Dlpack(rgb(64, 96))):
        with pytest.raises(
            InputError, match=r"need CUDA, which cannot be used \(.*keep to host arrays"
        ):
            tracker.step(image, 0)
    assert tracker.step(rgb(64, 96), 0).semantic.shape == (64, 96)


def test_without_the_kernel_an_image_on_a_gpu_is_refused(
    gpu: Cuda, watching: Callable[..., Watching], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(device_input, "find_library", find_library)
    monkeypatch.setattr("mapt.runtime.images.kernel.FOLDER", tmp_path)
    with pytest.raises(InputError, match=r"image kernel, which was not built; .*MAPT_BUILD=images"):
        PanopticTracker(watching()).step(Interface(rgb(64, 96)), 0)


@needs_compiler
def test_a_gpu_that_fails_is_a_step_error(gpu: Cuda, watching: Callable[..., Watching]) -> None:
    tracker = PanopticTracker(watching())
    tracker.step(Interface(rgb(64, 96)), 0)
    gpu.fails["cudaStreamSynchronize"] = 700
    with pytest.raises(StepError, match="frame dropped"):
        tracker.step(Interface(rgb(64, 96)), PERIOD)
    assert tracker.health().status is Status.FAULT
    gpu.fails.clear()
    assert tracker.step(Interface(rgb(64, 96)), PERIOD).semantic.shape == (64, 96)
