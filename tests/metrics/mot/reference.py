"""A slow second implementation of HOTA, IDF1 and CLEAR MOT, written from docs/metrics.md alone.

A side of a frame maps an id to its set of pixels; ignored pixels are one set. Every assignment is
tried, and every ratio is exact until the last square root.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from itertools import permutations

Masks = dict[int, frozenset[int]]
Frame = tuple[Masks, Masks, frozenset[int]]  # ground truth, prediction, ignored pixels
Pair = tuple[int, int]
ALPHAS = [Fraction(k, 20) for k in range(1, 20)]
HALF = Fraction(1, 2)


class Tie(Exception):
    """Two assignments are equally good, and the definition does not say which counts."""


def iou(a: frozenset[int], b: frozenset[int]) -> Fraction:
    return Fraction(len(a & b), len(a | b))


def without_ignored(frame: Frame) -> tuple[Masks, Masks]:
    gt, pred, ignored = frame
    kept = {
        p: mask
        for p, mask in pred.items()
        if any(iou(g, mask) >= HALF for g in gt.values()) or 2 * len(mask & ignored) <= len(mask)
    }
    return gt, kept


def assignments(rows: list[int], columns: list[int]) -> Iterator[list[Pair]]:
    """Every way to pair all of the shorter side."""
    if len(rows) <= len(columns):
        for chosen in permutations(columns, len(rows)):
            yield list(zip(rows, chosen, strict=True))
    else:
        for chosen in permutations(rows, len(columns)):
            yield list(zip(chosen, columns, strict=True))


def best(rows: list[int], columns: list[int], score: dict[Pair, Fraction]) -> set[Pair]:
    """The pairs with a score above 0 of the best assignment."""
    found: dict[frozenset[Pair], Fraction] = {}
    for pairs in assignments(rows, columns):
        useful = frozenset(pair for pair in pairs if score.get(pair, 0) > 0)
        found[useful] = sum((score[pair] for pair in useful), Fraction(0))
    top = max(found.values(), default=Fraction(0))
    winners = [pairs for pairs, value in found.items() if value == top]
    if len(winners) > 1:
        raise Tie
    return set(winners[0]) if winners else set()


def similarities(gt: Masks, pred: Masks) -> dict[Pair, Fraction]:
    return {(g, p): iou(a, b) for g, a in gt.items() for p, b in pred.items() if a & b}


def lengths(frames: list[tuple[Masks, Masks]], side: int) -> dict[int, int]:
    out: dict[int, int] = defaultdict(int)
    for frame in frames:
        for key in frame[side]:
            out[key] += 1
    return out


def hota(frames: list[tuple[Masks, Masks]]) -> dict[str, float]:
    gt_length = lengths(frames, 0)
    pred_length = lengths(frames, 1)
    common: dict[Pair, Fraction] = defaultdict(Fraction)
    for gt, pred in frames:
        share = similarities(gt, pred)
        for (g, p), value in share.items():
            others = sum(v for (a, b), v in share.items() if a == g or b == p)
            common[g, p] += value / others
    matches: list[tuple[Pair, Fraction]] = []
    for gt, pred in frames:
        share = similarities(gt, pred)
        score = {
            (g, p): value * common[g, p] / (gt_length[g] + pred_length[p] - common[g, p])
            for (g, p), value in share.items()
        }
        matches += [(pair, share[pair]) for pair in best(list(gt), list(pred), score)]
    objects = sum(gt_length.values()) + sum(pred_length.values())
    curves: dict[str, list[float]] = defaultdict(list)
    for alpha in ALPHAS:
        passed = [(pair, value) for pair, value in matches if value >= alpha]
        hits = [pair for pair, _ in passed]
        association = [
            Fraction(hits.count((g, p)), gt_length[g] + pred_length[p] - hits.count((g, p)))
            for g, p in hits
        ]
        detection = Fraction(len(hits), objects - len(hits))
        mean = sum(association, Fraction(0)) / max(1, len(hits))
        curves["DetA"].append(float(detection))
        curves["AssA"].append(float(mean))
        curves["HOTA"].append(math.sqrt(detection * mean))
        curves["LocA"].append(float(sum(v for _, v in passed) / len(hits)) if hits else 1.0)
    return {name: sum(values) / len(ALPHAS) for name, values in curves.items()}


def identity(frames: list[tuple[Masks, Masks]]) -> tuple[int, int, int]:
    """Objects with the right identity, all objects, all predictions."""
    common: dict[Pair, int] = defaultdict(int)
    for gt, pred in frames:
        for pair, value in similarities(gt, pred).items():
            common[pair] += value >= HALF
    gt_length = lengths(frames, 0)
    pred_length = lengths(frames, 1)
    right = max(
        sum(common.get(pair, 0) for pair in pairs)
        for pairs in assignments(list(gt_length), list(pred_length))
    )
    return right, sum(gt_length.values()), sum(pred_length.values())


def clear(frames: list[tuple[Masks, Masks]]) -> dict[str, float]:
    last: dict[int, int] = {}
    current: dict[int, int] = {}
    starts: dict[int, int] = defaultdict(int)
    tp = 0
    switches = 0
    total = Fraction(0)
    for gt, pred in frames:
        if not gt or not pred:
            continue
        share = {k: v for k, v in similarities(gt, pred).items() if v >= HALF}
        score = {(g, p): v + 1000 * (current.get(g) == p) for (g, p), v in share.items()}
        found = best(list(gt), list(pred), score)
        tp += len(found)
        total += sum((share[pair] for pair in found), Fraction(0))
        switches += sum(last.get(g, p) != p for g, p in found)
        for g, _ in found:
            starts[g] += g not in current
        current = dict(found)
        last.update(found)
    objects = sum(lengths(frames, 0).values())
    false = sum(lengths(frames, 1).values()) - tp
    return {
        "MOTA": (tp - false - switches) / objects,
        "sMOTSA": float(total - false - switches) / objects,
        "MOTP": float(total / tp) if tp else math.nan,
        "IDSW": switches,
        "FP": false,
        "FN": objects - tp,
        "Frag": sum(count - 1 for count in starts.values()),
    }
