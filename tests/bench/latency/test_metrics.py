from pathlib import Path

from mapt.bench.latency.metrics import OBJECTS, SIZE, draw_tree, measure
from mapt.labels.step_png import read_step
from mapt.metrics.evaluate import evaluate_pairs
from mapt.metrics.folders import pair_frames


def test_the_tree_is_what_the_table_says(tmp_path: Path) -> None:
    gt, pred = draw_tree(tmp_path, 3)
    semantic, instance = read_step(gt / "0000" / "000000.png")
    assert semantic.shape == SIZE and instance.max() == OBJECTS
    scores = (
        evaluate_pairs(pair_frames(gt, pred, "kitti-step"), "kitti-step").metrics.compute().dataset
    )
    assert (
        scores.num_gt_tracks >= OBJECTS - 2 and 0.5 < (scores.PAT or 0) < 1
    )  # neither perfect nor random


def test_every_way_is_timed_and_agrees() -> None:
    found = measure(frames=2, rounds=1)
    assert list(found) == ["mapt, 2 workers", "mapt, 1 worker", "np.unique over pixels"]
    assert all(value > 0 for value in found.values())
