"""The C++ host runs without Python, and writes what `mapt track` writes."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mapt.io.image_files import read_rgb, write_image
from mapt.runtime.bundle.signature import sign_file
from tests.conftest import Ran
from tests.export.bundle.test_writer import make_keys
from tests.tools.native_build import native_build
from tests.tools.once import exported


@pytest.fixture(scope="module")
def host() -> Path:
    """The program, as `make native` builds it."""
    return native_build() / "mapt_host"


@pytest.fixture(scope="module")
def frames(street: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six frames, one of them a JPEG."""
    folder = tmp_path_factory.mktemp("frames") / "drive"
    shutil.copytree(street / "training" / "image_02" / "0000", folder)
    last = folder / "000005.png"
    write_image(folder / "000005.jpg", read_rgb(last))
    last.unlink()
    return folder


@pytest.fixture(scope="module")
def custom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with MAPT's own operators."""
    return exported(tmp_path_factory, "custom")


def run(host: Path, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [str(host), *map(str, arguments)]
    environment = os.environ | variables
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def labels(out: Path) -> dict[str, bytes]:
    """The bytes of every label image."""
    return {p.name: p.read_bytes() for p in sorted((out / "step" / "drive").iterdir())}


@pytest.mark.parametrize("kind", ["bundle", "custom"])
def test_its_labels_are_those_of_mapt_track(
    kind: str,
    host: Path,
    frames: Path,
    mapt: Callable[..., Ran],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    network: Path = request.getfixturevalue(kind)
    ran = run(host, network, frames, tmp_path / "native", "--fps", 10)
    assert ran.returncode == 0, ran.stderr
    tracked = mapt(
        "track", frames, "--model", network, "--out", tmp_path / "python", "--fps", 10, "--save",
        "step", "--core", "python",
    )  # fmt: skip
    assert tracked.code == 0, tracked.err
    found = labels(tmp_path / "native")
    assert len(found) == 6 and found == labels(tmp_path / "python")
    assert ran.stdout.splitlines()[-1] == "health was asked for meanwhile"


def test_nothing_is_kept_of_the_user(
    host: Path, bundle: Path, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left alone, ONNX Runtime writes a device's id and a database of reports."""
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    home = tmp_path / "home"
    places = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    assert run(host, bundle, frames, tmp_path / "out", "--fps", 10, **places).returncode == 0
    assert not [path for path in home.rglob("*") if path.is_file()]


def test_no_python_is_linked(host: Path) -> None:
    for binary in (host, host.parent / "libmapt.so"):
        linked = subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout
        assert "libpython" not in linked and "not found" not in linked
    assert (host.parent / "libmapt.so").stat().st_size < 3_000_000


def test_tracks_go_on_from_a_saved_state(
    host: Path, bundle: Path, frames: Path, tmp_path: Path
) -> None:
    whole = run(host, bundle, frames, tmp_path / "whole")
    parts = []
    for part, numbers in (("first", range(3)), ("second", range(3, 6))):
        folder = tmp_path / part / "drive"
        folder.mkdir(parents=True)
        for path in frames.iterdir():
            if int(path.stem) in numbers:
                shutil.copy(path, folder)
        ran = run(host, bundle, folder, tmp_path / "parts", "--state", tmp_path / "state")
        assert ran.returncode == 0, ran.stderr
        parts += ran.stdout.splitlines()[:-1]
    assert parts == whole.stdout.splitlines()[:-1]
    assert labels(tmp_path / "parts") == labels(tmp_path / "whole")


def test_a_key_refuses_what_its_owner_did_not_sign(
    host: Path, bundle: Path, frames: Path, tmp_path: Path
) -> None:
    key, trusted = make_keys(tmp_path)
    ran = run(host, bundle, frames, tmp_path / "out", "--trust", trusted)
    assert ran.returncode == 2 and "the bundle is not signed" in ran.stderr
    signed = shutil.copytree(bundle, tmp_path / "signed")
    sign_file(signed / "manifest.json", key, signed / "manifest.sig")
    assert run(host, signed, frames, tmp_path / "out", "--trust", trusted).returncode == 0
    manifest = signed / "manifest.json"
    manifest.write_bytes(manifest.read_bytes() + b"\n")
    ran = run(host, signed, frames, tmp_path / "out", "--trust", trusted)
    assert ran.returncode == 2 and "was not signed by the owner of" in ran.stderr


def test_mistakes_are_one_line(host: Path, bundle: Path, frames: Path, tmp_path: Path) -> None:
    (tmp_path / "cut").mkdir()
    picture = (frames / "000000.png").read_bytes()
    (tmp_path / "cut" / "0.png").write_bytes(picture[:-9])
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    out = tmp_path / "out"
    for arguments, words in (
        ((tmp_path / "nowhere", frames, out), "is not a bundle"),
        ((bundle, tmp_path / "cut", out), "is truncated or not a readable image"),
        ((bundle, tmp_path / "empty", out), "holds no .png, .jpg, .jpeg files"),
        ((bundle, tmp_path / "none", out), "cannot be read"),
        ((bundle, frames, tmp_path / "file"), "cannot be made"),
        ((bundle, frames, out, "--state", tmp_path / "cut" / "0.png"), "cannot be restored"),
        ((bundle, frames, out, "--trust", ""), "the trusted key is an empty path"),
        ((bundle, frames, out, "--fps", "fast"), "usage"),
        ((bundle, frames), "usage"),
        ((), "usage"),
    ):
        ran = run(host, *arguments)
        assert ran.returncode == 2 and words in ran.stderr, ran.stderr
        assert len(re.findall(r"^(?!mapt_host: input )", ran.stderr, re.MULTILINE)) <= 2


def test_onnxruntime_is_named_where_it_is_not_found(
    host: Path, bundle: Path, frames: Path, tmp_path: Path
) -> None:
    ran = run(host, bundle, frames, tmp_path, MAPT_ONNXRUNTIME=str(tmp_path / "none.so"))
    assert ran.returncode == 2
    assert "ONNX Runtime's library does not load" in ran.stderr and ran.stderr.count("\n") == 1
