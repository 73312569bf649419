"""Draws README's animated picture: `python -m mapt.bench.report.picture`.

It renders a synthetic street, tracks it with the shipped weights and draws masks and ids.

The street, the weights and the encoder decide every byte. Another processor may round a score
differently, so the file is compared by eye and not by its hash.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.bench.cli_errors import told_in_one_line
from mapt.drawing.frames import FrameDrawing
from mapt.errors import InputError
from mapt.io.atomic_files import atomic_file
from mapt.io.pretrained import WEIGHTS
from mapt.runtime import PanopticFrame, PanopticTracker
from mapt.synthetic import Style, render_sequence

Image = NDArray[np.uint8]
Box = tuple[float, float, float, float]
OUT = Path(__file__).resolve().parents[2] / "docs" / "images" / "street.webp"
SIZE = (384, 1248)  # of the street and of the network's input, pixels
SHOWN = (256, 832)  # of the picture: the ids stay readable in a page's column
FPS = 10.0
QUALITY = 55  # of WebP, 1 to 100


def tracked_frames(
    tracker: PanopticTracker, seed: int, sequence: int, frames: int, style: Style = "plain"
) -> Iterator[Image]:
    """A synthetic street as the tracker labels it.

    Args:
        tracker: of a network with the street's classes, at the start of a sequence.
        seed: of the synthetic dataset.
        sequence: its number in the dataset.
        frames: how many.
        style: of the streets.

    Yields:
        The drawn frames, (256,832,3) uint8 RGB.
    """
    street = render_sequence(seed, sequence, frames, SIZE, FPS, style=style)
    drawing = FrameDrawing()
    for index, rendered in enumerate(street):
        labelled = tracker.step(rendered.image, round(index * 1e9 / FPS))
        yield drawing.draw(_shrunk(rendered.image), _shrunk_labels(labelled))


def encode_animation(frames: Sequence[Image]) -> bytes:
    """Frames (H,W,3) uint8 RGB of one size as an animated WebP that repeats for ever."""
    animation = cv2.Animation()
    animation.frames = [cv2.cvtColor(frame, cv2.COLOR_RGB2BGR) for frame in frames]
    animation.durations = [round(1000 / FPS)] * len(frames)
    animation.loop_count = 0
    done, data = cv2.imencodeanimation(".webp", animation, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    assert done
    return bytes(data)


def _shrunk(image: Image) -> Image:
    height, width = SHOWN
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _shrunk_labels(frame: PanopticFrame) -> PanopticFrame:
    """The frame at the picture's size, so that contours and ids are drawn at that size."""
    height, width = SHOWN
    nearest = cv2.INTER_NEAREST_EXACT
    semantic = cv2.resize(frame.semantic, (width, height), interpolation=nearest)
    instance = cv2.resize(frame.instance, (width, height), interpolation=nearest)
    return replace(
        frame,
        semantic=np.asarray(semantic, np.uint8),
        instance=np.asarray(instance, np.int32),
        tracks=tuple(replace(t, box=_scaled(t.box, width / SIZE[1])) for t in frame.tracks),
    )


def _scaled(box: Box, factor: float) -> Box:
    x1, y1, x2, y2 = box
    return x1 * factor, y1 * factor, x2 * factor, y2 * factor


def _count(text: str) -> int:
    if not text.isdecimal():
        raise InputError(f"{text}: is no whole number from 0 on")
    return int(text)


@told_in_one_line()
def main(arguments: Sequence[str] | None = None) -> None:
    """Render, track, draw and write the picture."""
    parser = argparse.ArgumentParser(
        prog="python -m mapt.bench.report.picture", description=__doc__
    )
    parser.add_argument("--out", type=Path, default=OUT, help="the picture, a .webp file")
    parser.add_argument("--model", type=Path, default=WEIGHTS, help="weights of 19 classes")
    parser.add_argument("--seed", type=_count, default=7, help="of the synthetic streets")
    parser.add_argument("--sequence", type=_count, default=0, help="which street of this seed")
    parser.add_argument("--frames", type=_count, default=40)
    options = parser.parse_args(arguments)
    if options.out.suffix != ".webp":
        raise InputError(f"--out {options.out}: is written as WebP; name a .webp file")
    if options.frames < 1:
        raise InputError("--frames 0: leaves nothing to show; ask for one frame or more")

    from mapt.evaluation.torch_backend import TorchBackend
    from mapt.model.class_names import check_streets

    backend = TorchBackend.load(options.model, SIZE)
    check_streets(backend.info, "--model")
    tracker = PanopticTracker(backend)
    frames = list(tracked_frames(tracker, options.seed, options.sequence, options.frames))
    with atomic_file(options.out) as temporary:
        temporary.write_bytes(encode_animation(frames))
    print(f"{options.out}: {len(frames)} frames, {options.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
