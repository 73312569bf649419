"""Sets lamps, signs, lights, billboards and furniture along a side of a street."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mapt.synthetic.varied.site import LENGTH, Site
from mapt.synthetic.varied.things.posts import FURNITURE, random_fixture


def furnish(rng: np.random.Generator, site: Site, side: float, edge: float) -> None:
    """Set what stands near the kerb of a side (-1 or 1), which ends at a distance of `edge`."""
    kerb = side * (site.half + float(rng.uniform(0.3, 1.0)))
    if rng.random() < 0.8:
        _row(
            rng,
            site,
            "lamp",
            kerb,
            (float(rng.uniform(-5, 20)), LENGTH, float(rng.uniform(16, 40))),
        )
    if rng.random() < 0.3:
        start = float(rng.uniform(0, 120))
        stop = start + float(rng.uniform(10, 60))
        _row(rng, site, "bollard", kerb, (start, stop, float(rng.uniform(1.5, 6))))
    for _ in range(int(rng.integers(1, 12))):
        d = kerb + side * float(rng.uniform(0, 0.8))
        site.fixtures.append(random_fixture(rng, "sign", float(rng.uniform(4, LENGTH)), d))
    for a, _ in site.crossings:
        if rng.random() < 0.55:
            s = a - float(rng.uniform(0.5, 4))
            site.fixtures.append(random_fixture(rng, "light", s, kerb))
    if rng.random() < 0.3:
        for _ in range(int(rng.integers(1, 4))):
            d = side * min(edge + 1.0, site.half + float(rng.uniform(4, 14)))
            site.fixtures.append(random_fixture(rng, "panel", float(rng.uniform(15, 150)), d))


def _row(
    rng: np.random.Generator, site: Site, kind: str, d: float, span: tuple[float, float, float]
) -> None:
    """Set posts of one look from a start to an end, at a spacing."""
    post = random_fixture(rng, kind, 0.0, d)
    site.fixtures.extend(replace(post, s=s) for s in np.arange(*span).tolist())


def clutter(rng: np.random.Generator, site: Site, side: float, density: float) -> None:
    """Set bins, cabinets, columns and the like on a side's sidewalks, `density` to a metre."""
    walks = [walk for walk in site.walks if walk[0] * side > 0]
    if not walks:
        return
    for s in np.arange(2.0, LENGTH * 0.6, 1.0).tolist():
        if rng.random() < density and not site.in_crossing(s, 1.0):
            low, high = walks[int(rng.integers(len(walks)))]
            d = float(rng.choice([low + 0.3, high - 0.3, rng.uniform(low, high)]))
            kind = str(rng.choice(list(FURNITURE)))
            site.fixtures.append(random_fixture(rng, kind, s, d))
