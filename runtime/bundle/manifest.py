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
from typing import Any, Literal, get_args

from mapt.contract import BY_NAME, SUBGRAPHS, ModelInfo, Thresholds
from mapt.errors import InputError
from mapt.runtime.bundle.contents import Contents, inside, read_contents, require_file
from mapt.runtime.bundle.requirements import read_requirements
from mapt.runtime.bundle.signature import check_signature

FORMAT = 6
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
GOLDEN = "golden.npz"
WEIGHTS = "weights.safetensors"
# Largest sum of two int8 products that every processor holds; beyond it those without VNNI
# saturate.
PAIR_LIMIT = 2**15 - 1
MOST = 2**16  # of any size of a network
MOST_CLASSES = 255  # a label is a byte, and 255 means no label
STRIDE = 32  # of the pyramid's coarsest level, pixels
_KEYS = {
    "format": int,
    "id": str,
    "preset": str,
    "height": int,
    "width": int,
    "classes": list,
    "things": list,
    "sizes": dict,
    "thresholds": dict,
    "lowering": str,
    "operators": dict,
    "precision": str,
    "subgraphs": dict,
    "files": dict,
    "versions": dict,
    "engines": dict,
    "int8": dict,
    "requires": dict,
    "sha256": str,
}
EngineStatus = Literal["built", "ran", "unproven"]
LOWERINGS = ("custom", "standard", "gridsample")
PRECISIONS = ("fp32", "fp16", "int8")


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
    path = folder / MANIFEST
    content = _open_manifest(path)  # read once, so that the checked bytes are the bytes in use
    if trust is not None:
        check_signature(content, path, trust, folder / SIGNATURE)
    manifest = _read_manifest(path, content)
    try:
        info = _model_info(manifest)
        _one_of("lowering", manifest["lowering"], LOWERINGS)
        _one_of("precision", manifest["precision"], PRECISIONS)
        graphs = {
            name: inside(path, entry["file"]) for name, entry in manifest["subgraphs"].items()
        }
        precisions = {
            n: _precision(n, e["precision"], manifest["precision"])
            for n, e in manifest["subgraphs"].items()
        }
        _check_pair_sums(path, manifest["int8"], precisions)
        hashes = {
            entry["file"]: entry["sha256"] for entry in manifest["subgraphs"].values()
        } | manifest["files"]
        requires = read_requirements(manifest["requires"])
        operators = {str(domain): int(version) for domain, version in manifest["operators"].items()}
        engines = {
            t: {n: _engine(path, e) for n, e in own.items()}
            for t, own in manifest["engines"].items()
        }
        hashes |= {
            entry["file"]: entry["sha256"]
            for own in manifest["engines"].values()
            for entry in own.values()
        }
    except (TypeError, KeyError, AttributeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{path}: is malformed ({type(error).__name__}: {error}); export the bundle again"
        ) from None
    missing = [spec.name for spec in SUBGRAPHS if spec.name not in graphs]
    if missing:
        raise InputError(f"{path}: names no subgraph {missing[0]!r}; export the bundle again")
    unknown = sorted(graphs.keys() - BY_NAME.keys())
    if unknown:
        raise InputError(
            f"{path}: has the unknown subgraph {unknown[0]!r}; export it with this version"
        )
    golden = folder / GOLDEN if GOLDEN in manifest["files"] else None
    named = {inside(path, name): digest for name, digest in hashes.items()}
    for file in named:
        require_file(file)
    return Bundle(
        folder=folder,
        id=manifest["id"],
        info=info,
        lowering=manifest["lowering"],
        precision=manifest["precision"],
        graphs=graphs,
        versions=manifest["versions"],
        engines=engines,
        golden=golden,
        operators=operators,
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


def _check_pair_sums(path: Path, stated: dict[str, Any], precisions: dict[str, str]) -> None:
    """Refuse int8 subgraphs whose products saturate on some processors.

    Subgraphs that do not state whether they do are refused, too.
    """
    sums = stated.get("pair_sums", {})
    for name in [n for n, precision in precisions.items() if precision == "int8"]:
        worst = sums.get(name)
        if type(worst) is not int or worst < 0 or stated.get("limit") != PAIR_LIMIT:
            raise InputError(
                f"{path}: states no bound on int8 products of {name!r}; export it with this version"
            )
        if worst > PAIR_LIMIT:
            raise InputError(
                f"{path}: two int8 products of {name!r} add up to {worst}, more than the"
                f" {PAIR_LIMIT} that every processor holds; export it with this version"
            )


def _engine(manifest: Path, entry: dict[str, Any]) -> EngineFile:
    if entry["status"] not in get_args(EngineStatus):
        raise ValueError(f"an engine's status is {entry['status']!r}")
    layers = {str(k): {str(t): int(n) for t, n in v.items()} for k, v in entry["layers"].items()}
    return EngineFile(
        inside(manifest, entry["file"]), str(entry["library"]), entry["status"], layers
    )


def _read_manifest(path: Path, data: bytes) -> dict[str, Any]:
    """The manifest, its top-level keys of the right types, as it was written to the last byte."""
    try:
        manifest = json.loads(data)
        sealed = seal(manifest).encode() if isinstance(manifest, dict) else b""
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not valid JSON ({error}); export the bundle again") from None
    _check_keys(path, manifest)
    if data != sealed:
        raise InputError(
            f"{path}: differs from the SHA-256 that it states of itself; it was changed, export it"
            " again"
        )
    checked: dict[str, Any] = manifest
    return checked


def _check_keys(path: Path, manifest: Any) -> None:
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
    unknown = sorted(set(manifest) - set(_KEYS))
    if unknown:
        raise InputError(f"{path}: has the unknown key {unknown[0]!r}; export it with this version")
    for key, kind in _KEYS.items():
        if not isinstance(manifest.get(key), kind) or isinstance(manifest.get(key), bool):
            raise InputError(
                f"{path}: key {key!r} is missing or not a {kind.__name__}; export the bundle again"
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


def _model_info(manifest: dict[str, Any]) -> ModelInfo:
    sizes = {str(k): _size(str(k), v) for k, v in manifest["sizes"].items()}
    for spec in SUBGRAPHS:
        for tensor in (*spec.inputs, *spec.outputs):
            tensor.resolve(sizes)
    stated = {"H": manifest["height"], "W": manifest["width"], "K": len(manifest["classes"])}
    for symbol, value in stated.items():
        if sizes[symbol] != value:
            raise ValueError(f"sizes say {symbol} = {sizes[symbol]}, the rest of it {value}")
    if len(manifest["classes"]) > MOST_CLASSES:
        raise ValueError(
            f"it has {len(manifest['classes'])} classes, labels tell {MOST_CLASSES} apart"
        )
    return ModelInfo(
        preset=manifest["preset"],
        height=manifest["height"],
        width=manifest["width"],
        classes=tuple(str(c) for c in manifest["classes"]),
        things=_things(manifest["things"], len(manifest["classes"])),
        sizes=sizes,
        thresholds=_thresholds(manifest["thresholds"]),
    )


def _size(symbol: str, value: Any) -> int:
    if type(value) is not int or not 1 <= value <= MOST:
        raise ValueError(f"the size {symbol} is {value!r:.40}, not a whole number within 1..{MOST}")
    if symbol in ("H", "W") and value % STRIDE:
        raise ValueError(f"the size {symbol} is {value}, not a multiple of {STRIDE}")
    return value


def _things(values: list[Any], classes: int) -> tuple[int, ...]:
    wrong = next((v for v in values if type(v) is not int or not 0 <= v < classes), None)
    if wrong is not None or len(set(values)) < len(values):
        raise ValueError(
            f"things are {values!r:.60}, not different train ids within 0..{classes - 1}"
        )
    return tuple(values)


def _thresholds(values: dict[str, Any]) -> Thresholds:
    """Read the thresholds, all of which must be stated.

    The default of a threshold that was added later would change the bundle's decisions.
    """
    missing = sorted(asdict(Thresholds()).keys() - values.keys())
    if missing:
        raise ValueError(f"the threshold {missing[0]!r} is missing")
    return Thresholds(**values)
