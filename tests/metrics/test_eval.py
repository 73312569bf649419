"""`mapt eval`: its tables, its files and its errors.

A user's mistake is one line with exit code 2.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from rich.console import Console

from mapt.labels.class_sets import KITTI_STEP
from mapt.labels.step_png import write_step
from mapt.metrics import PanopticTrackingMetrics
from mapt.metrics.tables import show
from tests.conftest import Ran
from tests.metrics.conftest import GT, PRED
from tests.metrics.drawing import draw, score_all


@pytest.fixture
def mapt(  # type: ignore[no-untyped-def]
    mapt: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
):
    """Run the command line in this process, with tables of this width."""
    monkeypatch.setenv("COLUMNS", "120")

    def run(*arguments: object) -> tuple[int, str, str]:
        ran = mapt(*arguments)
        return ran.code, ran.out, ran.err

    return run


def test_tables_show_percent_and_json_fractions(  # type: ignore[no-untyped-def]
    mapt, gt: Path, pred: Path, tmp_path: Path
) -> None:
    code, out, _ = mapt(
        "eval", gt, pred, "--dataset", "kitti-step", "--json", tmp_path / "out.json"
    )
    expected = score_all({name: (GT[name], PRED[name]) for name in GT})
    assert code == 0
    written = json.loads((tmp_path / "out.json").read_text())
    assert written.pop("objects_by_size") == {
        "car": {"below 12": {"masks": 5, "found": 4, "false": 1}}
    }
    sizes = next(line for line in out.splitlines() if "below 12" in line)
    assert [cell.strip() for cell in sizes.strip("│").split("│")] == [
        "car", "below 12", "5", "4", "1", "1",
    ]  # fmt: skip
    mot = ["HOTA", "DetA", "AssA", "LocA", "IDF1", "IDP", "IDR", "MOTA", "MOTP", "MOTSA", "sMOTSA"]
    mot += ["MOTSP", "IDSW", "FP", "FN", "Frag"]
    for scores in (written["dataset"], *written["sequences"].values(), written["classes"]["car"]):
        assert [scores.pop(name) for name in mot]
    assert written == json.loads(json.dumps(asdict(expected)))
    assert set(written) == {"dataset", "sequences", "classes"}
    row = next(line for line in out.splitlines() if "all" in line)
    s = expected.dataset
    assert [f"{100 * (v or 0):.2f}" for v in (s.PAT, s.PQ, s.TQ, s.STQ, s.AQ, s.SQ)] == row.split(
        "│"
    )[2].split() + [cell.strip() for cell in row.split("│")[3:8]]
    cells = row.split("│")
    assert cells[8].strip() == f"{s.IDS}/{s.N_IDS}" and cells[9].strip() == "2"


def test_options_reach_the_metrics(  # type: ignore[no-untyped-def]
    mapt, gt: Path, pred: Path, tmp_path: Path
) -> None:
    path = tmp_path / "out.json"
    mapt(
        "eval",
        gt,
        pred,
        "--dataset",
        "kitti-step",
        "--json",
        path,
        "--variant",
        "nuscenes",
        "--sequences",
        "0001",
    )
    expected = score_all({"0001": (GT["0001"], PRED["0001"])}, variant="nuscenes")
    written = json.loads(path.read_text())["dataset"]
    assert {name: written[name] for name in asdict(expected.dataset)} == asdict(expected.dataset)


def test_undefined_is_a_dash_and_null(  # type: ignore[no-untyped-def]
    mapt, gt: Path, pred: Path, tmp_path: Path
) -> None:
    for folder in (gt, pred):
        for file in sorted(folder.rglob("*.png")):
            write_step(file, *draw("rrrsss"))
    code, out, _ = mapt(
        "eval", gt, pred, "--dataset", "kitti-step", "--json", tmp_path / "out.json"
    )
    dataset = json.loads((tmp_path / "out.json").read_text())["dataset"]
    assert code == 0
    assert (dataset["PQ"], dataset["TQ"], dataset["PAT"], dataset["AQ"]) == (1, None, None, 0)
    assert next(line for line in out.splitlines() if "all" in line).split("│")[2].strip() == "-"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "coco"], "--dataset coco: unknown; choose one of kitti-step"),
        (["--dataset", "kitti-step", "--json", "."], "--json .: is a folder; name a file in it"),
        (
            ["--dataset", "kitti-step", "--variant", "paper"],
            "--variant paper: unknown; choose one of step, nuscenes",
        ),
        (["--dataset", "kitti-step", "--sequences", "0002"], "has no sequence 0002"),
        (["--dataset", "kitti-step", "--sequences", ","], "no sequence is chosen"),
        (
            ["--dataset", "motchallenge-step"],
            "gt/0000/000000.png: has class 13, motchallenge-step knows 0..6",
        ),
    ],
)
def test_mistakes_are_one_line(  # type: ignore[no-untyped-def]
    mapt, gt: Path, pred: Path, arguments: list[str], message: str
) -> None:
    code, _, err = mapt("eval", gt, pred, *arguments)
    assert code == 2
    assert err.startswith("mapt: ") and message in err and err.count("\n") == 1


@pytest.mark.parametrize("damage", ["missing", "size"])
def test_a_bad_frame_writes_no_results(  # type: ignore[no-untyped-def]
    mapt, gt: Path, pred: Path, tmp_path: Path, damage: str
) -> None:
    file = pred / "0001" / "000001.png"
    if damage == "missing":
        file.unlink()
    else:
        write_step(file, *draw("AAr"))
    code, _, err = mapt(
        "eval", gt, pred, "--dataset", "kitti-step", "--json", tmp_path / "out.json"
    )
    assert code == 2 and err.count("\n") == 1 and f"{file}: is " in err
    assert not (tmp_path / "out.json").exists()


def test_the_installed_process_exits_with_two(gt: Path, pred: Path) -> None:
    (pred / "0000" / "000002.png").unlink()
    command = [
        sys.executable,
        "-m",
        "mapt.cli",
        "eval",
        str(gt),
        str(pred),
        "--dataset",
        "kitti-step",
    ]
    on_progress = subprocess.run(command, capture_output=True, text=True, check=False)
    assert on_progress.returncode == 2
    assert on_progress.stderr.splitlines() == [
        f"mapt: {pred}/0000/000002.png: is missing, the ground truth has this frame; predict every"
        " frame"
    ]


def test_classes_without_masks_have_no_recall(capsys: pytest.CaptureFixture[str]) -> None:
    """What is false of them stands in the table of sizes."""
    recall = {
        "person": {"below 500": {"masks": 0, "found": 0, "false": 3}},
        "car": {
            "below 500": {"masks": 2, "found": 1, "false": 0},
            "above 2000": {"masks": 0, "found": 0, "false": 1},
        },
    }
    show(Console(width=120), PanopticTrackingMetrics(KITTI_STEP).compute(), recall)
    lines = [line for line in capsys.readouterr().out.splitlines() if "recall" in line]
    assert lines == ["recall of car masks by area: below 500 px 1/2"]
