"""The native tracker gives what the Python tracker gives, whatever network and host do."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mapt.bench.native.scripted_backend import ScriptedBackend
from mapt.runtime.backends.protocol import Tensors
from tests.native.scenario import Event, Scenario, draw
from tests.native.twins import Twins, compare, playing

BATCH = 100  # scenarios of a test
QUICK = 3  # batches of every run
ALL = 100
RECORDED = 40  # scenarios


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Odd numbers overflow on purpose, and odd sizes waste the input."""
    logging.disable(logging.WARNING)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield
    logging.disable(logging.NOTSET)


def first_difference(batch: int) -> str:
    """The first difference in a batch of scenarios, with the seed that shows it."""
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        difference = compare(draw(seed))
        if difference:
            return f"scenario {seed}, {difference}"
    return ""


@pytest.mark.parametrize("batch", range(QUICK))
def test_random_scenarios_are_tracked_alike(batch: int) -> None:
    assert first_difference(batch) == ""


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(QUICK, ALL))
def test_ten_thousand_scenarios_are_tracked_alike(batch: int) -> None:
    assert first_difference(batch) == ""


def test_the_comparison_sees_one_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    semantic = ScriptedBackend._semantic

    def changed(backend: ScriptedBackend, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        outputs = semantic(backend, inputs)
        features = outputs["s"].reshape(-1)
        features[0] = np.nextafter(features[0], np.float32(9))
        return outputs

    monkeypatch.setattr(ScriptedBackend, "_semantic", changed)
    assert "state bytes" in compare(draw(3)) or "inputs" in compare(draw(3))


def test_random_scenarios_are_recorded_alike() -> None:
    different = {seed: compare(draw(seed), record=True) for seed in range(RECORDED)}
    assert not any(different.values()), different


def restored_alike(drawn: Scenario) -> int:
    """How often a tracker of few objects went on from the state of one of many, alike."""
    many = Twins(drawn)
    few = Twins(replace(drawn, max_objects=2))
    restored = 0
    with playing(many), playing(few):
        for event in drawn.events:
            if event.kind != "step":
                continue
            assert many.run(event) == ""
            few.saved = many.python.save_state()
            table = many.python._state.table
            if len(table.active()) > 2 and len(table.tracks) <= 8:
                restored += 1
                assert few.run(Event("restore")) == ""
                assert few.run(replace(event, stamp_ns=event.stamp_ns + 10**8)) == ""
    return restored


def test_a_state_with_more_active_tracks_than_objects_is_gone_on_from_alike() -> None:
    drawn = [
        scenario
        for scenario in map(draw, range(200))
        if scenario.max_objects is None and scenario.info.thresholds.tracks_per_object == 4
    ]
    assert sum(map(restored_alike, drawn[:20])) > 10
