"""Compares two runs of `mapt bench --json` and reports significant regressions.

Both runs must come from one machine and the same frames. A regression is a loss of speed or
accuracy beyond noise.

Latency is compared frame by frame, as both runs saw the same pictures, in units of the yardstick
that ran beside each frame: a slower clock or a busier machine lengthens both. The median of the log
ratios is bootstrapped over blocks of consecutive frames, so that a machine's slow drifts count as
noise. A stage got slower where even the lower end of the 99 % interval is above the tolerance, and
where it matters to the frame. Labels, ids and scores are compared exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapt.bench.report.constants import SCORES
from mapt.errors import InputError
from mapt.io.user_files import read_json

TOLERANCE = 0.03  # a relative change of latency up to this is not reported
MATTERS = 0.01  # of the frame's median
CERTAINTY = 0.99
ENOUGH = 20  # frames; fewer say nothing about latency
ROUNDS = 1000
BLOCKS = 8
SMOOTH = 9
NEEDED = (
    "machine",
    "bundle",
    "data",
    "samples_ms",
    "yardstick_ms",
    "labels",
    "accuracy",
    "backends",
)
Floats = NDArray[np.float64]
Report = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """A difference beyond noise.

    Attributes:
        backend: of which row.
        what: "latency", "accuracy" or "labels".
        text: for people.
        worse: does it fail the comparison?
    """

    backend: str
    what: str
    text: str
    worse: bool


def read_report(path: Path) -> dict[str, Any]:
    """A JSON of `mapt bench` with all that a comparison needs.

    Raises:
        InputError: it is not one.
    """
    report = read_json(path, "give a JSON of `mapt bench --json`")
    missing = [key for key in NEEDED if not isinstance(report, dict) or key not in report]
    if missing:
        raise InputError(
            f"{path}: has no {missing[0]!r}; write it again with `mapt bench --suite run --json`"
        )
    return dict(report)


def check_comparable(old: Report, new: Report, path: Path) -> None:
    """Check that two runs can be compared; `new` needs no results yet.

    Raises:
        InputError: another machine, network size, or other frames; the first difference is named.
    """
    for part, keys, what in (
        ("machine", ("cpu", "cores", "system", "threads", "pytorch"), "on another machine"),
        ("bundle", ("preset", "height", "width"), "of a network of another size"),
        ("data", ("sha256", "frames", "fps"), "on other frames"),
    ):
        for key in keys:
            then = old[part].get(key)
            now = new[part].get(key)
            if then != now and (then, key) != (None, "pytorch"):  # which older reports do not name
                raise InputError(
                    f"{path}: was measured {what} ({key} was {then}, is {now}); measure both alike"
                )


def compare(old: Report, new: Report, path: Path) -> list[Change]:
    """List every change beyond noise of the backends that both runs have.

    Raises:
        InputError: they have none in common.
    """
    if not set(old["samples_ms"]) & set(new["samples_ms"]):
        raise InputError(
            f"{path}: has no backend of this run; it has {', '.join(old['samples_ms'])}"
        )
    changes = []
    for backend in new["samples_ms"]:
        if backend in old["samples_ms"]:
            changes += (
                _latency(old, new, backend)
                + _labels(old, new, backend)
                + _accuracy(old, new, backend)
            )
    return changes


def _latency(old: Report, new: Report, backend: str) -> list[Change]:
    then = old["samples_ms"][backend]
    now = new["samples_ms"][backend]
    changes = []
    whole = float(np.median(then["frame"]))
    for stage in then.keys() & now.keys():
        before = np.array(then[stage])
        after = np.array(now[stage])
        ratio, low, high = change_of(
            before, after, np.array(old["yardstick_ms"]), np.array(new["yardstick_ms"])
        )
        slower = low > 1 + TOLERANCE
        faster = high < 1 - TOLERANCE
        if (slower or faster) and abs(ratio - 1) * float(np.median(before)) > MATTERS * whole:
            text = (
                f"{stage}: {np.median(before):.2f} -> {np.median(after):.2f} ms; in the machine's"
                " pace "
            )
            text += f"{ratio - 1:+.1%} ({low - 1:+.1%} to {high - 1:+.1%})"
            changes.append(Change(backend, "latency", text, bool(slower)))
    return sorted(changes, key=lambda c: c.text)


def change_of(
    before: Floats, after: Floats, pace_before: Floats, pace_after: Floats
) -> tuple[float, float, float]:
    """Estimate how many times as long the same frames take, with a confidence interval.

    Args:
        before: milliseconds (n,) of each frame then; frames in which a stage did not run are 0 and
            left out.
        after: and now.
        pace_before: milliseconds (n,) of the yardstick beside them then.
        pace_after: and now.

    Returns:
        Ratio, lower and upper end; (1, 0, inf) where there are too few frames to tell.
    """
    ran = (before > 0) & (after > 0)
    if ran.sum() < ENOUGH:
        return 1.0, 0.0, float("inf")
    change = (
        np.log(after[ran] / before[ran]) - np.log(_smooth(pace_after) / _smooth(pace_before))[ran]
    )
    size = len(change) // BLOCKS
    starts = np.random.default_rng(0).integers(0, len(change) - size + 1, (ROUNDS, BLOCKS))
    drawn = change[(starts[..., None] + np.arange(size)).reshape(ROUNDS, -1)]
    tail = (1 - CERTAINTY) / 2
    low, high = np.quantile(np.median(drawn, 1), (tail, 1 - tail))
    return float(np.exp(np.median(change))), float(np.exp(low)), float(np.exp(high))


def _smooth(values: Floats) -> Floats:
    """Return the running median, so that single disturbed measurements do not count."""
    padded = np.pad(values, SMOOTH // 2, mode="edge")
    smooth: Floats = np.median(np.lib.stride_tricks.sliding_window_view(padded, SMOOTH), 1)
    return smooth


def _labels(old: Report, new: Report, backend: str) -> list[Change]:
    """Compare labels frame by frame.

    The same bundle must label the same frames in the same way. Labels of another bundle may differ.
    """
    then = old["labels"][backend]
    now = new["labels"][backend]
    places = [
        (s, i)
        for s in now
        for i, (a, b) in enumerate(zip(then.get(s, ()), now[s], strict=False))
        if a != b
    ]
    if not places:
        return []
    same = old["backends"][backend]["bundle"] == new["backends"][backend]["bundle"]
    text = (
        f"classes or ids differ in {len(places)} frames, first in {places[0][0]} frame"
        f" {places[0][1]}"
    )
    return [
        Change(
            backend,
            "labels",
            text + (", of the same bundle" if same else ", of another bundle"),
            same,
        )
    ]


def _accuracy(old: Report, new: Report, backend: str) -> list[Change]:
    changes = []
    for key in SCORES:
        then, now = (report["accuracy"][backend][key] or 0 for report in (old, new))
        if then != now:
            shown = f"{then} -> {now}" if key == "IDS" else f"{100 * then:.2f} -> {100 * now:.2f}"
            changes.append(
                Change(
                    backend,
                    "accuracy",
                    f"{key}: {shown}",
                    now > then if key == "IDS" else now < then,
                )
            )
    return changes


def drift(old: Report, new: Report) -> float:
    """Return the time of the reference workload relative to that of the earlier run."""
    return float(np.median(new["yardstick_ms"]) / np.median(old["yardstick_ms"]))
