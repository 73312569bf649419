"""What stands for the networks of a native core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from mapt.contract import BY_NAME, ModelInfo
from mapt.errors import InputError
from mapt.runtime.backends.protocol import Tensors


class NativeBackend:
    """What a native core runs; its subgraphs cannot be run one by one.

    Attributes:
        name: "native".
        info: of the network.
        providers: what runs each subgraph.
        concurrent: trackers that run it may step at the same time.
    """

    name = "native"
    concurrent = True

    def __init__(self, info: ModelInfo, provider: str) -> None:
        self.info = info
        self.providers = dict.fromkeys(BY_NAME, provider)

    def run(self, subgraph: str, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        """Refuse: the native core runs all subgraphs itself.

        Raises:
            InputError: always.
        """
        raise InputError(
            f"{subgraph}: the native core runs whole frames; load the tracker with core='python'"
        )
