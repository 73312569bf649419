"""Decides which heads may be computed in a lower precision.

Tracking accuracy decides, not the differences of tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

LIMITS = {
    "fp16": 0.005,
    "int8": 0.01,
}  # of PAT that may be lost against fp32; of TQ, one of its two parts, twice that
MORE_SWITCHES = 0.1  # share of fp32's id switches that may come on top


@dataclass(frozen=True)
class Score:
    """PAT and TQ in [0, 1], and id switches, on the gate's frames."""

    pat: float
    tq: float
    ids: int

    def faults(self, limit: float, reference: Score) -> list[str]:
        """Return why this score is too low compared with that of fp32.

        The result is empty if the score passes.
        """
        losses = (
            ("PAT", reference.pat - self.pat, limit),
            ("TQ", reference.tq - self.tq, 2 * limit),
        )
        found = [
            f"{name} falls by {lost:.4f}, more than {most:g}"
            for name, lost, most in losses
            if lost > most
        ]
        if self.ids > reference.ids * (1 + MORE_SWITCHES) + 1:
            found.append(f"{self.ids} id switches instead of {reference.ids}")
        return found


@dataclass(frozen=True)
class PrecisionTrial:
    """The result with `heads` in the lower precision and the rest in float32.

    Attributes:
        heads: which.
        score: on the gate's frames.
        faults: why that is not allowed; empty: it passes.
    """

    heads: tuple[str, ...]
    score: Score
    faults: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return the names of the heads as text."""
        return ", ".join(self.heads) or "fp32"


@dataclass(frozen=True)
class Verdict:
    """The decision of the accuracy gate.

    Attributes:
        kept: heads that keep the lower precision.
        trials: fp32, each head alone, then combinations.
        returned: why each of the other heads went back to float32.
    """

    kept: tuple[str, ...]
    trials: tuple[PrecisionTrial, ...]
    returned: dict[str, str]


def judge(
    heads: Iterable[str],
    score: Callable[[tuple[str, ...]], Score],
    limit: float,
    on_progress: Callable[[PrecisionTrial], None] = lambda _: None,
) -> Verdict:
    """Choose the heads to lower: try each head alone, then all that passed together.

    While the heads together fail, the costliest one is reverted.

    What a head costs alone does not say what it costs beside others: those that went back first are
    tried once more.

    Args:
        heads: that there is a lower precision of.
        score: runs the task with these heads in it.
        limit: loss of PAT that is allowed.
        on_progress: called with each trial.
    """
    trials: list[PrecisionTrial] = []

    def attempt(chosen: tuple[str, ...]) -> PrecisionTrial:
        found = score(chosen)
        reference = trials[0].score if trials else found
        trials.append(PrecisionTrial(chosen, found, tuple(found.faults(limit, reference))))
        on_progress(trials[-1])
        return trials[-1]

    attempt(())
    alone = {head: attempt((head,)) for head in heads}
    kept = [head for head, trial in alone.items() if not trial.faults]
    returned = {head: "; ".join(trial.faults) for head, trial in alone.items() if trial.faults}
    while len(kept) > 1 and (together := attempt(tuple(kept))).faults:
        costliest = min(kept, key=lambda head: alone[head].score.pat)
        kept.remove(costliest)
        returned[costliest] = (
            f"{'; '.join(together.faults)} together with {', '.join(kept)}; it costs most alone"
        )
    beside = [
        head for head in returned if not alone[head].faults
    ]  # in the order in which they went back
    for head in beside[-2::-1]:  # but for the last: with it these failed
        more = [name for name in alone if name in kept or name == head]
        if not attempt(tuple(more)).faults:
            kept = more
            del returned[head]
    return Verdict(tuple(kept), tuple(trials), returned)
