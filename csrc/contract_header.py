"""Writes `runtime/core/contract.h`: the contract and the constants that the native tracker shares.

Usage: python csrc/contract_header.py [--check]; with --check it only tells whether the header is
fresh. The Python modules own every value.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import get_args

from mapt import contract
from mapt.contract import (
    HOST_READS,
    RANGES,
    SUBGRAPHS,
    SYMBOLS,
    Dim,
    SubgraphSpec,
    TensorSpec,
    Thresholds,
)
from mapt.runtime.association import affinity, tracks
from mapt.runtime.bundle import format as bundle
from mapt.runtime.frame import Stage
from mapt.runtime.monitoring import deadline, output_monitor, timestamps
from mapt.runtime.monitoring.health import Status
from mapt.runtime.perception import fusion, preprocess, sigmoid
from mapt.runtime.persistence import state

HEADER = Path(__file__).parent / "runtime" / "core" / "contract.h"
CONSTANTS: tuple[tuple[str, str, object], ...] = (
    ("int32_t", "kLargest", contract.LARGEST),
    ("int32_t", "kVoid", contract.VOID),
    ("int32_t", "kBundleFormat", bundle.FORMAT),
    ("int32_t", "kBundleSizesFormat", bundle.SIZES_FORMAT),
    ("int32_t", "kBundleBatchFormat", bundle.BATCH_FORMAT),
    ("int32_t", "kPairLimit", bundle.PAIR_LIMIT),
    ("int32_t", "kStateVersion", state.VERSION),
    ("const char*", "kStateKind", state.KIND),
    ("double", "kFar", state.FAR),
    ("double", "kUnit", state.UNIT),
    ("int64_t", "kMaxId", tracks.MAX_ID),
    ("int64_t", "kMaxStamp", timestamps.MAX_STAMP),
    ("int32_t", "kMostSide", preprocess.MOST_SIDE),
    ("int64_t", "kMostPixels", preprocess.MOST_PIXELS),
    ("int32_t", "kStride", fusion.STRIDE),
    ("int32_t", "kCoarse", fusion.COARSE),
    ("float", "kTail", affinity.TAIL),
    ("double", "kGrain", affinity.GRAIN),
    ("float", "kSigmoidLimit", sigmoid.LIMIT),
    *(("float", f"kSigmoidP{power}", value) for power, value in enumerate(sigmoid.P)),
    *(("float", f"kSigmoidQ{power}", value) for power, value in enumerate(sigmoid.Q)),
    ("double", "kRise", deadline.RISE),
    ("double", "kFall", deadline.FALL),
    ("double", "kOutlier", deadline.OUTLIER),
    ("double", "kForget", deadline.FORGET),
)
# Enumerations, each with the names that Python gives its values.
NAMES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("Subgraph", "kSubgraphNames", tuple(spec.name for spec in SUBGRAPHS)),
    ("Head", "kHeadNames", deadline.ORDER),
    ("Stage", "kStageNames", get_args(Stage)),
    ("Alarm", "kAlarmNames", get_args(output_monitor.Alarm)),
    ("Association", "kAssociationNames", get_args(tracks.Association)),
    ("HealthStatus", "kHealthStatusNames", tuple(status.value for status in Status)),
)


def lines() -> Iterator[str]:
    """The lines of the header."""
    yield "// The contract of a bundle and the constants that both trackers share."
    yield "// Made by `python csrc/contract_header.py`; Python modules own the values."
    yield "#pragma once"
    yield ""
    yield "#include <cstdint>"
    yield ""
    yield "namespace mapt {"
    yield ""
    yield from (f"constexpr {kind} {name} = {_literal(kind, v)};" for kind, name, v in CONSTANTS)
    for enum, table, names in NAMES:
        yield from _enumeration(enum, table, names)
    yield from _sizes()
    yield from _thresholds()
    yield from _tensors()
    yield ""
    yield "}  // namespace mapt"


def _enumeration(enum: str, table: str, names: tuple[str, ...]) -> Iterator[str]:
    yield ""
    members = [*(f"k{name.replace('_', ' ').title().replace(' ', '')}" for name in names), "kCount"]
    yield f"enum class {enum} {{ {', '.join(members)} }};"
    quoted = ", ".join(f'"{name}"' for name in names)
    yield f"constexpr const char* {table}[] = {{{quoted}}};"


def _sizes() -> Iterator[str]:
    yield ""
    yield "// Every shape symbol with its value."
    yield "struct Sizes {"
    yield f"  int32_t {', '.join(f'{symbol} = 0' for symbol in SYMBOLS)};"
    yield "};"
    yield ""
    yield "struct SizeSymbol {"
    yield "  char symbol;"
    yield "  int32_t Sizes::* size;"
    yield "};"
    table = ", ".join(f"{{'{symbol}', &Sizes::{symbol}}}" for symbol in SYMBOLS)
    yield f"constexpr SizeSymbol kSymbols[] = {{{table}}};"


def _thresholds() -> Iterator[str]:
    yield ""
    yield "// Decision limits; `mapt/contract.py: Thresholds` explains them."
    yield "struct Thresholds {"
    for field in fields(Thresholds):
        kind = "int64_t" if isinstance(field.default, int) else "double"
        yield f"  {kind} {field.name} = {_literal(kind, field.default)};"
    yield "};"
    yield ""
    yield "// A limit is a whole number or not, and lies within a range."
    yield "struct ThresholdRange {"
    yield "  const char* name;"
    yield "  int64_t Thresholds::* whole;  // null where it is any number"
    yield "  double Thresholds::* number;"
    yield "  double low, high;"
    yield "};"
    yield "constexpr ThresholdRange kRanges[] = {"
    for field in fields(Thresholds):
        member = f"&Thresholds::{field.name}"
        places = f"{member}, nullptr" if isinstance(field.default, int) else f"nullptr, {member}"
        low, high = (_literal("double", value) for value in RANGES[field.name])
        yield f'    {{"{field.name}", {places}, {low}, {high}}},'
    yield "};"


def _tensors() -> Iterator[str]:
    yield ""
    yield "// A dimension: a number where `symbol` is 0, else a symbol divided by `size`."
    yield "struct Dim {"
    yield "  char symbol;"
    yield "  int32_t size;"
    yield "};"
    yield ""
    yield "struct TensorSpec {"
    yield "  const char* name;"
    yield "  const char* dtype;"
    yield "  int32_t rank;"
    yield "  Dim shape[4];"
    yield "  bool host;  // an input that the host makes, or an output that it reads in every frame"
    yield "};"
    yield ""
    yield "struct SubgraphSpec {"
    yield "  const char* name;"
    yield "  const TensorSpec* inputs;"
    yield "  int32_t input_count;"
    yield "  const TensorSpec* outputs;"
    yield "  int32_t output_count;"
    yield "};"
    for spec in SUBGRAPHS:
        for what, tensors in (("Inputs", spec.inputs), ("Outputs", spec.outputs)):
            yield f"constexpr TensorSpec k{spec.name.title()}{what}[] = {{"
            yield from (f"    {_tensor(tensor, _is_host(spec, tensor))}," for tensor in tensors)
            yield "};"
    yield "constexpr SubgraphSpec kSubgraphs[] = {"
    for spec in SUBGRAPHS:
        name = spec.name.title()
        tables = f"k{name}Inputs, {len(spec.inputs)}, k{name}Outputs, {len(spec.outputs)}"
        yield f'    {{"{spec.name}", {tables}}},'
    yield "};"


def _is_host(spec: SubgraphSpec, tensor: TensorSpec) -> bool:
    """Tell whether the host makes an input, or reads an output in every frame."""
    if tensor in spec.outputs:
        return tensor.name in HOST_READS[spec.name]
    made = {output.name for other in SUBGRAPHS for output in other.outputs}
    return tensor.name not in made and tensor.name != "s_prev"  # which the frame before made


def _tensor(tensor: TensorSpec, host: bool) -> str:
    dims = ", ".join(_dim(dim) for dim in tensor.shape)
    told = str(host).lower()
    return f'{{"{tensor.name}", "{tensor.dtype}", {len(tensor.shape)}, {{{dims}}}, {told}}}'


def _dim(dim: Dim) -> str:
    if isinstance(dim, int):
        return f"{{0, {dim}}}"
    symbol, _, divisor = dim.partition("/")
    return f"{{'{symbol}', {divisor or 1}}}"


def _literal(kind: str, value: object) -> str:
    if kind == "const char*":
        return f'"{value}"'
    if kind.startswith("int"):
        return str(int(str(value)))
    text = repr(float(str(value)))
    return f"{text}f" if kind == "float" else text


def main() -> None:
    """Write the header, or compare it; exit code 1 where it is stale."""
    made = "\n".join(["// clang-format off", *lines(), ""])
    if "--check" not in sys.argv[1:]:
        HEADER.write_text(made)
    elif HEADER.read_text() != made:
        raise SystemExit(f"{HEADER.name} is stale; run: python csrc/contract_header.py")


if __name__ == "__main__":
    main()
