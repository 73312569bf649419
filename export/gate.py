"""Which heads may be computed in a lower precision: the task decides, not differences of tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

LIMITS = {"fp16": 0.005, "int8": 0.01}  # of PAT that may be lost against fp32; of TQ, one of its two parts, twice that
MORE_SWITCHES = 0.1  # share of fp32's id switches that may come on top


@dataclass(frozen=True)
class Score:
    """PAT and TQ in [0, 1], and id switches, on the gate's frames."""

    pat: float
    tq: float
    ids: int

    def within(self, limit: float, reference: Score) -> bool:
        """Is this near enough to fp32's?"""
        lost = max(reference.pat - self.pat, (reference.tq - self.tq) / 2)
        return lost <= limit and self.ids <= reference.ids * (1 + MORE_SWITCHES) + 1


@dataclass(frozen=True)
class Trial:
    """What came out with `heads` in the lower precision and the rest in float32."""

    heads: tuple[str, ...]
    score: Score

    @property
    def name(self) -> str:
        """The heads in words."""
        return ", ".join(self.heads) or "fp32"


@dataclass(frozen=True)
class Verdict:
    """The heads that keep the lower precision, and every trial: fp32, each head alone, then combinations."""

    kept: tuple[str, ...]
    trials: tuple[Trial, ...]


def judge(
    heads: Iterable[str], score: Callable[[tuple[str, ...]], Score], limit: float,
    done: Callable[[Trial], None] = lambda _: None,
) -> Verdict:  # fmt: skip
    """Try every head alone, then all that passed together, without the costliest ones until that passes too.

    Args:
        heads: that there is a lower precision of.
        score: runs the task with these heads in it.
        limit: loss of PAT that is allowed.
        done: called with each trial.
    """
    trials: list[Trial] = []

    def attempt(chosen: tuple[str, ...]) -> Score:
        trials.append(Trial(chosen, score(chosen)))
        done(trials[-1])
        return trials[-1].score

    reference = attempt(())
    alone = {head: attempt((head,)) for head in heads}
    kept = [head for head, found in alone.items() if found.within(limit, reference)]
    while len(kept) > 1 and not attempt(tuple(kept)).within(limit, reference):
        kept.remove(min(kept, key=lambda head: alone[head].pat))
    return Verdict(tuple(kept), tuple(trials))
