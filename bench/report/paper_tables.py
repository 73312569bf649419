"""The paper's tables as printed, and a check of its composite scores."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A row of the paper in percent; None where it has a dash.

    Attributes:
        system: name of the row.
        PAT, PQ, TQ, STQ, AQ, SQ: scores.
    """

    system: str
    PAT: float | None
    PQ: float | None
    TQ: float | None
    STQ: float
    AQ: float
    SQ: float


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper.

    Attributes:
        number: I to VI.
        title: on what.
        decimals: that its numbers have; the tolerance of `mismatches` follows from them.
        rows: in its order.
    """

    number: str
    title: str
    decimals: int
    rows: tuple[Published, ...]


TABLES = (
    PaperTable("I", "KITTI-STEP validation", 2, (
        Published("Mask2former (siai)", 44.79, 44.64, 44.94, 52.94, 46.73, 58.15),
        Published("Motion-DeepLab", 54.05, 52.20, 56.03, 60.71, 54.28, 67.90),
        Published("MOPT", 50.99, 46.43, 56.55, 62.71, 57.00, 69.01),
        Published("VPS* (reimplemented)", 49.05, 44.78, 54.22, 49.51, 44.71, 54.83),
        Published("VPS", None, None, None, 56.00, 52.00, 61.00),
        Published("TubeFormer-DeepLab", None, None, None, 65.00, 61.00, 62.00),
        Published("IMTNet", None, None, None, 62.00, 56.00, 70.00),
        Published("Video K-Net", 61.29, 56.66, 66.74, 73.33, 71.95, 74.74),
        Published("Video-kMaX", 62.16, 55.20, 70.01, 79.00, 78.80, 78.90),
        Published("MAPT", 64.20, 59.04, 70.33, 75.38, 69.47, 81.80),
    )),
    PaperTable("II", "KITTI-STEP test", 2, (
        Published("siai", None, None, None, 57.87, 55.16, 60.71),
        Published("Motion-DeepLab", None, None, None, 52.19, 45.55, 59.81),
        Published("TubeFormer-DeepLab", None, None, None, 65.25, 60.59, 70.27),
        Published("Video-kMaX", None, None, None, 68.47, 67.20, 69.77),
        Published("MAPT", None, None, None, 67.38, 66.54, 68.23),
    )),
    PaperTable("III", "MOTChallenge-STEP test", 1, (
        Published("siai", None, None, None, 31.8, 15.4, 65.7),
        Published("EffPSM", None, None, None, 42.8, 26.4, 69.2),
        Published("IPL ETRI", None, None, None, 48.6, 43.3, 54.5),
        Published("MAPT", None, None, None, 46.7, 32.3, 67.4),
    )),
    PaperTable("IV", "backbone and tracking heads, KITTI-STEP validation", 2, (
        Published("Panoptic-DeepLab, IoU matching", 54.05, 52.20, 56.03, 60.71, 54.28, 67.90),
        Published("APSNet, IoU matching", 59.45, 56.91, 62.22, 63.58, 59.22, 68.26),
        Published("APSNet, FlowNet2", 61.01, 56.91, 65.76, 66.16, 64.12, 68.26),
        Published("APSNet, MaskProp", 59.59, 56.91, 62.54, 65.58, 63.46, 68.26),
        Published("MAPT appearance", 59.84, 56.91, 63.10, 65.58, 63.02, 68.26),
        Published("MAPT motion", 61.61, 56.91, 67.16, 67.32, 67.32, 68.26),
        Published("MAPT", 62.65, 58.00, 68.13, 70.91, 68.80, 73.10),
    )),
    PaperTable("V", "motion head, KITTI-STEP validation", 2, (
        Published("FlowNet2 (162.51 M, 993.13 G)", 61.01, 56.91, 65.76, 66.16, 64.12, 68.26),
        Published("backbone features (0.38 M, 3.50 G)", 59.59, 56.91, 62.54, 65.58, 63.46, 68.26),
        Published("semantic features (0.38 M, 3.50 G)", 61.61, 56.91, 67.16, 67.79, 67.32, 68.26),
    )),
    PaperTable("VI", "appearance, KITTI-STEP validation", 2, (
        Published("OC-SORT", 45.96, 56.91, 38.55, 50.65, 37.59, 68.26),
        Published("ByteTrack", 51.04, 56.91, 46.28, 54.80, 44.00, 68.26),
        Published("IoU matching", 45.91, 56.35, 38.73, 51.65, 39.07, 68.26),
        Published("boxes", 54.75, 55.73, 53.80, 62.98, 57.91, 68.26),
        Published("masks", 59.78, 56.91, 61.43, 65.00, 61.91, 68.26),
        Published("masks and motion", 59.84, 56.91, 63.10, 65.58, 63.02, 68.26),
    )),
)  # fmt: skip
MISPRINTS = (
    "Misprints that are known: Table I, Video-kMaX PAT and siai STQ; Table IV, STQ of Motion (Table"
    " V has 67.79) and of MaskProp; Table VI, PAT of masks. No code follows them."
)


@dataclass(frozen=True)
class Mismatch:
    """A composite score that its parts do not give."""

    score: str
    printed: float
    parts: float


def mismatches(row: Published, decimals: int) -> list[Mismatch]:
    """Find composite scores of a row that rounding of their parts does not explain.

    Args:
        row: the row.
        decimals: of the table; a row of whole numbers was rounded to them whatever the table has.
    """
    numbers = [v for v in (row.PAT, row.PQ, row.TQ, row.STQ, row.AQ, row.SQ) if v is not None]
    tolerance = 1.0 if all(v == round(v) for v in numbers) else 1.5 * 10.0**-decimals
    expected = {"STQ": math.sqrt(row.AQ * row.SQ)}
    if row.PQ is not None and row.TQ is not None:
        expected["PAT"] = 2 * row.PQ * row.TQ / (row.PQ + row.TQ)
    printed = {"STQ": row.STQ, "PAT": row.PAT}
    return [
        Mismatch(score, value, parts)
        for score, parts in expected.items()
        if (value := printed[score]) is not None and abs(value - parts) > tolerance
    ]
