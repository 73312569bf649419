"""Memory after warm-up.

No memory is allocated that grows with the image, and nothing that was handed out is used again.
"""

import gc
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mapt.contract import BY_NAME, ModelInfo, Thresholds
from mapt.runtime import PanopticTracker
from mapt.runtime.association.affinity import find_windows, soft_iou
from mapt.runtime.backends.protocol import Tensors
from mapt.runtime.perception.fusion import Detections, Fused, fuse, pixel_window
from mapt.runtime.perception.workspace import Workspace

Make = Callable[..., Any]
Float = NDArray[np.float32]
PERIOD = 100_000_000  # ns
STUFF = (0, 1, 2)
THINGS = (3, 4)
CLASSES = 5
HEIGHT = 384
WIDTH = 1248
PLANE = HEIGHT * WIDTH * 4  # bytes of an image-sized float32 array


def margins_of(logits: Float) -> Float:
    """What the semantic head gives with its logits."""
    out: Float = logits[list(THINGS)] - logits[list(STUFF)].max(0)
    return out


def plain_fuse(
    found: Detections, logits: Float, thresholds: Thresholds, inner: tuple[int, int]
) -> Fused:
    """Eq. 8 as `fuse` computes it, in the same float32 operations and in new arrays throughout."""

    def axis(places: Float, size: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Float]:
        places = np.minimum(np.maximum(places, np.float32(0)), np.float32(size - 1))
        first = np.minimum(places.astype(np.intp), size - 2)
        return first, first + 1, (places - first).astype(np.float32)

    def bilinear(plane: Float, y: Float, x: Float) -> Float:
        y0, y1, wy = axis(y, plane.shape[0])
        x0, x1, wx = axis(x, plane.shape[1])
        rows: Float = plane[y0] * (1 - wy)[:, None] + plane[y1] * wy[:, None]
        out: Float = rows[:, x0] * (1 - wx) + rows[:, x1] * wx
        return out

    def sigmoid(x: Float) -> Float:
        half: Float = np.float32(0.5) * (np.tanh(np.float32(0.5) * x) + np.float32(1))
        return half

    size = (logits.shape[1] * 4, logits.shape[2] * 4)
    half = np.float32(0.5)
    index = np.zeros(size, np.int32)
    best = np.zeros(size, np.float32)
    kept = []
    for row in range(len(found)):
        window = pixel_window(found.boxes[row], *size)
        box = found.boxes[row]
        y, x = (np.arange(w.start, w.stop, dtype=np.float32) + half for w in window)
        places = (
            v / np.maximum(box[i + 2] - box[i], np.float32(1e-3)) * 28 - half
            for v, i in ((y - box[1], 1), (x - box[0], 0))
        )
        a = bilinear(found.mask_logits[row], *places)
        own = logits[found.classes[row]] - logits[list(STUFF)].max(0)
        b = bilinear(own, y / np.float32(4) - half, x / np.float32(4) - half)
        b = np.minimum(b, np.float32(thresholds.semantic_limit))
        level = (sigmoid(a) + sigmoid(b)) * (a + b)
        inside = level > 0
        free = (inside & (index[window] == 0)).sum()
        if (
            found.scores[row] >= thresholds.score
            and inside.sum() >= thresholds.min_area
            and free >= thresholds.overlap * inside.sum()
        ):
            kept.append(row)
            wins = level > best[window]
            index[window][wins] = len(kept)
            best[window][wins] = level[wins]
    seen = [n for n in range(1, len(kept) + 1) if (index == n).sum() >= max(thresholds.min_area, 1)]
    seen = [n for n in seen if (index[: inner[0], : inner[1]] == n).any()]
    index = np.array(
        [seen.index(n) + 1 if n in seen else 0 for n in range(len(kept) + 1)], np.int32
    )[index]
    masks = np.array([index == n + 1 for n in range(len(seen))], np.float32).reshape(-1, *size)
    masks8 = masks.reshape(-1, 1, size[0] // 8, 8, size[1] // 8, 8).mean((3, 5))
    boxes = np.zeros((len(seen), 4), np.float32)
    for n, mask in enumerate(masks):
        ys, xs = np.nonzero(mask)
        boxes[n] = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
    return Fused(found.take(np.array([kept[n - 1] for n in seen], np.intp)), index, masks8, boxes)


def bits(fused: Fused) -> list[tuple[Any, ...]]:
    """All of it, to the last bit."""
    arrays = [
        fused.index,
        fused.masks8,
        fused.boxes,
        *(getattr(fused.detections, f.name) for f in fields(Detections)),
    ]
    return [(a.dtype, a.shape, a.tobytes()) for a in arrays]


def drawn(rng: np.random.Generator) -> tuple[Detections, Float, Thresholds, tuple[int, int]]:
    """A scene of any size in which detections overlap, are small, or lie in the padding."""
    height, width = (32 * int(v) for v in rng.integers(1, 5, 2))
    count = int(rng.integers(0, 9))
    largest = rng.uniform(6, max(height, width))
    corner = rng.uniform([-4, -4], [width - 6, height - 6], (count, 2))
    boxes = np.concatenate((corner, corner + rng.uniform(2, largest, (count, 2))), 1).clip(
        0, [width, height] * 2
    )
    masks = rng.normal(1, 3, (count, 28, 28)).astype(np.float32)
    rows = rng.permutation(count).astype(np.int32)
    scores = np.sort(rng.uniform(0.3, 1, count).astype(np.float32))[::-1]
    classes = rng.integers(3, 5, count, np.int32)
    logits = rng.normal(0, 2, (CLASSES, height // 4, width // 4)).astype(np.float32)
    thresholds = Thresholds(
        min_area=int(rng.integers(0, 60)),
        overlap=float(rng.uniform(0, 0.8)),
        semantic_limit=float(rng.choice([1.0, 0.0, 0.3, 1000.0])),
    )
    inner = int(rng.integers(height // 2, height + 1)), int(rng.integers(width // 2, width + 1))
    return (
        Detections(boxes.astype(np.float32), scores, classes, masks, rows),
        logits,
        thresholds,
        inner,
    )


@pytest.mark.parametrize("elements", [0, 100, 128 * 128])
def test_fused_in_memory_that_was_used_before_nothing_changes(elements: int) -> None:
    rng = np.random.default_rng(7)
    workspace = Workspace(elements)
    dropped = 0
    for _ in range(60):
        found, logits, thresholds, inner = drawn(rng)
        got = fuse(found, margins_of(logits), THINGS, thresholds, inner, workspace)
        assert bits(got) == bits(plain_fuse(found, logits, thresholds, inner))
        assert not any(
            workspace.holds(a) for a in (got.masks8, got.boxes, got.detections.boxes)
        ) and workspace.holds(got.index)
        dropped += len(found) - len(got.detections)
    assert dropped > 60  # otherwise it would prove little


def test_a_workspace_gives_the_same_memory_again_and_grows_once() -> None:
    workspace = Workspace(12)
    first = workspace.take("a", (2, 3))
    other = workspace.take("b", (12,), np.uint8)
    assert (
        first.dtype == np.float32
        and first.flags.c_contiguous
        and not np.shares_memory(first, other)
    )
    for shape, kind in (
        ((12,), np.float32),
        ((3, 4), np.int32),
        ((4, 12), np.bool_),
        ((0, 5), np.float32),
    ):
        again = workspace.take("a", shape, kind)
        assert (
            again.shape == shape
            and again.dtype == kind
            and (np.shares_memory(first, again) or not again.size)
        )
    assert not np.shares_memory(first, workspace.take("a", (13,)))


def test_masks_compared_in_parts_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    masks, others = (
        (rng.random((n, 12, 16), np.float32) * (rng.random((n, 1, 16)) < 0.3)).astype(np.float32)
        for n in (9, 7)
    )
    whole = soft_iou(masks, others)
    windows = find_windows(masks)
    monkeypatch.setattr("mapt.runtime.association.affinity.CELLS", 40)
    assert soft_iou(masks, others).tobytes() == whole.tobytes()
    np.testing.assert_array_equal(find_windows(masks), windows)


class Still:
    """A network at KITTI's size that always gives the same answer and allocates nothing.

    It shows 20 cars and crumbs of stuff.
    """

    name = "still"

    def __init__(self) -> None:
        sizes = {
            "H": HEIGHT,
            "W": WIDTH,
            "K": CLASSES,
            "T": len(THINGS),
            "D": 24,
            "N": 16,
            "F": 4,
            "S": 8,
            "C": 4,
            "M": 4,
            "E": 8,
        }
        names = tuple(f"class {i}" for i in range(CLASSES))
        self.providers: dict[str, str] = {}
        self.info = ModelInfo("small", HEIGHT, WIDTH, names, (3, 4), sizes, Thresholds())
        self.out = {
            n: {t.name: np.zeros(t.resolve(sizes), t.dtype) for t in s.outputs}
            for n, s in BY_NAME.items()
        }
        rng = np.random.default_rng(0)
        logits = self.out["semantic"]["logits"][0]
        logits[:] = [
            cv2.resize(rough, (WIDTH // 4, HEIGHT // 4))
            for rough in rng.normal(0, 2, (CLASSES, 12, 39))
        ]
        logits[3] += 3
        self.out["semantic"]["margins"][0] = margins_of(logits)
        labels = logits[list(STUFF)].argmax(0)
        labels[5, 5:8] = 2 - labels[5, 5]
        labels[labels == 2] = 0
        labels[7, 7:9] = 2  # two cells are too few
        self.out["semantic"]["labels"][0] = labels.repeat(4, 0).repeat(4, 1)
        found = self.out["instance"]
        y, x = np.mgrid[0:28, 0:28] / 13.5 - 1
        for row in range(20):
            wide = 40 + 12 * row
            left = 55 * row
            top = 110 + 5 * row
            found["boxes"][row] = left, top, min(left + wide, WIDTH), top + 0.6 * wide
            found["scores"][row] = 0.95 - 0.01 * row
            found["classes"][row] = 3
            found["mask_logits"][row] = 6 - 9 * (x**2 + y**2)
        found["count"][0] = 20
        self.out["appearance"]["embeddings"][:, 0] = 1
        self.moved = [{n: a.copy() for n, a in self.out["motion"].items()} for _ in range(2)]
        self.moves = 0

    def run(self, subgraph: str, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        """What it always says; masks stay where they are."""
        out = self.out[subgraph]
        if subgraph == "motion":
            self.moves += 1  # two calls a frame, whose results are looked at together
            out = self.moved[self.moves % 2]
            np.subtract(inputs["masks_prev"], np.float32(0.5), out=out["propagated"])
            out["propagated"] *= 20
        return out


def peak(call: Callable[[], Any]) -> tuple[int, Any]:
    """Bytes that were allocated at once during a call, beyond what was before."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        result = call()
        return tracemalloc.get_traced_memory()[1] - before, result
    finally:
        tracemalloc.stop()


def test_fusion_allocates_less_than_a_quarter_of_a_plane() -> None:
    backend = Still()
    workspace = Workspace(HEIGHT * WIDTH)
    kept = {**backend.out["instance"], "rows": np.arange(20, dtype=np.int32)}
    rows = [kept[f.name][:20] for f in fields(Detections)]
    margins = backend.out["semantic"]["margins"][0]
    again = partial(fuse, Detections(*rows), margins, THINGS, Thresholds(), None, workspace)
    assert len(again().detections) > 10
    used, fused = peak(again)
    assert used - fused.masks8.nbytes < PLANE / 4


@pytest.mark.parametrize("size", [(375, 1242), (HEIGHT, WIDTH), (500, 1600)])
def test_a_step_allocates_less_than_a_quarter_of_a_plane_beyond_what_it_gives_and_remembers(
    size: tuple[int, int],
) -> None:
    tracker = PanopticTracker(Still())
    image = np.zeros((*size, 3), np.uint8)
    image[:, 100:] = 200
    for number in range(3):
        tracker.step(image, number * PERIOD)
    used, frame = peak(lambda: tracker.step(image, 3 * PERIOD))
    remembered = sum(t.mask8.nbytes for t in tracker._state.table.active())
    assert len(tracker._state.table.active()) > 10 and all(
        d.stage == "propagation" for d in frame.decisions
    )
    assert used - frame.semantic.nbytes - frame.instance.nbytes - remembered < PLANE / 4


@pytest.mark.parametrize("size", [(64, 96), (50, 96), (40, 40)])
def test_nothing_given_or_remembered_lies_in_memory_that_is_used_again(
    scene: Make, actor: Make, picture: Make, size: tuple[int, int]
) -> None:
    tracker = PanopticTracker(scene(actor(0, 8, dx=2), actor(40, 8, dx=2, look=1, score=0.8)))
    given = []
    for number in range(5):
        frame = tracker.step(picture(number, *size), number * PERIOD)
        given.append(
            (
                frame,
                frame.semantic.copy(),
                frame.instance.copy(),
                tracker._state,
                tracker.save_state(),
            )
        )
        table = tracker._state.table
        kept: list[NDArray[Any]] = [frame.semantic, frame.instance]
        kept += [a for t in table.tracks for a in (t.mask8, t.box, t.embedding)]
        assert table.tracks and not any(tracker._maker.workspace.holds(a) for a in kept)
    for frame, semantic, instance, state, saved in given:
        np.testing.assert_array_equal(frame.semantic, semantic)
        np.testing.assert_array_equal(frame.instance, instance)
        tracker._state = state
        assert tracker.save_state() == saved


def test_trackers_in_one_process_share_no_memory(scene: Make, actor: Make, picture: Make) -> None:
    scenes = [
        (actor(0, 8, dx=2),),
        (actor(60, 20, dx=-3, look=2), actor(8, 40, dx=1, look=3, score=0.7)),
    ]
    alone = [
        [_step(tracker, picture, n) for n in range(6)]
        for tracker in (PanopticTracker(scene(*s)) for s in scenes)
    ]
    trackers = [PanopticTracker(scene(*s)) for s in scenes]
    in_turn = [[_step(tracker, picture, n) for tracker in trackers] for n in range(6)]
    assert [list(row) for row in zip(*in_turn, strict=True)] == alone


def _step(tracker: PanopticTracker, picture: Make, number: int) -> tuple[Any, ...]:
    frame = tracker.step(picture(number), number * PERIOD)
    return frame.semantic.tobytes(), frame.instance.tobytes(), frame.tracks, frame.decisions
