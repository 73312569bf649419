"""The commands of docs/cpp.md lead from a checkout to tracked ids."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from mapt.io.image_files import read_rgb
from mapt.runtime import PanopticTracker
from tests.tools.native_build import FOLDER, ROOT, native_build

PAGE = ROOT / "docs" / "cpp.md"
INSTALLS = ("apt-get", "pip")  # what the machine of a test has


def blocks(language: str) -> list[str]:
    """The blocks of a language, in the page's order."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_page_leads_to_tracked_ids(bundle: Path, street: Path, tmp_path: Path) -> None:
    native_build()  # the page's build folder is the one of the tests, which is up to date
    (tmp_path / "frames").mkdir()
    for link in ("csrc", "examples"):
        (tmp_path / link).symlink_to(ROOT / link)
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "native").symlink_to(FOLDER)
    (tmp_path / "track.cpp").write_text(blocks("cpp")[0])
    pictures = sorted((street / "training" / "image_02" / "0000").glob("*.png"))[:3]
    for path in pictures:
        image = read_rgb(path)
        header = b"P6\n%d %d\n255\n" % (image.shape[1], image.shape[0])
        (tmp_path / "frames" / f"{path.stem}.ppm").write_bytes(header + image.tobytes())
        (tmp_path / "frames" / path.name).write_bytes(path.read_bytes())
    variables = {
        "PREFIX": str(tmp_path / "prefix"),
        "BUNDLE": str(bundle),
        "MAPT_ONNXRUNTIME": str((FOLDER / "libonnxruntime.so.1").resolve()),
    }
    said = []
    for block in blocks("sh"):
        if block.startswith(INSTALLS):
            assert {"cmake", "zlib1g-dev"} <= set(block.split())
            continue
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block], cwd=tmp_path, env=os.environ | variables,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, block + ran.stdout + ran.stderr
        said.append(ran.stdout)
    tracker = PanopticTracker.load(bundle, core="python")
    wanted = []
    for number, path in enumerate(pictures, 2):
        frame = tracker.step(read_rgb(path), number * 100_000_000)
        name = f"frames/{path.stem}.ppm"
        wanted += [f"{name} {t.label_name} {t.id}" for t in frame.tracks if not t.lost]
    assert said[1].splitlines() == wanted and wanted
    assert len(list((tmp_path / "out" / "step" / "frames").glob("*.png"))) == len(pictures)


def test_the_page_names_what_the_header_has() -> None:
    header = (ROOT / "csrc" / "runtime" / "include" / "mapt.h").read_text()
    for name in set(re.findall(r"\b(?:mapt|MAPT)_[a-zA-Z_]+\b", PAGE.read_text())):
        if name not in ("mapt_host", "MAPT_ONNXRUNTIME", "MAPT_NVINFER", "MAPT_TENSORRT"):
            assert re.search(rf"\b{name}\b", header), name
