"""The loop in docs/embedding.md runs as printed."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapt.runtime import PanopticFrame, PanopticTracker, StepError
from mapt.runtime.backends.ort import OrtBackend

PERIOD = 100_000_000  # ns


def documented() -> Callable[..., None]:
    """The loop, as it is printed."""
    code = re.search(
        r"```python\n(.*?)```",
        (Path(__file__).parents[2] / "docs" / "embedding.md").read_text(),
        re.S,
    )
    assert code
    names: dict[str, Any] = {}
    exec(code[1], names)
    drive: Callable[..., None] = names["drive"]
    return drive


def pictures(count: int) -> np.ndarray:
    """Noise (count,192,624,3) uint8."""
    return np.random.default_rng(0).integers(0, 255, (count, 192, 624, 3), np.uint8)


def test_the_documented_loop_survives_a_bad_camera_and_goes_on_after_a_stop(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "mapt.runtime.perception.pipeline.time.perf_counter_ns", lambda: 0
    )  # no frame misses the loop's deadline
    drive = documented()
    images = pictures(6)

    def camera(first: int, last: int) -> Iterator[tuple[np.ndarray, int]]:
        for number in range(first, last):
            yield images[number], number * PERIOD
            yield images[number], number * PERIOD  # the same again
            yield np.zeros_like(images[0]), number * PERIOD + 1  # a flash of nothing

    alone: list[PanopticFrame] = []
    drive(((images[n], n * PERIOD) for n in range(6)), alone.append, bundle, tmp_path / "alone")
    frames: list[PanopticFrame] = []
    drive(camera(0, 3), frames.append, bundle, tmp_path / "checkpoint")
    drive(camera(3, 6), frames.append, bundle, tmp_path / "checkpoint")
    assert (
        [f.stamp_ns for f in frames]
        == [f.stamp_ns for f in alone]
        == [n * PERIOD for n in range(6)]
    )
    assert [f.tracks for f in frames] == [f.tracks for f in alone]
    assert (tmp_path / "checkpoint").read_bytes() == (tmp_path / "alone").read_bytes()


def test_the_documented_loop_goes_on_after_a_clock_was_set_and_with_a_damaged_checkpoint(
    bundle: Path, tmp_path: Path
) -> None:
    drive = documented()
    images = pictures(4)
    day = 86_400 * 10**9
    frames: list[PanopticFrame] = []
    (tmp_path / "checkpoint").write_bytes(b"half of a che")
    drive(
        ((images[n], day + n * PERIOD) for n in range(2)),
        frames.append,
        bundle,
        tmp_path / "checkpoint",
    )
    assert len(frames) == 2
    # The next day's stamps start at nothing: ten frames are dropped, then it goes on.
    drive(
        ((images[n % 4], n * PERIOD) for n in range(12)),
        frames.append,
        bundle,
        tmp_path / "checkpoint",
    )
    assert [f.stamp_ns // PERIOD for f in frames[2:]] == [10, 11]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint"]


def test_the_documented_loop_ends_where_the_backend_is_gone(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(self: OrtBackend, subgraph: str, inputs: Any) -> Any:
        raise RuntimeError("the device is gone")

    loaded = PanopticTracker.load

    def load(*arguments: Any, **options: Any) -> PanopticTracker:
        tracker = loaded(*arguments, **options, core="python")
        monkeypatch.setattr(OrtBackend, "run", gone)
        return tracker

    monkeypatch.setattr(PanopticTracker, "load", load)
    drive = documented()
    images = pictures(2)
    with pytest.raises(StepError, match="the device is gone"):
        drive(
            ((images[n % 2], n * PERIOD) for n in range(1000)),
            list[PanopticFrame]().append,
            bundle,
            tmp_path / "c",
        )
    assert not (tmp_path / "c").exists()
