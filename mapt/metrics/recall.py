"""Recall of ground-truth masks by their area: how small an object may be and still be found."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from mapt.metrics.histogram import JointHistogram
from mapt.panoptic import LabelMap

LIMITS = (500, 2000)  # pixels
NAMES = ("below 500", "500 to 2000", "above 2000")


@dataclass
class RecallByArea:
    """Counts of masks and of found ones, by class and area."""

    labels: LabelMap
    masks: dict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    found: dict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))

    def add(self, h: JointHistogram) -> None:
        """Add a frame: a mask is found when a prediction of its class has an IoU above one half with it."""
        for c in self.labels.things:
            for i in np.unique(h.gt_id[(h.gt_class == c) & (h.gt_id > 0)]):
                own = (h.gt_class == c) & (h.gt_id == i)
                area = int(h.count[own].sum())
                best = 0.0
                for p, n in zip(h.pred_id[own & (h.pred_class == c)], h.count[own & (h.pred_class == c)], strict=True):
                    other = (h.pred_class == c) & (h.pred_id == p)
                    best = max(best, n / (area + int(h.count[other].sum()) - n))
                key = (c, int(np.searchsorted(LIMITS, area, side="right")))
                self.masks[key] += 1
                self.found[key] += best > 0.5

    def merge(self, other: RecallByArea) -> None:
        """Add what `other` has seen."""
        for key, count in other.masks.items():
            self.masks[key] += count
            self.found[key] += other.found[key]

    def to_json(self) -> dict[str, dict[str, dict[str, int]]]:
        """Class name -> area -> masks and found."""
        out: dict[str, dict[str, dict[str, int]]] = {}
        for (c, part), count in sorted(self.masks.items()):
            entry = {"masks": count, "found": int(self.found[c, part])}
            out.setdefault(self.labels.classes[c], {})[NAMES[part]] = entry
        return out
