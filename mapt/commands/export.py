"""`mapt export`: a trained network as a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from mapt.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from mapt.export.bundle import Graph
    from mapt.export.check import Deviation
    from mapt.export.lowering import Lowering
    from mapt.export.precision import Lowered, Precision
    from mapt.export.tensorrt import Engine

TOLERANCE = 2e-4  # of each tensor's largest value; for integers the share of elements that differ


def register(app: typer.Typer, name: str) -> None:
    """Attach the command."""
    app.command(name)(export)


def export(  # noqa: PLR0917
    weights: Annotated[Path, typer.Argument(help="weights written by `mapt train`")],
    out: Annotated[Path, typer.Option("--out", help="the bundle's folder")],
    trt: Annotated[
        bool, typer.Option("--trt", help="also build TensorRT engines; without a GPU by TensorRT-RTX")
    ] = False,
    precision: Annotated[str, typer.Option("--precision", help="fp32, fp16 or int8")] = "fp32",
    ops: Annotated[str, typer.Option("--ops", help="custom, standard or gridsample")] = "standard",
    size: Annotated[str | None, typer.Option("--size", help="network input HxW, pixels")] = None,
    targets: Annotated[str | None, typer.Option("--targets", help="GPU generations for --trt: sm75,sm80,...")] = None,
    calibrate: Annotated[Path | None, typer.Option("--calibrate", help="frames for int8's ranges")] = None,
    gate: Annotated[
        Path | None, typer.Option("--gate", help="labelled frames that decide which heads bear --precision")
    ] = None,
    timing_cache: Annotated[Path | None, typer.Option("--timing-cache", help="TensorRT's measurements, kept")] = None,
    sign: Annotated[Path | None, typer.Option("--sign", help="sign with this private Ed25519 key (PEM)")] = None,
    check: Annotated[bool, typer.Option("--check/--no-check", help="compare with PyTorch on one picture")] = True,
) -> None:
    """Trace every subgraph to ONNX, check it, and write a bundle that the runtime loads without PyTorch."""
    _available(precision, ops)
    if precision == "fp32" and (calibrate or gate):
        raise InputError("--calibrate and --gate are for a lower precision; add --precision fp16 or int8")
    if not trt and (targets or timing_cache):
        raise InputError("--targets and --timing-cache are for TensorRT engines; add --trt")
    from rich.console import Console
    from rich.progress import Progress

    from mapt.commands._size import network_size
    from mapt.export.bundle import Request, export_bundle
    from mapt.export.precision import Frames

    wanted = tuple(t.strip() for t in (targets or "").split(",") if t.strip()) if trt else None
    request = Request(
        network_size(size), cast("Lowering", ops), cast("Precision", precision), Frames(calibrate, gate), wanted,
        timing_cache, sign,
    )  # fmt: skip
    console = Console()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("exporting", total=None)
        done = export_bundle(weights, out, request, lambda name: progress.update(task, advance=1, description=name))
    differences = _differences(out) if check else {}
    _show_graphs(console, done.graphs, differences)
    if done.lowered:
        _show_trials(console, done.lowered, precision)
    if done.engines:
        _show_engines(console, done.engines, out)
    exact = [differences[g.name] for g in done.graphs if g.name in differences and g.precision == "fp32"]
    worst = max(exact, key=lambda d: d.relative, default=None)
    if worst and worst.relative > TOLERANCE:
        raise RuntimeError(
            f"{out}: {worst.subgraph} differs from PyTorch by {worst.relative:.1e} of {worst.tensor}'s largest value, "
            f"more than {TOLERANCE:g}; do not deploy this bundle"
        )
    console.print(f"bundle: {out} (id {done.id[:12]})", highlight=False, soft_wrap=True)


def _show_graphs(console: Console, graphs: list[Graph], differences: dict[str, Deviation]) -> None:
    """One row per subgraph."""
    from rich.table import Table

    table = Table("subgraph", "precision", "parameters", "nodes", "size")
    if differences:
        table.add_column("largest difference from PyTorch")
    for graph in graphs:
        size = f"{graph.size / 2**20:.1f} MiB"
        row = [graph.name, graph.precision, f"{graph.parameters / 1e6:.3f} M", str(graph.nodes), size]
        if differences:
            row.append(f"{differences[graph.name].relative:.1e} ({differences[graph.name].tensor})")
        table.add_row(*row)
    console.print(table)


def _show_trials(console: Console, lowered: Lowered, precision: str) -> None:
    """What each head costs in the lower precision and gains by it, and what passed."""
    from rich.table import Table

    table = Table(f"in {precision}", "PAT", "TQ", "IDS", "ms fp32", f"ms {precision}")
    for trial in lowered.verdict.trials:
        score, ms = trial.score, [lowered.ms[head] for head in trial.heads or lowered.ms]
        full, lower = (f"{sum(column):.1f}" for column in zip(*ms, strict=True))
        last = lower if trial.heads else ""
        table.add_row(trial.name, f"{score.pat:.4f}", f"{score.tq:.4f}", str(score.ids), full, last)
    console.print(table)
    console.print(f"{precision}: {', '.join(lowered.verdict.kept) or 'no head passed'}", highlight=False)


def _show_engines(console: Console, engines: list[Engine], out: Path) -> None:
    """One row per target; what was not proven is said."""
    from rich.table import Table

    table = Table("target", "engines", "size", "seconds", "layers")
    for target in dict.fromkeys(e.target for e in engines):
        own = [e for e in engines if e.target == target]
        size = sum((out / e.file).stat().st_size for e in own)
        layers = sum(n for e in own for types in e.layers.values() for n in types.values())
        row = (str(len(own)), f"{size / 2**20:.1f} MiB", f"{sum(e.seconds for e in own):.1f}", str(layers))
        table.add_row(target, *row)
    console.print(table)
    console.print(f"{engines[0].library} built them; they were not run here, which needs such a GPU", highlight=False)


def _available(precision: str, ops: str) -> None:
    """Refuse what this version does not build yet, before any work."""
    for option, value, known in (("--precision", precision, ("fp32", "fp16", "int8")),
                                 ("--ops", ops, ("custom", "standard", "gridsample"))):  # fmt: skip
        if value not in known:
            raise InputError(f"{option} {value}: unknown; choose one of {', '.join(known)}")


def _differences(out: Path) -> dict[str, Deviation]:
    from mapt.export.check import compare
    from mapt.runtime.bundle import read_bundle
    from mapt.runtime.ort import OrtBackend
    from mapt.training.backend import TorchBackend

    bundle = read_bundle(out)
    found = compare(TorchBackend.load(out / "weights.safetensors"), OrtBackend(bundle))
    return {d.subgraph: d for d in found}
