"""The ROS 2 component, on stand-ins for ROS' headers, publishes what Python tracks."""

import subprocess
from pathlib import Path

import pytest

from mapt.io.image_files import read_rgb
from mapt.runtime import PanopticTracker
from tests.tools.native_build import ROOT, native_build

COMPONENT = ROOT / "examples" / "ros2"
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that takes the component through its life."""
    library = native_build()
    program = tmp_path_factory.mktemp("ros2") / "drive"
    includes = (COMPONENT / "include", HERE / "stubs", ROOT / "csrc" / "runtime" / "include")
    command = [
        "c++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-O1",
        *(f"-I{folder}" for folder in includes),
        *map(str, [*sorted((COMPONENT / "src").glob("*.cpp")), HERE / "drive.cpp"]),
        f"-L{library}", f"-Wl,-rpath,{library}", "-lmapt", "-o", str(program),
    ]  # fmt: skip
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return program


def test_it_publishes_the_tracks_of_python(
    drive: Path, bundle: Path, street: Path, tmp_path: Path
) -> None:
    paths = sorted((street / "training" / "image_02" / "0000").glob("*.png"))[:4]
    images = [read_rgb(path) for path in paths]
    pictures = []
    for number, image in enumerate(images):
        pictures.append(tmp_path / f"{number}.ppm")
        header = b"P6\n%d %d\n255\n" % (image.shape[1], image.shape[0])
        pictures[-1].write_bytes(header + image.tobytes())
    ran = subprocess.run([drive, bundle, *pictures], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    tracker = PanopticTracker.load(bundle, threads=1, core="python")
    wanted = []
    for number, image in enumerate(images, 2):
        stamp = number * 100_000_000
        wanted.append(f"frame {stamp} camera")
        for track in tracker.step(image, stamp).tracks:
            if not track.lost:
                box = " ".join(f"{v:.6g}" for v in track.box)
                wanted.append(f"  {track.id} {track.label_name} {box}")
    *frames, diagnostics, labels = ran.stdout.splitlines()
    assert frames == wanted and len(wanted) > 8
    assert diagnostics.startswith(
        "2 mapt_tracker: tracker: NO_INPUT: stamp 100000000 ns is not after"
    )
    height, width, _ = images[0].shape
    size = height * width
    assert labels == f"32SC1 {height}x{width} {4 * size}, mono8 {size}"
    assert "encoding mono8 is not read" in ran.stderr


def test_configuring_fails_at_once(drive: Path, tmp_path: Path) -> None:
    ran = subprocess.run([drive, tmp_path, "none"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (1, "not configured\n")
    assert ran.stderr.startswith("ERROR") and "is not a bundle" in ran.stderr
