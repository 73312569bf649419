"""The native tracker gives what the Python tracker gives, whatever network and host do."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mapt.bench.native.scripted_backend import ScriptedBackend
from mapt.runtime.backends.protocol import Tensors
from tests.native.scenario import draw
from tests.native.twins import compare

BATCH = 100  # scenarios of a test
QUICK = 3  # batches of every run
ALL = 100


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
