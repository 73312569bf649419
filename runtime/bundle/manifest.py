"""The bundle's manifest: what the runtime reads, refusing whatever it does not know.

A bundle is a folder with `manifest.json`, one ONNX file per subgraph, the weights they came from, a
picture with the outputs it must give, and TensorRT engines where they were asked for. Every file is
named in the manifest with its SHA-256, the manifest may be signed; nothing else is ever opened.
What runs are the very bytes that were hashed.

A bundle of several input sizes has a folder for each of them, and its graphs share their weights.
`BUNDLE/384x672` names one size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from mapt.contract import BY_NAME, SUBGRAPHS, ModelInfo
from mapt.errors import InputError, shown
from mapt.runtime.bundle.contents import Contents, inside, read_contents, require_file
from mapt.runtime.bundle.format import (
    FORMAT,
    GOLDEN,
    LOWERINGS,
    MANIFEST,
    PAIR_LIMIT,
    PARAMETERS,
    PRECISIONS,
    SIGNATURE,
    WEIGHTS,
    EngineStatus,
    Lowering,
    Precision,
)
from mapt.runtime.bundle.manifest_values import (
    check_pair_sums,
    read_model_info,
    read_precision,
)
from mapt.runtime.bundle.requirements import is_met, onnxruntime_version, read_requirements
from mapt.runtime.bundle.sealed import open_manifest, read_sealed, seal
from mapt.runtime.bundle.signature import check_signature

if TYPE_CHECKING:
    from mapt.runtime.bundle.schema import Manifest, NamedManifest, SizesManifest, WeightsEntry

__all__ = [
    "FORMAT",
    "GOLDEN",
    "LOWERINGS",
    "MANIFEST",
    "PAIR_LIMIT",
    "PRECISIONS",
    "SIGNATURE",
    "WEIGHTS",
    "Bundle",
    "EngineFile",
    "EngineStatus",
    "Lowering",
    "Precision",
    "choose_entry",
    "find_root",
    "read_bundle",
    "read_manifest",
    "runs_here",
    "seal",
]


@dataclass(frozen=True)
class EngineFile:
    """A TensorRT engine of a bundle.

    Attributes:
        path: the file.
        library: what built it, with its version; no other loads it.
        status: built (it was, and never ran), ran (on a GPU of its target), unproven (neither was
            checked).
        layers: layers of the parsed network by kind and output type.
    """

    path: Path
    library: str
    status: EngineStatus
    layers: dict[str, dict[str, int]]


@dataclass(frozen=True)
class Bundle:
    """A checked bundle.

    Attributes:
        folder: where it lies.
        id: hash over its ONNX files and configuration.
        info: what the runtime must know of the network.
        lowering: how operators were exported.
        precision: number format that was asked for; single subgraphs may have stayed in float32.
        graphs: ONNX file of each subgraph.
        versions: libraries it was exported with.
        engines: TensorRT engines by target ("sm86") and subgraph.
        golden: a picture and the outputs it must give, or None.
        operators: version of every domain of operators in the graphs that is not ONNX's own.
        precisions: number format of each subgraph: `precision`, or float32 where that was too
            costly.
        requires: the lowest version of each library that its graphs run on.
        contents: gives the checked bytes of its files.
        trust: the public key that its signature was checked with, or None.
        root: the folder of all sizes, where `folder` is that of one; None: it has one.
        source: the weights that it was exported from, where the manifest names them.
        batch: images that its frame graphs take at a time, see `mapt.contract.list_specs`.
    """

    folder: Path
    id: str
    info: ModelInfo
    lowering: str
    precision: str
    graphs: dict[str, Path]
    versions: dict[str, str]
    engines: dict[str, dict[str, EngineFile]] = field(default_factory=dict)
    golden: Path | None = None
    operators: dict[str, int] = field(default_factory=dict)
    precisions: dict[str, str] = field(default_factory=dict)
    requires: dict[str, str] = field(default_factory=dict)
    contents: Contents = field(default_factory=Contents, repr=False, compare=False)
    trust: Path | None = None
    root: Path | None = None
    source: WeightsEntry | None = None
    batch: int = 1

    @property
    def weights(self) -> Path:
        """The weights inside the bundle, which may have been left out."""
        return (self.root or self.folder) / WEIGHTS


def find_root(folder: Path) -> tuple[Path, str]:
    """Return the folder with the manifest, and the name of the size that `folder` asks for.

    The name is empty if `folder` is the bundle itself.
    """
    try:
        if not (folder / MANIFEST).is_file() and (folder.parent / MANIFEST).is_file():
            return folder.parent, folder.name
    except OSError:  # the message about the manifest says why
        pass
    return folder, ""


def read_manifest(root: Path, trust: Path | None = None) -> Manifest | SizesManifest:
    """Read and check the manifest of a bundle, but none of its files.

    Args:
        root: the bundle.
        trust: see `read_bundle`.

    Raises:
        InputError: as `read_bundle`.
    """
    # pydantic takes a while to import, which a program should not pay for before it loads a bundle.
    from mapt.runtime.bundle.schema import parse_manifest

    path = root / MANIFEST
    content = open_manifest(path)  # read once, so that the checked bytes are the bytes in use
    if trust is not None:
        check_signature(content, path, trust, root / SIGNATURE)
    return parse_manifest(path, read_sealed(path, content))


def read_bundle(folder: Path, trust: Path | None = None, *, batched: bool = False) -> Bundle:
    """Read and check a bundle; every file of it is hashed before any is used.

    The graphs and the golden picture are read once and kept, because the bytes that were hashed are
    those that run.
    Engines are large: they are hashed again when one is loaded.
    Of several sizes one is read, and the files of the others are left alone.

    Args:
        folder: the bundle, or `BUNDLE/HxW` for one of several sizes; without it the first of them.
        trust: public Ed25519 key (PEM) that must have signed the manifest; None: signatures are not
            looked at.
        batched: take also a bundle whose graphs take several images at a time.

    Raises:
        InputError: not a bundle, graphs for several images, no such size or key, a missing or wrong
            signature, an unknown format, key or value, a changed manifest, a path outside the
            folder, a missing or changed file.
    """
    from mapt.runtime.bundle.schema import BatchManifest, SizesManifest

    root, name = find_root(folder)
    path = root / MANIFEST
    manifest = read_manifest(root, trust)
    if isinstance(manifest, BatchManifest) and not batched:
        raise InputError(
            f"{path}: its graphs take several images at a time, which only TrackerGroup of"
            " mapt.runtime runs; export it without --batch for one camera"
        )
    if isinstance(manifest, SizesManifest):
        chosen = choose_entry(path, manifest, name)
        if PARAMETERS not in manifest.files:
            raise InputError(f"{path}: names no {PARAMETERS}; export the bundle again")
        bundle = _read(path, chosen, manifest.files, root / PARAMETERS)
        place = root / chosen.name
        return replace(bundle, folder=place, root=root, source=manifest.weights, trust=trust)
    if name:
        open_manifest(folder / MANIFEST)  # raises: a bundle of one size has no others
    return replace(_read(path, manifest, {}), trust=trust)


def runs_here(requires: Mapping[str, Any]) -> bool:
    """Tell whether the installed ONNX Runtime is new enough; without one, the answer is yes.

    It is also yes for what is no version, which `read_bundle` refuses.
    """
    here = onnxruntime_version()
    try:
        return here is None or is_met(requires, {"onnxruntime": here})
    except (ValueError, TypeError):
        return True


def choose_entry(path: Path, manifest: SizesManifest, name: str) -> NamedManifest:
    """Return the entry of that name, or of the first size.

    A size may have several entries, of different lowerings. The first that runs here is taken.
    """
    wanted = name or manifest.inputs[0].size
    own = [entry for entry in manifest.inputs if entry.size == wanted]
    exact = [entry for entry in manifest.inputs if entry.name == name]
    if not own and not exact:
        have = ", ".join(dict.fromkeys(entry.size for entry in manifest.inputs))
        raise InputError(f"{path.parent}: has no input size {shown(name)}, but {have}")
    return next((entry for entry in own if runs_here(entry.requires)), (own or exact)[0])


def _read(
    path: Path,
    manifest: Manifest,
    shared: Mapping[str, str],
    parameters: Path | None = None,
) -> Bundle:
    """Check what a manifest says of one input size, and read the files.

    Args:
        path: of the manifest, from whose folder files are named.
        manifest: its content.
        shared: SHA-256 of the files that all sizes share, by name.
        parameters: the file among these that the graphs refer to; None: they refer to none.
    """
    try:
        info = read_model_info(manifest)
        graphs = {name: inside(path, entry.file) for name, entry in manifest.subgraphs.items()}
        precisions = {
            name: read_precision(name, entry.precision, manifest.precision)
            for name, entry in manifest.subgraphs.items()
        }
        requires = read_requirements(manifest.requires)
        engines = {
            target: {
                name: EngineFile(inside(path, e.file), e.library, e.status, e.layers)
                for name, e in entries.items()
            }
            for target, entries in manifest.engines.items()
        }
    except (TypeError, KeyError, AttributeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{path}: is malformed ({type(error).__name__}: {error}); export the bundle again"
        ) from None
    check_pair_sums(path, manifest.int8, precisions)
    missing = [spec.name for spec in SUBGRAPHS if spec.name not in graphs]
    if missing:
        raise InputError(f"{path}: names no subgraph {missing[0]!r}; export the bundle again")
    unknown = sorted(graphs.keys() - BY_NAME.keys())
    if unknown:
        raise InputError(
            f"{path}: has the unknown subgraph {unknown[0]!r}; export it with this version"
        )
    golden = next(
        (inside(path, name) for name in manifest.files if PurePosixPath(name).name == GOLDEN), None
    )
    hashes = {**shared, **manifest.hashes}
    named = {inside(path, name): digest for name, digest in hashes.items()}
    for file in named:
        require_file(file)
    keep = {*graphs.values(), *([golden] if golden else [])}
    return Bundle(
        folder=path.parent,
        id=manifest.id,
        info=info,
        lowering=manifest.lowering,
        precision=manifest.precision,
        graphs=graphs,
        versions=manifest.versions,
        engines=engines,
        golden=golden,
        operators=manifest.operators,
        precisions=precisions,
        requires=requires,
        contents=read_contents(named, keep, {*graphs.values()}, parameters),
        batch=getattr(manifest, "batch", 1),
    )
