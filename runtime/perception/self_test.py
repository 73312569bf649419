"""Compares a bundle's outputs here with those it gave when it was exported.

The bundle holds a golden picture and its outputs for that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapt.contract import BY_NAME, NO_ROW, SUBGRAPHS, ModelInfo
from mapt.errors import InputError
from mapt.runtime.backends.ort_providers import TF32, brief
from mapt.runtime.backends.protocol import Backend, Tensors, on_host
from mapt.runtime.bundle.golden import Layout, read_arrays
from mapt.runtime.bundle.manifest import Bundle
from mapt.runtime.perception.pipeline import padded

SAMPLES = 4096  # values kept of each tensor
# Largest difference as a share of a tensor's largest value: kernels differ from processor to
# processor. TF32 has as many bits as fp16.
TOLERANCE = {"fp32": 2e-3, "tf32": 3e-2, "fp16": 3e-2, "int8": 0.15}
# What the heads behind the detections are given, so that two nearly equal scores may change places.
GIVEN = ("boxes", "mask_logits", "masks8")
ORDERED = {"instance": ("scores", "count")}  # its other outputs follow the order of detections


def run_golden(
    backend: Backend, image: NDArray[np.uint8], given: Tensors | None = None
) -> tuple[Tensors, Tensors]:
    """Run every subgraph once.

    Args:
        backend: of the bundle.
        image: (1,H,W,3) uint8.
        given: boxes, mask logits and masks of the first N slots; None: this run's own.

    Returns:
        Samples of what every subgraph gave, by "subgraph.output", and `given`.

    Raises:
        InputError: a subgraph does not run.
    """
    known: dict[str, Any] = {"image": image}
    found: dict[str, Mapping[str, Any]] = {}

    def run(name: str) -> None:
        inputs = {t.name: known[t.name] for t in BY_NAME[name].inputs}
        try:
            found[name] = backend.run(name, inputs)
        except Exception as error:  # its errors have no common class
            raise InputError(
                f"the golden picture's {name} fails{_on(backend, name)} ({brief(error)}); try"
                " another device or backend"
            ) from error
        known.update(found[name])

    names = [spec.name for spec in SUBGRAPHS]
    first_given = names.index("instance") + 1  # of the heads that read detections
    for name in names[:first_given]:
        run(name)
    count = backend.info.sizes["N"]
    given = given or {
        name: padded(on_host(found["instance"][name])[:count], count) for name in GIVEN
    }
    known |= later_inputs(backend.info, given, on_host(known["s"]))
    for name in names[first_given:]:
        run(name)
    samples = {
        f"{name}.{output}": _sample(on_host(tensor))
        for name, outputs in found.items()
        for output, tensor in outputs.items()
        if output in ORDERED.get(name, outputs)
    }
    return samples, given


def later_inputs(info: ModelInfo, given: Tensors, s: NDArray[np.float32]) -> Tensors:
    """What the heads behind the detections read beside the pyramid and `s`.

    Args:
        info: of the network.
        given: `GIVEN` of the first N slots, which are also the tracks of the frame before.
        s: semantic features; the frame before has them a cell aside.
    """
    slots = info.sizes["D"]
    rows = np.arange(info.sizes["N"], dtype=np.int32)
    return {
        **{name: padded(values[:slots], slots) for name, values in given.items()},
        "rows": np.where(rows < slots, rows, np.int32(NO_ROW)),
        "masks_prev": given["masks8"],
        "s_prev": np.ascontiguousarray(np.roll(s, 1, -1)),
    }


def write_golden(path: Path, backend: Backend, image: NDArray[np.uint8]) -> None:
    """Write the golden picture, its outputs, and the inputs of the later heads.

    The same arrays give the same bytes.
    """
    samples, given = run_golden(backend, image)
    np.savez_compressed(path, image=image, **given, **samples)  # type: ignore[arg-type]


def layout(info: ModelInfo) -> Layout:
    """Type and shape of every array of a network's golden file, by name."""
    arrays = {"image": ("uint8", BY_NAME["backbone"].inputs[0].resolve(info.sizes))}
    for tensor in BY_NAME["instance"].outputs:
        if tensor.name in GIVEN:
            _, *rest = tensor.resolve(info.sizes)
            arrays[tensor.name] = tensor.dtype, (info.sizes["N"], *rest)
    for spec in SUBGRAPHS:
        for tensor in spec.outputs:
            if tensor.name in ORDERED.get(spec.name, (tensor.name,)):
                kept = len(_places(math.prod(tensor.resolve(info.sizes))))
                arrays[f"{spec.name}.{tensor.name}"] = tensor.dtype, (kept,)
    return arrays


def self_test(backend: Backend, bundle: Bundle) -> None:
    """Run the bundle's picture and compare.

    The lowest precision of its subgraphs decides how much may differ.

    Args:
        backend: of the bundle.
        bundle: with a golden picture.

    Raises:
        InputError: the file is not what it should be, or an output differs by more than the
            precisions explain.
    """
    golden = bundle.golden
    assert golden, "the bundle has no golden picture"
    try:
        wanted = read_arrays(bundle.contents.read(golden), layout(bundle.info))
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{golden}: cannot be compared ({reason}); export the bundle again"
        ) from None
    image = wanted.pop("image").astype(np.uint8, copy=False)
    given = {name: wanted.pop(name) for name in GIVEN}
    samples, _ = run_golden(backend, image, given)
    differences = {name: difference(wanted[name], samples[name]) for name in samples}
    worst = max(differences, key=lambda name: differences[name])
    in_tf32 = any(TF32 in runs for runs in _providers(backend).values())
    limit = max(TOLERANCE[p] for p in (*bundle.precisions.values(), *(["tf32"] if in_tf32 else [])))
    if not differences[worst] <= limit:
        raise InputError(
            f"{golden}: {worst} differs by {differences[worst]:.1e} of its largest value from what"
            " the bundle gave when it was exported, more than"
            f" {limit:g}{_on(backend, worst.partition('.')[0])}; update ONNX Runtime, try device"
            " 'cpu', or export the bundle with this one"
        )


def _providers(backend: Backend) -> Mapping[str, str]:
    """Return what runs each subgraph; empty if a host's own backend does not tell."""
    return getattr(backend, "providers", {})


def _on(backend: Backend, subgraph: str) -> str:
    """Name what ran a subgraph, for a message."""
    runs = _providers(backend).get(subgraph)
    return f", run by {runs}" if runs else ""


def _sample(tensor: NDArray[np.generic]) -> NDArray[np.generic]:
    flat = tensor.ravel()
    places = _places(len(flat))
    return flat[places.start : places.stop : places.step]


def _places(count: int) -> range:
    """Return the indices of the values that are kept of a tensor of this size."""
    return range(0, count, max(1, count // SAMPLES))[:SAMPLES]


def difference(want: NDArray[np.generic], got: NDArray[np.generic]) -> float:
    """Return the difference between two arrays.

    For floats it is the largest difference as a share of the largest value, or inf if a value is
    not finite. For integers it is the share of values that differ.
    """
    if want.shape != got.shape:
        return float("inf")
    if np.issubdtype(want.dtype, np.integer):
        return float((want != got).mean())
    if not (np.isfinite(want).all() and np.isfinite(got).all()):
        return float("inf")
    scale = float(np.abs(want).max(initial=0.0)) or 1.0
    return float(np.abs(want.astype(np.float64) - got.astype(np.float64)).max(initial=0.0)) / scale
