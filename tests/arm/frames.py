"""Frames tracked on one processor beside those of another: labels and identities, pixel by pixel.

`frames.py track BUNDLE FRAMES OUT` tracks the PNGs of a folder and writes OUT, an .npz file.
`frames.py compare OUT OTHER` ends with 1 where two such files differ, or where there is too little
in them to compare. `frames.py labels FOLDER OTHER` does so with folders of KITTI-STEP's PNGs.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

STEP_NS = 100_000_000  # ten frames a second
FRAMES = 10
TRACKS = 2  # in every frame but the first of them: fewer prove nothing about identities


def track(bundle: str, frames: str, out: str) -> int:
    """Write what the tracker says of the first ten frames.

    Args:
        bundle: folder of a bundle.
        frames: folder of PNGs, in their order.
        out: to be written: `semantic` (n,h,w) uint8, `instance` (n,h,w) int32, and per frame
            `tracks_0` and so on, the flat records of its tracks.
    """
    from mapt.runtime import PanopticTracker

    tracker = PanopticTracker.load(bundle)
    arrays: dict[str, NDArray[np.void]] = {}
    semantic = []
    instance = []
    for i, path in enumerate(sorted(Path(frames).glob("*.png"))[:FRAMES]):
        read = cv2.imread(str(path), cv2.IMREAD_COLOR)
        picture = cv2.cvtColor(read, cv2.COLOR_BGR2RGB)  # type: ignore[arg-type]
        frame = tracker.step(picture.astype(np.uint8, copy=False), (i + 1) * STEP_NS)
        semantic.append(frame.semantic)
        instance.append(frame.instance)
        arrays[f"tracks_{i}"] = frame.track_array()
        print(
            f"{platform.machine()}: frame {i}: {len(frame.tracks)} tracks,"
            f" {frame.timings_ms['frame']:.0f} ms",
            flush=True,
        )
    np.savez(
        out,
        semantic=np.stack(semantic),
        instance=np.stack(instance),
        **arrays,  # type: ignore[arg-type]
    )
    return 0


def compare(first: str, second: str) -> int:
    """Print what two files have in common, or where they differ."""
    with np.load(first) as a, np.load(second) as b:
        faults = [f"{name}: not in both" for name in sorted(a.keys() ^ b.keys())]
        if len(a["semantic"]) != FRAMES:
            faults.append(f"{len(a['semantic'])} frames, not {FRAMES}")
        ids = [set(np.unique(frame)) - {0} for frame in a["instance"]]
        if any(len(kept) < TRACKS for kept in ids[1:]):
            faults.append(f"fewer than {TRACKS} tracks in a frame: {[len(kept) for kept in ids]}")
        for name in ("semantic", "instance"):
            other = (
                np.count_nonzero(a[name] != b[name])
                if a[name].shape == b[name].shape
                else a[name].size
            )
            if other:
                faults.append(f"{name}: {other} of {a[name].size} pixels differ")
        for i in range(FRAMES):
            name = f"tracks_{i}"
            if (
                name in a
                and name in b
                and not np.array_equal(a[name][["id", "label"]], b[name][["id", "label"]])
            ):
                faults.append(f"frame {i}: other tracks")
    for fault in faults:
        print(f"{first}, {second}: {fault}", file=sys.stderr)
    if not faults:
        print(
            f"{Path(first).stem}: {FRAMES} frames, the same labels and ids; {len(set.union(*ids))}"
            " tracks"
        )
    return bool(faults)


def labels(first: str, second: str) -> int:
    """Print what two folders of label images have in common, or where they differ."""
    from mapt.labels.step_png import read_step

    names = sorted(path.name for path in Path(first).glob("*.png"))
    others = sorted(path.name for path in Path(second).glob("*.png"))
    faults = [] if names == others else ["other frames"]
    if len(names) != FRAMES:
        faults.append(f"{len(names)} frames, not {FRAMES}")
    ids = set[int]()
    for number, name in enumerate(names if names == others else []):
        a, b = (read_step(Path(folder) / name) for folder in (first, second))
        for place, what in enumerate(("semantic", "instance")):
            differing = np.count_nonzero(a[place] != b[place])
            if differing:
                faults.append(f"{name}: {differing} pixels of {what} differ")
        kept = set(np.unique(a[1]).tolist()) - {0}
        if number and len(kept) < TRACKS:
            faults.append(f"{name}: fewer than {TRACKS} tracks: {sorted(kept)}")
        ids |= kept
    for fault in faults:
        print(f"{first}, {second}: {fault}", file=sys.stderr)
    if not faults:
        print(f"{first}: {FRAMES} frames, the same labels and ids; {len(ids)} tracks")
    return bool(faults)


COMMANDS: dict[str, Callable[..., int]] = {"track": track, "compare": compare, "labels": labels}

if __name__ == "__main__":
    sys.exit(COMMANDS[sys.argv[1]](*sys.argv[2:]))
