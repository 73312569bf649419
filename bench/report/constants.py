"""Defines the words and numbers that all tables of the benchmarks share.

It does not import PyTorch, so that results are read quickly.
"""

from __future__ import annotations

import statistics

NETWORKS = ("backbone", "semantic", "instance", "motion", "appearance")
STAGES = (
    "preprocess",
    "backbone",
    "semantic",
    "instance",
    "fusion",
    "motion",
    "appearance",
    "association",
    "output",
    "networks",
    "frame",
)
# Measured once with 2 threads on a machine of this kind; the package is not a dependency of this
# project.
REFERENCE_POINT = (
    "reference point, not measured here: YOLO11n-seg's network alone, ONNX Runtime, 192x640, 2"
    " threads: 27 ms"
)
CONVENTION = (
    "One FLOP is one multiply-add; left out: batch norm, activations, resizing, sums, sorting, box"
    " suppression"
)
PAPER = "paper, Table V: motion head 0.38 M parameters, 3.50 G; FlowNet2 162.51 M, 993.13 G"
SCORES = ("PAT", "PQ", "TQ", "STQ", "AQ", "SQ", "IDS")


def percent(value: float | None) -> str:
    """Format a fraction in percent; an undefined one is a dash."""
    return "-" if value is None else f"{100 * value:.2f}"


def mean_and_spread(values: list[float | None]) -> tuple[float, float]:
    """Compute mean and standard deviation; undefined values count as 0."""
    numbers = [v or 0.0 for v in values]
    return statistics.fmean(numbers), statistics.stdev(numbers) if len(numbers) > 1 else 0.0


def with_spread(values: list[float | None], digits: int, sign: str = " ± ") -> str:
    """Format the mean and standard deviation of fractions in percent.

    A single fraction has no deviation.
    """
    mean, spread = mean_and_spread(values)
    shown = f"{100 * mean:.{digits}f}"
    return f"{shown}{sign}{100 * spread:.{digits}f}" if len(values) > 1 else shown
