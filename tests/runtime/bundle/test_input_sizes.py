"""Which input size suits which frames."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mapt.errors import InputError
from mapt.io.pretrained import shipped_bundle
from mapt.runtime.bundle.input_sizes import (
    propose_sizes,
    rank_sizes,
    read_sizes,
    scale_in,
    used_share,
)
from mapt.runtime.bundle.manifest import MANIFEST, read_bundle, seal

SIZES = ((384, 672), (192, 352), (192, 640), (384, 1248))


@pytest.mark.parametrize(
    ("frame", "ranked"),
    [
        ((720, 1280), [(384, 672), (192, 352)]),
        ((1080, 1920), [(384, 672), (192, 352)]),
        ((375, 1242), [(384, 1248), (192, 640), (192, 352)]),
        ((480, 640), [(384, 672), (192, 352)]),
    ],
)
def test_the_size_that_shows_a_frame_largest_is_first_and_each_further_one_costs_less(
    frame: tuple[int, int], ranked: list[tuple[int, int]]
) -> None:
    assert rank_sizes(frame, SIZES) == ranked


def test_a_wide_camera_fills_a_wide_input_and_half_of_another() -> None:
    assert used_share((720, 1280), (192, 640)) == pytest.approx(0.533, abs=1e-3)
    assert used_share((720, 1280), (384, 672)) > 0.98
    assert scale_in((375, 1242), (384, 1248)) == 1  # it is not resampled


@pytest.mark.parametrize(
    "frame",
    [(720, 1280), (1280, 720), (1080, 1920), (375, 1242), (480, 640), (240, 320), (1080, 1080)],
)
def test_proposed_sizes_are_filled_and_fall(frame: tuple[int, int]) -> None:
    sizes = propose_sizes(frame)
    pixels = [height * width for height, width in sizes]
    assert all(side % 32 == 0 for size in sizes for side in size)
    assert all(used_share(frame, size) > 0.9 for size in sizes)
    assert pixels == sorted(pixels, reverse=True) and pixels[0] <= 1.05 * 480_000
    assert all(large * 0.75 > small for large, small in itertools.pairwise(pixels))


@pytest.mark.parametrize("frame", [(1, 1), (10, 10), (4000, 20), (20, 4000), (65535, 1)])
def test_absurd_frames_get_a_size_too(frame: tuple[int, int]) -> None:
    sizes = propose_sizes(frame)
    assert sizes and all(side % 32 == 0 and side >= 32 for size in sizes for side in size)


def test_a_bundle_of_several_sizes_offers_them_and_a_path_names_one() -> None:
    folder = shipped_bundle()
    offered = read_sizes(folder)
    assert set(offered.sizes) == set(SIZES) and offered.sizes[0] == (384, 672)
    small = offered.path((192, 352))
    assert read_sizes(small).sizes == ((192, 352),)
    assert (read_bundle(small).info.height, read_bundle(small).info.width) == (192, 352)
    assert read_bundle(folder).info.width == 672


@pytest.mark.parametrize("name", ["64x64", "192x351", "parameters.bin"])
def test_a_size_that_a_bundle_does_not_have_is_refused_with_those_that_it_has(name: str) -> None:
    with pytest.raises(InputError, match="384x672, 192x352, 192x640, 384x1248"):
        read_bundle(shipped_bundle() / name)


def test_a_folder_in_a_bundle_of_one_size_is_no_size(bundle: Path) -> None:
    with pytest.raises(InputError, match="192x640: is not a bundle"):
        read_bundle(bundle / "192x640")


def forge(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A manifest of several sizes that was changed and sealed again."""
    manifest = json.loads((shipped_bundle() / MANIFEST).read_text())
    change(manifest)
    (folder / MANIFEST).write_text(seal(manifest))
    return folder


@pytest.mark.parametrize(
    "size", [(-32, -32), (0, 32), (10**400, 32), (2**63, 2**63), (-(10**30), 10**30)]
)
def test_sizes_that_no_input_has_are_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    def resize(manifest: dict[str, Any]) -> None:
        height, width = size
        name = f"{height}x{width}"
        manifest["inputs"][0] |= {"height": height, "width": width, "name": name}

    with pytest.raises(InputError, match="is malformed"):
        read_sizes(forge(tmp_path, resize))


@pytest.mark.parametrize("times", [2, 200])
def test_a_size_that_is_listed_twice_is_refused(tmp_path: Path, times: int) -> None:
    def repeat(manifest: dict[str, Any]) -> None:
        manifest["inputs"] = manifest["inputs"][:1] * times

    with pytest.raises(InputError, match="is malformed"):
        read_sizes(forge(tmp_path, repeat))


@pytest.mark.parametrize("name", ["manifest.json", "parameters.bin"])
def test_files_that_no_memory_holds_are_not_read(tmp_path: Path, name: str) -> None:
    forge(tmp_path, lambda _: None)
    with (tmp_path / name).open("ab") as file:
        file.truncate(1 << 36)  # without blocks on the disk
    for path in shipped_bundle().rglob("*.*"):
        target = tmp_path / path.relative_to(shipped_bundle())
        if path.is_file() and not target.exists():
            target.parent.mkdir(exist_ok=True)
            target.symlink_to(path)
    with pytest.raises(InputError, match=r"too large|bytes, more than"):
        read_bundle(tmp_path)
