"""The C++ host is built, run, and sees what Python sees."""

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mapt.io.image_files import read_rgb
from mapt.runtime import TRACK_DTYPE, PanopticTracker
from mapt.runtime.bundle.signature import sign_file
from tests.export.bundle.test_writer import make_keys

ROOT = Path(__file__).parents[2]


def missing() -> str:
    """What is not here to build the host; empty where everything is."""
    library = Path(
        sysconfig.get_config_var("LIBDIR") or "", sysconfig.get_config_var("LDLIBRARY") or "none"
    )
    needs = {
        "no CMake": shutil.which("cmake"),
        "no C++ compiler": shutil.which("c++"),
        "no pybind11": importlib.util.find_spec("pybind11"),
        "no Python.h": Path(sysconfig.get_path("include"), "Python.h").is_file(),
        "no libpython": library.is_file(),
    }
    return ", ".join(what for what, found in needs.items() if not found)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, built as its CMakeLists.txt says."""
    if missing():
        pytest.skip(f"the C++ host cannot be built: {missing()}")
    folder = tmp_path_factory.mktemp("cpp_host")
    options = [
        f"-DPython_EXECUTABLE={sys.executable}",
        "-DCMAKE_BUILD_TYPE=Debug",
        "-DCMAKE_CXX_FLAGS=-Werror",
    ]
    for command in (
        ["-S", str(ROOT / "examples" / "cpp_host"), "-B", str(folder), *options],
        ["--build", str(folder)],
    ):
        ran = subprocess.run(["cmake", *command], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
    return folder / "mapt_host"


@pytest.fixture
def images(street: Path) -> list[NDArray[np.uint8]]:
    """Three frames."""
    return [
        read_rgb(path)
        for path in sorted((street / "training" / "image_02" / "0000").glob("*.png"))[:3]
    ]


@pytest.fixture
def pictures(images: list[NDArray[np.uint8]], tmp_path: Path) -> list[Path]:
    """The frames as PPM."""
    for number, image in enumerate(images):
        height, width, _ = image.shape
        (tmp_path / f"{number}.ppm").write_bytes(
            b"P6\n%d %d\n255\n" % (width, height) + image.tobytes()
        )
    return [tmp_path / f"{number}.ppm" for number in range(len(images))]


def run(
    host: Path, *arguments: object, cwd: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    command = [str(host), *map(str, arguments)]
    environment = os.environ | variables
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def test_the_host_reads_the_tracks_that_python_gives(
    host: Path, bundle: Path, images: list[NDArray[np.uint8]], pictures: list[Path]
) -> None:
    ran = run(host, bundle, *pictures)
    assert ran.returncode == 0, ran.stderr
    tracker = PanopticTracker.load(bundle, threads=1)
    wanted = []
    for number, image in enumerate(images):
        frame = tracker.step(image, number * 100_000_000)
        rows = frame.track_array()
        assert (
            rows.dtype == TRACK_DTYPE and rows.itemsize == 36 and len(rows) == len(frame.tracks) > 0
        )
        wanted.append(f"frame {number}: {len(rows)} tracks, {(frame.instance > 0).sum()} pixels, ")
        wanted += ["  " + " ".join(f"{v:.9g}" for v in row.item()) for row in rows]
    lines = ran.stdout.splitlines()
    assert lines.pop() == "health was asked for meanwhile"
    assert len(lines) == len(wanted)
    for line, want in zip(lines, wanted, strict=True):
        assert line.startswith(want) if want.startswith("frame") else line == want


def test_no_module_comes_from_outside(
    host: Path, bundle: Path, pictures: list[Path], tmp_path: Path
) -> None:
    """Neither by PYTHONPATH or PYTHONHOME nor from the folder that the host is called in."""
    (tmp_path / "numpy.py").write_text("raise SystemExit('a module from outside')")
    (tmp_path / "sitecustomize.py").write_text("import os; os._exit(77)")
    plain = run(host, bundle, pictures[0])
    assert plain.returncode == 0, plain.stderr
    ran = run(
        host, bundle, pictures[0], cwd=tmp_path, PYTHONPATH=str(tmp_path), PYTHONHOME=str(tmp_path)
    )
    assert (ran.returncode, ran.stdout) == (0, plain.stdout), ran.stderr


def test_a_path_is_utf_8_in_any_locale(
    host: Path, bundle: Path, pictures: list[Path], tmp_path: Path
) -> None:
    named = shutil.copytree(bundle, tmp_path / "Bündel")
    ran = run(host, named, pictures[0], LC_ALL="C")
    assert ran.returncode == 0, ran.stderr


def test_a_key_refuses_what_its_owner_did_not_sign(
    host: Path, bundle: Path, pictures: list[Path], tmp_path: Path
) -> None:
    key, trusted = make_keys(tmp_path)
    ran = run(host, "--trust", trusted, bundle, pictures[0])
    assert (
        ran.returncode == 2 and "manifest.sig: is missing, the bundle is not signed" in ran.stderr
    )
    signed = shutil.copytree(bundle, tmp_path / "signed")
    sign_file(signed / "manifest.json", key, signed / "manifest.sig")
    assert run(host, "--trust", trusted, signed, pictures[0]).returncode == 0
    manifest = signed / "manifest.json"
    manifest.write_bytes(manifest.read_bytes() + b"\n")
    ran = run(host, "--trust", trusted, signed, pictures[0])
    assert (
        ran.returncode == 2
        and "was not signed by the owner of" in ran.stderr
        and ran.stderr.count("\n") == 1
    )


def test_mistakes_are_one_line(
    host: Path, bundle: Path, pictures: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "cut.ppm").write_bytes(pictures[0].read_bytes()[:-1])
    for arguments, words in (
        ((tmp_path / "nowhere", *pictures), "is not a bundle"),
        ((bundle, tmp_path / "cut.ppm"), "is no binary PPM"),
        ((bundle, tmp_path / "none.ppm"), "cannot be read"),
        ((), "usage"),
        (("--trust", bundle, pictures[0]), "usage"),
        (("--trust", "", bundle, pictures[0]), "the trusted key is an empty path"),
    ):
        ran = run(host, *arguments)
        assert ran.returncode == 2 and words in ran.stderr and ran.stderr.count("\n") == 1, (
            ran.stderr
        )
