"""A GPU that is the host's memory, and a network that notes its inputs."""

from collections.abc import Callable
from typing import Any

import pytest

from mapt.runtime.images import device_input
from tests.runtime.backends.device.cuda_api import Cuda
from tests.runtime.images.gpu_standin import QueuedKernel, library
from tests.runtime.images.watching import Watching


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    """The GPU of this machine, with the kernel's library."""
    world = Cuda()
    world.unknown = 0  # images come from somebody else
    world.alive.add(5)  # the stream of a backend, which tests name
    kernel = type("Kernel", (QueuedKernel,), {"gpu": world})
    monkeypatch.setattr(device_input, "bindings", lambda: world)
    monkeypatch.setattr(device_input, "find_library", library)
    monkeypatch.setattr(device_input, "ImageKernel", kernel)
    return world


@pytest.fixture
def watching(scene: Callable[..., Any], actor: Callable[..., Any]) -> Callable[..., Watching]:
    """A network that notes its inputs."""
    return lambda stream=None: Watching(scene(actor(8, 8)), stream)
