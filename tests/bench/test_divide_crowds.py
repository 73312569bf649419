"""Dividing CamVid's crowds."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mapt.bench.divide_crowds import divide, main
from mapt.config import preset
from mapt.data.datasets.camvid import open_camvid, read_camvid
from mapt.model.network import Network
from mapt.model.weights import save_weights
from tests.data.layouts import write_camvid

CAR = 13
PERSON = 11
Arrays = tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.uint8], NDArray[np.int32]]


def _still() -> Arrays:
    """A row of two cars, and a single car that is known; the network sees nothing."""
    truth = np.full((60, 120), 2, np.uint8)
    truth[20:40, 10:70] = CAR
    truth[20:40, 90:115] = CAR
    known = np.zeros((60, 120), np.int32)
    known[20:40, 90:115] = 7
    return truth, known, np.full((60, 120), 2, np.uint8), np.zeros((60, 120), np.int32)


def _see(
    still: Arrays, rows: slice, columns: slice, number: int, label: int = CAR
) -> NDArray[np.int32]:
    still[2][rows, columns] = label
    still[3][rows, columns] = number
    return divide(*still)


def test_a_row_becomes_its_cars() -> None:
    still = _still()
    _see(still, slice(20, 40), slice(10, 38), 1)
    ids = _see(still, slice(20, 40), slice(42, 70), 2)
    assert set(np.unique(ids)) == {0, 7, 8, 9}
    np.testing.assert_array_equal(ids == 7, still[1] == 7)
    # The four columns between both go to the nearer one.
    assert (ids[20:40, 10:39] == 8).all() and (ids[20:40, 41:70] == 9).all()
    assert not ids[still[0] != CAR].any()


def test_what_is_not_found_stays_a_crowd() -> None:
    ids = _see(_still(), slice(20, 40), slice(10, 30), 1)
    assert set(np.unique(ids)) == {0, 7, 8}
    assert (ids[20:40, 10:33] == 8).all()  # with its rim, 15 % of 20 pixels
    assert not ids[20:40, 34:70].any()


@pytest.fixture
def camvid_root(tmp_path: Path) -> Path:
    """Three stills: a car, two merged cars, a person, sky above road."""
    return write_camvid(tmp_path / "camvid")


@pytest.mark.parametrize(
    ("rows", "columns", "label"),
    [
        (slice(10, 30), slice(10, 38), CAR),  # half of it is no car
        (slice(20, 40), slice(90, 115), CAR),  # the known car
        (slice(20, 40), slice(10, 38), PERSON),
        (slice(20, 26), slice(10, 16), CAR),  # 36 pixels
    ],
)
def test_what_the_labels_do_not_bear_out_is_left_out(
    rows: slice, columns: slice, label: int
) -> None:
    still = _still()
    np.testing.assert_array_equal(_see(still, rows, columns, 1, label), still[1])


def test_the_command_writes_a_camvid_that_training_reads(
    camvid_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    weights = tmp_path / "w.safetensors"
    save_weights(weights, Network(preset("nano")), {})
    out = tmp_path / "divided"
    sides = ["--height", "96", "--width", "128"]
    main([str(weights), "--root", str(camvid_root), "--out", str(out), *sides])
    assert "3 stills: 6 single objects, and " in capsys.readouterr().out
    before = open_camvid(camvid_root)
    after = open_camvid(out)
    assert [image.name for image, _ in before.files] == [image.name for image, _ in after.files]
    for (image, label), (copied, copy) in zip(before.files, after.files, strict=True):
        assert image.read_bytes() == copied.read_bytes()
        assert (out / "train" / "instances" / copy.name).is_file()
        semantic, components = read_camvid(label)
        divided = read_camvid(copy)
        np.testing.assert_array_equal(semantic, divided[0])
        np.testing.assert_array_equal(components[components > 0], divided[1][components > 0])
        assert cv2.imread(str(copied)) is not None
