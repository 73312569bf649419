"""What lies behind hedges and walls."""

import numpy as np
import pytest

from mapt.synthetic.varied.ground.ground_map import SPAN, GroundMap
from mapt.synthetic.varied.plan.yards import Yards
from mapt.synthetic.varied.site import Site


def fill(seed: int, side: float, low: float, high: float) -> Site:
    rng = np.random.default_rng(seed)
    site = Site(GroundMap(rng), np.array([0.3, -0.9, 0.3]), crossings=[(20.0, 30.0)])
    yards = Yards(rng, site)
    yards.density = 0.5
    yards.fill(side, low, high)
    return site


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_yards_lie_where_they_are_asked_for(side: float) -> None:
    fronts = fill(0, side, 8.0, 14.0).fronts
    assert len(fronts) > 50
    for front in fronts:
        assert 8.0 <= side * front.d <= 14.0
        assert front.s2 <= 20.0 or front.s1 >= 30.0
        assert 0 <= front.base < front.height < 5
        assert front.label == 2


def test_there_is_nothing_where_there_is_no_room() -> None:
    assert not fill(0, 1.0, SPAN - 1, SPAN + 12).fronts


def test_some_streets_have_none_and_looks_differ() -> None:
    drawn = [Yards(np.random.default_rng(i), fill(i, 1.0, 5.0, 9.0)) for i in range(40)]
    assert {yards.density for yards in drawn} >= {0.0, 0.4}
    tones = [front.texture[-1].mean() for front in fill(3, 1.0, 5.0, 9.0).fronts]
    assert max(tones) - min(tones) > 60
