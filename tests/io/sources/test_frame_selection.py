"""Parts of a source: by time, by stride, by number; and what they are called then."""

from pathlib import Path

import numpy as np
import pytest

from mapt.errors import InputError
from mapt.io.image_files import write_image
from mapt.io.sources.choice import SourceOptions, open_named
from mapt.io.sources.frame_selection import FrameSelection, parse_time, selection_of
from tests.io.sources.servers import encode, number_of

TENTH = 100_000_000


def chosen(selection: FrameSelection, count: int = 20) -> list[int]:
    """The numbers of the frames that are wanted of frames a tenth of a second apart."""
    taken = list(selection.apply((TENTH * n, n) for n in range(count)))
    assert all(number == content and stamp == TENTH * number for number, stamp, content in taken)
    return [number for number, _, _ in taken]


def test_a_stride_counts_from_the_first_wanted_frame() -> None:
    assert chosen(selection_of("0.5", "1.2", 3)) == [5, 8, 11]
    assert chosen(selection_of("0.5", "1.1", 3)) == [5, 8]  # the end itself is not wanted
    assert chosen(selection_of(None, None, 4, 3)) == [0, 4, 8]
    assert chosen(FrameSelection()) == list(range(20))


def test_nothing_is_read_after_the_last_wanted_frame() -> None:
    frames = iter([(TENTH * n, n) for n in range(20)])
    assert len(list(FrameSelection(end_ns=3 * TENTH).apply(frames))) == 3
    assert next(frames)[1] == 4  # the frame at the end had to be seen
    assert len(list(FrameSelection(most=2).apply(frames))) == 2
    assert next(frames)[1] == 7


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("12.5", 12.5), ("0", 0), ("1:30", 90), ("90:00", 5400), ("01:02:03.25", 3723.25)],
)
def test_times_are_seconds_or_clock_times(text: str, seconds: float) -> None:
    assert parse_time(text, "--start") == round(seconds * 1e9)


@pytest.mark.parametrize("text", ["-1", "1:60", "1:60:00", "noon", "1e3", "nan", "1:2:3:4", ""])
def test_other_texts_are_no_times(text: str) -> None:
    with pytest.raises(InputError, match=r"--start .*: is no time; give seconds as 12\.5, or hh"):
        parse_time(text, "--start")


def test_an_end_is_after_its_start() -> None:
    with pytest.raises(InputError, match="--end 2: is not after --start 2; give a later time"):
        selection_of("2", "2")


def test_folders_and_videos_keep_names_and_times_of_their_frames(tmp_path: Path) -> None:
    folder = tmp_path / "drive"
    folder.mkdir()
    for number in (3, 4, 5, 9, 10):
        write_image(folder / f"{number:06d}.png", np.full((4, 4, 3), number, np.uint8))
    options = SourceOptions(fps=10, selection=selection_of("0.1", None, 2))
    (source,) = open_named([str(folder)], options)
    assert [(f.stem, f.stamp_ns, int(f.image[0, 0, 0])) for f in source] == [
        ("000004", TENTH, 4),
        ("000009", 6 * TENTH, 9),
    ]
    assert len(source) == 2
    (tmp_path / "clip.mp4").write_bytes(encode([0, 100, 5100, 5200, 5300], "mp4"))
    (source,) = open_named(
        [str(tmp_path / "clip.mp4")], SourceOptions(selection=selection_of("5", "5.25"))
    )
    assert [(f.stem, f.stamp_ns // 1_000_000) for f in source] == [
        ("000002", 5100),
        ("000003", 5200),
    ]
    assert [number_of(f.image) for f in source] == pytest.approx([2, 3], abs=1)


@pytest.mark.parametrize("text", ["9" * 400, "9" * 5000, f"{'9' * 5000}:00:00", f"1:{'9' * 400}"])
def test_times_beyond_all_numbers(text: str) -> None:
    with pytest.raises(InputError, match="is no time"):
        selection_of(text, None)
