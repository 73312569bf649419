"""A bundle of several input sizes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapt.errors import InputError
from mapt.export.bundle.sizes import export_sizes
from mapt.export.bundle.writer import Request, export_bundle
from mapt.io.pretrained import shipped_weights
from mapt.runtime import PanopticTracker
from mapt.runtime.bundle.manifest import read_bundle
from mapt.runtime.bundle.requirements import runnable_here
from mapt.runtime.bundle.sealed import seal

Run = Callable[..., Any]


def key(folder: Path) -> tuple[Path, Path]:
    """A private and a public key."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    pem = form.Encoding.PEM
    plain = form.NoEncryption()
    (folder / "key.pem").write_bytes(private.private_bytes(pem, form.PrivateFormat.PKCS8, plain))
    public = private.public_key().public_bytes(pem, form.PublicFormat.SubjectPublicKeyInfo)
    (folder / "trusted.pem").write_bytes(public)
    return folder / "key.pem", folder / "trusted.pem"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    pytest.importorskip("cryptography")
    return key(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory, keys: tuple[Path, Path]) -> Path:
    """The shipped weights at 192x640 and 64x96, signed."""
    out = tmp_path_factory.mktemp("sizes") / "several"
    requests = [
        Request(size=size, lowering=runnable_here(), sign=keys[0])
        for size in ((192, 640), (64, 96))
    ]
    export_sizes(shipped_weights(), out, requests, "a licence")
    return out


@pytest.fixture
def copy(several: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(several, tmp_path / "copy"))


def test_each_size_is_what_a_bundle_of_it_alone_is(several: Path, bundle: Path) -> None:
    alone = read_bundle(bundle)
    one = read_bundle(several / "192x640")
    assert one.id == alone.id and one.info == alone.info
    for name, path in alone.graphs.items():
        assert one.contents.read(one.graphs[name]) == path.read_bytes()
    assert one.source and one.source.licence == "a licence"


def test_the_sizes_share_their_weights(several: Path, bundle: Path) -> None:
    graphs = sum(path.stat().st_size for path in bundle.glob("*.onnx"))
    assert (several / "parameters.bin").stat().st_size < 1.02 * graphs
    assert sum(path.stat().st_size for path in several.glob("*/*.onnx")) < 0.05 * graphs


def test_the_default_is_the_first_and_every_size_tracks(
    several: Path, keys: tuple[Path, Path]
) -> None:
    trusted = keys[1]
    assert PanopticTracker.load(several, trust=trusted).backend.info.width == 640
    small = PanopticTracker.load(several / "64x96", trust=trusted)
    assert small.backend.info.width == 96
    frame = small.step(np.full((128, 192, 3), 90, np.uint8), 1)
    assert frame.semantic.shape == (128, 192)


def test_a_state_goes_from_one_bundle_to_the_other(several: Path, bundle: Path) -> None:
    state = PanopticTracker.load(bundle, test=False).save_state()
    PanopticTracker.load(several / "192x640", test=False).restore_state(state)


@pytest.mark.parametrize("file", ["parameters.bin", "192x640/backbone.onnx", "192x640/golden.npz"])
def test_a_changed_byte_is_refused(copy: Path, file: str) -> None:
    content = bytearray((copy / file).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / file).write_bytes(content)
    with pytest.raises(InputError, match=f"{file}: "):
        read_bundle(copy)


def test_the_signature_covers_all_sizes(copy: Path, keys: tuple[Path, Path]) -> None:
    manifest = json.loads((copy / "manifest.json").read_bytes())
    manifest["inputs"].pop()
    (copy / "manifest.json").write_text(seal(manifest))
    assert read_bundle(copy).info.width == 640
    with pytest.raises(InputError, match="was not signed by the owner of"):
        read_bundle(copy, keys[1])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m.update(inputs=[]), "'inputs'"),
        (lambda m: m.update(more=1), "unknown key 'more'"),
        (lambda m: m["inputs"][0].update(name="64x64"), "cannot be called '64x64'"),
        (lambda m: m["inputs"][0].update(name="../64x64"), "cannot be called"),
        (lambda m: m["inputs"][0].pop("id"), "'inputs.0.id'"),
        (lambda m: m["files"].update({"../x": "0"}), "outside the bundle"),
        (lambda m: m["files"].pop("parameters.bin"), "names no parameters.bin"),
        (lambda m: m["weights"].pop("licence"), "'weights.licence'"),
    ],
)
def test_a_wrong_manifest_is_refused(copy: Path, change: Callable[[Any], Any], says: str) -> None:
    manifest = json.loads((copy / "manifest.json").read_bytes())
    change(manifest)
    (copy / "manifest.json").write_text(seal(manifest))
    with pytest.raises(InputError, match=says):
        read_bundle(copy)


def test_exporting_again_replaces_it_and_spares_what_is_not_ours(copy: Path) -> None:
    (copy / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"notes.txt is none"):
        export_bundle(shipped_weights(), copy, Request(size=(64, 96), lowering=runnable_here()))
    assert read_bundle(copy / "64x96").info.width == 96


def test_the_same_size_twice_is_refused(tmp_path: Path) -> None:
    requests = [Request(size=(64, 96)), Request(size=(64, 96))]
    with pytest.raises(InputError, match="--size 64x96: is asked for twice"):
        export_sizes(shipped_weights(), tmp_path / "out", requests)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--for", "VIDEO", "--size", "64x96"), "--for: chooses the sizes; leave out --size"),
        (("--for", "nowhere.mp4"), "nowhere.mp4: no such file or folder"),
        (("--ops", "custom", "--ops", "standard"), "--ops custom: goes with no other"),
        (("--licence", "mine"), "--licence: is for a bundle of several sizes"),
    ],
)
def test_wrong_options(
    mapt: Run, street: Path, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    given = [street if argument == "VIDEO" else argument for argument in arguments]
    ran = mapt("export", "nano", "--out", tmp_path / "b", *given)
    assert ran.code == 2 and says in ran.err and ran.err.count("\n") == 1
    assert not (tmp_path / "b").exists()


@pytest.mark.slow
def test_sizes_are_chosen_for_a_video(mapt: Run, street: Path, tmp_path: Path) -> None:
    ops = ("--ops", runnable_here())
    ran = mapt("export", "nano-synthetic", "--out", tmp_path / "b", "--for", street, *ops)
    assert ran.code == 0, ran.err
    assert "input sizes for frames of 192x624: 384x1248, 288x928, 128x416" in ran.out
    assert read_bundle(tmp_path / "b").source.licence == "Apache-2.0"  # type: ignore[union-attr]
