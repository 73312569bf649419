"""Writes a bundle of several input sizes, whose graphs share their weights.

Each size is first written as a bundle of its own. Then the parameters of all graphs move into one
file, each content once, to which the graphs refer as ONNX's external data. The manifest states the
SHA-256 of the graphs as they were before, so a size has the same id as a bundle of this size alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto

from mapt.errors import InputError
from mapt.export.bundle.writer import Exported, Request, check_request, named_in, write_bundle
from mapt.io.atomic_folders import published
from mapt.model.weights import load_weights, read_card, save_weights
from mapt.runtime.bundle.contents import sha256
from mapt.runtime.bundle.format import (
    GOLDEN,
    MANIFEST,
    PARAMETERS,
    SIGNATURE,
    SIZES_FORMAT,
    WEIGHTS,
)
from mapt.runtime.bundle.graphs.shared_parameters import restore_parameters
from mapt.runtime.bundle.schema import SizesManifest
from mapt.runtime.bundle.sealed import seal
from mapt.runtime.bundle.signature import sign_file

LEAST = 256  # bytes of a tensor that is worth sharing
ALIGNED = 64  # bytes, as readers of external data like it
UNSTATED = "licence not stated"


@dataclass(frozen=True)
class ExportedSizes:
    """The bundle that was written.

    Attributes:
        id: of the bundle.
        parts: what was written for each size, by its name in the bundle.
    """

    id: str
    parts: dict[str, Exported]


def export_sizes(
    weights: Path,
    out: Path,
    requests: Sequence[Request],
    licence: str | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> ExportedSizes:
    """Export a weight file for several input sizes, as one bundle.

    Args:
        weights: see `mapt.export.bundle.writer.export_bundle`.
        out: see there.
        requests: one for each size and lowering, all with a size. The first one is the bundle's
            default. All have the same key and say the same about `weights` and `zoom`.
        licence: of the weights; None: what their file states.
        on_progress: see there.

    Raises:
        InputError: as there, or two requests are for the same graphs.
        RuntimeError: as there.
    """
    told = on_progress or (lambda _: None)
    named = _names(requests)
    targets = {name: check_request(request, out) for name, request in named.items()}
    networks = {
        name: load_weights(weights, size=request.size, zoom=request.zoom)
        for name, request in named.items()
    }
    parts = {}
    with published(out, named_in(out)) as folder:
        for name, request in named.items():
            (folder / name).mkdir()
            alone = replace(request, sign=None, weights=False, coarse=True)
            parts[name] = write_bundle(
                networks[name],
                folder / name,
                alone,
                targets[name],
                lambda step, name=name: told(f"{name} {step}"),  # type: ignore[misc]
            )
        files = [PARAMETERS]
        if requests[0].weights:
            save_weights(folder / WEIGHTS, load_weights(weights, zoom=requests[0].zoom))
            files.append(WEIGHTS)
        entries = _entries(folder, list(named))
        _share_parameters(folder, entries)
        source = {
            "name": weights.stem,
            "licence": licence or read_card(weights).get("licence", UNSTATED),
            "sha256": sha256(weights),
        }
        identity = _write_manifest(folder, entries, files, source)
        if requests[0].sign:
            sign_file(folder / MANIFEST, requests[0].sign, folder / SIGNATURE)
    return ExportedSizes(identity, parts)


def _names(requests: Sequence[Request]) -> dict[str, Request]:
    """The name of each request's graphs: its size, and its lowering if it is not the size's first.

    Raises:
        InputError: two have the same.
    """
    named = dict[str, Request]()
    for request in requests:
        assert request.size, "a request without a size"
        size = f"{request.size[0]}x{request.size[1]}"
        first = named.get(size)
        name = f"{size}-{request.lowering}" if first else size
        if name in named or (first and first.lowering == request.lowering):
            raise InputError(f"--size {size}: is asked for twice; leave one out")
        named[name] = request
    return named


def _entries(folder: Path, names: list[str]) -> list[dict[str, Any]]:
    """Return the manifests of the parts, with files named from the bundle's folder.

    Lowerings of the same size share the golden picture of the first.
    """
    entries = []
    for name in names:
        part = folder / name
        entry = json.loads((part / MANIFEST).read_bytes())
        (part / MANIFEST).unlink()
        del entry["sha256"]
        for graph in entry["subgraphs"].values():
            graph["file"] = f"{name}/{graph['file']}"
        for own in entry["engines"].values():
            for engine in own.values():
                engine["file"] = f"{name}/{engine['file']}"
        entry["files"] = {f"{name}/{file}": digest for file, digest in entry["files"].items()}
        entry["name"] = name
        size = f"{entry['height']}x{entry['width']}"
        if size != name:
            (part / GOLDEN).unlink()
            del entry["files"][f"{name}/{GOLDEN}"]
            entry["files"][f"{size}/{GOLDEN}"] = sha256(folder / size / GOLDEN)
        entries.append(entry)
    return entries


def _share_parameters(folder: Path, entries: list[dict[str, Any]]) -> None:
    """Move the parameters of all graphs into one file, each content once.

    Raises:
        RuntimeError: a graph would not be restored to the same bytes; a fault of this program.
    """
    files = [graph["file"] for entry in entries for graph in entry["subgraphs"].values()]
    contents = set[bytes]().union(*(_large_contents(onnx.load(folder / file)) for file in files))
    offsets = _pack(folder / PARAMETERS, contents)
    parameters = (folder / PARAMETERS).read_bytes()
    for file in files:
        model = onnx.load(folder / file)
        for tensor in model.graph.initializer:
            if tensor.raw_data in offsets:
                _refer(tensor, offsets[tensor.raw_data])
        graph = model.SerializeToString(deterministic=True)
        if restore_parameters(file, graph, parameters) != (folder / file).read_bytes():
            raise RuntimeError(f"{file}: cannot share its parameters; export one size")
        (folder / file).write_bytes(graph)


def _large_contents(model: onnx.ModelProto) -> set[bytes]:
    """Return the tensors of a graph that are worth sharing, as bytes."""
    return {t.raw_data for t in model.graph.initializer if len(t.raw_data) >= LEAST}


def _pack(path: Path, contents: set[bytes]) -> dict[bytes, int]:
    """Write the contents into a file, and return the offset of each.

    The numbers 0, 1, 2 ... of a small input are the first ones of a larger input's, so what begins
    another content is not written again.
    """
    offsets = dict[bytes, int]()
    starts = dict[bytes, list[bytes]]()
    with path.open("wb") as file:
        for content in sorted(contents, key=lambda c: (-len(c), c)):
            alike = starts.setdefault(content[:LEAST], [])
            whole = next((other for other in alike if other.startswith(content)), None)
            if whole is None:
                file.write(b"\0" * (-file.tell() % ALIGNED))
                offsets[content] = file.tell()
                file.write(content)
                alike.append(content)
            else:
                offsets[content] = offsets[whole]
    return offsets


def _refer(tensor: TensorProto, offset: int) -> None:
    """Replace a tensor's bytes by their place in the file of the shared parameters."""
    length = len(tensor.raw_data)
    tensor.ClearField("raw_data")
    for key, value in (("location", PARAMETERS), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))
    tensor.data_location = TensorProto.EXTERNAL


def _write_manifest(
    folder: Path, entries: list[dict[str, Any]], files: list[str], source: dict[str, str]
) -> str:
    ids = [[entry["name"], entry["id"]] for entry in entries]
    identity = hashlib.sha256(json.dumps([SIZES_FORMAT, ids]).encode()).hexdigest()
    manifest = SizesManifest.model_validate(
        {
            "format": SIZES_FORMAT,
            "id": identity,
            "weights": source,
            "files": {name: sha256(folder / name) for name in sorted(files)},
            "inputs": entries,
        }
    )
    (folder / MANIFEST).write_text(seal(manifest.model_dump(exclude_unset=True)))
    return identity
