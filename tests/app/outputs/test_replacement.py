"""Which files of an older run make room for a new one."""

from pathlib import Path

import numpy as np

from mapt.app.outputs.kinds import is_of_a_run, stays
from mapt.io.image_files import write_image, write_signed_image

BLACK = np.zeros((8, 8, 3), np.uint8)


def test_a_picture_by_explain_goes_with_the_run_that_it_shows(tmp_path: Path) -> None:
    write_signed_image(tmp_path / "track_3.png", BLACK)
    assert is_of_a_run(tmp_path, "track_3.png") and not stays(tmp_path, "track_3.png", ("json",))


def test_a_picture_of_the_users_is_none_of_ours(tmp_path: Path) -> None:
    write_image(tmp_path / "track_3.png", BLACK)
    write_signed_image(tmp_path / "tracks.png", BLACK)
    assert not any(is_of_a_run(tmp_path, name) for name in ("track_3.png", "tracks.png"))


def test_files_of_kinds_that_are_not_written_again_stay(tmp_path: Path) -> None:
    assert stays(tmp_path, "tracks.csv", ("json",))
