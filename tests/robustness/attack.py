"""Mutates one kind of input at random from a seed, and lets MAPT read it.

Usage: python tests/robustness/attack.py KIND SEED COUNT FOLDER

Every input must be read, or refused with a documented error. Anything else is printed, and the
exit code is 1.
"""

import json
import signal
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mapt.errors import InputError

Make = Callable[[np.random.Generator], Any]
LIMIT = 120  # seconds for one input, whatever the machine does beside
ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1,
    2**31,
    2**63,
    10**30,
    1e300,
    float("nan"),
    float("inf"),
    "",
    "x",
    [],
    {},
    [0] * 9,
    "\x1b[2J",
)


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """Bytes with some of them changed, cut off, doubled or added."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        at = int(rng.integers(0, len(out) + 1))
        kind = int(rng.integers(0, 4))
        if kind == 0 and at < len(out):
            out[at] = int(rng.integers(0, 256))
        elif kind == 1:
            del out[at : at + int(rng.integers(1, 200))]
        elif kind == 2:
            out[at:at] = rng.bytes(int(rng.integers(1, 20)))
        else:
            out[at:at] = out[at : at + int(rng.integers(1, 200))]
    return bytes(out)


def spoil(value: Any, rng: np.random.Generator) -> Any:
    """Plain values with one of them replaced, somewhere inside."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = list(value)[int(rng.integers(0, len(value)))]
        if rng.random() < 0.1:
            return {k: v for k, v in value.items() if k != key}
        return {**value, key: spoil(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = int(rng.integers(0, len(value)))
        return [*value[:at], spoil(value[at], rng), *value[at + 1 :]]
    return ODD[int(rng.integers(0, len(ODD)))]


def image_bytes(suffix: str, pixels: Any) -> bytes:
    """An encoded image."""
    return bytes(cv2.imencode(suffix, pixels)[1])


def readers(folder: Path, rng: np.random.Generator) -> None:
    """Frames, labels and texts."""
    from mapt.io.image_files import read_rgb
    from mapt.labels.gray_png import read_grey
    from mapt.labels.mots_text import read_mots_text
    from mapt.labels.step_png import read_packed

    pixels = rng.integers(0, 255, (24, 32, 3), np.uint8)
    text = b"0 1001 1 24 32 768\n1 2001 2 24 32 768\n"
    choices: list[tuple[Callable[[Path], object], bytes]] = [
        (read_rgb, image_bytes(".png", pixels)),
        (read_rgb, image_bytes(".jpg", pixels)),
        (read_packed, image_bytes(".png", pixels)),
        (lambda p: read_grey(p, 16), image_bytes(".png", pixels[..., 0].astype(np.uint16))),
        (read_mots_text, text),
    ]
    read, data = choices[int(rng.integers(0, len(choices)))]
    path = folder / "input"
    path.write_bytes(mutate(data, rng))
    read(path)


def configurations(folder: Path, rng: np.random.Generator) -> None:
    """Training configurations and the metadata of weights."""
    from mapt.config import ModelConfig, parse, preset
    from mapt.training.config import read_config

    if rng.random() < 0.5:
        parse(ModelConfig, spoil(json.loads(preset("nano").model_dump_json()), rng), "metadata")
        return
    path = folder / "run.toml"
    path.write_bytes(
        mutate(
            b'seed = 1\n[model]\npreset = "nano"\n[data]\nworkers = 1\n[schedule]\nrate = 0.1\n',
            rng,
        )
    )
    read_config(path, [])


def lives(folder: Path, rng: np.random.Generator) -> None:
    """What `mapt explain` reads."""
    from mapt.app.track_history import choose_moments, read_decisions

    row = {
        "track": 1,
        "index": 0,
        "frame": "0",
        "stage": "birth",
        "score": 0.9,
        "threshold": 0.4,
        "margin": 0.5,
    }
    row |= {"runner_up": None, "gate": None}
    tracks = {"frames": [{"tracks": [{"id": 1, "box": [1, 1, 5, 5]}]}]}
    (folder / "decisions.jsonl").write_text(
        json.dumps(spoil(row, rng) if rng.random() < 0.5 else row)
    )
    (folder / "tracks.json").write_text(json.dumps(spoil(tracks, rng)))
    choose_moments(folder, 1, read_decisions(folder, 1))


def small_tracker() -> tuple[Any, Any]:
    """A tracker on a scripted network, and its pictures."""
    from mapt.runtime import PanopticTracker
    from tests.runtime.conftest import INFO, Actor, SceneBackend, picture

    actors = (Actor(0, 8, dx=2), Actor(40, 40, label=3, look=1))
    return PanopticTracker(SceneBackend(actors, INFO)), picture


def sealed(kind: str, version: int, meta: Any, table: Any, body: bytes) -> bytes:
    """A blob with a right checksum."""
    text = json.dumps({"meta": meta, "arrays": table}).encode()
    rest = struct.pack("<Q", len(text)) + text + body
    return struct.pack("<4s4sII", b"MAPT", kind.encode(), version, zlib.crc32(rest)) + rest


def spoiled_blob(data: bytes, kind: str, version: int, rng: np.random.Generator) -> bytes:
    """A blob with something else in its header or its arrays, and a right checksum."""
    size = struct.unpack_from("<Q", data, 16)[0]
    header = json.loads(data[24 : 24 + size])
    body = data[24 + size :]
    if rng.random() < 0.3:
        body = mutate(body, rng) if rng.random() < 0.5 else rng.bytes(len(body))
    else:
        header = spoil(header, rng)
    if not isinstance(header, dict):
        return mutate(data, rng)
    return sealed(kind, version, header.get("meta"), header.get("arrays"), body)


def states(_: Path, rng: np.random.Generator) -> None:
    """Saved state; where it is taken, the next step goes on from it."""
    from mapt.runtime.persistence.state import KIND, VERSION

    tracker, picture = small_tracker()
    for number in range(2):
        tracker.step(picture(number), number * 100_000_000)
    before = tracker.save_state()
    try:
        tracker.restore_state(spoiled_blob(before, KIND, VERSION, rng))
    except InputError:
        assert tracker.save_state() == before
        raise
    tracker.reset()
    tracker.step(picture(2), 2**62)


def records(folder: Path, rng: np.random.Generator) -> None:
    """Recorded runs, replayed."""
    from mapt.runtime import PanopticTracker
    from mapt.runtime.errors import StepError
    from mapt.runtime.persistence.recording import VERSION, Recorder, Replayer, ReplayMismatch

    path = folder / "run.record"
    tracker, picture = small_tracker()
    with path.open("wb") as file:
        recorder = Recorder(tracker.backend, file, "full")
        recorded = PanopticTracker(recorder)
        recorder.begin("s", "0", 0)
        recorder.end(recorded.step(picture(0), 0))
    data = path.read_bytes()
    first = struct.unpack_from("<Q", data)[0]
    blobs = [data[8 : 8 + first], data[16 + first :]]
    which = int(rng.integers(0, 2))
    blobs[which] = spoiled_blob(blobs[which], ("RECH", "RECF")[which], VERSION, rng)
    path.write_bytes(b"".join(struct.pack("<Q", len(blob)) + blob for blob in blobs))
    try:
        replayer = Replayer(path)
        replayed = PanopticTracker(
            replayer,
            replayer.association,  # type: ignore[arg-type]
            replayer.max_objects,
        )
        replayer.begin("s", "0", 0)
        replayer.end(replayed.step(picture(0), 0))
    except (StepError, ReplayMismatch):
        return


def calls(_: Path, rng: np.random.Generator) -> None:
    """Whatever a host hands to a step."""
    from mapt.runtime.errors import StepError

    tracker, picture = small_tracker()
    values = (*ODD, 10**5000, np.float32(1), np.int64(5), b"x", object())
    chosen = [values[int(rng.integers(0, len(values)))] for _ in range(2)]
    shape = [int(n) for n in rng.integers(0, 9, int(rng.integers(0, 5)))]
    images = (
        picture(0),
        np.zeros(shape, np.uint8),
        picture(0).astype(np.float32),
        None,
        picture(0)[::-1, ::2],
    )
    try:
        tracker.step(images[int(rng.integers(0, len(images)))], *chosen)
    except StepError:
        return


def operators(_: Path, rng: np.random.Generator) -> None:
    """Call the compiled operators with invalid boxes, offsets and shapes.

    PyTorch refuses them with a RuntimeError.
    """
    import torch

    from mapt.ops.deform_conv import deform_conv2d
    from mapt.ops.roi_align import multiscale_roi_align

    def noise(*shape: int) -> torch.Tensor:
        values = rng.standard_normal(shape) * float(rng.choice([1, 1e4, 1e18, 1e38]))
        if values.size and rng.random() < 0.5:
            values.reshape(-1)[int(rng.integers(0, values.size))] = float(
                rng.choice([np.nan, np.inf, -np.inf])
            )
        return torch.from_numpy(values.astype(np.float32))

    sides = [int(n) for n in rng.integers(1, 9, 8)]
    channels = sides[0]
    count = int(rng.integers(0, 6))
    boxes = torch.cat([torch.zeros(count, 1), noise(count, 4)], 1)
    features = [torch.zeros(1, channels, max(1, sides[1] >> level), sides[2]) for level in range(4)]
    try:
        multiscale_roi_align(features, boxes, 7, (4, 8, 16, 32))
        offsets = noise(1, 18, sides[3], sides[4])
        deform_conv2d(noise(1, 1, sides[3], sides[4]), offsets, noise(sides[5], 1, 3, 3), padding=1)
        deform_conv2d(noise(1, 1, sides[6], sides[7]), offsets, noise(1, 1, 3, 3), padding=1)
    except (RuntimeError, ValueError):
        return


KINDS: dict[str, Callable[[Path, np.random.Generator], None]] = {
    "readers": readers,
    "configurations": configurations,
    "lives": lives,
    "states": states,
    "records": records,
    "calls": calls,
    "operators": operators,
}


def main() -> int:
    """Attack; 1 where something else came than a result or a documented error."""
    kind = sys.argv[1]
    seed = int(sys.argv[2])
    count = int(sys.argv[3])
    folder = Path(sys.argv[4])
    wrong = 0
    for number in range(seed, seed + count):
        signal.alarm(LIMIT)
        try:
            KINDS[kind](folder, np.random.default_rng((number, len(kind))))
        except InputError as error:
            if "\n" in str(error):
                wrong += 1
                print(f"{kind} {number}: not one line: {error!r}")
        except Exception as error:
            wrong += 1
            print(f"{kind} {number}: {type(error).__name__}: {str(error)[:200]}")
    signal.alarm(0)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
