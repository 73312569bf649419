"""A track's life: which moments are drawn, what is said of them, and where the crops come from."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mapt.app.track_history import choose_moments, draw_life, read_decisions
from mapt.app.track_lives import draw_timeline, find_life, find_run
from mapt.app.visualize import strip
from mapt.drawing.colours import track_colour
from mapt.errors import InputError


def row(
    index: int, stage: str, score: float, margin: float, runner_up: float | None = None
) -> dict[str, Any]:
    limit = {"propagation": 0.3, "appearance": 0.94, "birth": 0.4}.get(stage, 1.5)
    return {
        "frame": f"{index:06d}",
        "index": index,
        "stage": stage,
        "track": 2,
        "detection": 0,
        "score": score,
        "runner_up": runner_up,
        "threshold": limit,
        "margin": margin,
        "gate": 0.4 if stage == "appearance" else None,
    }


ROWS = [
    row(0, "birth", 0.9, 0.5),
    *(row(n, "propagation", 0.8, 0.5) for n in range(1, 20)),
    row(20, "propagation", 0.31, 0.01, 0.2),
    *(row(n, "propagation", 0.8, 0.5) for n in range(21, 30)),
    row(30, "lost", 0.1, 1.4),
    row(34, "appearance", 0.97, 0.03, 0.5),
    row(35, "lost", 0.1, 1.4),
    row(50, "removed", 1.6, 0.1),
]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a sequence whose track 2 stands at (10,10)-(30,20).

    The gray level of a frame encodes its number.
    """
    folder = tmp_path / "drive"
    folder.mkdir()
    lines = [json.dumps(r) for r in (*ROWS, {**ROWS[0], "track": 7})]
    (folder / "decisions.jsonl").write_text("\n".join(lines) + "\n")
    frames = [
        {"frame": f"{n:06d}", "tracks": [{"id": 2, "box": [10, 10, 30, 20]}] if n < 50 else []}
        for n in range(52)
    ]
    (folder / "tracks.json").write_text(json.dumps({"classes": [], "frames": frames}))
    images = tmp_path / "images"
    images.mkdir()
    for number in range(52):
        cv2.imwrite(str(images / f"{number:06d}.png"), np.full((40, 60, 3), 4 * number, np.uint8))
    return folder


def test_turning_points_and_the_narrowest_decision_are_drawn(run: Path) -> None:
    rows = read_decisions(run, 2)
    assert rows == ROWS
    moments = choose_moments(run, 2, rows)
    assert len(moments) == 12
    indices = [m.index for m in moments]
    assert {0, 20, 30, 34, 35, 50} <= set(indices) and indices == sorted(indices)
    assert max(np.diff(indices)) <= 15  # the others are spread between them
    few = choose_moments(run, 2, rows, most=4)
    assert [m.index for m in few] == [0, 30, 34, 35]


def test_every_moment_says_why(run: Path) -> None:
    lines = {m.index: m.lines for m in choose_moments(run, 2, ROWS)}
    assert lines[0] == ("birth", "score 0.900 >= 0.40", "no runner-up, margin 0.500")
    assert lines[20] == ("propagation", "mask IoU 0.310 >= 0.30", "runner-up 0.200, margin 0.010")
    assert lines[34] == (
        "appearance, gate 0.40 of 1",
        "cosine 0.970 >= 0.94",
        "runner-up 0.500, margin 0.030",
    )
    assert lines[50] == ("removed", "unseen for 1.60 s", "of 1.50 s")


def test_a_birth_beside_a_look_alike_says_that_it_was_too_far(
    run: Path, mapt: Callable[..., Any]
) -> None:
    born = {**ROWS[0], "gate": 3.27}
    (run / "decisions.jsonl").write_text(json.dumps(born) + "\n")
    assert (
        choose_moments(run, 2, read_decisions(run, 2))[0].lines[0]
        == "birth, look-alike too far: 3.3 of 1"
    )
    on_progress = mapt("explain", run, "--track", 2)
    assert on_progress.code == 0 and "3.3 of 1" in on_progress.out


def test_the_whole_life_is_told_with_the_class(run: Path, mapt: Callable[..., Any]) -> None:
    content = json.loads((run / "tracks.json").read_text())
    content["classes"] = ["road", "car"]
    for number, frame in enumerate(content["frames"]):
        for track in frame["tracks"]:
            track |= {"label": 1, "lost": int(30 <= number < 34)}
    (run / "tracks.json").write_text(json.dumps(content))
    life = find_life(run, 2)
    assert (life.label, life.first, life.last) == ("car", "000000", "000049")
    assert (life.count("seen"), life.count("lost")) == (46, 4)
    words = "seen 000000 to 000029, lost 000030 to 000033, seen 000034 to 000049"
    assert life.spells() == words
    bar = draw_timeline(life, [10], 520)
    assert bar.shape[1:] == (520, 3)
    colours = [tuple(bar[20, 10 * number + 5]) for number in (0, 29, 31, 40, 51)]
    own = track_colour(2)
    assert colours == [own, own, (90, 90, 90), own, (0, 0, 0)]
    assert tuple(bar[2, 104]) == (255, 255, 255)
    ran = mapt("explain", run, "--track", 2, "--images", run.parent / "images")
    assert ran.code == 0 and f"car 2: {words}" in ran.out
    picture = cv2.imread(str(run / "track_2.png"))
    assert picture is not None and picture.shape[0] > 2 * 352
    ran = mapt("explain", run)
    assert ran.code == 0 and "car" in ran.out and "000049" in ran.out and "46" in ran.out


def test_a_file_or_a_run_of_one_sequence_stands_for_its_folder(
    tmp_path: Path, mapt: Callable[..., Any]
) -> None:
    own = tmp_path / "out" / "clip"
    own.mkdir(parents=True)
    (own / "tracks.json").write_text('{"classes": [], "frames": []}')
    for given in (own, own / "tracks.json", tmp_path / "out"):
        assert find_run(given) == own and mapt("explain", given).code == 0
    assert find_run(tmp_path / "nowhere") == tmp_path / "nowhere"
    other = tmp_path / "out" / "other"
    other.mkdir()
    (other / "tracks.json").touch()
    ran = mapt("explain", tmp_path / "out")
    assert ran.code == 2 and f"choose one of {own}, {other}" in ran.err


def test_files_of_before_there_was_a_gate_are_read(run: Path) -> None:
    old = {key: value for key, value in ROWS[0].items() if key != "gate"}
    (run / "decisions.jsonl").write_text(json.dumps(old) + "\n")
    assert read_decisions(run, 2) == [{**old, "gate": None}]
    (run / "decisions.jsonl").write_text(json.dumps({**old, "gate": "x"}) + "\n")
    with pytest.raises(InputError, match=r"decisions\.jsonl:1: is damaged"):
        read_decisions(run, 2)


def test_crops_come_from_the_frames_of_the_moments(run: Path) -> None:
    moments = choose_moments(run, 2, ROWS, most=4)
    picture = draw_life(run, 2, moments, run.parent / "images")
    assert picture.shape == (260 + 88 + 4, 4 * 264, 3)
    for cell, moment in enumerate(moments):
        part = picture[2:262, 264 * cell + 2 : 264 * cell + 262]
        np.testing.assert_allclose(
            part[130, 130], 4 * moment.index, atol=1
        )  # the middle of the box
        assert (np.abs(part.astype(int) - track_colour(2)).sum(2) < 90).any()  # its outline
        assert picture[262:350, 264 * cell : 264 * cell + 264].max() > 200  # words


def test_boxes_at_and_beyond_the_border_are_cropped_too(run: Path) -> None:
    content = json.loads((run / "tracks.json").read_text())
    for number, box in enumerate(
        [[-5, -5, 0.2, 0.2], [50, 30, 60, 40], [0, 0, 60, 40], [59.9, 39.9, 60, 40]]
    ):
        content["frames"][number]["tracks"][0]["box"] = box
    (run / "tracks.json").write_text(json.dumps(content))
    picture = draw_life(run, 2, choose_moments(run, 2, ROWS[:4]), run.parent / "images")
    assert picture.shape == (352, 4 * 264, 3)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda run: (run / "tracks.json").unlink(), "tracks.json: cannot be read"),
        (
            lambda run: (run / "tracks.json").write_text('{"frames": [3]}'),
            "tracks.json: lacks frames",
        ),
        (lambda run: (run / "tracks.json").write_text('{"frames": []}'), "lacks track 2"),
        (lambda run: (run.parent / "images" / "000050.png").unlink(), "has no frame"),
    ],
)
def test_what_does_not_belong_together_is_one_line(
    run: Path, damage: Callable[[Path], object], words: str
) -> None:
    damage(run)
    for path in sorted((run.parent / "images").iterdir())[40:]:
        path.unlink()
    with pytest.raises(InputError, match=words) as error:
        draw_life(run, 2, choose_moments(run, 2, ROWS), run.parent / "images")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("line", [b"{", b"[1]", b"7", b"{}", b'{"track": "x"}', b"\xff\xfe"])
def test_a_damaged_line_is_named_by_its_number(run: Path, line: bytes) -> None:
    path = run / "decisions.jsonl"
    first = path.read_bytes().splitlines()[0]
    path.write_bytes(first + b"\n" + first + b"\n" + line + b"\n")
    with pytest.raises(InputError, match=r"decisions\.jsonl:3: is damaged"):
        read_decisions(run, 1)


def test_explain_draws_from_images_and_says_when_it_cannot(
    mapt: Callable[..., Any], run: Path, tmp_path: Path
) -> None:
    on_progress = mapt("explain", run, "--track", 2)
    assert (
        on_progress.code == 0
        and "give the tracked frames with --images" in on_progress.out
        and not list(run.glob("*.png"))
    )
    on_progress = mapt("explain", run, "--track", 2, "--images", tmp_path / "images")
    assert on_progress.code == 0 and "runner-up" in on_progress.out, on_progress.err
    assert np.asarray(cv2.imread(str(run / "track_2.png"))).shape == (2 * 352 + 50, 6 * 264, 3)
    assert mapt("explain", run, "--track", 3).code == 2
    assert (
        mapt(
            "explain",
            run,
            "--track",
            2,
            "--images",
            tmp_path / "images",
            "--out",
            tmp_path / "life",
        ).code
        == 2
    )
    assert mapt("explain", run, "--track", 2, "--images", tmp_path / "nowhere").code == 2


def test_a_strip_has_rows_of_cells() -> None:
    cells = [(np.full((9, 9, 3), 30 * n, np.uint8), ("a", "b")) for n in range(5)]
    picture = strip(cells, columns=3, width=50)
    assert picture.shape == (2 * (50 + 48 + 4), 3 * 54, 3)
    assert (
        picture[20, 2 * 54 + 20].tolist() == [60] * 3
        and picture[102 + 20, 54 + 20].tolist() == [120] * 3
    )
