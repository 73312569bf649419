"""Measures recall by the size of objects.

It shows how small an object may be and still be found, and how large false positives are.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from mapt.labels.class_sets import ClassSet
from mapt.labels.step_png import VOID
from mapt.metrics.histogram import JointHistogram

AREAS = (500, 2000)  # pixels
SIDES = (12, 20, 40, 80)  # pixels, the root of an area
Key = tuple[int, int]  # class and part of the sizes


@dataclass
class RecallByArea:
    """Counts of masks, of found ones and of false predictions, by class and area.

    Attributes:
        labels: classes and which of them are things.
        limits: areas in pixels at which a new part begins.
        names: of the parts, one more than limits.
        masks: objects of the ground truth.
        found: of them, those that a prediction of their class has an IoU above one half with.
        false: predictions without such an object, unless they lie for the most part on void or on a
            crowd.
    """

    labels: ClassSet
    limits: tuple[int, ...] = AREAS
    names: tuple[str, ...] = ("below 500", "500 to 2000", "above 2000")
    masks: dict[Key, int] = field(default_factory=lambda: defaultdict(int))
    found: dict[Key, int] = field(default_factory=lambda: defaultdict(int))
    false: dict[Key, int] = field(default_factory=lambda: defaultdict(int))

    @classmethod
    def by_side(cls, labels: ClassSet) -> RecallByArea:
        """Parts by the root of the area: below 12 pixels, 12 to 20, and so on, above 80."""
        between = (f"{low} to {high}" for low, high in pairwise(SIDES))
        return cls(
            labels,
            tuple(side**2 for side in SIDES),
            (f"below {SIDES[0]}", *between, f"above {SIDES[-1]}"),
        )

    def add(self, h: JointHistogram) -> None:
        """Add a frame."""
        for c in self.labels.things:
            own = h.gt_class == c
            said = h.pred_class == c
            matched: set[int] = set()
            for i in np.unique(h.gt_id[own & (h.gt_id > 0)]):
                mask = own & (h.gt_id == i)
                area = int(h.count[mask].sum())
                hits = [
                    int(p)
                    for p, n in zip(h.pred_id[mask & said], h.count[mask & said], strict=True)
                    if p > 0 and n / (area + int(h.count[said & (h.pred_id == p)].sum()) - n) > 0.5
                ]
                key = (c, self._part(area))
                self.masks[key] += 1
                self.found[key] += bool(hits)
                matched |= set(hits)
            forgiven = (h.gt_class == VOID) | (own & (h.gt_id == 0))
            for p in np.unique(h.pred_id[said & (h.pred_id > 0)]):
                mask = said & (h.pred_id == p)
                area = int(h.count[mask].sum())
                if int(p) not in matched and int(h.count[mask & forgiven].sum()) <= area / 2:
                    self.false[c, self._part(area)] += 1

    def _part(self, area: int) -> int:
        return int(np.searchsorted(self.limits, area, side="right"))

    def merge(self, other: RecallByArea) -> None:
        """Add what `other` has seen."""
        for mine, theirs in (
            (self.masks, other.masks),
            (self.found, other.found),
            (self.false, other.false),
        ):
            for key, count in theirs.items():
                mine[key] += count

    def to_json(self) -> dict[str, dict[str, dict[str, int]]]:
        """Class name -> part -> masks, found and false; parts in which nothing is are left out."""
        out: dict[str, dict[str, dict[str, int]]] = {}
        for key in sorted({*self.masks, *(key for key, count in self.false.items() if count)}):
            counts = {"masks": self.masks, "found": self.found, "false": self.false}
            entry = {name: int(count.get(key, 0)) for name, count in counts.items()}
            out.setdefault(self.labels.classes[key[0]], {})[self.names[key[1]]] = entry
        return out
