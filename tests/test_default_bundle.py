"""The network that the package carries is what `make default-bundle` makes of its weights."""

import importlib.metadata
import json
import logging
import re
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from mapt.export.bundle.writer import Request, export_bundle
from mapt.io.pretrained import DEFAULT, shipped_bundle, shipped_weights
from mapt.runtime import PanopticTracker
from mapt.runtime.backends.ort_providers import say_once
from mapt.runtime.bundle.contents import sha256
from mapt.runtime.bundle.input_sizes import read_sizes, written
from mapt.runtime.bundle.manifest import read_bundle

ROOT = Path(__file__).parents[1]
FOLDER = shipped_bundle()


def entries() -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads((FOLDER / "manifest.json").read_bytes())["inputs"]
    return found


def test_it_is_free_for_any_use_and_of_the_weights_in_the_repository() -> None:
    source = read_sizes(FOLDER).source
    assert source and (source.name, source.licence) == (DEFAULT.name, "Apache-2.0")
    assert source.sha256 == sha256(shipped_weights(DEFAULT.name))


def test_it_holds_the_sizes_that_the_makefile_asks_for_in_both_lowerings() -> None:
    found = re.search(r"^DEFAULT_SIZES := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert found
    sizes = found[1].split()
    assert [written(size) for size in read_sizes(FOLDER).sizes] == sizes
    assert [(e["name"], e["lowering"]) for e in entries()] == [
        pair
        for size in sizes
        for pair in ((size, "standard"), (f"{size}-gridsample", "gridsample"))
    ]


def test_a_wheel_has_less_than_20_mb_of_it() -> None:
    packed = sum(
        len(zlib.compress(path.read_bytes())) for path in FOLDER.rglob("*") if path.is_file()
    )
    assert packed < 20e6


def test_every_file_in_it_is_named_and_as_it_was_written() -> None:
    hashed = set()
    for entry in entries():
        bundle = read_bundle(FOLDER / entry["name"])
        hashed |= set(bundle.contents.hashes)
    present = {path for path in FOLDER.rglob("*") if path.is_file()}
    assert present == hashed | {FOLDER / "manifest.json"}


def test_one_size_exported_again_is_the_same(tmp_path: Path) -> None:
    bundle = read_bundle(FOLDER / "192x352")
    here = {name: importlib.metadata.version(name) for name in bundle.versions}
    if here != bundle.versions:
        pytest.skip("other versions of the libraries give other graphs")
    request = Request(size=(192, 352), weights=False)
    again = export_bundle(shipped_weights(DEFAULT.name), tmp_path / "b", request)
    assert again.id == bundle.id


def test_it_tracks_without_pytorch_and_without_a_model(street: Path, tmp_path: Path) -> None:
    images = street / "training" / "image_02" / "0000"
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['torch', 'onnx', 'safetensors']));"
        "from mapt.cli import main; main()"
    )
    command = ["track", str(images), "--out", str(tmp_path), "--save", "json", "--threads", "1"]
    ran = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    told = r"mapt: weights: nano-synthetic, Apache-2\.0, \d+\.\d MB; input 384x1248 of .*\n"
    assert re.fullmatch(told, ran.stderr), ran.stderr
    assert (tmp_path / "0000" / "tracks.json").is_file()


def test_a_program_that_names_no_bundle_gets_it_and_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    say_once.cache_clear()
    with caplog.at_level(logging.INFO, "mapt"):
        tracker = PanopticTracker.load(threads=1)
    named = PanopticTracker.load(FOLDER, threads=1, test=False)
    assert tracker.model == named.model
    assert "the default network runs, nano-synthetic (Apache-2.0)" in caplog.text
