"""Laws of growth are found again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapt.bench.latency.scaling_fit import fit

NUMBERS = st.floats(0.1, 10)


@settings(deadline=None)
@given(NUMBERS, NUMBERS)
def test_a_law_without_noise_is_found_exactly(a: float, b: float) -> None:
    xs = (1, 3, 10, 30)
    linear = fit([(x, a + b * x) for x in xs], ["linear", "power"])
    assert linear.law == "linear" and [linear.a, linear.b] == pytest.approx([a, b])
    inverse = fit([(x, a + b / x) for x in xs], ["inverse"])
    assert [inverse.a, inverse.b] == pytest.approx([a, b]) and inverse.residual < 1e-6


def test_a_power_is_told_from_a_line_and_the_residual_is_the_worst_point() -> None:
    points = [(float(x), 2 * x**1.7) for x in (1, 3, 10, 30)]
    found = fit(points, ["linear", "power"])
    assert found.law == "power" and [found.a, found.b] == pytest.approx([2, 1.7])
    x, y = np.array(points).T
    y[2] *= 1.2
    noisy = fit(list(zip(x, y, strict=True)), ["power"])
    assert 0.05 < noisy.residual < 0.2 and f"±{noisy.residual:.0%}" in str(noisy)


def test_a_falling_line_is_written_as_one() -> None:
    assert str(fit([(1, 9.0), (2, 8.0)], ["linear"])) == "10 - 1 x (±0%)"
