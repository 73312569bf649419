"""Reads and writes the text of a manifest, which states the SHA-256 of itself."""

from __future__ import annotations

import hashlib
import json
import shlex
from pathlib import Path
from typing import Any

from mapt.errors import InputError
from mapt.runtime.bundle.format import FORMATS, LOWERINGS, MANIFEST, PRECISIONS, WEIGHTS

LARGEST = 1 << 26  # bytes


def seal(manifest: dict[str, Any]) -> str:
    """Return the canonical text of a manifest.

    The key `sha256` holds the SHA-256 of all other content.
    """
    content = _text({key: value for key, value in manifest.items() if key != "sha256"})
    return _text({**manifest, "sha256": hashlib.sha256(content.encode()).hexdigest()})


def _text(manifest: dict[str, Any]) -> str:
    return json.dumps(manifest, indent=1, sort_keys=True) + "\n"


def open_manifest(path: Path) -> bytes:
    """Return the bytes of a manifest.

    Raises:
        InputError: it is not there, or cannot be read.
    """
    folder = path.parent
    try:
        if path.is_file():
            if path.stat().st_size > LARGEST:
                raise InputError(f"{path}: is too large for a manifest; export the bundle again")
            return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); check its permissions"
        ) from None
    raise InputError(
        f"{folder}: is not a bundle (no {MANIFEST}); make one with `mapt export WEIGHTS --out"
        f" {folder}`"
    )


def read_sealed(path: Path, data: bytes) -> dict[str, Any]:
    """Return the content of a manifest, as it was written to the last byte.

    Raises:
        InputError: no manifest, one of another format, or one that was changed.
    """
    try:
        manifest = json.loads(data)
        sealed = seal(manifest).encode() if isinstance(manifest, dict) else b""
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not valid JSON ({error}); export the bundle again") from None
    _check_format(path, manifest)
    if data != sealed:
        raise InputError(
            f"{path}: differs from the SHA-256 that it states of itself; it was changed, export it"
            " again"
        )
    checked: dict[str, Any] = manifest
    return checked


def _check_format(path: Path, manifest: Any) -> None:
    if not isinstance(manifest, dict):
        raise InputError(f"{path}: is not a manifest; export the bundle again")
    version = manifest.get("format")
    if type(version) is int and version > FORMATS[-1]:
        raise InputError(
            f"{path}: has format {version}, newer than this version's {FORMATS[-1]}; update mapt"
            " to read it"
        )
    if type(version) is not int or version not in FORMATS:
        *others, last = map(str, FORMATS)
        raise InputError(
            f"{path}: has format {version!r}, this version reads {', '.join(others)} and {last};"
            f" {_conversion(path, manifest)}"
        )


def _conversion(path: Path, manifest: dict[str, Any]) -> str:
    """Tell how to convert an older bundle, by exporting the weights in it again."""
    weights = path.parent / WEIGHTS
    if not weights.is_file():
        return "export it with this version"
    lowering = manifest.get("lowering")
    precision = manifest.get("precision")
    ops = f" --ops {lowering}" if lowering in LOWERINGS and lowering != "standard" else ""
    lower = f" --precision {precision}" if precision in PRECISIONS and precision != "fp32" else ""
    return f"convert it with `mapt export {shlex.quote(str(weights))} --out NEW{ops}{lower}`"
