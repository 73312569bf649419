"""Every command answers a user's mistake with one line and exit code 2.

The line says what is wrong, where, and what to do.
"""

import json
import os
import re
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapt.io.image_files import write_image
from mapt.io.pretrained import shipped_weights
from mapt.labels.step_png import write_step

Run = Callable[..., Any]


def told(ran: Any, *words: str) -> None:
    """One line for people."""
    line = ran.err.removesuffix("\n")
    assert ran.code == 2, (ran.code, line, ran.out)
    assert line.startswith("mapt: ") and line.isprintable() and len(line) < 700, line
    assert not re.search(r"Traceback|failed: |[A-Z][a-z]+Error\b|Exception|\bNone\b|Errno", line), (
        line
    )
    assert ";" in line, line
    for word in words:
        assert word in line, (word, line)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two frames."""
    folder = tmp_path_factory.mktemp("frames") / "drive"
    folder.mkdir()
    for number in range(2):
        write_image(folder / f"{number:06d}.png", np.full((32, 64, 3), 90 + number, np.uint8))
    return folder


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two label maps of a sequence."""
    root = tmp_path_factory.mktemp("labels")
    for number in range(2):
        semantic = np.zeros((32, 64), np.uint8)
        instance = np.zeros((32, 64), np.int32)
        write_step(root / "0000" / f"{number:06d}.png", semantic, instance)
    return root


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that would begin at once."""
    path = tmp_path_factory.mktemp("config") / "tiny.toml"
    path.write_text(
        'imagenet = false\n[model]\npreset = "nano"\nheight = 64\nwidth ='
        " 128\n[data.synthetic]\nsequences = 1\nframes = 3\nheight = 32\nwidth ="
        " 64\n[schedule]\niterations = 1\n"
    )
    return path


PLACES = ("a file", "below a file", "/proc", "a long name", "a link to nowhere")


def place(name: str, root: Path) -> Path:
    """A path where nothing can be written."""
    (root / "file").write_text("mine")
    (root / "link").symlink_to(root / "no" / "where")
    places = (
        root / "file",
        root / "file" / "x.json",
        Path("/proc/x/y.json"),
        root / ("n" * 300),
        root / "link" / "x.json",
    )
    return dict(zip(PLACES, places, strict=True))[name]


@pytest.mark.parametrize("command", ["track", "synth", "export", "train", "demo", "convert"])
@pytest.mark.parametrize("name", PLACES)
def test_an_impossible_out_is_told_before_the_work(
    mapt: Run, tmp_path: Path, frames: Path, labels: Path, config: Path, name: str, command: str
) -> None:
    out = place(name, tmp_path)
    weights = shipped_weights()
    commands: dict[str, tuple[Any, ...]] = {
        "track": ("track", frames, "--model", weights, "--out", out),
        "synth": ("synth", out, "--sequences", 1, "--frames", 1, "--size", "32x32"),
        "export": ("export", weights, "--out", out, "--no-check"),
        "train": ("train", config, "--out", out),
        "demo": ("demo", "--out", out),
        "convert": ("data", "convert", labels, out),
    }
    ran = mapt(*commands[command])
    told(ran)
    assert (tmp_path / "file").read_text() == "mine" and not (tmp_path / "no").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "link"]


@pytest.mark.parametrize(
    "command", ["eval", "check", "stats", "bench", "html", "doctor", "record", "rerun", "explain"]
)
@pytest.mark.parametrize("name", PLACES[1:])
def test_an_impossible_file_is_told_before_the_work(
    mapt: Run, tmp_path: Path, frames: Path, labels: Path, name: str, command: str
) -> None:
    path = place(name, tmp_path)
    commands: dict[str, tuple[Any, ...]] = {
        "eval": ("eval", labels, labels, "--dataset", "kitti-step", "--json", path),
        "check": ("data", "check", labels, "--dataset", "kitti-step", "--json", path),
        "stats": ("data", "stats", labels, "--json", path),
        "bench": ("bench", tmp_path, "--json", path),
        "html": ("bench", tmp_path, "--html", path),
        "doctor": ("doctor", "--json", path),
        "record": (
            "track",
            frames,
            "--model",
            shipped_weights(),
            "--out",
            tmp_path / "out",
            "--record",
            path,
        ),
        "rerun": (
            "track",
            frames,
            "--model",
            shipped_weights(),
            "--out",
            tmp_path / "out",
            "--rerun",
            path,
        ),
        "explain": ("explain", tmp_path, "--track", 1, "--out", path.with_name(f"{path.name}.png")),
    }
    told(mapt(*commands[command]))


SIZES = (
    "100000x100000",
    "0x0",
    "0x64",
    "-32x64",
    "64",
    "64x",
    "x",
    "64x64x64",
    "a" * 300,
    "6٤x64",
    "64 x 64",
    "1e9x1",
)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("command", ["track", "synth", "export"])
def test_a_size_that_is_none(
    mapt: Run, tmp_path: Path, frames: Path, size: str, command: str
) -> None:
    commands: dict[str, tuple[Any, ...]] = {
        "track": (
            "track",
            frames,
            "--model",
            shipped_weights(),
            "--out",
            tmp_path / "out",
            f"--size={size}",
        ),
        "synth": ("synth", tmp_path / "out", f"--size={size}"),
        "export": ("export", shipped_weights(), "--out", tmp_path / "out", f"--size={size}"),
    }
    told(mapt(*commands[command]), "--size")
    assert not (tmp_path / "out").exists()


NUMBERS = [
    ("synth", "OUT", "--fps", "nan"),
    ("synth", "OUT", "--fps", "inf"),
    ("synth", "OUT", "--rare", "nan"),
    ("track", "FRAMES", "--out", "OUT", "--model", "x", "--fps", "nan"),
    ("track", "FRAMES", "--out", "OUT", "--model", "x", "--fps", "inf"),
    ("track", "FRAMES", "--out", "OUT", "--model", "x", "--fps", "1e300"),
    ("export", "x", "--out", "OUT", "--verify", "FRAMES", "--fps", "nan"),
    ("bench", "x", "--fps", "nan"),
    ("synth", "OUT", "--seed", "1" + "0" * 400),
    ("synth", "OUT", "--frames", "1" + "0" * 400),
    ("synth", "OUT", "--sequences", "99999999999999999999"),
    ("bench", "x", "--seeds", "9" * 5000),
    ("bench", "x", "--seeds", "1,"),
    ("synth", "OUT", "--split", "../x"),
    ("synth", "OUT", "--split", "a/b"),
    ("synth", "OUT", "--split", "x" * 300),
    ("synth", "OUT", "--split", "."),
    ("synth", "OUT", "--split", "\x1b[31m"),
    ("track", "FRAMES", "--out", "OUT", "--model", "x", "--sequences", ","),
    ("synth", ""),
    ("track", "FRAMES", "--out", "", "--model", "x"),
    ("track", "", "--out", "OUT", "--model", "x"),
    ("eval", "", "", "--dataset", "kitti-step"),
    ("synth", "OUT", "--split="),
]


@pytest.mark.parametrize(
    "arguments", NUMBERS, ids=lambda a: " ".join(a).encode("unicode_escape").decode()[:60]
)
def test_numbers_and_names_that_are_none(
    mapt: Run, tmp_path: Path, frames: Path, arguments: tuple[str, ...]
) -> None:
    names = {"OUT": str(tmp_path / "out"), "FRAMES": str(frames)}
    told(mapt(*(names.get(argument, argument) for argument in arguments)))
    assert not (tmp_path / "out").exists()


KINDS = (
    "a pipe",
    "a socket",
    "a device",
    "a folder",
    "nothing",
    "a link to nowhere",
    "an empty file",
    "noise",
)


def special(kind: str, path: Path) -> Path:
    """Something that is no file of any use, at a path."""
    makers: dict[str, Callable[[], object]] = {
        "a pipe": lambda: os.mkfifo(path),
        "a device": lambda: path.symlink_to("/dev/zero"),
        "a folder": path.mkdir,
        "nothing": lambda: None,
        "a link to nowhere": lambda: path.symlink_to(path.parent / "nowhere"),
        "an empty file": lambda: path.write_bytes(b""),
        "noise": lambda: path.write_bytes(np.random.default_rng(0).bytes(3000)),
    }
    if kind == "a socket":
        with socket.socket(socket.AF_UNIX) as server:
            here = Path.cwd()
            os.chdir(path.parent)  # a socket's path is short
            try:
                server.bind(path.name)
            finally:
                os.chdir(here)
    else:
        makers[kind]()
    return path


USES: dict[str, tuple[str, ...]] = {
    "model.safetensors": ("track", "FRAMES", "--model", "PATH", "--out", "OUT"),
    "model": ("demo", "--model", "PATH", "--out", "OUT"),
    "video.mp4": ("track", "PATH", "--model", "WEIGHTS", "--out", "OUT"),
    "w.safetensors": ("export", "PATH", "--out", "OUT"),
    "replay.record": ("track", "FRAMES", "--replay", "PATH", "--out", "OUT"),
    "bundle": ("bench", "PATH"),
    "old.json": ("bench", "x", "--compare", "PATH"),
    "config.toml": ("train", "PATH", "--out", "OUT"),
    "init.safetensors": ("train", "CONFIG", "--init", "PATH", "--out", "OUT"),
    "gt.txt": ("eval", "PATH", "LABELS", "--dataset", "kitti-mots"),
    "check.txt": ("data", "check", "PATH", "--dataset", "kitti-mots"),
    "stats.txt": ("data", "stats", "PATH"),
    "convert.txt": ("data", "convert", "PATH", "OUT"),
    "run": ("explain", "PATH", "--track", "1"),
    "key.pem": ("export", "WEIGHTS", "--out", "OUT", "--sign", "PATH"),
    "gate": ("export", "WEIGHTS", "--out", "OUT", "--precision", "fp16", "--gate", "PATH"),
    "verify.mp4": ("export", "WEIGHTS", "--out", "OUT", "--verify", "PATH"),
}


@pytest.mark.parametrize("name", USES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_such_file_is_refused_and_not_waited_for(
    mapt: Run, tmp_path: Path, frames: Path, labels: Path, config: Path, name: str, kind: str
) -> None:
    if (kind, name) == ("an empty file", "check.txt"):
        pytest.skip("an empty text is a sequence without objects")
    path = special(kind, tmp_path / name)
    names = {
        "PATH": path,
        "FRAMES": frames,
        "LABELS": labels,
        "CONFIG": config,
        "OUT": tmp_path / "out",
    }
    names["WEIGHTS"] = shipped_weights()
    told(mapt(*(names.get(argument, argument) for argument in USES[name])))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", KINDS[:3] + KINDS[5:])
@pytest.mark.parametrize(
    "what", ["a frame", "a label", "a prediction", "decisions.jsonl", "tracks.json"]
)
def test_what_lies_in_a_folder_and_is_no_file_is_refused(
    mapt: Run, tmp_path: Path, frames: Path, labels: Path, kind: str, what: str
) -> None:
    folder = tmp_path / "0000"
    folder.mkdir()
    row = {
        "track": 1,
        "index": 0,
        "frame": "0",
        "stage": "birth",
        "score": 1,
        "threshold": 0,
        "margin": 1,
        "runner_up": None,
    }
    (folder / "decisions.jsonl").write_text(json.dumps(row))
    name = what if "." in what else "000000.png"
    (folder / name).unlink(missing_ok=True)
    if what in ("a label", "a prediction"):
        (folder / "000001.png").write_bytes((labels / "0000" / "000001.png").read_bytes())
    special(kind, folder / name)
    commands: dict[str, tuple[Any, ...]] = {
        "a frame": ("track", folder, "--model", shipped_weights(), "--out", tmp_path / "out"),
        "a label": ("eval", tmp_path, labels, "--dataset", "kitti-step"),
        "a prediction": ("eval", labels, tmp_path, "--dataset", "kitti-step"),
        "decisions.jsonl": ("explain", folder, "--track", 1, "--images", frames),
        "tracks.json": ("explain", folder, "--track", 1, "--images", frames),
    }
    told(mapt(*commands[what]), name)


ROW: dict[str, Any] = {
    "track": 1,
    "index": 0,
    "frame": "000000",
    "stage": "birth",
    "score": 0.9,
    "threshold": 0.4,
    "margin": 0.5,
    "runner_up": None,
    "gate": None,
}
TRACKS: dict[str, Any] = {
    "frames": [{"tracks": [{"id": 1, "box": [1, 1, 20, 20]}]}, {"tracks": []}]
}
WRONG: tuple[Any, ...] = (None, True, "x", [], {}, float("nan"), float("inf"), -1, 10**400, 1e300)


def life(root: Path, row: Any = None, tracks: Any = None) -> Path:
    run = root / "drive"
    run.mkdir()
    (run / "decisions.jsonl").write_text(json.dumps(ROW if row is None else row) + "\n")
    (run / "tracks.json").write_text(json.dumps(TRACKS if tracks is None else tracks))
    return run


def test_a_life_that_is_whole_is_drawn(mapt: Run, tmp_path: Path, frames: Path) -> None:
    ran = mapt(
        "explain", life(tmp_path, {**ROW, "frame": "000000"}), "--track", 1, "--images", frames
    )
    assert ran.code == 0, ran.err


@pytest.mark.parametrize("key", ROW)
@pytest.mark.parametrize("value", WRONG, ids=lambda v: repr(v)[:10])
def test_decisions_that_are_damaged(
    mapt: Run, tmp_path: Path, frames: Path, key: str, value: Any
) -> None:
    fits = (key in ("runner_up", "gate") and value is None) or (key == "frame" and value == "x")
    if (key in ("score", "threshold", "margin", "runner_up", "gate") and value == -1) or fits:
        pytest.skip("may be")
    run = life(tmp_path, {**ROW, key: value})
    told(mapt("explain", run, "--track", 1, "--images", frames), "decisions.jsonl")


@pytest.mark.parametrize("row", [5, [], "x", None, True, {}, {"track": 1}], ids=str)
def test_decisions_that_are_none(mapt: Run, tmp_path: Path, frames: Path, row: Any) -> None:
    run = life(tmp_path)
    (run / "decisions.jsonl").write_text(json.dumps(row))
    told(mapt("explain", run, "--track", 1, "--images", frames), "decisions.jsonl:1: is damaged")


BOXES: list[Any] = [
    [],
    [1, 2, 3],
    None,
    "abcd",
    ["a", 1, 1, 1],
    [float("nan")] * 4,
    [0, 0, 1e9, 1e9],
    [0, 0, 10**400, 1],
    [-9e4, 0, 5, 5],
    {"0": 1},
    [0, 0, 500, 20],
]


@pytest.mark.parametrize("box", BOXES, ids=lambda b: str(b)[:20])
def test_boxes_that_are_none(mapt: Run, tmp_path: Path, frames: Path, box: Any) -> None:
    run = life(tmp_path, tracks={"frames": [{"tracks": [{"id": 1, "box": box}]}]})
    told(mapt("explain", run, "--track", 1, "--images", frames))


@pytest.mark.parametrize(
    "tracks", [5, [], {}, {"frames": 5}, {"frames": [5]}, {"frames": [{"tracks": 5}]}], ids=str
)
def test_tracks_that_are_none(mapt: Run, tmp_path: Path, frames: Path, tracks: Any) -> None:
    told(
        mapt("explain", life(tmp_path, tracks=tracks), "--track", 1, "--images", frames),
        "tracks.json",
    )


def test_deep_json_is_no_json(mapt: Run, tmp_path: Path, frames: Path) -> None:
    run = life(tmp_path)
    (run / "tracks.json").write_text("[" * 200_000)
    told(mapt("explain", run, "--track", 1, "--images", frames), "tracks.json: is not JSON")
    (run / "decisions.jsonl").write_text("[" * 200_000)
    told(mapt("explain", run, "--track", 1, "--images", frames), "decisions.jsonl:1")


def test_a_frame_that_no_image_is_called(mapt: Run, tmp_path: Path, frames: Path) -> None:
    run = life(tmp_path, {**ROW, "frame": "1000000000"})
    told(mapt("explain", run, "--track", 1, "--images", frames), "has no frame 1000000000")


def reworded(root: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The shipped weights with other metadata or tensors in their header."""
    data = shipped_weights().read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    change(header)
    text = json.dumps(header).encode()
    path = root / "other.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])
    return path


def configured(**values: Any) -> Callable[[dict[str, Any]], object]:
    def change(header: dict[str, Any]) -> None:
        config = json.loads(header["__metadata__"]["config"])
        header["__metadata__"]["config"] = json.dumps({**config, **values})

    return change


HEADERS: dict[str, Callable[[dict[str, Any]], object]] = {
    "no metadata": lambda h: h.pop("__metadata__"),
    "no configuration": lambda h: h["__metadata__"].pop("config"),
    "a configuration that is no JSON": lambda h: h["__metadata__"].update(config="{"),
    "a list": lambda h: h["__metadata__"].update(config="[]"),
    "a number": lambda h: h["__metadata__"].update(config="5"),
    "a deep one": lambda h: h["__metadata__"].update(config="[" * 100_000),
    "long digits": lambda h: h["__metadata__"].update(config='{"height": ' + "9" * 5000 + "}"),
    "no tensors": lambda h: [h.pop(name) for name in list(h) if name != "__metadata__"],
    "an unknown tensor": lambda h: h.update(odd=h.pop(next(n for n in h if n != "__metadata__"))),
    "offsets beyond the file": (
        lambda h: h[next(n for n in h if n != "__metadata__")].update(data_offsets=[0, 10**15])
    ),
    "whole numbers": lambda h: [
        e.update(dtype="I32") for n, e in h.items() if n != "__metadata__" and e["dtype"] == "F32"
    ],
    "an unknown dtype": lambda h: h[next(n for n in h if n != "__metadata__")].update(dtype="Q7"),
    "an unknown preset": configured(preset="mega"),
    "an unknown key": configured(colour=5),
    "an odd height": configured(height=100),
    "no height": configured(height=0),
    "a negative width": configured(width=-640),
    "a huge height": configured(height=3_200_000_000),
    "a text for a width": configured(width="wide"),
    "a list for a width": configured(width=[640]),
    "a huge width of channels": configured(fpn_channels=10**9),
    "no channels": configured(fpn_channels=0),
    "negative channels": configured(head_channels=-64),
    "odd channels": configured(fpn_channels=63),
    "channels of another network": configured(embedding=128),
    "no things": configured(things=[]),
    "things outside": configured(things=[11, 19]),
    "negative things": configured(things=[-1]),
    "things twice": configured(things=[11, 11]),
    "an infinite anchor": configured(anchor_sizes=[1, 2, 3, float("inf")]),
    "anchors that are no number": configured(anchor_ratios=[float("nan")]),
    "many anchors": configured(anchor_ratios=[1.0] * 5000),
    "a threshold outside": configured(thresholds={"score": 5}),
    "an unknown threshold": configured(thresholds={"odd": 5}),
    "thresholds that are a list": configured(thresholds=[1]),
    "another backbone": configured(backbone="regnet_y_8gf"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_weights_that_are_damaged_or_foreign(
    mapt: Run, tmp_path: Path, frames: Path, name: str
) -> None:
    path = reworded(tmp_path, HEADERS[name])
    told(mapt("track", frames, "--model", path, "--out", tmp_path / "out"), str(path))
    assert not (tmp_path / "out").exists()


def test_weights_that_are_not_finite(mapt: Run, tmp_path: Path, frames: Path) -> None:
    data = bytearray(shipped_weights().read_bytes())
    data[-4:] = struct.pack("<f", float("nan"))
    path = tmp_path / "nan.safetensors"
    path.write_bytes(data)
    told(mapt("track", frames, "--model", path, "--out", tmp_path / "out"), "NaN")


TOMLS = (
    "model = 5",
    "model = []",
    "[model]\npreset = 5",
    '[model]\npreset = "mega"',
    "data = 1",
    "[data]\nsynthetic = 3",
    "[data.synthetic]\nsequences = -1",
    '[data.synthetic]\nsequences = "many"',
    "[data.synthetic]\nfps = nan",
    "[data.synthetic]\nfps = inf",
    "[data.synthetic]\nheights = [5]",
    '[data.synthetic]\nheights = "ab"',
    "[data.synthetic]\nheight = 1000000000",
    "[schedule]\niterations = 0",
    "[schedule]\niterations = 1.5",
    "[schedule]\niterations = 99999999999",
    "[schedule]\nrate = nan",
    "[schedule]\nrate = -1",
    "[schedule]\nmilestones = 3",
    "[schedule]\nmilestones = [nan]",
    "heads = 5",
    'heads = ["odd"]',
    "heads = []",
    "seed = -1",
    "seed = 1.5",
    "[data]\nworkers = -1",
    "[data]\nworkers = 1000000",
    "[data]\ncrops = [[1, 2]]",
    "[data]\ncrops = 7",
    "odd = 1",
    "[odd]\nx = 1",
    "a = " + "[" * 5000,
    "seed = " + "9" * 5000,
    "seed = 0x",
    "\0",
    "[model",
    'device = "tpu"',
    "[evaluation]\nsequences = 5",
    "[evaluation]\nfps = 0",
    '[data.step]\nroot = "nowhere"',
)


@pytest.mark.parametrize("text", TOMLS, ids=lambda t: t.encode("unicode_escape").decode()[:50])
def test_configurations_that_are_none(mapt: Run, tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.toml"
    base = (
        "imagenet = false\n"
        if "model" in text
        else 'imagenet = false\nmodel = {preset = "nano", height = 64, width = 128}\n'
    )
    path.write_text(base + text)
    told(mapt("train", path, "--out", tmp_path / "out"))
    assert not (tmp_path / "out").exists()


CHANGES = (
    "x",
    "=",
    "=5",
    ".=5",
    "seed",
    "seed.x=1",
    "model=5",
    "model.preset=",
    "odd=1",
    "data.workers=a",
    "seed=[",
    "a..b=1",
)


@pytest.mark.parametrize("change", CHANGES)
def test_changes_that_are_none(mapt: Run, tmp_path: Path, config: Path, change: str) -> None:
    told(mapt("train", config, "--set", change, "--out", tmp_path / "out"))


def test_names_that_steer_a_terminal_are_written_out(
    mapt: Run, tmp_path: Path, labels: Path
) -> None:
    name = "a\x1b]0;odd\x07\x1b[2Jb\x9b"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "0.png").write_bytes(b"no")
    for arguments in (
        ("track", folder, "--model", shipped_weights(), "--out", tmp_path / "out"),
        ("track", tmp_path / f"{name}.mp4", "--model", "x", "--out", tmp_path / "out"),
        ("eval", tmp_path, labels, "--dataset", "kitti-step"),
        ("data", "check", tmp_path, "--dataset", "kitti-step"),
        ("train", name),
        ("synth", tmp_path / name),
        ("nonsense" + name,),
    ):
        ran = mapt(*arguments)
        shown = ran.out + ran.err
        assert (
            ran.code == 2 and "\x1b]" not in shown and "\x07" not in shown and "\x9b" not in shown
        ), shown
        assert "\x1b[2J" not in shown
