"""The sums of all three families of metrics, and the scores made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mapt.metrics.mot.clear_mot import ClearScores, ClearSums, clear_scores, clear_sums
from mapt.metrics.mot.hota import HotaScores, HotaSums, hota_scores, hota_sums
from mapt.metrics.mot.identity import (
    IdentityScores,
    IdentitySums,
    identity_scores,
    identity_sums,
)
from mapt.metrics.mot.objects import FrameObjects, TrackIndex


@dataclass(frozen=True)
class MotSums:
    """The sums of one class in one sequence."""

    hota: HotaSums
    identity: IdentitySums
    clear: ClearSums


def mot_sums(frames: Sequence[FrameObjects]) -> MotSums:
    """The sums of the frames of one class in one sequence, at least one."""
    tracks = TrackIndex.of(frames)
    return MotSums(
        hota_sums(frames, tracks), identity_sums(frames, tracks), clear_sums(frames, tracks)
    )


@dataclass(frozen=True)
class MotScores(ClearScores, IdentityScores, HotaScores):  # fields in the reverse order
    """HOTA, IDF1, MOTA and their parts: fractions, counts, None where undefined."""


def mot_scores(parts: Sequence[MotSums]) -> MotScores:
    """Scores of sequences and classes taken together, by adding their sums."""
    return MotScores(
        **asdict(hota_scores([part.hota for part in parts])),
        **asdict(identity_scores([part.identity for part in parts])),
        **asdict(clear_scores([part.clear for part in parts])),
    )


@dataclass(frozen=True)
class MotResults:
    """Everything: the dataset, each sequence, each thing class that occurs."""

    dataset: MotScores
    sequences: dict[str, MotScores]
    classes: dict[str, MotScores]

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dump`; undefined becomes null."""
        return asdict(self)
