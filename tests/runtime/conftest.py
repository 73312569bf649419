"""A scripted scene played by a fake network: the red of the image's first pixel tells the frame."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mapt.contract import BY_NAME, ModelInfo, Thresholds
from mapt.runtime.backends.protocol import Backend, Tensors

HEIGHT = 64
WIDTH = 96
SIZES = {
    "H": HEIGHT, "W": WIDTH, "K": 4, "T": 2, "D": 4, "N": 2, "F": 1, "S": 1, "C": 1, "M": 1, "E": 8,
}  # fmt: skip
INFO = ModelInfo(
    "nano", HEIGHT, WIDTH, ("road", "sky", "car", "person"), (2, 3), SIZES, Thresholds()
)


@dataclass(frozen=True)
class Actor:
    """A rectangle that moves evenly.

    `look` is the axis of its embedding. `hidden` lists the frames without a detection.
    """

    x: int
    y: int
    dx: int = 0
    label: int = 2
    look: int = 0
    hidden: tuple[int, ...] = ()
    size: int = 16
    score: float = 0.9

    def box(self, frame: int) -> tuple[int, int, int, int]:
        """Integer xyxy pixels."""
        x = self.x + self.dx * frame
        return x, self.y, x + self.size, self.y + self.size

    def mask(self, frame: int) -> NDArray[np.float32]:
        """(H,W) of 0 and 1."""
        x1, y1, x2, y2 = self.box(frame)
        out = np.zeros((HEIGHT, WIDTH), np.float32)
        out[y1:y2, x1:x2] = 1
        return out

    def mask8(self, frame: int) -> NDArray[np.float32]:
        """(H/8,W/8) area averages."""
        share: NDArray[np.float32] = (
            self.mask(frame).reshape(HEIGHT // 8, 8, WIDTH // 8, 8).mean((1, 3))
        )
        return share


def picture(frame: int, height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    """An image that tells its frame's number and is not of one colour."""
    out = np.zeros((height, width, 3), np.uint8)
    out[:, width // 2 :] = 100
    out[0, 0] = frame
    return out


class SceneBackend:
    """A perfect network without state: exact masks, exact motion, one embedding per look."""

    name = "scene"

    def __init__(self, actors: tuple[Actor, ...], info: ModelInfo) -> None:
        self.info = info
        self.actors = sorted(actors, key=lambda actor: -actor.score)
        self.providers = {name: "script" for name in BY_NAME}
        self.calls: list[str] = []
        self.carried: list[tuple[int, int]] = []  # frames between which the motion head ran
        self.raises: dict[str, BaseException] = {}  # by subgraph
        self.spoil: dict[str, Callable[[dict[str, Any]], object]] = {}  # what to do to its outputs

    def run(self, subgraph: str, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        """Check the shapes, answer with the scripted outputs."""
        self.calls.append(subgraph)
        if subgraph in self.raises:
            raise self.raises[subgraph]
        spec = BY_NAME[subgraph]
        for tensor in spec.inputs:
            found = inputs[tensor.name]
            assert found.dtype == tensor.dtype and found.shape == tensor.resolve(self.info.sizes), (
                tensor.name
            )
        out = {t.name: np.zeros(t.resolve(self.info.sizes), t.dtype) for t in spec.outputs}
        getattr(self, f"_{subgraph}")(inputs, out)
        self.spoil.get(subgraph, id)(out)
        return out

    def _backbone(self, inputs: Mapping[str, NDArray[Any]], out: Tensors) -> None:
        for features in out.values():
            features[:] = inputs["image"][0, 0, 0, 0]

    def _semantic(self, inputs: Mapping[str, NDArray[Any]], out: Tensors) -> None:
        frame = int(inputs["c16"].flat[0])
        out["s"][:] = frame
        out["logits"][0, 2:] = -4
        out["labels"][0, : HEIGHT // 2] = 1
        for actor in self._seen(frame):
            out["logits"][0, actor.label][actor.mask(frame)[2::4, 2::4] > 0] = 4
        out["margins"][:] = out["logits"][:, 2:] - out["logits"][:, :2].max(1, keepdims=True)

    def _instance(self, inputs: Mapping[str, NDArray[Any]], out: Tensors) -> None:
        frame = int(inputs["p4"].flat[0])
        seen = self._seen(frame)[: SIZES["D"]]
        out["count"][0] = len(seen)
        for row, actor in enumerate(seen):
            out["boxes"][row] = actor.box(frame)
            out["scores"][row] = actor.score
            out["classes"][row] = actor.label
            out["mask_logits"][row] = 4
            out["masks8"][row, 0] = actor.mask8(frame)

    def _motion(self, inputs: Mapping[str, NDArray[Any]], out: Tensors) -> None:
        before = int(inputs["s_prev"].flat[0])
        now = int(inputs["s"].flat[0])
        self.carried.append((before, now))
        out["propagated"][:] = -9
        for row, mask in enumerate(inputs["masks_prev"][:, 0]):
            if mask.any():
                shared = [np.minimum(a.mask8(before), mask).sum() for a in self.actors]
                actor = self.actors[int(np.argmax(shared))]
                share = actor.mask8(now).clip(1e-4, 1 - 1e-4)
                out["propagated"][row, 0] = np.log(share / (1 - share))

    def _appearance(self, inputs: Mapping[str, NDArray[Any]], out: Tensors) -> None:
        frame = int(inputs["p4"].flat[0])
        boxes = np.where(inputs["rows"][:, None] >= 0, inputs["boxes"][inputs["rows"]], 0)
        for actor in self._seen(frame):
            rows = (boxes == np.array(actor.box(frame))).all(1)
            out["embeddings"][rows, actor.look] = 3  # the runtime makes it unit length

    def _seen(self, frame: int) -> list[Actor]:
        return [actor for actor in self.actors if frame not in actor.hidden]


@pytest.fixture
def actor() -> type[Actor]:
    """What a scene is made of."""
    return Actor


@pytest.fixture
def scene() -> Callable[..., SceneBackend]:
    """Builds the fake network of some actors; keywords change thresholds."""

    def build(*actors: Actor, **limits: float) -> SceneBackend:
        thresholds = replace(INFO.thresholds, **limits)  # type: ignore[arg-type]
        backend = SceneBackend(actors, replace(INFO, thresholds=thresholds))
        protocol: Backend = backend
        assert protocol.name == "scene"
        return backend

    return build


class CrowdBackend(SceneBackend):
    """Many 8x8 squares in a large image, side by side; strangers are elsewhere in every frame."""

    def __init__(self, count: int, strangers: bool) -> None:
        sizes = {**SIZES, "H": 256, "W": 512, "D": count, "N": 16}
        super().__init__((), replace(INFO, height=256, width=512, sizes=sizes))
        self.count = count
        self.strangers = strangers

    def _semantic(self, inputs: Mapping[str, NDArray[Any]], out: Tensors) -> None:
        out["s"][:] = inputs["c16"].flat[0]
        out["logits"][0, 2] = out["margins"][0, 0] = 4
        out["labels"][0, :9] = 1

    def _instance(self, inputs: Mapping[str, NDArray[Any]], out: Tensors) -> None:
        shift = int(inputs["p4"].flat[0]) * self.count if self.strangers else 0
        out["count"][0] = self.count
        for row in range(self.count):
            y, x = divmod(row + shift, 64)
            out["boxes"][row] = 8 * x, 8 * y, 8 * x + 8, 8 * y + 8
            out["scores"][row] = 0.9 - 1e-4 * row
            out["classes"][row] = 2
            out["mask_logits"][row] = 4
            out["masks8"][row, 0, y, x] = 1

    def _motion(self, inputs: Mapping[str, NDArray[Any]], out: Tensors) -> None:
        out["propagated"][:] = np.where(inputs["masks_prev"] > 0, 9, -9)

    def _appearance(self, inputs: Mapping[str, NDArray[Any]], out: Tensors) -> None:
        pass


@pytest.fixture
def crowd() -> Callable[..., CrowdBackend]:
    """Builds a network that sees `count` objects; `strangers`: never the same twice."""

    def build(count: int, strangers: bool = False) -> CrowdBackend:
        return CrowdBackend(count, strangers)

    return build


@pytest.fixture(name="picture")
def _picture() -> Callable[..., NDArray[np.uint8]]:
    """Images of the scene."""
    return picture


@pytest.fixture
def info() -> ModelInfo:
    """The fake network's description."""
    return INFO
