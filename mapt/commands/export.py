"""`mapt export`: exports a trained network as a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from mapt.commands._shared.completion import complete_with
from mapt.errors import InputError, suggest

if TYPE_CHECKING:
    from mapt.export.bundle.compare_outputs import Deviation
    from mapt.export.bundle.writer import Graph
    from mapt.export.lowering.lowering import Device, Lowering
    from mapt.export.precision.mixed_precision import Precision

PRECISIONS = ("fp32", "fp16", "int8")
LOWERINGS = ("custom", "standard", "gridsample")


def register(app: typer.Typer, name: str) -> None:
    """Attach the command."""
    app.command(name)(export)


def export(  # noqa: PLR0917
    weights: Annotated[Path, typer.Argument(help="weights written by `mapt train`")],
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
        str,
        typer.Option(
            "--ops",
            help="custom, standard or gridsample",
            autocompletion=complete_with(lambda: LOWERINGS),
        ),
    ] = "standard",
    device: Annotated[
        str, typer.Option("--device", help="of --ops custom graphs: cpu or cuda")
    ] = "cpu",
    size: Annotated[str | None, typer.Option("--size", help="network input HxW, pixels")] = None,
    targets: Annotated[
        str | None, typer.Option("--targets", help="GPU generations for --trt: sm75,sm80,...")
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
    _available(precision, ops)
    _check_device(device, ops)
    if precision == "fp32" and (calibrate or gate):
        raise InputError(
            "--calibrate and --gate are for a lower precision; add --precision fp16 or int8"
        )
    if not trt and (targets or timing_cache):
        raise InputError("--targets and --timing-cache are for TensorRT engines; add --trt")
    if json_file and not verify:
        raise InputError("--json: holds what --verify found; add --verify DATA")
    from mapt.commands._shared.size import check_rate
    from mapt.io.atomic_files import check_writable

    check_rate(fps)
    check_writable(json_file, "--json")
    check_writable(timing_cache, "--timing-cache")
    from rich.console import Console
    from rich.progress import Progress

    from mapt.bench.parity.clips import open_clips
    from mapt.commands._shared import export_tables as tables
    from mapt.commands._shared.parity import verify_bundle
    from mapt.commands._shared.size import network_size
    from mapt.export.bundle.writer import Request, export_bundle
    from mapt.export.precision.mixed_precision import Frames

    wanted = tuple(t.strip() for t in (targets or "").split(",") if t.strip()) if trt else None
    request = Request(
        network_size(size),
        cast("Lowering", ops),
        cast("Precision", precision),
        Frames(calibrate, gate),
        wanted,
        timing_cache,
        sign,
        cast("Device", device),
    )
    clips = open_clips(verify, fps) if verify else []  # a wrong path is said before the work
    console = Console()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("exporting", total=None)
        on_progress = export_bundle(
            weights, out, request, lambda name: progress.update(task, advance=1, description=name)
        )
    differences = _differences(out) if check else {}
    tables.show_graphs(console, on_progress.graphs, differences)
    if on_progress.lowered:
        tables.show_trials(console, on_progress.lowered, precision, request.frames.described())
    tables.show_engines(console, on_progress.engines, on_progress.refused, out)
    _judge(out, on_progress.graphs, differences)
    console.print(f"bundle: {out} (id {on_progress.id[:12]})", highlight=False, soft_wrap=True)
    if clips:
        from mapt.runtime.bundle.manifest import read_bundle

        verify_bundle(console, read_bundle(out), clips, json_file=json_file)


def _judge(out: Path, graphs: list[Graph], differences: dict[str, Deviation]) -> None:
    from mapt.export.bundle.compare_outputs import TOLERANCE

    exact = [differences[g.name] for g in graphs if g.name in differences and g.precision == "fp32"]
    worst = max(exact, key=lambda d: d.relative, default=None)
    if worst and worst.relative > TOLERANCE:
        raise RuntimeError(
            f"{out}: {worst.subgraph} differs from PyTorch by {worst.relative:.1e} of"
            f" {worst.tensor}'s largest value, more than {TOLERANCE:g}; do not deploy this bundle"
        )


def _available(precision: str, ops: str) -> None:
    """Refuse unknown values of --precision and --ops, before any work."""
    for option, value, known in (
        ("--precision", precision, PRECISIONS),
        ("--ops", ops, LOWERINGS),
    ):
        if value not in known:
            raise InputError(f"{option} {value}: unknown; {suggest(value, known)}")


def _check_device(device: str, ops: str) -> None:
    """Refuse an unknown device, or CUDA for graphs that run on both devices.

    Only graphs with MAPT's own operators are made for one kind of device.
    """
    if device not in ("cpu", "cuda"):
        raise InputError(f"--device {device}: unknown; {suggest(device, ('cpu', 'cuda'))}")
    if device == "cuda" and ops != "custom":
        raise InputError(f"--device cuda: is for --ops custom; graphs of --ops {ops} run on both")


def _differences(out: Path) -> dict[str, Deviation]:
    from mapt.evaluation.torch_backend import TorchBackend
    from mapt.export.bundle.compare_outputs import compare
    from mapt.runtime.backends.ort import OrtBackend
    from mapt.runtime.bundle.manifest import read_bundle

    bundle = read_bundle(out)
    found = compare(
        TorchBackend.load(out / "weights.safetensors"), OrtBackend(bundle, device="cpu")
    )
    return {d.subgraph: d for d in found}
