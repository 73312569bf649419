"""KITTI-MOTS texts as predictions, beside texts and beside PNGs."""

import shutil
from pathlib import Path

import pytest

from mapt.errors import InputError
from mapt.labels.step_png import BACKGROUND, unpack
from mapt.metrics.folders import pair_frames


def test_predicted_mots_texts_are_read_too(mots: Path, tmp_path: Path) -> None:
    pred = tmp_path / "texts"
    pred.mkdir()
    line = (mots / "0000.txt").read_text().splitlines()[0]
    later = line.replace("0 1003", "1 1007", 1)
    (pred / "0000.txt").write_text(f"{line}\n{later}\n")
    pairs = pair_frames(mots, pred, "kitti-mots")
    assert [Path(p.pred_name).name for p in pairs] == [f"0000.txt frame {n}" for n in (0, 1, 2)]
    assert [unpack(p.read_pred())[1].max() for p in pairs] == [4, 8, 0]
    assert [unpack(p.read_gt())[1].max() for p in pairs] == [4, 0, 4]
    labelled = pair_frames(mots, pred / "0000.txt", "kitti-mots", labelled_only=True)
    assert [p.pred_name[-7:] for p in labelled] == ["frame 0", "frame 2"]
    with pytest.raises(InputError, match=r"texts: holds no <sequence>/<frame>\.png"):
        pair_frames(mots, pred, "kitti-step")


def test_mots_texts_of_mapt_track_are_found(mots: Path, tmp_path: Path) -> None:
    text = tmp_path / "out" / "0000" / "mots.txt"
    text.parent.mkdir(parents=True)
    text.write_bytes((mots / "0000.txt").read_bytes())
    found = pair_frames(mots, tmp_path / "out", "kitti-mots")
    assert [p.sequence for p in found] == ["0000", "0000"]
    assert all((p.read_gt() == p.read_pred()).all() for p in found)


def test_an_empty_mots_text_predicts_nothing(mots: Path, tmp_path: Path) -> None:
    pred = tmp_path / "texts"
    pred.mkdir()
    (pred / "0000.txt").write_text("")
    pairs = pair_frames(mots, pred, "kitti-mots")
    assert [unpack(p.read_pred())[0].tolist() for p in pairs] == [[[BACKGROUND] * 6]] * 2
    (mots / "0000.txt").write_text("")
    assert pair_frames(mots, pred, "kitti-mots") == []


def test_texts_and_labels_must_fit(mots: Path, gt: Path, tmp_path: Path) -> None:
    shutil.rmtree(gt / "0001")
    found = pair_frames(gt, mots, "kitti-mots")  # the texts as a prediction
    assert [unpack(p.read_pred())[1].max() for p in found] == [4, 0, 4]
    (gt / "0000" / "000002.png").unlink()
    with pytest.raises(InputError, match=r"0000\.txt: has objects in frame 2, .* no such label"):
        pair_frames(gt, mots, "kitti-mots")
    assert len(pair_frames(gt, mots, "kitti-mots", labelled_only=True)) == 2
    (gt / "0000" / "last.png").write_bytes((gt / "0000" / "000000.png").read_bytes())
    with pytest.raises(InputError, match=r"last\.png: is not named by its frame's number"):
        pair_frames(gt, mots, "kitti-mots")
