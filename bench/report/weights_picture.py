"""Draws the labels of two networks one above the other.

`python -m mapt.bench.report.weights_picture BEFORE AFTER` renders varied synthetic streets that no
network was trained on, tracks each with both weights, and shows the last frame of each.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from mapt.bench.cli_errors import told_in_one_line
from mapt.bench.report.picture import SHOWN, SIZE, Image, tracked_frames
from mapt.errors import InputError
from mapt.io.atomic_files import atomic_file
from mapt.runtime import PanopticTracker

OUT = Path(__file__).resolve().parents[2] / "docs" / "images" / "weights.webp"
CAPTION = 22  # pixels above a frame
QUALITY = 70  # of WebP, 1 to 100


def captioned(frame: Image, text: str) -> Image:
    """A frame (h,w,3) uint8 RGB under a white line of text, (h + 22,w,3)."""
    band = np.full((CAPTION, frame.shape[1], 3), 255, np.uint8)
    at = (4, CAPTION - 6)
    cv2.putText(band, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([band, frame])


def last_frames(weights: Path, seed: int, streets: Sequence[int], frames: int) -> list[Image]:
    """The last frame of each street as a network labels it, (256,832,3) uint8 RGB."""
    from mapt.evaluation.torch_backend import TorchBackend
    from mapt.model.class_names import check_streets

    backend = TorchBackend.load(weights, SIZE)
    check_streets(backend.info, str(weights))
    shown = []
    for street in streets:
        tracker = PanopticTracker(backend)
        shown.append(list(tracked_frames(tracker, seed, street, frames, "varied"))[-1])
    return shown


@told_in_one_line()
def main(arguments: Sequence[str] | None = None) -> None:
    """Render, track, draw and write the picture."""
    parser = argparse.ArgumentParser(
        prog="python -m mapt.bench.report.weights_picture", description=__doc__
    )
    parser.add_argument("before", type=Path, help="weights of 19 classes")
    parser.add_argument("after", type=Path, help="weights of 19 classes")
    parser.add_argument("--out", type=Path, default=OUT, help="the picture, a .webp file")
    parser.add_argument("--seed", type=int, default=7, help="of the varied streets")
    parser.add_argument("--streets", type=int, nargs="+", default=[0, 1], help="their numbers")
    parser.add_argument(
        "--titles", nargs=2, default=["before", "after"], help="of the two networks"
    )
    parser.add_argument("--frames", type=int, default=6, help="that are tracked")
    options = parser.parse_args(arguments)
    if options.out.suffix != ".webp":
        raise InputError(f"--out {options.out}: is written as WebP; name a .webp file")
    if min(options.seed, *options.streets) < 0 or options.frames < 1:
        raise InputError("--seed and --streets are whole numbers from 0 on, --frames from 1 on")
    rows = [
        last_frames(weights, options.seed, options.streets, options.frames)
        for weights in (options.before, options.after)
    ]
    picture = np.concatenate(
        [
            captioned(row[i], title)
            for i in range(len(options.streets))
            for row, title in zip(rows, options.titles, strict=True)
        ]
    )
    done, data = cv2.imencode(
        ".webp", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, QUALITY]
    )
    assert done and picture.shape[1] == SHOWN[1]
    with atomic_file(options.out) as temporary:
        temporary.write_bytes(bytes(data))
    print(f"{options.out}: {picture.shape[1]}x{picture.shape[0]}, {len(data) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
