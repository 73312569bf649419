"""A GPU that is the host's memory."""

import pytest

from mapt.runtime.images import device_input
from tests.runtime.images.gpu_standin import Gpu, QueuedKernel, library


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    """The GPU of this machine, with the kernel's library."""
    world = Gpu()
    kernel = type("Kernel", (QueuedKernel,), {"gpu": world})
    monkeypatch.setattr(device_input, "bindings", lambda: world)
    monkeypatch.setattr(device_input, "find_library", library)
    monkeypatch.setattr(device_input, "ImageKernel", kernel)
    return world
