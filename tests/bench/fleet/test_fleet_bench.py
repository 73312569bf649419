"""The bench of fleets measures what it says."""

import pytest

from mapt.bench.fleet.memory import measure_memory
from mapt.bench.fleet.recordings import SmallTracker
from mapt.bench.fleet.throughput import measure_throughput
from mapt.engines.choice import EngineOptions

pytest.importorskip("pyarrow")


def test_the_drivers_memory_is_read_ten_times_and_nothing_is_tracked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("it is whole")

    monkeypatch.setattr(SmallTracker, "__call__", refuse)
    found = measure_memory(40, EngineOptions("local", workers=1))
    points = found["resident_mb"]
    assert isinstance(points, dict) and list(points) == list(range(4, 41, 4))
    assert all(value > 10 for value in points.values())
    after = found["after_index_mb"]
    assert isinstance(after, float) and after > 10


def test_engines_do_the_same_recordings_in_turn() -> None:
    found = measure_throughput(2, 1, 2, EngineOptions("local", workers=1))
    rates = found["frames_per_second"]
    assert isinstance(rates, dict) and set(rates) == {"processes", "local"}
    ratios = found["ratios"]
    assert isinstance(ratios, list) and len(ratios) == 2 and all(r > 0 for r in ratios)
