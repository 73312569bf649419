"""A slow second implementation of the metrics, written from docs/metrics.md alone.

It uses loops over pixels, sets and fractions.

Nothing is shared with the package. A side of a frame is a list with the (class, id) of every pixel;
segments, tubes and tracks are sets of pixel positions; every ratio is exact until the last square
root.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

VOID = 255
BACKGROUND = 254
Key = tuple[int, int]
Side = list[Key]
Segments = dict[Key, set[tuple[int, int]]]  # (class, id) -> positions (frame, pixel)
Frames = list[tuple[Side, Side]]
Number = float | None


@dataclass(frozen=True)
class Rules:
    """What changes a number besides the pixels."""

    num_classes: int
    things: frozenset[int]
    nuscenes: bool = False
    void_pred_as_class: bool = True


def iou_of(a: set[tuple[int, int]], b: set[tuple[int, int]]) -> Fraction:
    return Fraction(len(a & b), len(a | b))


def segments(side: Side, frame: int = 0, ignore: Iterable[int] = ()) -> Segments:
    out: Segments = defaultdict(set)
    for pixel, key in enumerate(side):
        if key[0] != VOID and pixel not in ignore:
            out[key].add((frame, pixel))
    return dict(out)


def ignored(gt: Side, rules: Rules) -> set[int]:
    """Pixels of void and crowd."""
    return {x for x, (c, i) in enumerate(gt) if c == VOID or (c in rules.things and i == 0)}


def mean(values: Iterable[Fraction | float]) -> Number:
    found = list(values)
    return float(sum(found) / len(found)) if found else None


def frame_pq(gt: Side, pred: Side, rules: Rules) -> dict[int, list[Fraction]]:
    """Sum of IoU, TP, FP, FN of each class in one frame."""
    skip = ignored(gt, rules) if rules.nuscenes else set()
    truth = segments(gt, 0, skip)
    found = segments(pred, 0, skip)
    void = {(0, x) for x, (c, _) in enumerate(gt) if c == VOID}
    crowds = {key: truth.pop(key) for key in list(truth) if key[0] in rules.things and key[1] == 0}
    counts: dict[int, list[Fraction]] = defaultdict(lambda: [Fraction(0)] * 4)
    pairs = {
        (g, p): iou_of(truth[g], found[p] - void) for g in truth for p in found if g[0] == p[0]
    }
    matches = {pair: value for pair, value in pairs.items() if value > Fraction(1, 2)}
    for (g, _), value in matches.items():
        counts[g[0]][0] += value
        counts[g[0]][1] += 1
    for p in found.keys() - {p for _, p in matches}:
        excused = found[p] & (void | crowds.get((p[0], 0), set()))
        counts[p[0]][2] += not Fraction(len(excused), len(found[p])) > Fraction(1, 2)
    for g in truth.keys() - {g for g, _ in matches}:
        counts[g[0]][3] += 1
    return counts


def class_pq(sequences: Iterable[Frames], rules: Rules) -> dict[int, Fraction]:
    total: dict[int, list[Fraction]] = defaultdict(lambda: [Fraction(0)] * 4)
    for frames in sequences:
        for gt, pred in frames:
            for c, counts in frame_pq(gt, pred, rules).items():
                total[c] = [a + b for a, b in zip(total[c], counts, strict=True)]
    counted = {
        c: n for c, n in total.items() if c < rules.num_classes and any(n[1:])
    }  # not the background
    return {c: iou / (tp + fp / 2 + fn / 2) for c, (iou, tp, fp, fn) in counted.items()}


def class_iou(sequences: Iterable[Frames], rules: Rules) -> dict[int, Fraction]:
    matrix = Counter(
        (g[0], p[0])
        for frames in sequences
        for gt, pred in frames
        for g, p in zip(gt, pred, strict=True)
    )
    matrix = Counter({(g, p): n for (g, p), n in matrix.items() if g != VOID})
    classes = [*range(rules.num_classes), *([VOID] if rules.void_pred_as_class else [])]
    out = {}
    for c in classes:
        union = sum(n for (g, p), n in matrix.items() if c in (g, p))
        if union:
            out[c] = Fraction(matrix[c, c], union)
    return out


def tube_scores(frames: Frames, rules: Rules) -> list[Fraction]:
    """Of each ground-truth tube of a sequence: 1/|g| * sum over p of TPA * IoU(g, p)."""
    truth: Segments = defaultdict(set)
    found: Segments = defaultdict(set)
    for t, (gt, pred) in enumerate(frames):
        for x, (g, p) in enumerate(zip(gt, pred, strict=True)):
            if g[0] in rules.things and g[1] > 0:
                truth[g].add((t, x))
            if p[0] in rules.things and not (g[0] in rules.things and g[1] == 0):
                found[p].add((t, x))
    return [
        sum((len(g & p) * iou_of(g, p) for p in found.values()), Fraction(0)) / len(g)
        for g in truth.values()
    ]


@dataclass(frozen=True)
class TrackScore:
    label: int
    value: float
    changes: int
    pairs: int


def track_scores(frames: Frames, rules: Rules) -> list[TrackScore]:
    matches: dict[Key, list[Key | None]] = defaultdict(
        list
    )  # of each ground-truth track, frame by frame
    visible: Counter[Key] = Counter()
    for gt, pred in frames:
        skip = ignored(gt, rules)
        truth = {
            g: s for g, s in segments(gt, 0, skip).items() if g[0] in rules.things and g[1] > 0
        }
        found = {
            p: s for p, s in segments(pred, 0, skip).items() if p[0] in rules.things and p[1] > 0
        }
        visible.update(found.keys())
        for g, s in truth.items():
            fits = [p for p in found if iou_of(s, found[p]) > Fraction(1, 2)]
            assert len(fits) <= 1
            matches[g].append(fits[0] if fits else None)
    return [_track_score(g[0], series, visible) for g, series in matches.items()]


def _track_score(label: int, series: list[Key | None], visible: Counter[Key]) -> TrackScore:
    size = len(series)
    association = Fraction(0)
    for p, hits in Counter(m for m in series if m is not None).items():
        association += Fraction(hits * hits, size + visible[p] - hits) / size
    kept = sum(a == b and a is not None for a, b in pairwise(series))
    changes = size - 1 - kept
    factor = 1 - Fraction(changes, size - 1) if size > 1 else Fraction(1)
    return TrackScore(label, math.sqrt(factor * association), changes, size - 1)


def harmonic(pq: Fraction | Number, tq: Number) -> Number:
    if pq is None or tq is None:
        return None
    return float(2 * pq * tq / (pq + tq)) if pq or tq else 0.0


def scores(sequences: Iterable[Frames], rules: Rules) -> dict[str, Number]:
    """Every number of a dataset by its name in `Scores`."""
    parts = list(sequences)
    absent = dict.fromkeys(range(rules.num_classes), Fraction(0)) if rules.nuscenes else {}
    pq = absent | class_pq(parts, rules)
    sq = mean(class_iou(parts, rules).values())
    tubes = [value for frames in parts for value in tube_scores(frames, rules)]
    tracks = [track for frames in parts for track in track_scores(frames, rules)]
    aq = mean(tubes) or 0.0
    overall = mean(pq.values())
    tq = mean(t.value for t in tracks)
    return {
        "PAT": harmonic(overall, tq),
        "PQ": overall,
        "PQ_things": mean(v for c, v in pq.items() if c in rules.things),
        "PQ_stuff": mean(v for c, v in pq.items() if c not in rules.things),
        "TQ": tq,
        "STQ": None if sq is None else math.sqrt(aq * sq),
        "AQ": aq,
        "SQ": sq,
        "IDS": sum(t.changes for t in tracks),
        "N_IDS": sum(t.pairs for t in tracks),
        "num_gt_tracks": len(tracks),
    }
