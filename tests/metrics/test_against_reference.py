"""The package equals the slow reference on random sequences.

This holds for any order of the frames and any way to split them.
"""

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapt.labels.class_sets import CITYSCAPES_VPS, KITTI_STEP, MOTCHALLENGE_STEP, ClassSet
from mapt.labels.step_png import BACKGROUND, VOID
from mapt.metrics import ClassScores, PanopticTrackingMetrics
from mapt.metrics.histogram import JointHistogram
from tests.metrics import reference
from tests.metrics.drawing import Frame, Pools, Sequence, count, draw, random_sequence

seeds = st.integers(0, 2**32 - 1)
Dataset = dict[str, Sequence]
MOTS_POOL = Pools(gt=((254, 0), (254, 0), (255, 0), (11, 7), (11, 300), (13, 7), (13, 300)))
PERSON_POOL = Pools(
    gt=((0, 0), (3, 2), (5, 1), (255, 0), (4, 0), (4, 1), (4, 256), (4, 65535)),
    pred=((0, 0), (3, 0), (6, 0), (255, 0), (4, 0), (4, 1), (4, 2), (4, 256)),
)


def dataset(seed: int, pools: Pools | None = None) -> Dataset:
    rng = np.random.default_rng(seed)
    return {
        f"{s:04d}": random_sequence(rng, int(rng.integers(1, 6)), pools)
        for s in range(rng.integers(1, 4))
    }


def measure(
    data: Dataset, labels: ClassSet = KITTI_STEP, **options: object
) -> PanopticTrackingMetrics:
    metrics = PanopticTrackingMetrics(labels, **options)  # type: ignore[arg-type]
    for name, frames in data.items():
        for gt, pred in frames:
            metrics.update(name, gt, pred)
    return metrics


def plain(frame: Frame, things: frozenset[int]) -> reference.Side:
    pairs = zip(frame[0].ravel().tolist(), frame[1].ravel().tolist(), strict=True)
    return [(c, i if c in things else 0) for c, i in pairs]


def check(data: Dataset, labels: ClassSet, **options: bool) -> None:
    rules = reference.Rules(len(labels.classes), frozenset(labels.things), **options)
    slow = [
        [(plain(gt, rules.things), plain(pred, rules.things)) for gt, pred in s]
        for s in data.values()
    ]
    variant = "nuscenes" if rules.nuscenes else "step"
    result = measure(
        data, labels, variant=variant, void_pred_as_class=rules.void_pred_as_class
    ).compute()
    assert asdict(result.dataset) == pytest.approx(reference.scores(slow, rules), abs=1e-12)
    for scores, frames in zip(result.sequences.values(), slow, strict=True):
        assert asdict(scores) == pytest.approx(reference.scores([frames], rules), abs=1e-12)
    check_classes(result.classes, slow, labels, rules)


def check_classes(
    classes: dict[str, ClassScores],
    slow: list[reference.Frames],
    labels: ClassSet,
    rules: reference.Rules,
) -> None:
    pq = reference.class_pq(slow, rules)
    iou = reference.class_iou(slow, rules)
    assert set(classes) == {labels.classes[c] for c in {*pq, *iou} - {VOID}}
    tracks = [track for frames in slow for track in reference.track_scores(frames, rules)]
    for name, found in classes.items():
        c = labels.classes.index(name)
        own = [track for track in tracks if track.label == c]
        tq = reference.mean(track.value for track in own)
        assert (found.PQ, found.IoU, found.TQ) == pytest.approx(
            (pq.get(c), iou.get(c), tq), abs=1e-12
        )
        assert found.PAT == pytest.approx(reference.harmonic(pq.get(c), tq), abs=1e-12)
        assert found.IDS == (sum(track.changes for track in own) if c in rules.things else None)


@settings(max_examples=60, deadline=None)
@given(seed=seeds, nuscenes=st.booleans(), void_as_class=st.booleans())
def test_kitti_step_equals_the_reference(seed: int, nuscenes: bool, void_as_class: bool) -> None:
    check(dataset(seed), KITTI_STEP, nuscenes=nuscenes, void_pred_as_class=void_as_class)


@settings(max_examples=15, deadline=None)
@given(seed=seeds)
def test_other_label_maps_equal_the_reference(seed: int) -> None:
    check(dataset(seed, PERSON_POOL), MOTCHALLENGE_STEP)
    check(dataset(seed), CITYSCAPES_VPS)


def things_only(frame: Frame) -> Frame:
    """Stuff as background; void stays."""
    keep = np.isin(frame[0], [*KITTI_STEP.things, VOID])
    return np.where(keep, frame[0], BACKGROUND).astype(np.uint8), np.where(keep, frame[1], 0)


@settings(max_examples=15, deadline=None)
@given(seed=seeds, nuscenes=st.booleans())
def test_background_stays_out_of_the_class_means(seed: int, nuscenes: bool) -> None:
    data = dataset(seed, MOTS_POOL)
    things = {
        name: [(gt, things_only(pred)) for gt, pred in frames] for name, frames in data.items()
    }
    assert {
        int(c) for frames in things.values() for _, pred in frames for c in np.unique(pred[0])
    } <= {
        11,
        13,
        255,
        BACKGROUND,
    }
    check(things, KITTI_STEP, nuscenes=nuscenes)


@settings(max_examples=30, deadline=None)
@given(
    seed=seeds,
    cuts=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=3),
)
def test_merged_accumulators_equal_one(seed: int, cuts: list[tuple[int, int]]) -> None:
    data = dataset(seed)
    bounds = {name: (0, *sorted(cut), 5) for name, cut in zip(data, cuts, strict=False)}
    parts = [
        measure({n: frames[bounds[n][k] : bounds[n][k + 1]] for n, frames in data.items()})
        for k in range(3)
    ]
    before = [part.compute() for part in parts]
    merged = PanopticTrackingMetrics(KITTI_STEP)
    for part in parts:
        merged.merge(part)
    whole = measure(data).compute()
    found = merged.compute()
    assert asdict(found.dataset) == pytest.approx(asdict(whole.dataset), abs=1e-12)
    assert set(found.sequences) == set(whole.sequences)
    for name, scores in whole.sequences.items():
        assert asdict(found.sequences[name]) == pytest.approx(asdict(scores), abs=1e-12)
    assert [part.compute() for part in parts] == before  # merging changes only the receiver


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_renaming_predicted_ids_changes_nothing(seed: int) -> None:
    data = dataset(seed)
    names = np.append(0, np.random.default_rng(seed).permutation(65535) + 1).astype(np.int32)
    renamed = {
        name: [(gt, (c, names[i])) for gt, (c, i) in frames] for name, frames in data.items()
    }
    assert asdict(measure(renamed).compute().dataset) == pytest.approx(
        asdict(measure(data).compute().dataset)
    )


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_the_histogram_counts_every_pixel_once(seed: int) -> None:
    gt, pred = random_sequence(np.random.default_rng(seed), 1)[0]
    things = frozenset(KITTI_STEP.things)
    pairs = list(zip(plain(gt, things), plain(pred, things), strict=True))
    rows = rows_of(count(gt, pred))
    assert rows == [(*g, *p, pairs.count((g, p))) for g, p in sorted(set(pairs))]


@settings(max_examples=15, deadline=None)
@given(seed=seeds)
def test_mapping_a_histogram_is_mapping_the_frame(seed: int) -> None:
    gt, pred = random_sequence(np.random.default_rng(seed), 1, MOTS_POOL)[0]
    table = np.full(256, BACKGROUND, np.uint8)
    table[[*KITTI_STEP.things, VOID]] = [*KITTI_STEP.things, VOID]
    assert rows_of(count(gt, pred).map_pred_classes(table)) == rows_of(count(gt, things_only(pred)))


def rows_of(h: JointHistogram) -> list[tuple[int, ...]]:
    return list(zip(h.gt_class, h.gt_id, h.pred_class, h.pred_id, h.count, strict=True))


def test_ids_of_stuff_are_dropped_even_where_every_pixel_has_one() -> None:
    assert rows_of(count(draw("DRR"), draw("RPR"))) == [
        (0, 0, 0, 0, 1),
        (0, 0, 11, 1, 1),
        (13, 300, 0, 0, 1),
    ]


def test_a_frame_without_pixels_counts_nothing() -> None:
    assert rows_of(count(draw(""), draw(""))) == []


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_the_truth_itself_scores_one(seed: int) -> None:
    """As a prediction the truth is perfect, whatever its ids; crowds and void cost nothing."""
    names = np.append(0, np.random.default_rng(seed).permutation(65535) + 1).astype(np.int32)
    data = dataset(seed)
    perfect = {
        name: [(gt, (gt[0], names[gt[1]])) for gt, _ in frames] for name, frames in data.items()
    }
    found = measure(perfect).compute()
    for scores in (found.dataset, *found.sequences.values()):
        assert {scores.PQ, scores.SQ, scores.TQ, scores.PAT} <= {1.0, None}
        assert scores.AQ == pytest.approx(1 if scores.num_gt_tracks else 0)
        assert scores.IDS == 0


@settings(max_examples=40, deadline=None)
@given(seed=seeds)
def test_pat_is_zero_where_tq_is(seed: int) -> None:
    """Predicted things without an id match no track; PQ does not care."""
    data = dataset(seed)
    nameless = {
        n: [(gt, (c, np.where(np.isin(c, KITTI_STEP.things), 0, i))) for gt, (c, i) in f]
        for n, f in data.items()
    }
    scores = measure(nameless).compute().dataset
    assert scores.TQ in (0, None)
    assert scores.PAT in ((0,) if scores.TQ == 0 and scores.PQ is not None else (None,))


@settings(max_examples=25, deadline=None)
@given(
    frames=st.integers(2, 12),
    cut=st.integers(1, 11),
    widths=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
def test_a_swap_of_ids_lowers_association_and_nothing_else(
    frames: int, cut: int, widths: tuple[int, int]
) -> None:
    """Two cars, perfectly segmented, exchange their ids after `cut` frames."""
    first = draw("A" * widths[0] + "s" + "B" * widths[1])
    second = draw("B" * widths[0] + "s" + "A" * widths[1])
    cut = min(cut, frames - 1)
    kept = measure({"one": [(first, first)] * frames}).compute().dataset
    swapped = (
        measure({"one": [(first, first)] * cut + [(first, second)] * (frames - cut)})
        .compute()
        .dataset
    )
    assert (kept.PQ, kept.SQ, kept.TQ, kept.AQ) == (1, 1, 1, 1)
    assert (swapped.PQ, swapped.SQ) == (1, 1)
    assert swapped.TQ is not None and swapped.AQ is not None and swapped.TQ < 1 and swapped.AQ < 1
    assert swapped.IDS == 2


def test_random_sequences_reach_every_rule() -> None:
    """The comparisons above mean something: all kinds of outcomes occur in a few dozen seeds."""
    results = [measure(dataset(seed)).compute() for seed in range(40)]
    assert sum(0 < (r.dataset.PQ_things or 0) < 1 for r in results) > 10
    assert sum(0 < (r.dataset.TQ or 0) < 1 for r in results) > 10
    assert sum(0 < r.dataset.IDS < r.dataset.N_IDS for r in results) > 10
    forgiven = [measure(dataset(seed), variant="nuscenes").compute().classes for seed in range(40)]
    assert (
        sum(r.classes["car"].PQ != f["car"].PQ for r, f in zip(results, forgiven, strict=True)) > 5
    )
