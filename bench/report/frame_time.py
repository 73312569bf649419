"""The time of a frame and how its stages share it, for every part of the report."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from mapt.bench.report.constants import STAGES

REST = "rest"
PARTS = tuple(stage for stage in STAGES if stage not in ("networks", "frame"))
Quantiles = Mapping[str, Mapping[str, float]]


def frame_ms(stages: Quantiles) -> float:
    """Return the milliseconds of the median frame."""
    return stages["frame"]["p50"]


def split_frame(
    stages: Quantiles, samples: Mapping[str, Sequence[float]] | None
) -> dict[str, float]:
    """Split the milliseconds of the median frame among its stages.

    The medians of the stages do not sum to it: each stage has a median frame of its own, and what a
    step does between its stages belongs to none. Here every stage gets its share of the time of all
    frames, and the remainder is called `rest`.

    Args:
        stages: quantiles by stage.
        samples: milliseconds of every frame by stage; None: only the quantiles are known, and the
            stages share as their medians do.

    Returns:
        Milliseconds by stage, whose sum is `frame_ms(stages)`.
    """
    total = frame_ms(stages)
    if samples:
        spent = {s: statistics.fmean(samples[s]) for s in PARTS if s in samples}
        whole = statistics.fmean(samples["frame"])
    else:
        spent = {s: stages[s]["p50"] for s in PARTS if s in stages}
        whole = max(total, sum(spent.values()))
    whole = whole or 1.0
    shares = {stage: total * ms / whole for stage, ms in spent.items()}
    return {**shares, REST: max(0.0, total - sum(shares.values()))}
