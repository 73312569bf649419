"""Measures how fast the metrics turn PNGs into PAT, beside a plain implementation.

Both are measured in the same run. Run it with `python -m mapt.bench.latency.metrics`.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.bench.cli_errors import told_in_one_line
from mapt.bench.machine import describe_machine
from mapt.docstrings import text_of
from mapt.io.atomic_files import write_json
from mapt.labels.class_sets import KITTI_STEP
from mapt.labels.step_png import ID_BITS, MAX_INSTANCE, Instance, Semantic, encode_step
from mapt.metrics.evaluate import Evaluation, evaluate_pairs
from mapt.metrics.folders import pair_frames
from mapt.metrics.frame_pair import FramePair
from mapt.metrics.histogram import JointHistogram

SIZE = (375, 1242)
OBJECTS = 14
ROUNDS = 9


def draw_tree(root: Path, frames: int) -> tuple[Path, Path]:
    """Write the folders `gt` and `pred`: a street with 14 moving objects.

    In the prediction the borders are off by a few pixels.
    """
    rng = np.random.default_rng(0)
    places = rng.uniform((0.05, 0.45), (0.95, 0.75), (OBJECTS, 2))
    sizes = rng.uniform((15, 12), (90, 60), (OBJECTS, 2))
    speeds = rng.uniform(-4, 4, OBJECTS)
    gt = root / "gt" / "0000"
    pred = root / "pred" / "0000"
    gt.mkdir(parents=True)
    pred.mkdir(parents=True)
    for number in range(frames):
        centres = places * SIZE[::-1] + np.stack((speeds * number, np.zeros(OBJECTS)), 1)
        for folder, shift in ((gt, 0.0), (pred, 2.0)):
            pixels = encode_step(
                *_draw(centres + rng.normal(0, 1, (OBJECTS, 2)) * shift, sizes, shift, rng)
            )
            cv2.imwrite(str(folder / f"{number:06d}.png"), np.ascontiguousarray(pixels[..., ::-1]))
    return root / "gt", root / "pred"


def _draw(
    centres: NDArray[np.float64], sizes: NDArray[np.float64], shift: float, rng: np.random.Generator
) -> tuple[Semantic, Instance]:
    """Draw horizontal bands with ragged borders, then the objects from far to near.

    The bands are sky, buildings, trees, pavement and road.
    """
    height, width = SIZE
    semantic = np.full(SIZE, 10, np.uint8)
    instance = np.zeros(SIZE, np.int32)
    x = np.arange(width)
    y = np.arange(height)[:, None]
    for label, level, roughness in ((2, 0.25, 14), (8, 0.4, 6), (1, 0.55, 3), (0, 0.62, 2)):
        waves = sum(
            rng.normal(0, roughness / k) * np.sin(x / width * 6 * k**2 + rng.uniform(0, 6))
            for k in range(1, 7)
        )
        semantic[y > level * height + waves + shift * rng.normal(0, 1)] = label
    for k in np.argsort(centres[:, 1] + sizes[:, 1]):
        walks = k % 4 == 3
        label = 11 if walks else 13
        cx, cy = centres[k]
        rx, ry = sizes[k] * ((0.4, 1) if walks else (1, 1))
        inside = np.abs((x - cx) / rx) ** 3 + np.abs((y - cy) / ry) ** 3 < 1
        semantic[inside] = label
        instance[inside] = k + 1
    return semantic, instance


def plain_histogram(pair: FramePair, gt: Path, pred: Path) -> JointHistogram:
    """Count pixel pairs of two PNGs by `np.unique`, as a plain reference."""
    sides = []
    for path in (gt, pred):
        bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
        assert bgr is not None
        rgb = bgr[..., ::-1].astype(np.int64)
        thing = np.isin(rgb[..., 0], KITTI_STEP.things)
        sides.append(rgb[..., 0] << ID_BITS | np.where(thing, rgb[..., 1] * 256 + rgb[..., 2], 0))
    keys, counts = np.unique(sides[0] << 32 | sides[1], return_counts=True)
    g = keys >> 32
    p = keys & 0xFFFFFFFF
    return JointHistogram(g >> ID_BITS, g & MAX_INSTANCE, p >> ID_BITS, p & MAX_INSTANCE, counts)


def plain(pairs: list[FramePair]) -> Evaluation:
    """All frames one after the other, counted plainly; the sums are the package's own."""
    evaluation = Evaluation.empty("kitti-step")
    for pair in pairs:
        evaluation.add(
            pair.sequence, plain_histogram(pair, Path(pair.gt_name), Path(pair.pred_name))
        )
    return evaluation


def measure(frames: int = 40, rounds: int = ROUNDS) -> dict[str, float]:
    """Milliseconds a frame, median over interleaved rounds, by way."""
    with tempfile.TemporaryDirectory() as folder:
        pairs = pair_frames(*draw_tree(Path(folder), frames), "kitti-step")
        ways: dict[str, Callable[[], Evaluation]] = {
            "mapt, 2 workers": lambda: evaluate_pairs(pairs, "kitti-step", workers=2),
            "mapt, 1 worker": lambda: evaluate_pairs(pairs, "kitti-step", workers=1),
            "np.unique over pixels": lambda: plain(pairs),
        }
        results = [way().to_json() for way in ways.values()]
        assert all(result == results[0] for result in results), (
            "the ways must agree before they are timed"
        )
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                start = time.perf_counter()
                way()
                times[name].append((time.perf_counter() - start) * 1000 / frames)
    return {name: statistics.median(values) for name, values in times.items()}


@told_in_one_line()
def main() -> None:
    """Print the table; `--json FILE` writes it too."""
    from rich.console import Console
    from rich.table import Table

    parser = argparse.ArgumentParser(description=text_of(__name__))
    parser.add_argument("--json", type=Path, help="write the numbers here")
    parser.add_argument("--frames", type=int, default=40)
    arguments = parser.parse_args()
    found = measure(arguments.frames)
    slowest = found["np.unique over pixels"]
    table = Table("way", "ms a frame", "times np.unique's speed")
    for name, value in found.items():
        table.add_row(name, f"{value:.2f}", f"{slowest / value:.2f}")
    Console().print(table)
    if arguments.json:
        write_json(
            arguments.json,
            {"machine": describe_machine(2), "frames": arguments.frames, "ms_per_frame": found},
        )


if __name__ == "__main__":
    main()
