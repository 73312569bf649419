"""Images and labels in a real GPU's memory, beside the host's: `mapt.bench.gpu` runs these."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from mapt.errors import InputError
from mapt.runtime import PanopticTracker
from mapt.runtime.images.kernel import find_library
from mapt.runtime.persistence.recording import digest
from tests.runtime.images.pictures import nv12, rgb
from tests.runtime.images.watching import Watching, seen

PERIOD = 100_000_000


def lacking() -> str:
    """What these tests lack on this machine."""
    try:
        find_library()
    except InputError as error:
        return str(error)
    return "" if torch.cuda.is_available() else "no GPU"


pytestmark = pytest.mark.skipif(bool(lacking()), reason=lacking())


@pytest.mark.parametrize("pixel_format", ["rgb", "bgr", "nv12", "nv12-709"])
@pytest.mark.parametrize(("height", "width"), [(64, 96), (376, 1242), (34, 46), (1080, 1920)])
def test_a_cuda_tensor_gives_the_hosts_input(
    watching: Callable[..., Watching], height: int, width: int, pixel_format: str
) -> None:
    make = nv12 if pixel_format.startswith("nv12") else rgb
    picture = make(height, width)
    want = seen(watching(), picture, pixel_format=pixel_format)
    tensor = torch.from_numpy(picture).cuda()
    got = seen(watching(), tensor, pixel_format=pixel_format)
    assert np.abs(got.astype(np.int16) - want).max() <= 1
    if pixel_format == "rgb":
        planar = tensor.permute(2, 0, 1).contiguous().permute(1, 2, 0)
        np.testing.assert_array_equal(seen(watching(), planar), got)


def test_the_kernel_waits_for_work_on_the_image(watching: Callable[..., Watching]) -> None:
    picture = rgb(1080, 1920)
    want = seen(watching(), picture)
    tensor = torch.zeros(picture.shape, dtype=torch.uint8, device="cuda")
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(100_000_000)
        tensor.copy_(torch.from_numpy(picture).pin_memory(), non_blocking=True)
        got = seen(watching(), tensor)
    assert np.abs(got.astype(np.int16) - want).max() <= 1


@pytest.mark.parametrize(("height", "width"), [(64, 96), (375, 1242), (33, 47), (1080, 1920)])
def test_labels_are_the_hosts(
    scene: Any, actor: Any, picture: Any, height: int, width: int
) -> None:
    here, there = (PanopticTracker(scene(actor(8, 8, dx=4), actor(60, 24))) for _ in range(2))
    for number in range(3):
        image = picture(number, height, width)
        want = here.step(image, number * PERIOD)
        cuda = torch.from_numpy(image).cuda()
        got = there.step(cuda, number * PERIOD, labels="device")
        assert got.device_labels is not None
        ids = torch.as_tensor(got.device_labels[1], device="cuda")
        np.testing.assert_array_equal(ids.cpu().numpy(), want.instance)
        assert digest(got) == digest(want)


def test_memory_of_the_host_is_refused(watching: Callable[..., Watching]) -> None:
    class Wrong:
        __cuda_array_interface__ = {  # noqa: RUF012
            **rgb(64, 96).__array_interface__,
            "version": 3,
        }

    with pytest.raises(InputError, match="no GPU's memory"):
        PanopticTracker(watching()).step(Wrong(), 0)
