"""The contract between the exported network and its runtime, without torch.

It defines the subgraphs, their tensors and the shapes of these.

Shape symbols: H, W the network's input size in pixels (multiples of 32); K classes, T of which are
things; D detection slots; N instances per motion and appearance call; F pyramid width; S
semantic-feature width; C the trunk's stride-16 width; M = 4 * C_m propagated-feature width; E
embedding width.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

SubgraphName = Literal["backbone", "semantic", "instance", "motion", "appearance"]
Dim = int | str
SYMBOLS = ("H", "W", "K", "T", "D", "N", "F", "S", "C", "M", "E")
LARGEST = 1 << 16  # of every size
VOID = 255  # in label maps: no class


@dataclass(frozen=True)
class TensorSpec:
    """One input or output tensor: its name, numpy dtype name, and symbolic shape.

    The symbols are those above. "H/4" means a quarter of H.
    """

    name: str
    dtype: str
    shape: tuple[Dim, ...]

    def resolve(self, sizes: dict[str, int]) -> tuple[int, ...]:
        """The concrete shape for `sizes`, e.g. {"H": 192, "W": 624, ...}."""
        return tuple(_resolve(dim, sizes) for dim in self.shape)


def _resolve(dim: Dim, sizes: dict[str, int]) -> int:
    if isinstance(dim, int):
        return dim
    symbol, _, divisor = dim.partition("/")
    return sizes[symbol] // int(divisor or 1)


@dataclass(frozen=True)
class SubgraphSpec:
    """One exported graph."""

    name: SubgraphName
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def _f32(name: str, *shape: Dim) -> TensorSpec:
    return TensorSpec(name, "float32", shape)


_PYRAMID = tuple(_f32(f"p{s}", 1, "F", f"H/{s}", f"W/{s}") for s in (4, 8, 16, 32))
_C16 = _f32("c16", 1, "C", "H/16", "W/16")
# What the later heads read of the detections: all slots, as the instance head gave them, and
# `rows`, the slots that a call is about. A row of -1 stands for no detection, whose values are
# zeros.
_BOXES = _f32("boxes", "D", 4)
_MASK_LOGITS = _f32("mask_logits", "D", 28, 28)
_MASKS8 = _f32("masks8", "D", 1, "H/8", "W/8")
_ROWS = TensorSpec("rows", "int32", ("N",))
_F_P = _f32("f_p", "N", "M", 7, 7)

SUBGRAPHS: tuple[SubgraphSpec, ...] = (
    # RGB pixels in, normalisation inside.
    SubgraphSpec("backbone", (TensorSpec("image", "uint8", (1, "H", "W", 3)),), (*_PYRAMID, _C16)),
    # `labels` is the arg-max over stuff classes only, at input resolution: thing pixels are painted
    # by the fusion. `margins` are the logits of the things, in the order of their train ids' list,
    # minus the best logit of all stuff classes in the cell.
    SubgraphSpec(
        "semantic",
        (_C16, _PYRAMID[0], _PYRAMID[1]),
        (
            _f32("s", 1, "S", "H/8", "W/8"),
            _f32("logits", 1, "K", "H/4", "W/4"),
            _f32("margins", 1, "T", "H/4", "W/4"),
            TensorSpec("labels", "uint8", (1, "H", "W")),
        ),
    ),
    # Detections sorted by falling score; rows from `count` on are zero. `classes` holds train ids.
    SubgraphSpec(
        "instance",
        _PYRAMID,
        (
            _BOXES,
            _f32("scores", "D"),
            TensorSpec("classes", "int32", ("D",)),
            _MASK_LOGITS,
            _MASKS8,
            TensorSpec("count", "int32", (1,)),
        ),
    ),
    # Row i of `masks_prev` is a live track, row i of `rows` a detection: the two lists are
    # independent. `propagated` are logits of the tracks, `f_p` features of the detections.
    SubgraphSpec(
        "motion",
        (
            _f32("s_prev", 1, "S", "H/8", "W/8"),
            _f32("s", 1, "S", "H/8", "W/8"),
            _f32("masks_prev", "N", 1, "H/8", "W/8"),
            _MASKS8,
            _BOXES,
            _ROWS,
        ),
        (_f32("propagated", "N", 1, "H/8", "W/8"), _F_P),
    ),
    # `f_p` is what the motion head gave for the same `rows`.
    SubgraphSpec(
        "appearance",
        (*_PYRAMID, _BOXES, _MASK_LOGITS, _ROWS, _F_P),
        (_f32("embeddings", "N", "E"),),
    ),
)

BY_NAME: dict[str, SubgraphSpec] = {spec.name: spec for spec in SUBGRAPHS}
# What every frame needs once, whatever is in it. These may be exported for several images at a
# time. How often the others run depends on the objects of each image.
FRAME_GRAPHS: tuple[SubgraphName, ...] = ("backbone", "semantic", "instance")
LARGEST_BATCH = 64
NO_ROW = -1  # in `rows`
# The outputs that the host reads in every frame. The others may stay where the backend made them:
# of these, the host reads a few rows of `logits` in frames with very little of a stuff class, and
# `s` when the state is saved.
HOST_READS: dict[str, tuple[str, ...]] = {
    "backbone": (), "semantic": ("margins", "labels"),
    "instance": ("boxes", "scores", "classes", "mask_logits", "count"),
    "motion": ("propagated",), "appearance": ("embeddings",),
}  # fmt: skip


def of_batch(tensor: TensorSpec, batch: int) -> TensorSpec:
    """A tensor of a frame graph for `batch` images: their number is in front.

    It takes the place of a leading 1, or comes before what is there: (1,H,W) becomes (batch,H,W),
    and (D,4) becomes (batch,D,4).
    """
    rest = tensor.shape[1:] if tensor.shape[0] == 1 else tensor.shape
    return tensor if batch == 1 else TensorSpec(tensor.name, tensor.dtype, (batch, *rest))


def list_specs(batch: int = 1) -> tuple[SubgraphSpec, ...]:
    """The subgraphs of a bundle whose frame graphs take `batch` images at a time."""
    return tuple(
        SubgraphSpec(
            spec.name,
            tuple(of_batch(tensor, batch) for tensor in spec.inputs),
            tuple(of_batch(tensor, batch) for tensor in spec.outputs),
        )
        if spec.name in FRAME_GRAPHS
        else spec
        for spec in SUBGRAPHS
    )


@dataclass(frozen=True)
class Thresholds:
    """Decision limits of the runtime; a bundle's manifest carries them.

    Attributes:
        score: detections below it are dropped.
        birth: detections below it begin no track and are not shown, but continue tracks.
        semantic_limit: logits that the semantic head can add to a mask's in the fusion, at most.
        overlap: a detection keeps its place when at least this fraction of its mask is not yet
            taken.
        min_area: pixels (at network resolution) a fused instance must keep.
        stuff_area: pixels (at network resolution) a stuff class must have in a frame; fewer go to
            the next best class.
        propagation_iou: stage 1 accepts a pair at or above this soft mask IoU.
        similarity: stage 2 accepts a pair at or above this cosine.
        reach: stage 2 accepts a pair whose centres lie at most this many sizes apart, a size being
            the root of a box's area.
        resize: stage 2 accepts a pair whose sizes differ at most by this factor.
        foresight: seconds for which a track is expected to go on as it last moved.
        velocity_momentum: share of the old velocity kept when a track is updated.
        max_lost: seconds a lost track is kept for stage 2.
        max_gap: seconds between frames beyond which masks are not propagated.
        embedding_momentum: share of the old embedding kept when a track is updated.
        tracks_per_object: tracks kept, live and lost, for every object there may be in a frame.
        max_jump: seconds between stamps beyond which the later one is refused as damaged.
        blind_range: grey levels between the darkest and the brightest value of an image that shows
            nothing, at most.
        churn_window: frames over which new objects are counted.
        churn_objects: visible objects in that window below which their share of new ones says
            nothing.
        churn_share: share of new ones among them above which the tracker says that it loses its
            tracks.
        deadline_reserve: what a head is expected to cost is multiplied by this before it is
            compared with the deadline.

    Raises:
        ValueError: a limit is of the wrong type, not finite, or outside its `RANGES`.
    """

    score: float = 0.4
    birth: float = 0.0
    semantic_limit: float = 1.0
    overlap: float = 0.2
    min_area: int = 32
    stuff_area: int = 64
    propagation_iou: float = 0.3
    similarity: float = 0.94
    reach: float = 1.5
    resize: float = 3.0
    foresight: float = 0.5
    velocity_momentum: float = 0.7
    max_lost: float = 1.5
    max_gap: float = 0.6
    embedding_momentum: float = 0.7
    tracks_per_object: int = 4
    max_jump: float = 3600.0
    blind_range: int = 8
    churn_window: int = 10
    churn_objects: int = 20
    churn_share: float = 0.5
    deadline_reserve: float = 1.25

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            low, high = RANGES[field.name]
            kinds = (int,) if isinstance(field.default, int) else (int, float)
            if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
                kind = "a whole number" if kinds == (int,) else "a number"
                raise ValueError(
                    f"the threshold {field.name} is {value!r:.40}, not {kind} within"
                    f" {low:g}..{high:g}"
                )


_NUMBER = 2.0**31
RANGES: dict[str, tuple[float, float]] = {
    "score": (0, 1), "birth": (0, 1), "semantic_limit": (0, _NUMBER), "overlap": (0, 1),
    "min_area": (0, _NUMBER), "stuff_area": (0, _NUMBER), "propagation_iou": (0, 1),
    "similarity": (-1, 1), "reach": (0.01, _NUMBER), "resize": (1, _NUMBER),
    "foresight": (0, _NUMBER), "velocity_momentum": (0, 1), "max_lost": (0, _NUMBER),
    "max_gap": (0, _NUMBER), "embedding_momentum": (0, 1), "tracks_per_object": (1, 1000),
    "max_jump": (0, _NUMBER), "blind_range": (0, 255), "churn_window": (1, 1000),
    "churn_objects": (1, _NUMBER), "churn_share": (0, 1), "deadline_reserve": (1, 100),
}  # fmt: skip


@dataclass(frozen=True)
class ModelInfo:
    """What the runtime must know of a network, from a bundle's manifest or a model's configuration.

    Attributes:
        preset: "base", "small", "micro" or "nano".
        height: input height H in pixels.
        width: input width W in pixels.
        classes: class names by train id.
        things: train ids of thing classes.
        sizes: every shape symbol of this module with its value.
        thresholds: decision limits.

    Raises:
        ValueError: a value is of the wrong type or outside what any network can have.
    """

    preset: str
    height: int
    width: int
    classes: tuple[str, ...]
    things: tuple[int, ...]
    sizes: dict[str, int]
    thresholds: Thresholds

    def __post_init__(self) -> None:
        for symbol in SYMBOLS:
            size = self.sizes.get(symbol) if isinstance(self.sizes, dict) else None
            if type(size) is not int or not 1 <= size <= LARGEST:
                raise ValueError(
                    f"the size {symbol} is {size!r:.40}, not a whole number within 1..{LARGEST}"
                )
        stated = {"H": self.height, "W": self.width, "K": len(self.classes)}
        wrong = next((s for s, value in stated.items() if self.sizes[s] != value), None)
        if wrong:
            raise ValueError(
                f"sizes say {wrong} = {self.sizes[wrong]}, the rest of it {stated[wrong]!r:.40}"
            )
        for symbol in ("H", "W"):
            if self.sizes[symbol] % 32:
                raise ValueError(f"the size {symbol} is {self.sizes[symbol]}, not a multiple of 32")
        if len(self.classes) > VOID:
            raise ValueError(f"it has {len(self.classes)} classes, labels tell {VOID} apart")
        if not self.classes or not all(
            isinstance(name, str) and name.isprintable() for name in self.classes
        ):
            raise ValueError("classes are not names")
        inside = all(type(c) is int and 0 <= c < len(self.classes) for c in self.things)
        if not inside or len(set(self.things)) != len(self.things):
            raise ValueError(
                f"things are {list(self.things)!r:.60}, not different train ids within"
                f" 0..{len(self.classes) - 1}"
            )
        if self.sizes["T"] != len(self.things):
            raise ValueError(f"sizes say T = {self.sizes['T']}, the things are {len(self.things)}")
