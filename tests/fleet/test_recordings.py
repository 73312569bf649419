"""What names recordings: globs, lists, and how names are told apart."""

import io
from pathlib import Path

import pytest

from mapt.errors import InputError
from mapt.fleet.marks import FileSet, file_set, parse_mark
from mapt.fleet.rows.tables import read_columns, write_table
from mapt.fleet.sources.recordings import Recording, find_recordings


@pytest.fixture
def drives(tmp_path: Path) -> Path:
    for day in ("mon", "tue"):
        for camera in ("front", "rear"):
            path = tmp_path / day / f"{camera}.mp4"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"")
    return tmp_path


def test_globs_give_each_file_and_shared_names_get_their_folders(drives: Path) -> None:
    found = find_recordings([str(drives / "*" / "rear.mp4"), str(drives / "mon" / "front.mp4")])
    assert [recording.name for recording in found] == ["mon-rear", "tue-rear", "front"]
    assert found[0].source == str(drives / "mon" / "rear.mp4")


def test_lists_are_read_and_relative_paths_begin_at_them(drives: Path) -> None:
    text = drives / "list.txt"
    text.write_text("# all\nmon/front.mp4\n\ntue/*.mp4\n")
    wanted = [recording.source for recording in find_recordings([str(text)])]
    assert wanted == [
        str(drives / "mon" / "front.mp4"),
        str(drives / "tue" / "front.mp4"),
        str(drives / "tue" / "rear.mp4"),
    ]
    pytest.importorskip("pyarrow")
    table = drives / "list.parquet"
    rows = [{"source": "mon/front.mp4"}, {"source": "tue/*.mp4"}]
    table.write_bytes(write_table(rows, {"source": "string"}))
    assert [recording.source for recording in find_recordings([str(table)])] == wanted


def test_a_dataset_gives_its_sequences_and_a_folder_of_frames_itself(clips: Path) -> None:
    found = find_recordings([str(clips)])
    assert found[1] == Recording(str(clips), "0001", "0001") and len(found) == 4
    folder = clips / "training" / "image_02" / "0002"
    assert find_recordings([str(folder)]) == [Recording(str(folder), "0002")]
    chosen = find_recordings([str(clips)], ["0003"])
    assert [recording.name for recording in chosen] == ["0003"]


def test_what_names_nothing_is_told(drives: Path, tmp_path: Path) -> None:
    (drives / "empty.txt").write_text("# nothing\n")
    (drives / "step.mp4").write_bytes(b"")
    for text, told in (
        ("empty.txt", "names no source"),
        ("none.mp4", "no such file"),
        ("none*.mp4", "matches no file"),
        ("step.mp4", "no recording can be called step"),
    ):
        with pytest.raises(InputError, match=told):
            find_recordings([str(drives / text)])


def test_a_table_that_is_none_or_lacks_a_column_is_told() -> None:
    pytest.importorskip("pyarrow")
    with pytest.raises(InputError, match=r"x\.parquet: is no whole Parquet file"):
        list(read_columns(io.BytesIO(b"PAR1half"), "x.parquet"))
    data = write_table([{"path": "a"}], {"path": "string"})
    with pytest.raises(InputError, match="has no column source; it has path"):
        list(read_columns(io.BytesIO(data), "x.parquet", ["source"]))


def test_a_damaged_mark_is_none() -> None:
    good = b'{"format": 1, "key": "k", "files": {"a": 1}, "sets": {}, "row": {"frames": 2}}'
    mark = parse_mark(good)
    assert mark and mark.files == {"a": 1} and mark.row == {"frames": 2}
    for bad in (b"", b"{}", good[:-5], good.replace(b'"format": 1', b'"format": 2'), b"[1]"):
        assert parse_mark(bad) is None
    assert file_set({"b": 2, "a": 1}) == file_set({"a": 1, "b": 2}) != file_set({"a": 2, "b": 2})
    assert isinstance(file_set({}), FileSet)
