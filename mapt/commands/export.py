"""`mapt export`: a trained network as a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from mapt.errors import InputError

if TYPE_CHECKING:
    from mapt.export.check import Deviation
    from mapt.export.lowering import Lowering

TOLERANCE = 2e-4  # of each tensor's largest value; for integers the share of elements that differ


def register(app: typer.Typer, name: str) -> None:
    """Attach the command."""
    app.command(name)(export)


def export(
    weights: Annotated[Path, typer.Argument(help="weights written by `mapt train`")],
    out: Annotated[Path, typer.Option("--out", help="the bundle's folder")],
    trt: Annotated[bool, typer.Option("--trt", help="also build TensorRT engines")] = False,
    precision: Annotated[str, typer.Option("--precision", help="fp32, fp16 or int8")] = "fp32",
    ops: Annotated[str, typer.Option("--ops", help="custom, standard or gridsample")] = "standard",
    size: Annotated[str | None, typer.Option("--size", help="network input HxW, pixels")] = None,
    check: Annotated[bool, typer.Option("--check/--no-check", help="compare with PyTorch on one picture")] = True,
) -> None:
    """Trace every subgraph to ONNX, check it, and write a bundle that the runtime loads without PyTorch."""
    _available(trt, precision, ops)
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    from mapt.commands._size import network_size
    from mapt.contract import SUBGRAPHS
    from mapt.export.bundle import export_bundle

    console = Console()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("exporting", total=len(SUBGRAPHS))
        identity, graphs = export_bundle(
            weights, out, network_size(size), cast("Lowering", ops), lambda _: progress.advance(task)
        )
    table = Table("subgraph", "parameters", "nodes", "size", *(["largest difference from PyTorch"] if check else []))
    differences = _differences(out) if check else {}
    for graph in graphs:
        row = [graph.name, f"{graph.parameters / 1e6:.3f} M", str(graph.nodes), f"{graph.size / 2**20:.1f} MiB"]
        if check:
            row.append(f"{differences[graph.name].relative:.1e} ({differences[graph.name].tensor})")
        table.add_row(*row)
    console.print(table)
    worst = max(differences.values(), key=lambda d: d.relative, default=None)
    if worst and worst.relative > TOLERANCE:
        raise RuntimeError(
            f"{out}: {worst.subgraph} differs from PyTorch by {worst.relative:.1e} of {worst.tensor}'s largest value, "
            f"more than {TOLERANCE:g}; do not deploy this bundle"
        )
    console.print(f"bundle: {out} (id {identity[:12]})", highlight=False, soft_wrap=True)


def _available(trt: bool, precision: str, ops: str) -> None:
    """Refuse what this version does not build yet, before any work."""
    for option, value, known in (("--precision", precision, ("fp32", "fp16", "int8")),
                                 ("--ops", ops, ("custom", "standard", "gridsample"))):  # fmt: skip
        if value not in known:
            raise InputError(f"{option} {value}: unknown; choose one of {', '.join(known)}")
    if trt:
        raise InputError(
            "--trt: TensorRT engines are not available in this version; export without it and run on ONNX Runtime"
        )
    if precision != "fp32" or ops == "custom":
        raise InputError(
            f"--precision {precision} --ops {ops}: this version exports fp32 with standard or gridsample operators only"
        )


def _differences(out: Path) -> dict[str, Deviation]:
    from mapt.export.check import compare
    from mapt.runtime.bundle import read_bundle
    from mapt.runtime.ort import OrtBackend
    from mapt.training.backend import TorchBackend

    bundle = read_bundle(out)
    found = compare(TorchBackend.load(out / "weights.safetensors"), OrtBackend(bundle))
    return {d.subgraph: d for d in found}
