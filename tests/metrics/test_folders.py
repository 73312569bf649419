"""Which files belong together: everything is paired, or the first that is not is named."""

import io
import shutil
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco

from mapt.errors import InputError
from mapt.labels.class_sets import KITTI_STEP
from mapt.labels.step_png import BACKGROUND, read_packed, unpack, write_step
from mapt.metrics import PanopticTrackingMetrics
from mapt.metrics.folders import pair_frames
from tests.metrics.conftest import GT, PRED
from tests.metrics.drawing import draw, score_all


def test_files_score_like_the_arrays_they_were_written_from(gt: Path, pred: Path) -> None:
    metrics = PanopticTrackingMetrics(KITTI_STEP)
    pairs = pair_frames(gt, pred, "kitti-step")
    assert [(p.sequence, Path(p.pred_name).name) for p in pairs] == [
        ("0000", "000000.png"),
        ("0000", "000001.png"),
        ("0000", "000002.png"),
        ("0001", "000000.png"),
        ("0001", "000001.png"),
    ]
    for pair in pairs:
        metrics.add(pair.sequence, pair.count("kitti-step"))
    assert metrics.compute() == score_all({name: (GT[name], PRED[name]) for name in GT})


def test_frames_without_leading_zeros_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for side in ("gt", "pred"):
        (tmp_path / side / "0000").mkdir(parents=True)
        for number in (10, 9, 1):
            write_step(tmp_path / side / "0000" / f"{number}.png", *draw("AA"))
    pairs = pair_frames(tmp_path / "gt", tmp_path / "pred", "kitti-step")
    assert [Path(p.gt_name).stem for p in pairs] == ["1", "9", "10"]


def test_labels_are_found_below_the_usual_folders(gt: Path, pred: Path, tmp_path: Path) -> None:
    root = tmp_path / "dataset"
    out = tmp_path / "out"
    shutil.copytree(gt, root / "panoptic_maps" / "val")
    shutil.copytree(pred, out / "step")
    assert len(pair_frames(root, out, "kitti-step")) == 5
    shutil.copytree(gt, root / "panoptic_maps" / "train")
    with pytest.raises(InputError, match=r"panoptic_maps: has the splits train, val; name one"):
        pair_frames(root, out, "kitti-step")


def test_a_single_sequence_folder_is_enough(gt: Path, pred: Path) -> None:
    assert [p.sequence for p in pair_frames(gt / "0001", pred / "0001", "kitti-step")] == [
        "0001"
    ] * 2


def test_sequences_restrict_both_sides_and_count_once(gt: Path, pred: Path) -> None:
    shutil.rmtree(pred / "0001")
    assert len(pair_frames(gt, pred, "kitti-step", ["0000", "0000"])) == 3
    with pytest.raises(InputError, match=r"gt: has no sequence 0007; it has 0000, 0001"):
        pair_frames(gt, pred, "kitti-step", ["0007"])
    with pytest.raises(InputError, match=r"gt: no sequence is chosen"):
        pair_frames(gt, pred, "kitti-step", [])


@pytest.mark.parametrize("frame", ["000000.png", "000001.png", "000002.png"])
def test_a_missing_frame_is_named(gt: Path, pred: Path, frame: str) -> None:
    (pred / "0000" / frame).unlink()
    with pytest.raises(InputError, match=rf"pred/0000/{frame}: is missing"):
        pair_frames(gt, pred, "kitti-step")


def test_a_frame_without_ground_truth_is_named(gt: Path, pred: Path) -> None:
    (gt / "0001" / "000001.png").unlink()
    with pytest.raises(InputError, match=r"pred/0001/000001\.png: has no ground truth"):
        pair_frames(gt, pred, "kitti-step")


def test_unpaired_sequences_are_named(gt: Path, pred: Path, tmp_path: Path) -> None:
    shutil.move(pred / "0001", tmp_path / "0001")
    with pytest.raises(InputError, match=r"pred: has no prediction of sequence 0001"):
        pair_frames(gt, pred, "kitti-step")
    shutil.move(tmp_path / "0001", pred / "0001")
    shutil.rmtree(gt / "0001")
    with pytest.raises(InputError, match=r"pred: sequence 0001 has no ground truth"):
        pair_frames(gt, pred, "kitti-step")


def test_missing_and_empty_folders_are_named(gt: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere: no such file or folder"):
        pair_frames(gt, tmp_path / "nowhere", "kitti-step")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: holds no <sequence>/<frame>\.png"):
        pair_frames(gt, tmp_path / "empty", "kitti-step")
    with pytest.raises(InputError, match=r"000000\.png: is not a folder"):
        pair_frames(gt, gt / "0000" / "000000.png", "kitti-step")


def test_another_size_is_named(gt: Path, pred: Path) -> None:
    write_step(pred / "0000" / "000001.png", *draw("AAr"))
    pair = pair_frames(gt, pred, "kitti-step")[1]
    with pytest.raises(InputError, match=r"pred/0000/000001\.png: is 1x3, its ground truth 1x6"):
        pair.count("kitti-step")


@pytest.mark.parametrize("side", ["gt", "pred"])
def test_an_unknown_class_is_named(gt: Path, pred: Path, side: str) -> None:
    semantic = np.full((1, 6), 19, np.uint8)
    write_step(
        (gt if side == "gt" else pred) / "0000" / "000000.png", semantic, np.zeros((1, 6), np.int32)
    )
    with pytest.raises(
        InputError,
        match=rf"{side}/0000/000000\.png: has class 19, kitti-step knows 0\.\.18 and 255",
    ):
        pair_frames(gt, pred, "kitti-step")[0].count("kitti-step")


def encoded(*shape: int, dtype: type = np.uint8) -> bytes:
    """A PNG of zeros, 1x6."""
    return bytes(cv2.imencode(".png", np.zeros((1, 6, *shape), dtype))[1])


def palette() -> bytes:
    """A PNG of zeros, 1x6, with a palette."""
    file = io.BytesIO()
    Image.fromarray(np.zeros((1, 6), np.uint8), "P").save(file, "png")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (encoded(3)[:-20], "is truncated or damaged"),
        (
            encoded(3)[:45] + encoded(3)[-12:],
            "is truncated or damaged",
        ),  # its end is there, its pixels are not
        (encoded(3)[:30], "is not a PNG"),
        (b"", "is not a PNG"),
        (encoded(), "is a 8-bit grey PNG"),
        (encoded(dtype=np.uint16), "is a 16-bit grey PNG"),
        (encoded(3, dtype=np.uint16), "is a 16-bit RGB PNG"),
        (encoded(4), "is a 8-bit RGBA PNG"),
        (palette(), "is a 1-bit palette PNG"),
    ],
    ids=["short", "no-pixels", "header", "empty", "grey", "grey16", "rgb16", "rgba", "palette"],
)
@pytest.mark.parametrize("side", ["gt", "pred"])
def test_files_that_are_no_labels_are_named(
    gt: Path, pred: Path, side: str, content: bytes, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    ((gt if side == "gt" else pred) / "0000" / "000000.png").write_bytes(content)
    with pytest.raises(InputError, match=rf"{side}/0000/000000\.png: {words}"):
        pair_frames(gt, pred, "kitti-step")[0].count("kitti-step")
    assert not capfd.readouterr().err  # libpng and OpenCV have nothing to add


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_png_is_refused_or_holds_the_same_labels(data: st.DataObject) -> None:
    rng = np.random.default_rng(0)
    semantic = rng.integers(0, 19, (20, 30)).astype(np.uint8)
    instance = rng.integers(0, 65536, (20, 30), np.int32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "000000.png"
        write_step(path, semantic, instance)
        content = bytearray(path.read_bytes())
        at = data.draw(st.integers(33, len(content) - 1))
        if data.draw(st.booleans()):
            content[at] ^= data.draw(st.integers(1, 255))
        else:
            del content[at : at + data.draw(st.integers(1, 50))]
        whole = read_packed(path)
        path.write_bytes(content)
        try:
            found = read_packed(path)  # a chunk of text may be gone as a whole
        except InputError as error:
            assert "000000.png: is truncated or damaged" in str(error)
        else:
            np.testing.assert_array_equal(found, whole)


def test_an_id_above_65534_in_a_mots_text_is_named(mots: Path, pred: Path) -> None:
    text = (mots / "0000.txt").read_text()
    (mots / "0000.txt").write_text(text.replace("2 1003 ", "2 65536 "))
    with pytest.raises(InputError, match=r"mots/0000\.txt:3: id 65536 is not within 0\.\.65534"):
        pair_frames(mots, pred / "0000", "kitti-mots")


@pytest.fixture
def mots(tmp_path: Path) -> Path:
    """KITTI-MOTS text of frames 0 and 2, 1x6: car 1003 in pixels 0-1, an ignored region in 4-5."""
    lines = []
    for frame in (0, 2):
        for identity, label, pixels in ((1003, 1, (0, 1)), (10000, 10, (4, 5))):
            mask = np.zeros((1, 6), np.uint8, order="F")
            mask[0, list(pixels)] = 1
            lines.append(f"{frame} {identity} {label} 1 6 {coco.encode(mask)['counts'].decode()}")
    (tmp_path / "mots").mkdir()
    (tmp_path / "mots" / "0000.txt").write_text("\n".join(lines) + "\n")
    return tmp_path / "mots"


def test_mots_text_knows_only_things(mots: Path, pred: Path) -> None:
    shutil.rmtree(pred / "0001")
    pairs = pair_frames(mots, pred, "kitti-mots")
    gt_class, gt_id = unpack(pairs[0].read_gt())
    assert gt_class.tolist() == [[13, 13, BACKGROUND, BACKGROUND, 255, 255]]
    assert gt_id.tolist() == [[4, 4, 0, 0, 0, 0]]
    counted = pairs[0].count("kitti-mots")  # the prediction is AArr..
    assert list(
        zip(counted.gt_class, counted.pred_class, counted.pred_id, counted.count, strict=True)
    ) == [
        (13, 13, 1, 2),
        (BACKGROUND, BACKGROUND, 0, 2),
        (255, BACKGROUND, 0, 2),
    ]
    assert set(np.unique(unpack(pairs[1].read_gt())[0])) == {BACKGROUND}  # a frame without objects
    assert len(pair_frames(mots / "0000.txt", pred, "kitti-mots")) == 3


def test_unpaired_mots_frames_are_named(mots: Path, pred: Path) -> None:
    shutil.rmtree(pred / "0001")
    middle, last = (pred / "0000" / f"{n:06d}.png" for n in (1, 2))
    content = middle.read_bytes()
    middle.unlink()  # no object there, but what is wrongly seen there must count
    with pytest.raises(
        InputError, match=r"pred/0000/000001\.png: is missing, frames before and after it are there"
    ):
        pair_frames(mots, pred, "kitti-mots")
    middle.write_bytes(content)
    (pred / "0000" / "1.png").write_bytes(content)
    with pytest.raises(InputError, match=r"pred/0000/1\.png: is the frame of 000001\.png again"):
        pair_frames(mots, pred, "kitti-mots")
    (pred / "0000" / "1.png").unlink()
    last.rename(pred / "0000" / "000003.png")
    with pytest.raises(
        InputError, match=r"pred/0000/000002\.png: is missing, .*0000\.txt has objects"
    ):
        pair_frames(mots, pred, "kitti-mots")
    (pred / "0000" / "000003.png").rename(pred / "0000" / "last.png")
    with pytest.raises(
        InputError, match=r"pred/0000/last\.png: is not named by its frame's number"
    ):
        pair_frames(mots, pred, "kitti-mots")
