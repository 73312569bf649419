"""Writes inputs from which the fuzzers start: parts of a bundle, each behind its target's number.

Usage: python csrc/tests/fuzz/seeds.py BUNDLE FOLDER
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np


def golden() -> bytes:
    """Return a small archive of the layout that the fuzzer reads."""
    out = io.BytesIO()
    image = np.arange(72, dtype=np.uint8).reshape(1, 4, 6, 3)
    np.savez_compressed(out, image=image, boxes=np.ones((2, 4), np.float32))
    return out.getvalue()


def main() -> None:
    """Write the seeds."""
    bundle = Path(sys.argv[1])
    out = Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    (out / "manifest").write_bytes(b"\0" + (bundle / "manifest.json").read_bytes())
    for number, path in enumerate(sorted(bundle.rglob("*.onnx"))[:6]):
        for kind in (1, 2):
            (out / f"graph-{kind}-{number}").write_bytes(bytes([kind]) + path.read_bytes())
    (out / "golden").write_bytes(b"\3" + golden())


if __name__ == "__main__":
    main()
