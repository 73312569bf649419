import csv
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mapt.app.outputs.kinds import Outputs, check_kinds
from mapt.app.outputs.output import Labelled, OutputSequence
from mapt.errors import InputError
from mapt.labels.class_sets import KITTI_STEP

Make = Callable[[int], Labelled]


def write(folder: Path, kinds: tuple[str, ...], sequence: OutputSequence, make: Make) -> None:
    outputs = Outputs(folder, folder, kinds, sequence)
    for index in range(2):
        outputs.write(make(index))
    outputs.finish()


def test_csv_has_a_row_for_each_visible_track_and_frame(
    folder: Path, sequence: OutputSequence, labelled: Make
) -> None:
    write(folder, ("csv",), sequence, labelled)
    with (folder / "tracks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["frame"], r["index"], r["id"], r["label_name"]) for r in rows[:3]] == [
        ("000100", "0", "3", "car"),
        ("000100", "0", "70", "person"),
        ("000100", "0", "80", "car"),
    ]
    assert len(rows) == 6 and rows[5]["frame"] == "000101" and rows[0]["sequence"] == "drive"
    assert [float(rows[1][k]) for k in ("score", "x1", "y1", "x2", "y2")] == [0.5, 40, 20, 52, 35]
    assert rows[0]["stamp_ns"] == "1500000000"


def test_parquet_has_the_same_table_with_types(
    folder: Path, sequence: OutputSequence, labelled: Make
) -> None:
    parquet = pytest.importorskip(
        "pyarrow.parquet", reason="needs pyarrow: pip install 'mapt[parquet]'"
    )
    write(folder, ("csv", "parquet"), sequence, labelled)
    table = parquet.read_table(folder / "tracks.parquet")
    with (folder / "tracks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert table.column_names == list(rows[0])
    for read, written in zip(table.to_pylist(), rows, strict=True):
        for name, value in read.items():
            same = str(value) == written[name] or value == pytest.approx(float(written[name]))
            assert same, name
    assert str(table.schema.field("stamp_ns").type) == "int64"
    assert str(table.schema.field("score").type) == "float"


def test_a_sequence_without_tracks_has_an_empty_table(
    folder: Path, sequence: OutputSequence
) -> None:
    parquet = pytest.importorskip(
        "pyarrow.parquet", reason="needs pyarrow: pip install 'mapt[parquet]'"
    )
    Outputs(folder, folder, ("csv", "parquet"), sequence).finish()
    assert len((folder / "tracks.csv").read_text().splitlines()) == 1
    table = parquet.read_table(folder / "tracks.parquet")
    assert table.num_rows == 0 and str(table.schema.field("label_name").type) == "string"


@pytest.mark.parametrize(
    ("kind", "module", "words"),
    [
        ("parquet", "pyarrow.parquet", r"--save parquet needs pyarrow; pip install 'mapt\[parquet"),
        ("mcap", "mcap.writer", r"--save mcap needs the package mcap; pip install 'mapt\[mcap\]'"),
    ],
)
def test_a_missing_package_is_said_before_the_work(
    monkeypatch: pytest.MonkeyPatch, kind: str, module: str, words: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=words):
        check_kinds(("json", kind), KITTI_STEP)
    check_kinds(("json", "csv"), KITTI_STEP)
