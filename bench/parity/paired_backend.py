"""Compares the subgraphs of two backends on the same inputs, call by call."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapt.contract import BY_NAME
from mapt.export.bundle.compare_outputs import TOLERANCE
from mapt.runtime.backends.protocol import Backend, Tensors, all_on_host
from mapt.runtime.perception.self_test import difference

# Detections that one decision may change: of two boxes the other stays, and suppresses others.
RIPPLE = 4


@dataclass(frozen=True)
class Divergence:
    """A tensor that differs by more than the tolerance, and where.

    Attributes:
        head: the subgraph that gave it; both sides were given the same inputs.
        tensor: the output.
        relative: its largest difference, as a share of its largest value; of integers the share of
            elements.
        sequence: the clip's name.
        frame: index in it.
    """

    head: str
    tensor: str
    relative: float
    sequence: str
    frame: int


@dataclass
class HeadGap:
    """The differences of a subgraph's outputs over all of its calls.

    Attributes:
        precision: its number format in the bundle; only float32 has a tolerance.
        calls: how often it ran.
        beyond: calls in which some output exceeded the tolerance.
        tied: calls in which a few detections differ because their choice hung on a rounding error.
        reordered: calls whose detections came in another order (they are compared in the
            reference's).
        worst: the largest difference; None where it never ran.
    """

    precision: str
    calls: int = 0
    beyond: int = 0
    tied: int = 0
    reordered: int = 0
    worst: Divergence | None = None


class PairedBackend:
    """A backend that answers like the reference and compares another backend with it.

    Both backends compute every call.

    Args:
        reference: gives the answers.
        other: is compared.
        heads: where what differs is written down.
        ties: counts the reference's decisions so far that rounding errors may turn, see `Margins`.
    """

    name = "shadow"

    def __init__(
        self,
        reference: Backend,
        other: Backend,
        heads: dict[str, HeadGap],
        ties: Callable[[], int],
    ) -> None:
        self.reference = reference
        self.other = other
        self.heads = heads
        self.ties = ties
        self.info = reference.info
        self.providers = reference.providers
        self.place = ("", 0)
        self.first: Divergence | None = None
        self.detections: NDArray[np.float32] = np.zeros(0, np.float32)

    def run(self, subgraph: str, inputs: Mapping[str, Any]) -> Tensors:
        """See `Backend.run`."""
        before = self.ties()
        want = all_on_host(self.reference.run(subgraph, inputs))
        ties = self.ties() - before
        got = all_on_host(self.other.run(subgraph, inputs))
        head = self.heads[subgraph]
        head.calls += 1
        if subgraph == "instance":
            self.detections = want["scores"][: int(want["count"][0])]
            got, moved = in_order_of(want, got)
            head.reordered += moved
            if 0 < _other_boxes(want, got) <= RIPPLE * ties:
                head.tied += 1
                return want
        gaps = {t.name: _gap(want[t.name], got[t.name]) for t in BY_NAME[subgraph].outputs}
        tensor = max(gaps, key=lambda name: gaps[name])
        found = Divergence(subgraph, tensor, gaps[tensor], *self.place)
        if head.worst is None or found.relative > head.worst.relative:
            head.worst = found
        if head.precision == "fp32" and found.relative > TOLERANCE:
            head.beyond += 1
            self.first = self.first or found
        return want


def _gap(want: NDArray[Any], got: NDArray[Any]) -> float:
    """The difference; of what is not a number, infinity."""
    found = difference(want, got)
    return float("inf") if math.isnan(found) else found


def _other_boxes(want: Tensors, got: Tensors) -> int:
    """Count the detections that are other ones; 0 if any differs whose box is the same."""
    if want["count"][0] != got["count"][0]:
        return 0
    apart = {name: _apart(value, got[name]) for name, value in want.items() if name != "count"}
    other = apart["boxes"]
    same = any((rows & ~other).any() for rows in apart.values())
    return 0 if same else int(other.sum())


def _apart(want: NDArray[Any], got: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which rows (n,) differ by more than the tolerance, or hold what is not a number."""
    limit = TOLERANCE * float(np.abs(want).max(initial=0))
    apart = np.abs(want.astype(np.float64) - got).reshape(len(want), -1)
    return np.asarray((~(apart <= limit)).any(1))


def in_order_of(want: Tensors, got: Tensors) -> tuple[Tensors, bool]:
    """Reorder detections so that they match the rows of a reference.

    Detections with nearly equal scores may change places. The tracker sorts them anyway.

    Returns:
        The instance head's outputs with their rows next to those of the same object, and whether
        that moved any.
    """
    count = int(want["count"][0])
    if count != int(got["count"][0]) or not count:
        return got, False
    from scipy.optimize import linear_sum_assignment

    apart = np.abs(want["boxes"][:count, None] - got["boxes"][None, :count]).sum(2)
    apart += 1e6 * (want["classes"][:count, None] != got["classes"][None, :count])
    rows = linear_sum_assignment(apart)[1]
    if (rows == np.arange(count)).all():
        return got, False
    whole = np.concatenate((rows, np.arange(count, len(got["boxes"]))))
    return {name: value if name == "count" else value[whole] for name, value in got.items()}, True
