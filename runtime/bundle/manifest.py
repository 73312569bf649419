"""The bundle's manifest: what the runtime reads, refusing whatever it does not know.

A bundle is a folder with `manifest.json`, one ONNX file per subgraph, the weights they came from, a
picture with the outputs it must give, and TensorRT engines where they were asked for. Every file is
named in the manifest with its SHA-256, the manifest may be signed; nothing else is ever opened.
What runs are the very bytes that were hashed.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from mapt.contract import BY_NAME, SUBGRAPHS, ModelInfo, Thresholds
from mapt.errors import InputError
from mapt.runtime.bundle.contents import Contents, inside, read_contents, require_file
from mapt.runtime.bundle.requirements import read_requirements
from mapt.runtime.bundle.signature import check_signature

if TYPE_CHECKING:
    from mapt.runtime.bundle.schema import Int8Bound, Manifest

FORMAT = 6
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
GOLDEN = "golden.npz"
WEIGHTS = "weights.safetensors"
# Largest sum of two int8 products that every processor holds; beyond it those without VNNI
# saturate.
PAIR_LIMIT = 2**15 - 1
Lowering = Literal["custom", "standard", "gridsample"]
Precision = Literal["fp32", "fp16", "int8"]
EngineStatus = Literal["built", "ran", "unproven"]
LOWERINGS = get_args(Lowering)
PRECISIONS = get_args(Precision)


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


def seal(manifest: dict[str, Any]) -> str:
    """Return the canonical text of a manifest.

    The key `sha256` holds the SHA-256 of all other content.
    """
    content = _text({key: value for key, value in manifest.items() if key != "sha256"})
    return _text({**manifest, "sha256": hashlib.sha256(content.encode()).hexdigest()})


def _text(manifest: dict[str, Any]) -> str:
    return json.dumps(manifest, indent=1, sort_keys=True) + "\n"


def read_bundle(folder: Path, trust: Path | None = None) -> Bundle:
    """Read and check a bundle; every named file is hashed before any is used.

    The graphs and the golden picture are read once and kept, because the bytes that were hashed are
    those that run.
    Engines are large: they are hashed again when one is loaded.

    Args:
        folder: the bundle.
        trust: public Ed25519 key (PEM) that must have signed the manifest; None: signatures are not
            looked at.

    Raises:
        InputError: not a bundle, no such key, a missing or wrong signature, an unknown format, key
            or value, a changed manifest, a path outside the folder, a missing or changed file.
    """
    # pydantic takes a while to import, which a program should not pay for before it loads a bundle.
    from mapt.runtime.bundle.schema import parse_manifest

    path = folder / MANIFEST
    content = _open_manifest(path)  # read once, so that the checked bytes are the bytes in use
    if trust is not None:
        check_signature(content, path, trust, folder / SIGNATURE)
    manifest = parse_manifest(path, _read_sealed(path, content))
    try:
        info = _model_info(manifest)
        graphs = {name: inside(path, entry.file) for name, entry in manifest.subgraphs.items()}
        precisions = {
            name: _precision(name, entry.precision, manifest.precision)
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
    _check_pair_sums(path, manifest.int8, precisions)
    missing = [spec.name for spec in SUBGRAPHS if spec.name not in graphs]
    if missing:
        raise InputError(f"{path}: names no subgraph {missing[0]!r}; export the bundle again")
    unknown = sorted(graphs.keys() - BY_NAME.keys())
    if unknown:
        raise InputError(
            f"{path}: has the unknown subgraph {unknown[0]!r}; export it with this version"
        )
    golden = folder / GOLDEN if GOLDEN in manifest.files else None
    named = {inside(path, name): digest for name, digest in manifest.hashes.items()}
    for file in named:
        require_file(file)
    return Bundle(
        folder=folder,
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
        contents=read_contents(named, {*graphs.values(), *([golden] if golden else [])}),
        trust=trust,
    )


def _open_manifest(path: Path) -> bytes:
    folder = path.parent
    try:
        if path.is_file():
            return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); check its permissions"
        ) from None
    raise InputError(
        f"{folder}: is not a bundle (no {MANIFEST}); make one with `mapt export WEIGHTS --out"
        f" {folder}`"
    )


def _one_of(what: str, value: Any, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ValueError(f"{what} is {value!r}, not one of {', '.join(known)}")
    return str(value)


def _precision(subgraph: str, own: Any, asked: str) -> str:
    """Check that every subgraph has the requested precision or stayed in float32."""
    return _one_of(
        f"the precision of {subgraph}", own, ("fp32", asked) if asked != "fp32" else ("fp32",)
    )


def _check_pair_sums(path: Path, stated: Int8Bound, precisions: dict[str, str]) -> None:
    """Refuse int8 subgraphs whose products saturate on some processors.

    Subgraphs that do not state whether they do are refused, too.
    """
    for name in [n for n, precision in precisions.items() if precision == "int8"]:
        worst = stated.pair_sums.get(name)
        if type(worst) is not int or worst < 0 or stated.limit != PAIR_LIMIT:
            raise InputError(
                f"{path}: states no bound on int8 products of {name!r}; export it with this version"
            )
        if worst > PAIR_LIMIT:
            raise InputError(
                f"{path}: two int8 products of {name!r} add up to {worst}, more than the"
                f" {PAIR_LIMIT} that every processor holds; export it with this version"
            )


def _read_sealed(path: Path, data: bytes) -> dict[str, Any]:
    """The content of a manifest of this format, as it was written to the last byte."""
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
    if type(version) is int and version > FORMAT:
        raise InputError(
            f"{path}: has format {version}, newer than this version's {FORMAT}; update mapt to"
            " read it"
        )
    if type(version) is not int or version != FORMAT:
        raise InputError(
            f"{path}: has format {version!r}, this version reads {FORMAT};"
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


def _model_info(manifest: Manifest) -> ModelInfo:
    for spec in SUBGRAPHS:
        for tensor in (*spec.inputs, *spec.outputs):
            tensor.resolve(manifest.sizes)
    return ModelInfo(
        preset=manifest.preset,
        height=manifest.height,
        width=manifest.width,
        classes=tuple(manifest.classes),
        things=tuple(manifest.things),
        sizes=manifest.sizes,
        thresholds=_thresholds(manifest.thresholds),
    )


def _thresholds(values: dict[str, Any]) -> Thresholds:
    """Read the thresholds, all of which must be stated.

    The default of a threshold that was added later would change the bundle's decisions.
    """
    missing = sorted(asdict(Thresholds()).keys() - values.keys())
    if missing:
        raise ValueError(f"the threshold {missing[0]!r} is missing")
    return Thresholds(**values)
