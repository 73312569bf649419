"""The suites of `mapt bench`, and which options each takes, as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Suite:
    """A value of `--suite`.

    Attributes:
        name: by which `--suite` asks for it.
        measures: the parts that it measures, in this order; none where it reports by itself.
        beside: takes other bundles with `--beside`.
        compare: can be compared with an earlier run by `--compare`.
        html: has a part in the report of `--html`.
        many_seeds: scores several seeds of synthetic data; else one.
        scores: compares labels with ground truth, which has to be of the network's classes.
    """

    name: str
    measures: tuple[str, ...]
    beside: bool = False
    compare: bool = False
    html: bool = True
    many_seeds: bool = False
    scores: bool = True


SUITES = {
    suite.name: suite
    for suite in (
        Suite("run", ("run",), beside=True, compare=True),
        Suite("ablation", ("ablation",), beside=True, many_seeds=True),
        Suite("parity", (), html=False),
        Suite("scale", ("scale",), scores=False),
        Suite("deadline", ("deadline",)),
        Suite("all", ("run", "scale", "ablation"), beside=True, compare=True, many_seeds=True),
    )
}


def names_of(takes: Callable[[Suite], bool]) -> str:
    """The suites for which something holds, in words."""
    *names, last = [suite.name for suite in SUITES.values() if takes(suite)]
    return f"{', '.join(names)} and {last}" if names else last
