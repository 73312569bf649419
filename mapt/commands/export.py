"""`mapt export`: exports a trained network as a bundle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from mapt.commands._shared.completion import complete_with
from mapt.errors import InputError, suggest

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from mapt.export.bundle.compare_outputs import Deviation
    from mapt.export.bundle.writer import Exported, Graph, Request
    from mapt.export.lowering.lowering import Device, Lowering
    from mapt.export.precision.mixed_precision import Precision

PRECISIONS = ("fp32", "fp16", "int8")
LOWERINGS = ("custom", "standard", "gridsample")


def register(app: typer.Typer, name: str) -> None:
    """Attach the command."""
    app.command(name)(export)


def export(  # noqa: PLR0917
    weights: Annotated[
        str, typer.Argument(help="weights written by `mapt train`, nano or nano-synthetic")
    ],
    out: Annotated[Path, typer.Option("--out", help="the bundle's folder")],
    trt: Annotated[
        bool,
        typer.Option("--trt", help="also build TensorRT engines; without a GPU by TensorRT-RTX"),
    ] = False,
    precision: Annotated[
        str,
        typer.Option(
            "--precision",
            help="fp32, fp16 or int8",
            autocompletion=complete_with(lambda: PRECISIONS),
        ),
    ] = "fp32",
    ops: Annotated[
        list[str] | None,
        typer.Option(
            "--ops",
            help="custom, standard (the default) or gridsample; repeated: one for another",
            autocompletion=complete_with(lambda: LOWERINGS),
        ),
    ] = None,
    device: Annotated[
        str, typer.Option("--device", help="of --ops custom graphs: cpu or cuda")
    ] = "cpu",
    size: Annotated[
        list[str] | None,
        typer.Option("--size", help="network input HxW, pixels; repeated: several in one bundle"),
    ] = None,
    zoom: Annotated[
        bool,
        typer.Option("--zoom", help="see the middle of the frame twice as large, too"),
    ] = False,
    batch: Annotated[
        int,
        typer.Option("--batch", help="images of different cameras that a call of the graphs takes"),
    ] = 1,
    video: Annotated[
        Path | None,
        typer.Option("--for", help="choose sizes for this video or folder of frames"),
    ] = None,
    keep_weights: Annotated[
        bool, typer.Option("--weights/--no-weights", help="put the weights into the bundle")
    ] = True,
    licence: Annotated[
        str | None, typer.Option("--licence", help="of the weights, for a bundle of several sizes")
    ] = None,
    targets: Annotated[
        str | None, typer.Option("--targets", help="GPU generations for --trt: sm75,sm86,...")
    ] = None,
    calibrate: Annotated[
        Path | None, typer.Option("--calibrate", help="frames for int8's ranges")
    ] = None,
    gate: Annotated[
        Path | None,
        typer.Option("--gate", help="labelled frames that decide which heads bear --precision"),
    ] = None,
    timing_cache: Annotated[
        Path | None, typer.Option("--timing-cache", help="TensorRT's measurements, kept")
    ] = None,
    sign: Annotated[
        Path | None, typer.Option("--sign", help="sign with this private Ed25519 key (PEM)")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="compare with PyTorch on one picture")
    ] = True,
    verify: Annotated[
        Path | None,
        typer.Option(
            "--verify", help="then compare with PyTorch on these frames, video or dataset"
        ),
    ] = None,
    fps: Annotated[float, typer.Option("--fps", min=0.1, help="of the frames for --verify")] = 10.0,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="write what --verify found here")
    ] = None,
) -> None:
    """Export weights to a bundle that the runtime loads without PyTorch.

    Every subgraph is traced to ONNX and checked.
    """
    lowerings = tuple(ops or ["standard"])
    _check_values(precision, lowerings, device)
    if precision == "fp32" and (calibrate or gate):
        raise InputError(
            "--calibrate and --gate are for a lower precision; add --precision fp16 or int8"
        )
    if not trt and (targets or timing_cache):
        raise InputError("--targets and --timing-cache are for TensorRT engines; add --trt")
    if json_file and not verify:
        raise InputError("--json: holds what --verify found; add --verify DATA")
    from mapt.commands._shared.input_sizes import network_sizes
    from mapt.commands._shared.model import find_weights
    from mapt.commands._shared.size import check_rate
    from mapt.io.atomic_files import check_writable

    check_rate(fps)
    check_writable(json_file, "--json")
    check_writable(timing_cache, "--timing-cache")
    from rich.console import Console
    from rich.progress import Progress

    from mapt.bench.parity.clips import open_clips
    from mapt.export.bundle.writer import Request
    from mapt.export.precision.mixed_precision import Frames

    wanted = tuple(t.strip() for t in (targets or "").split(",") if t.strip()) if trt else None
    request = Request(
        None,
        cast("Lowering", lowerings[0]),
        cast("Precision", precision),
        Frames(calibrate, gate),
        wanted,
        timing_cache,
        sign,
        cast("Device", device),
        keep_weights,
        batch=batch,
        zoom=zoom or None,
    )
    source = find_weights(weights)
    sizes = network_sizes(size, video, source if len(lowerings) > 1 else None)
    requests = [
        replace(request, size=one, lowering=cast("Lowering", lowering))
        for one in sizes
        for lowering in lowerings
    ]
    if len(requests) > 1 and json_file:
        raise InputError("--json: is for a bundle of one size; leave it out, or give one --size")
    if batch != 1 and len(requests) > 1:
        raise InputError("--batch: is for a bundle of one size; leave it out, or give one --size")
    if batch != 1 and verify:
        raise InputError("--verify: tracks one camera; leave it out, or export without --batch")
    if len(requests) == 1 and licence:
        raise InputError("--licence: is for a bundle of several sizes; repeat --size")
    clips = open_clips(verify, fps) if verify else []  # a wrong path is said before the work
    console = Console()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("exporting", total=None)
        parts, identity = _export(
            source, out, requests, licence, lambda n: progress.update(task, description=n)
        )
    for (folder, exported), one in zip(parts.items(), requests, strict=True):
        _show(console, folder, exported, one, source, check=check)
    console.print(f"bundle: {out} (id {identity[:12]})", highlight=False, soft_wrap=True)
    if clips:
        from mapt.commands._shared.parity import verify_bundle
        from mapt.runtime.bundle.manifest import read_bundle

        for folder in parts:
            verify_bundle(console, read_bundle(folder), clips, json_file=json_file)


def _export(
    weights: Path,
    out: Path,
    requests: list[Request],
    licence: str | None,
    on_progress: Callable[[str], None],
) -> tuple[dict[Path, Exported], str]:
    """Export one size or several; return what each became by its path, and the bundle's id."""
    from mapt.export.bundle.sizes import export_sizes
    from mapt.export.bundle.writer import export_bundle
    from mapt.io.pretrained import licence_of

    if len(requests) == 1:
        exported = export_bundle(weights, out, requests[0], on_progress)
        return {out: exported}, exported.id
    several = export_sizes(weights, out, requests, licence or licence_of(weights), on_progress)
    return {out / name: part for name, part in several.parts.items()}, several.id


def _show(
    console: Console,
    folder: Path,
    exported: Exported,
    request: Request,
    weights: Path,
    *,
    check: bool,
) -> None:
    """Print what one size of a bundle became, and compare it with PyTorch."""
    from mapt.commands._shared import export_tables as tables

    differences = _differences(folder, weights, request.zoom) if check else {}
    if request.size:
        size = f"{request.size[0]}x{request.size[1]}"
        console.print(f"input {size}, --ops {request.lowering}", highlight=False)
    tables.show_graphs(console, exported.graphs, differences)
    if exported.lowered:
        told = request.frames.described()
        tables.show_trials(console, exported.lowered, request.precision, told)
    tables.show_engines(console, exported.engines, exported.refused, folder)
    _judge(folder, exported.graphs, differences)


def _judge(out: Path, graphs: list[Graph], differences: dict[str, Deviation]) -> None:
    from mapt.export.bundle.compare_outputs import TOLERANCE

    exact = [differences[g.name] for g in graphs if g.name in differences and g.precision == "fp32"]
    worst = max(exact, key=lambda d: d.relative, default=None)
    if worst and worst.relative > TOLERANCE:
        raise RuntimeError(
            f"{out}: {worst.subgraph} differs from PyTorch by {worst.relative:.1e} of"
            f" {worst.tensor}'s largest value, more than {TOLERANCE:g}; do not deploy this bundle"
        )


def _check_values(precision: str, lowerings: tuple[str, ...], device: str) -> None:
    """Refuse values of --precision, --ops and --device before any work.

    Only graphs with MAPT's own operators are made for one kind of device.
    """
    choices = (
        ("--precision", (precision,), PRECISIONS),
        ("--ops", lowerings, LOWERINGS),
        ("--device", (device,), ("cpu", "cuda")),
    )
    for option, values, known in choices:
        for value in values:
            if value not in known:
                raise InputError(f"{option} {value}: unknown; {suggest(value, known)}")
    if device == "cuda" and lowerings != ("custom",):
        others = " and ".join(lowerings)
        raise InputError(
            f"--device cuda: is for --ops custom; graphs of --ops {others} run on both"
        )
    if len(lowerings) > 1 and "custom" in lowerings:
        raise InputError("--ops custom: goes with no other; export two bundles")


def _differences(folder: Path, weights: Path, zoom: bool | None) -> dict[str, Deviation]:
    from mapt.evaluation.torch_backend import TorchBackend
    from mapt.export.bundle.compare_outputs import compare
    from mapt.runtime.backends.ort import OrtBackend
    from mapt.runtime.bundle.manifest import read_bundle

    bundle = read_bundle(folder, batched=True)
    size = bundle.info.height, bundle.info.width
    reference = TorchBackend.load(weights, size, zoom=zoom)
    backend = OrtBackend(bundle, device="cpu")
    return {d.subgraph: d for d in compare(reference, backend, bundle.batch)}
