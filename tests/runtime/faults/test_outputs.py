"""Networks that raise or give what they may not change nothing."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mapt.contract import BY_NAME
from mapt.runtime import (
    BackendError,
    OutputError,
    PanopticTracker,
    Status,
)
from tests.runtime.faults.playing import PERIOD, Make, Playing, ids, told


@pytest.mark.parametrize(
    "error", [RuntimeError("out of\nmemory"), ValueError(), MemoryError("no"), OSError(5, "gone")]
)
@pytest.mark.parametrize("subgraph", list(BY_NAME))
def test_a_backend_that_raises_changes_nothing(
    playing: Playing, subgraph: Any, error: Exception
) -> None:
    playing.backend.raises = {subgraph: error}
    with pytest.raises(BackendError, match=f"^{subgraph}: {type(error).__name__}") as raised:
        playing.tracker.step(playing.picture(5), 2 * PERIOD)
    assert raised.value.__cause__ is error and "\n" not in str(raised.value)
    health = playing.tracker.health()
    assert (health.status, health.failed, health.frames) == (Status.FAULT, 1, 2)
    assert health.reason == str(raised.value)
    playing.backend.raises = {}
    playing.goes_on()
    assert playing.tracker.health().status is Status.OK


def test_an_interrupt_changes_nothing(playing: Playing) -> None:
    playing.backend.raises = {"appearance": KeyboardInterrupt()}
    with pytest.raises(KeyboardInterrupt):
        playing.tracker.step(playing.picture(5), 2 * PERIOD)
    playing.backend.raises = {}
    playing.goes_on()


FLOATS = [(g, t.name) for g, spec in BY_NAME.items() for t in spec.outputs if t.dtype == "float32"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("subgraph", "tensor"), FLOATS)
def test_one_nan_or_infinity_in_any_output_changes_nothing(
    playing: Playing, subgraph: str, tensor: str, value: float
) -> None:
    def spoil(outputs: dict[str, Any]) -> None:
        outputs[tensor].flat[-1] = value

    playing.backend.spoil = {subgraph: spoil}
    with pytest.raises(OutputError, match=f"^{subgraph}: {tensor} holds NaN or infinity"):
        playing.tracker.step(playing.picture(5), 2 * PERIOD)
    assert playing.tracker.health().status is Status.INVALID
    playing.backend.spoil = {}
    playing.goes_on()


def _spoilt(name: str, change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], None]:
    def spoil(outputs: dict[str, Any]) -> None:
        outputs[name] = change(outputs[name])

    return spoil


@pytest.mark.parametrize(
    ("subgraph", "spoil", "words"),
    [
        ("semantic", _spoilt("s", lambda s: s[:, :, 1:]), r"s is float32 \(1, 1, 7, 12\)"),
        ("semantic", _spoilt("s", lambda s: s.astype(np.float64)), "s is float64"),
        ("semantic", _spoilt("labels", lambda s: s.tolist()), "labels is list"),
        ("semantic", lambda out: out.pop("logits"), "logits is NoneType"),
        ("instance", _spoilt("count", lambda c: c + 500), "count is 503"),
        ("instance", _spoilt("count", lambda c: c - 9), "count is -6"),
        ("instance", _spoilt("classes", lambda c: c * 0), "none of the things"),
        ("instance", _spoilt("classes", lambda c: c + 1000), "none of the things"),
        ("instance", _spoilt("scores", lambda c: c + 2), r"outside \[0,1\]"),
        ("instance", _spoilt("scores", lambda c: c - 2), r"outside \[0,1\]"),
        ("appearance", _spoilt("embeddings", lambda e: e[:1]), r"embeddings is float32 \(1, 8\)"),
    ],
)
def test_an_output_that_breaks_the_contract_changes_nothing(
    playing: Playing, subgraph: str, spoil: Callable[[dict[str, Any]], None], words: str
) -> None:
    playing.backend.spoil = {subgraph: spoil}
    with pytest.raises(OutputError, match=f"^{subgraph}: .*{words}"):
        playing.tracker.step(playing.picture(5), 2 * PERIOD)
    playing.backend.spoil = {}
    playing.goes_on()


@pytest.mark.parametrize(
    "box", [(5, 5, 5, 5), (40, 40, 2, 2), (-1e9, -1e9, 1e9, 1e9), (500, 500, 600, 600)]
)
def test_boxes_of_any_kind_do_no_harm(playing: Playing, box: tuple[float, ...]) -> None:
    def spoil(outputs: dict[str, Any]) -> None:
        outputs["boxes"][0] = box

    playing.backend.spoil = {"instance": spoil}
    frame = playing.tracker.step(playing.picture(2), 2 * PERIOD)
    assert 3 in ids(frame)  # the person's box is good
    playing.tracker.restore_state(playing.tracker.save_state())  # which checks the table in full
    assert all(np.isfinite(track.box).all() for track in frame.tracks)


def test_the_order_of_detections_does_not_matter(playing: Playing) -> None:
    rng = np.random.default_rng(0)

    def shuffle(outputs: dict[str, Any]) -> None:
        order = rng.permutation(int(outputs["count"][0]))
        for name in ("boxes", "scores", "classes", "mask_logits", "masks8"):
            outputs[name][: len(order)] = outputs[name][order]

    playing.backend.spoil = {"instance": shuffle}
    tracker = PanopticTracker(playing.backend)
    assert [
        told(tracker.step(playing.picture(n), n * PERIOD)) for n in range(6)
    ] == playing.expected


def test_a_label_that_is_no_class_is_refused(scene: Make, actor: Make, picture: Make) -> None:
    backend = scene(actor(0, 8))

    def spoil(outputs: dict[str, np.ndarray]) -> None:
        outputs["labels"][0, 0, 0] = 200

    backend.spoil = {"semantic": spoil}
    with pytest.raises(
        OutputError, match=r"semantic: a label is 200, not within 0\.\.\d+; frame dropped"
    ):
        PanopticTracker(backend).step(picture(0), 0)
