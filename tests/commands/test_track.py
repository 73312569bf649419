import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mapt.io.image_files import read_rgb, write_image
from mapt.labels.step_png import read_step

Run = Callable[..., Any]
os.environ.setdefault(
    "OPENCV_FFMPEG_LOGLEVEL", "-8"
)  # as `mapt` sets it; FFmpeg looks at it once in a process


@pytest.fixture
def frames(street: Path, tmp_path: Path) -> Path:
    """A folder of four frames."""
    folder = tmp_path / "drive"
    folder.mkdir()
    for path in sorted((street / "training" / "image_02" / "0000").glob("*.png"))[:4]:
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_a_folder_gives_labels_video_and_json(
    mapt: Run, bundle: Path, frames: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ran = mapt("track", frames, "--model", bundle, "--out", out, "--threads", 1)
    assert ran.code == 0, ran.err
    assert sorted(p.name for p in (out / "step" / "drive").iterdir()) == sorted(
        p.name for p in frames.iterdir()
    )
    semantic, instance = read_step(out / "step" / "drive" / "000003.png")
    assert semantic.shape == (192, 624) and set(np.unique(semantic)) <= {*range(19), 255}
    tracks = json.loads((out / "drive" / "tracks.json").read_text())
    last = tracks["frames"][-1]
    assert last["frame"] == "000003" and {"id", "label", "score", "box", "age", "lost"} <= set(
        last["tracks"][0]
    )
    assert {t["id"] for t in last["tracks"] if not t["lost"]} >= set(np.unique(instance)) - {0}
    video = cv2.VideoCapture(str(out / "drive" / "video.mp4"))
    assert int(video.get(cv2.CAP_PROP_FRAME_COUNT)) == 4
    number = last["tracks"][0]["id"]
    explained = mapt("explain", out / "drive", "--track", number)
    assert explained.code == 0 and "threshold" in explained.out
    assert mapt("explain", out / "drive", "--track", 9999).code == 2


def test_a_video_gives_the_same_ids_twice(
    mapt: Run, bundle: Path, frames: Path, tmp_path: Path
) -> None:
    path = tmp_path / "clip.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (624, 192))
    for image in sorted(frames.iterdir()):
        writer.write(np.asarray(cv2.imread(str(image))))
    writer.release()
    for out in ("a", "b"):
        assert (
            mapt(
                "track", path, "--model", bundle, "--out", tmp_path / out, "--save", "step,json"
            ).code
            == 0
        )
    names = sorted(p.name for p in (tmp_path / "a" / "step" / "clip").iterdir())
    assert len(names) == 4 and not (tmp_path / "a" / "clip" / "video.mp4").exists()
    for name in names:
        first, second = (
            (tmp_path / out / "step" / "clip" / name).read_bytes() for out in ("a", "b")
        )
        assert first == second


def test_a_dataset_is_tracked_and_scored(
    mapt: Run, bundle: Path, street: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    scores = tmp_path / "scores.json"
    assert (
        mapt(
            "track",
            street,
            "--model",
            bundle,
            "--out",
            out,
            "--save",
            "step",
            "--sequences",
            "0001",
        ).code
        == 0
    )
    ran = mapt(
        "eval", street, out, "--dataset", "kitti-step", "--sequences", "0001", "--json", scores
    )
    assert ran.code == 0, ran.err
    report = json.loads(scores.read_text())
    assert set(report["sequences"]) == {"0001"} and 0 < report["dataset"]["PAT"] < 1
    assert {
        "PAT",
        "PQ",
        "PQ_things",
        "PQ_stuff",
        "TQ",
        "STQ",
        "AQ",
        "SQ",
        "IDS",
        "N_IDS",
        "num_gt_tracks",
    } <= set(report["dataset"])
    assert {"PQ", "IoU", "TQ", "PAT", "IDS"} <= set(report["classes"]["car"])


def _truncate(folder: Path) -> str:
    path = folder / "000002.png"
    path.write_bytes(path.read_bytes()[:700])
    return "000002.png"


def _empty_file(folder: Path) -> str:
    (folder / "000001.png").write_bytes(b"")
    return "000001.png"


def _other_size(folder: Path) -> str:
    assert cv2.imwrite(str(folder / "000003.png"), np.zeros((100, 300, 3), np.uint8))
    return "000003.png"


def _no_frames(folder: Path) -> str:
    for path in folder.iterdir():
        path.unlink()
    return "drive"


@pytest.mark.parametrize("damage", [_truncate, _empty_file, _other_size, _no_frames])
def test_bad_frames_are_named_and_nothing_is_left(
    mapt: Run, bundle: Path, frames: Path, tmp_path: Path, damage: Callable[[Path], str]
) -> None:
    name = damage(frames)
    ran = mapt("track", frames, "--model", bundle, "--out", tmp_path / "out", "--threads", 1)
    assert ran.code == 2 and name in ran.err and ran.err.count("\n") == 1, ran.err
    assert not [p for p in (tmp_path / "out").rglob("*") if p.is_file()]


def test_a_file_that_is_no_video(mapt: Run, bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"this is not a video" * 100)
    ran = mapt("track", path, "--model", bundle, "--out", tmp_path / "out")
    assert ran.code == 2 and "clip.mp4" in ran.err and ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--save", "gif"), "--save gif: gif is unknown"),
        (("--save", ""), "an argument is empty (after --save)"),
        (("--association", "magic"), "--association magic: unknown"),
        (("--size", "64x64"), "--size 64x64: the bundle has 192x640"),
        (("--model", "nowhere"), "nowhere: no such bundle or weights"),
        (("--backend", "magic"), "backend 'magic' is unknown; choose one of auto, ort, tensorrt"),
        (
            ("--model", "weights/nano.safetensors", "--backend", "ort"),
            "--backend ort: weights run in PyTorch",
        ),
    ],
)
def test_wrong_options(
    mapt: Run, bundle: Path, frames: Path, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    model = () if "--model" in arguments else ("--model", bundle)
    ran = mapt("track", frames, *model, "--out", tmp_path / "out", *arguments)
    assert ran.code == 2 and words in ran.err and ran.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_changed_byte_in_the_bundle_is_refused(
    mapt: Run, bundle: Path, frames: Path, tmp_path: Path
) -> None:
    import shutil

    copy = tmp_path / "bundle"
    shutil.copytree(bundle, copy)
    content = bytearray((copy / "motion.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (copy / "motion.onnx").write_bytes(content)
    ran = mapt("track", frames, "--model", copy, "--out", tmp_path / "out")
    assert ran.code == 2 and "motion.onnx" in ran.err and ran.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_ids_do_not_depend_on_the_sequences_before(
    mapt: Run, bundle: Path, street: Path, tmp_path: Path
) -> None:
    options = ("--model", bundle, "--save", "step,json,mot,coco")
    assert mapt("track", street, *options, "--out", tmp_path / "all").code == 0
    assert (
        mapt("track", street, *options, "--out", tmp_path / "one", "--sequences", "0001").code == 0
    )
    names = [p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file()]
    assert {"tracks.json", "decisions.jsonl", "mot.txt", "coco.json"} <= {n.name for n in names}
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "all" / name).read_bytes()
    assert (
        json.loads((tmp_path / "one" / "0001" / "tracks.json").read_text())["frames"][0]["tracks"][
            0
        ]["id"]
        == 1
    )


def test_a_recorded_run_is_replayed_without_a_model(
    mapt: Run, bundle: Path, street: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run.record"
    save = ("--save", "step,json")
    ran = mapt(
        "track",
        street,
        "--model",
        bundle,
        "--out",
        tmp_path / "a",
        "--record",
        run,
        "--threads",
        1,
        *save,
    )
    assert ran.code == 0, ran.err
    ran = mapt("track", street, "--replay", run, "--out", tmp_path / "b", *save)
    assert ran.code == 0 and "every frame as recorded" in ran.out, ran.err
    for path in (tmp_path / "a").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()
    ran = mapt(
        "track", street, "--replay", run, "--out", tmp_path / "c", "--sequences", "0001", *save
    )
    assert ran.code == 1 and "0001 frame 000000: sequence is 0001, recorded was 0000" in ran.err
    assert not [p for p in (tmp_path / "c").rglob("*") if p.is_file()]
    run.write_bytes(run.read_bytes()[:100_000])
    ran = mapt("track", street, "--replay", run, "--out", tmp_path / "c", *save)
    assert ran.code == 2 and ran.err.startswith(f"mapt: {run}: ") and ran.err.count("\n") == 1


def test_a_model_or_a_record_but_not_both(
    mapt: Run, bundle: Path, frames: Path, tmp_path: Path
) -> None:
    ran = mapt("track", frames, "--out", tmp_path / "out", "--model", bundle, "--replay", "run")
    assert ran.code == 2 and "leave out --model" in ran.err
    ran = mapt(
        "track", frames, "--out", tmp_path / "out", "--replay", "run", "--association", "iou"
    )
    assert ran.code == 2 and "--association" in ran.err


def test_nothing_of_the_users_is_replaced(
    mapt: Run, bundle: Path, frames: Path, tmp_path: Path
) -> None:
    """Outputs replace only older outputs of their sequence.

    The command reports what would be lost before it does any work.
    """
    common = ("--model", bundle, "--save", "step,json")
    before = sorted(frames.iterdir())
    ran = mapt("track", frames, *common, "--out", frames.parent)
    assert (
        ran.code == 2
        and f"{frames}: is replaced by the outputs, and {frames} lies there" in ran.err
    )
    out = tmp_path / "out"
    ran = mapt("track", frames, *common, "--out", out, "--record", out / frames.name / "run.record")
    assert ran.code == 2 and "run.record lies there" in ran.err
    (out / frames.name).mkdir(parents=True)
    (out / frames.name / "notes.txt").write_text("mine")
    ran = mapt("track", frames, *common, "--out", out)
    assert ran.code == 2 and "notes.txt is none; choose another --out" in ran.err
    frames.rename(frames.parent / "step")
    ran = mapt("track", frames.parent / "step", *common, "--out", tmp_path / "third")
    assert ran.code == 2 and "step: is where the PNGs go" in ran.err
    (frames.parent / "step").rename(frames)
    assert (
        sorted(frames.iterdir()) == before
        and (out / frames.name / "notes.txt").read_text() == "mine"
    )


def test_places_that_cannot_be_written_are_said_first(
    mapt: Run, bundle: Path, frames: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    for option, value, words in (
        ("--out", tmp_path / "file", "is a file; name a folder with --out"),
        ("--record", tmp_path, "--record"),
        ("--record", tmp_path / "file" / "run", "is a file; choose another place"),
        ("--rerun", tmp_path, "is a folder; name a file in it"),
    ):
        places = () if option == "--out" else ("--out", tmp_path / "out")
        ran = mapt("track", frames, "--model", bundle, *places, option, value)
        assert ran.code == 2 and words in ran.err and ran.err.count("\n") == 1, ran.err
        assert not (tmp_path / "out").exists()


def test_a_truncated_video_leaves_nothing_and_says_how_much_was_read(
    mapt: Run, bundle: Path, frames: Path, tmp_path: Path
) -> None:
    path = tmp_path / "clip.avi"
    first = read_rgb(min(frames.iterdir()))
    video = cv2.VideoWriter(
        str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (first.shape[1], first.shape[0])
    )
    for _ in range(12):
        video.write(first)
    video.release()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    ran = mapt(
        "track",
        path,
        "--model",
        bundle,
        "--out",
        tmp_path / "out",
        "--save",
        "json",
        "--sequences",
        "0001",
    )
    assert ran.code == 2 and "has no sequences to choose from" in ran.err
    ran = mapt("track", path, "--model", bundle, "--out", tmp_path / "out", "--save", "json")
    assert ran.code == 2 and re.search(
        r"clip\.avi: is damaged or cut off, \d+ frames, .* could be read", ran.err
    )
    assert not list((tmp_path / "out").iterdir())


def test_the_files_do_not_depend_on_the_number_of_threads(
    mapt: Run, bundle: Path, street: Path, tmp_path: Path
) -> None:
    for threads in (1, 2):
        options = (
            "--model",
            bundle,
            "--out",
            tmp_path / str(threads),
            "--save",
            "step,json",
            "--threads",
            threads,
        )
        assert mapt("track", street, *options).code == 0
    names = [p.relative_to(tmp_path / "1") for p in (tmp_path / "1").rglob("*") if p.is_file()]
    assert len(names) == 2 * (6 + 2)
    for name in names:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_other_kinds_stay_and_alarms_and_file_names_are_told(
    mapt: Run, bundle: Path, frames: Path, tmp_path: Path
) -> None:
    black = np.zeros((192, 624, 3), np.uint8)
    for number in (2, 3):
        write_image(frames / f"{number:06d}.png", black)
    common = ("track", frames, "--model", bundle, "--out", tmp_path / "out")
    ran = mapt(*common, "--save", "coco,mot")
    assert ran.code == 0 and "drive: alarms: blind in 2 of 4 frames" in ran.out, ran.err
    coco = json.loads((tmp_path / "out" / "drive" / "coco.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == [
        p.name for p in sorted(frames.iterdir())
    ]
    before = (tmp_path / "out" / "drive" / "mot.txt").read_bytes()
    assert mapt(*common, "--save", "json").code == 0
    assert (tmp_path / "out" / "drive" / "mot.txt").read_bytes() == before
    tracks = json.loads((tmp_path / "out" / "drive" / "tracks.json").read_text())
    assert [frame["alarms"] for frame in tracks["frames"]] == [[], [], ["blind"], ["blind"]]


def test_pictures_of_the_user_among_the_labels_are_not_removed(
    mapt: Run, bundle: Path, frames: Path, tmp_path: Path
) -> None:
    common = ("track", frames, "--model", bundle, "--out", tmp_path / "out", "--save", "step")
    assert mapt(*common).code == 0
    for number in (2, 3):  # a shorter run replaces the labels of a longer one
        (frames / f"{number:06d}.png").unlink()
    assert mapt(*common).code == 0
    labels = tmp_path / "out" / "step" / "drive"
    assert sorted(p.name for p in labels.iterdir()) == ["000000.png", "000001.png"]
    write_image(labels / "holiday.png", np.zeros((8, 8, 3), np.uint8))
    ran = mapt(*common)
    assert ran.code == 2 and "holiday.png is none; choose another --out" in ran.err
    assert (labels / "holiday.png").exists()


def test_a_full_disk_is_an_error_and_leaves_the_older_outputs(
    mapt: Run, bundle: Path, frames: Path, tmp_path: Path
) -> None:
    common = ("track", frames, "--model", bundle, "--out", tmp_path / "out")
    assert mapt(*common).code == 0
    before = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(
        signal.SIGXFSZ, signal.SIG_IGN
    )  # then a write beyond the limit fails as on a full disk
    try:
        for kinds, limit in (("step", 500), ("video", 5000), ("json", 300)):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
            ran = mapt(*common, "--save", kinds)
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            assert ran.code != 0 and "File too large" in ran.err, kinds
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()} == before


def test_sigterm_ends_a_run_and_leaves_nothing_half_written(
    bundle: Path, street: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    folder = tmp_path / "drive"
    folder.mkdir()
    pictures = sorted((street / "training" / "image_02" / "0000").glob("*.png"))
    for number in range(2000):  # more than it gets to
        os.link(pictures[number % len(pictures)], folder / f"{number:06d}.png")
    command = [
        sys.executable,
        "-m",
        "mapt.cli",
        "track",
        folder,
        "--model",
        bundle,
        "--out",
        out,
        "--threads",
        "1",
    ]
    child = subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        while not list(out.glob("step/.drive.mapt-*/*.png")) and child.poll() is None:
            time.sleep(0.05)
        child.terminate()
        _, said = child.communicate()
    finally:
        child.kill()
    assert child.returncode == 143, said
    assert not [p for p in out.rglob("*") if p.is_file()] and not list(out.rglob(".*"))
