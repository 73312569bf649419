"""An invalid trusted key is an error, and never means that no signature is required."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from mapt.errors import InputError
from mapt.runtime import PanopticTracker
from mapt.runtime.bundle.manifest import MANIFEST, SIGNATURE, read_bundle
from mapt.runtime.bundle.signature import sign_file

PEM = Encoding.PEM
PUBLIC = PublicFormat.SubjectPublicKeyInfo


def public(private: Any) -> bytes:
    """The public half of a key as a PEM file has it."""
    encoded: bytes = private.public_key().public_bytes(PEM, PUBLIC)
    return encoded


@pytest.fixture
def signed(bundle: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A signed copy of the bundle, and the key to trust."""
    key = ed25519.Ed25519PrivateKey.generate()
    (tmp_path / "key.pem").write_bytes(key.private_bytes(PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "trusted.pem").write_bytes(public(key))
    copy = tmp_path / "signed"
    copy.mkdir()
    for file in bundle.iterdir():
        (copy / file.name).symlink_to(file)
    sign_file(copy / MANIFEST, tmp_path / "key.pem", copy / SIGNATURE)
    return copy, tmp_path / "trusted.pem"


WRONG: dict[str, bytes] = {
    "empty": b"",
    "text": b"not a key",
    "cut": b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n",
    "rsa": public(rsa.generate_private_key(65537, 2048)),
    "ec": public(ec.generate_private_key(ec.SECP256R1())),
    "x25519": public(x25519.X25519PrivateKey.generate()),
    "dsa": public(dsa.generate_private_key(1024)),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_ed25519_key_is_refused(
    signed: tuple[Path, Path], tmp_path: Path, kind: str
) -> None:
    (tmp_path / "wrong.pem").write_bytes(WRONG[kind])
    with pytest.raises(InputError, match=r"wrong\.pem: is not an? (public|Ed25519) key") as error:
        read_bundle(signed[0], tmp_path / "wrong.pem")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("given", ["", Path(), ".", "/"])
def test_an_empty_key_is_an_error_and_not_no_key(signed: tuple[Path, Path], given: Any) -> None:
    with pytest.raises(InputError, match="the trusted key is an empty path"):
        PanopticTracker.load(signed[0], trust=given)


def test_a_key_or_signature_that_cannot_be_read_is_named(
    signed: tuple[Path, Path], tmp_path: Path
) -> None:
    copy, trusted = signed
    for unreadable in (tmp_path / "none.pem", tmp_path):
        with pytest.raises(InputError, match=f"{unreadable}: cannot be read"):
            read_bundle(copy, unreadable)
    read_bundle(copy, trusted)
    for content in (b"", b"short", bytes(64)):
        (copy / SIGNATURE).write_bytes(content)
        with pytest.raises(InputError, match="was not signed by the owner of"):
            read_bundle(copy, trusted)
    (copy / SIGNATURE).unlink()
    (copy / SIGNATURE).mkdir()
    with pytest.raises(InputError, match=r"manifest\.sig: is missing"):
        read_bundle(copy, trusted)


def commands(bundle: Path, street: Path, out: Path) -> list[list[object]]:
    """Every command that loads a bundle, where the user names one."""
    return [
        ["track", street / "training" / "image_02" / "0000", "--model", bundle, "--out", out],
        ["bench", bundle, "--suite", "parity", "--data", street],
        ["bench", bundle, "--suite", "run", "--no-alone"],
    ]


def test_every_command_asks_for_the_signature(
    mapt: Callable[..., Any], bundle: Path, signed: tuple[Path, Path], street: Path, tmp_path: Path
) -> None:
    for command in commands(bundle, street, tmp_path / "out"):
        ran = mapt(*command, "--trust", signed[1])
        assert ran.code == 2 and "manifest.sig: is missing, the bundle is not signed" in ran.err, (
            command
        )
        ran = mapt(*command, "--trust", "")
        assert ran.code == 2 and "an argument is empty (after --trust)" in ran.err, command
    track = commands(signed[0], street, tmp_path / "out")[0]
    assert mapt(*track, "--save", "json", "--trust", signed[1]).code == 0
    weights = bundle / "weights.safetensors"
    ran = mapt("track", street, "--model", weights, "--out", tmp_path / "o", "--trust", signed[1])
    assert ran.code == 2 and "--trust: is for bundles" in ran.err


@pytest.mark.parametrize(
    "module",
    [
        "latency.isolated",
        "accuracy.camvid",
        "latency.soak",
        "accuracy.teleports",
        "accuracy.thresholds",
    ],
)
def test_every_measurement_asks_for_the_signature(
    module: str,
    bundle: Path,
    signed: tuple[Path, Path],
    street: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    frames = str(street / "training" / "image_02" / "0000")
    first = ["ort"] if module == "latency.isolated" else []
    option = {"accuracy.camvid": ["--root"], "accuracy.thresholds": ["--data"]}.get(module, [])
    arguments = [*first, str(bundle), *option, frames, "--trust", str(signed[1])]
    monkeypatch.setattr("sys.argv", [module, *arguments])
    with pytest.raises(SystemExit) as stop:
        importlib.import_module(f"mapt.bench.{module}").main()
    assert stop.value.code == 2 and "the bundle is not signed" in capsys.readouterr().err
