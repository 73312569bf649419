"""A backend that notes its inputs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapt.runtime import PanopticTracker
from tests.runtime.backends.device.cuda_api import Cuda
from tests.runtime.images.pictures import Bytes


class Watching:
    """A backend that keeps a copy of the input; all else is another's."""

    def __init__(self, backend: Any, stream: int | None = None) -> None:
        self.backend = backend
        self.name = "watching"
        self.info = backend.info
        self.providers: dict[str, str] = backend.providers
        self.stream = stream
        self.gpu: Cuda | None = None
        self.inputs: list[Bytes] = []
        self.kinds: list[type] = []

    def run(self, subgraph: str, inputs: Mapping[str, Any]) -> Any:
        if subgraph == "backbone":
            image = inputs["image"]
            self.kinds.append(type(image))
            if self.gpu and self.stream:  # as a GPU would, in the order of the stream
                self.gpu.run(self.stream)
                image = _on_host(image)
            self.inputs.append(np.array(image))
            inputs = {"image": image}
        return self.backend.run(subgraph, inputs)


def _on_host(array: Any) -> NDArray[Any]:
    """What a consumer of the interface reads."""
    told = array.__cuda_array_interface__
    assert told["version"] == 3 and told["strides"] is None and told["typestr"] == "|u1"

    class Host:
        __array_interface__ = {k: told[k] for k in ("shape", "typestr", "data")} | {"version": 3}

    return np.asarray(Host())


def seen(backend: Watching, image: object, **options: Any) -> Bytes:
    """The input that the network gets of an image."""
    PanopticTracker(backend).step(image, 0, **options)
    return backend.inputs[-1]
