"""The form of a manifest: what the exporter writes and the runtime reads.

Values that only together make sense, such as sizes and thresholds, are checked where they are used
(`mapt.contract.ModelInfo`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mapt.contract import LARGEST, LARGEST_BATCH
from mapt.errors import InputError, shown
from mapt.runtime.bundle.format import BATCH_FORMAT, SIZES_FORMAT, EngineStatus, Lowering, Precision

MOST_INPUTS = 100


class _Entry(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class TensorEntry(_Entry):
    """A tensor of a subgraph; of the shape every number is stated."""

    name: str
    dtype: str
    shape: list[int]


class SubgraphEntry(_Entry):
    """A subgraph's ONNX file."""

    file: str
    sha256: str
    precision: str
    inputs: list[TensorEntry]
    outputs: list[TensorEntry]


class EngineEntry(_Entry):
    """A TensorRT engine; `layers` are those of the parsed network by kind and output type."""

    file: str
    sha256: str
    library: str
    status: EngineStatus
    layers: dict[str, dict[str, int]]


class Int8Bound(_Entry):
    """The largest sum of two int8 products of each int8 subgraph, and the limit they keep."""

    limit: Any = None
    pair_sums: dict[str, Any] = {}


class Manifest(_Entry):
    """The manifest, without the SHA-256 of itself."""

    format: int
    id: str
    preset: str
    height: int = Field(ge=1, le=LARGEST)
    width: int = Field(ge=1, le=LARGEST)
    classes: list[str]
    things: list[Any]
    sizes: dict[str, Any]
    thresholds: dict[str, Any]
    lowering: Lowering
    operators: dict[str, int]
    requires: dict[str, Any]
    precision: Precision
    subgraphs: dict[str, SubgraphEntry]
    files: dict[str, str]
    versions: dict[str, str]
    engines: dict[str, dict[str, EngineEntry]]
    int8: Int8Bound

    def to_json(self) -> dict[str, Any]:
        """What is written, but for the SHA-256."""
        return self.model_dump(exclude_unset=True)

    @property
    def hashes(self) -> dict[str, str]:
        """The SHA-256 of every named file."""
        graphs = {entry.file: entry.sha256 for entry in self.subgraphs.values()}
        engines = [entry for target in self.engines.values() for entry in target.values()]
        return graphs | self.files | {entry.file: entry.sha256 for entry in engines}


class WeightsEntry(_Entry):
    """The weights that a bundle was exported from: name, licence, SHA-256 of their file."""

    name: str
    licence: str
    sha256: str


class BatchManifest(Manifest):
    """The manifest of a bundle whose frame graphs take `batch` images at a time."""

    batch: int = Field(ge=2, le=LARGEST_BATCH)


class NamedManifest(Manifest):
    """One input size of a bundle; files are named from the bundle's folder.

    `name` is the size, "384x672", with the lowering behind it where that is not the first one.
    """

    name: str

    @property
    def size(self) -> str:
        """The input size as it is written, HxW."""
        return f"{self.height}x{self.width}"

    @model_validator(mode="after")
    def _check_name(self) -> NamedManifest:
        if self.name not in (self.size, f"{self.size}-{self.lowering}"):
            raise ValueError(f"the size {self.size} cannot be called {self.name!r}")
        return self


class SizesManifest(_Entry):
    """The manifest of a bundle with several input sizes, the default one first."""

    format: int
    id: str
    weights: WeightsEntry
    files: dict[str, str]
    inputs: list[NamedManifest] = Field(min_length=1, max_length=MOST_INPUTS)

    @model_validator(mode="after")
    def _check_names(self) -> SizesManifest:
        names = [entry.name for entry in self.inputs]
        if len(set(names)) != len(names):
            raise ValueError("two inputs have the same name")
        return self

    @property
    def hashes(self) -> dict[str, str]:
        """The SHA-256 of every named file."""
        found = dict(self.files)
        for entry in self.inputs:
            found |= entry.hashes
        return found


def parse_manifest(path: Path, values: dict[str, Any]) -> Manifest | SizesManifest:
    """A manifest from the content of its file.

    Raises:
        InputError: a key is unknown or missing, or a value is of the wrong type.
    """
    kinds: dict[int, type[Manifest] | type[SizesManifest]] = {
        SIZES_FORMAT: SizesManifest,
        BATCH_FORMAT: BatchManifest,
    }
    kind = kinds.get(values["format"], Manifest)
    try:
        return kind.model_validate({k: v for k, v in values.items() if k != "sha256"})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            what = f"has the unknown key {key!r}; export it with this version"
        elif first["type"] == "missing":
            what = f"is malformed: the key {key!r} is missing; export the bundle again"
        else:
            found = shown(first["input"])
            what = f"is malformed: {key!r} is {found} ({first['msg']}); export the bundle again"
        raise InputError(f"{path}: {what}") from None
