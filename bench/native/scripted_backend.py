"""The network of a script for the Python tracker."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapt.contract import BY_NAME, SUBGRAPHS, ModelInfo
from mapt.runtime.backends.protocol import Tensors

NAMES: list[str] = [spec.name for spec in SUBGRAPHS]


class ScriptedBackend:
    """Says what csrc/tests/native/scripted.cpp says.

    Args:
        info: of the network that it stands for.
        pass_time: is told the nanoseconds that a call costs.

    Attributes:
        script: of the next frame.
        inputs: CRC-32 of the inputs of motion and appearance, in the order of calls.
    """

    name = "script"

    def __init__(self, info: ModelInfo, pass_time: Callable[[int], None]) -> None:
        self.info = info
        self.pass_time = pass_time
        self.providers = dict.fromkeys(NAMES, "script")
        self.script: Mapping[str, Any] = {}
        self.inputs: list[int] = []

    def run(self, subgraph: str, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        """See `Backend.run`."""
        script = self.script
        outputs: Tensors = getattr(self, f"_{subgraph}")(inputs)
        number = NAMES.index(subgraph)
        self.pass_time(script["costs_ns"][number])
        if script["fails"] == number:
            raise RuntimeError("it fails")
        return outputs

    def _backbone(self, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        return {
            t.name: np.zeros(t.resolve(self.info.sizes), t.dtype)
            for t in BY_NAME["backbone"].outputs
        }

    def _semantic(self, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        script = self.script
        return {
            "s": script["features"][None].copy(),
            "logits": script["logits"][None],
            "margins": script["margins"][None],
            "labels": script["labels"][None],
        }

    def _instance(self, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        names = ("boxes", "scores", "classes", "mask_logits", "masks8")
        return {name: self.script[name] for name in names} | {
            "count": np.array([self.script["count"]], np.int32)
        }

    def _motion(self, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        for name in ("s_prev", "s", "masks_prev"):
            self._note(inputs[name])
        given = {"masks8": "masks", "boxes": "boxes"}
        for name, older in given.items():
            self._note(self._rows(inputs, name, older))
        half = np.float32(0.5)
        propagated = (inputs["masks_prev"] - half) * np.float32(20) + self.script["noise"]
        sizes = self.info.sizes
        return {
            "propagated": propagated,
            "f_p": np.zeros((sizes["N"], sizes["M"], 7, 7), np.float32),
        }

    def _appearance(self, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        masks = self._rows(inputs, "mask_logits", "mask_logits")
        self._note(self._rows(inputs, "boxes", "boxes"))
        self._note(masks)
        known = {m.tobytes(): row for row, m in enumerate(self.script["mask_logits"])}
        found = np.zeros((self.info.sizes["N"], self.info.sizes["E"]), np.float32)
        for i, mask in enumerate(masks):
            if mask.any():
                found[i] = self.script["embeddings"][known[mask.tobytes()]]
        return {"embeddings": found}

    def _rows(
        self, inputs: Mapping[str, NDArray[Any]], name: str, older: str
    ) -> NDArray[np.float32]:
        """The rows of a tensor that a call is about, zeros where there is none.

        A call either names them among all slots, or has them under an older name.
        """
        if "rows" not in inputs:
            return inputs[older]
        chosen: NDArray[np.float32] = inputs[name][np.maximum(inputs["rows"], 0)]
        chosen[inputs["rows"] < 0] = 0
        return chosen

    def _note(self, values: NDArray[Any]) -> None:
        self.inputs.append(zlib.crc32(np.ascontiguousarray(values).data))
