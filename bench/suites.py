"""The suites of `mapt bench`: each measures, prints its tables and returns its part of the JSON."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress

from mapt.bench.accuracy.ablation import VARIANTS, out_of_order, run_ablation
from mapt.bench.costs.roofline import measure_limits
from mapt.bench.latency.backend_variants import (
    WITHOUT_PYTORCH,
    BackendVariant,
    list_contenders,
    open_contender,
    standing,
)
from mapt.bench.latency.deadline import SHARES, print_deadlines, run_deadlines
from mapt.bench.latency.interleaved import run_backends
from mapt.bench.latency.isolated import measure_alone
from mapt.bench.report.bench_report import Costs, Json, Row, RunReport, gemm_shares, run_json
from mapt.bench.report.console import (
    print_ablation,
    print_accuracy,
    print_backends,
    print_costs,
    print_latency,
    print_scale,
)
from mapt.bench.report.page.annotated import AnnotatedFrames
from mapt.config import preset
from mapt.cores import usable_cores
from mapt.data.datasets.kitti_step import list_sequences
from mapt.errors import InputError
from mapt.evaluation.evaluate import choose_sequences
from mapt.io.image_files import read_rgb
from mapt.probes import importable
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.backends.protocol import Backend
from mapt.runtime.bundle.manifest import Bundle

if TYPE_CHECKING:
    import torch

SPLIT = "val"
WARM = 3  # frames at the start of which no suite keeps the times


@dataclass(frozen=True)
class Setting:
    """The settings of a suite.

    Attributes:
        console: where tables go.
        bundle: what is measured.
        roots: folders in KITTI-STEP's layout by seed; None stands for data that nobody drew.
        fps: their frames per second.
        threads: of every backend.
        others: bundles beside it.
        compiled: have a row of `torch.compile`, too?
        alone: measure memory and throughput of each backend in a process of its own, too?
        device: of PyTorch's rows; None: the CPU.
        pictures: takes some annotated frames of the run for the report; None: none are wanted.
    """

    console: Console
    bundle: Bundle
    roots: dict[int | None, Path]
    fps: float
    threads: int
    others: list[Bundle] = field(default_factory=list)
    compiled: bool = False
    alone: bool = True
    device: torch.device | None = None
    pictures: AnnotatedFrames | None = None

    @property
    def root(self) -> Path:
        """The first folder."""
        return next(iter(self.roots.values()))

    @property
    def seeds(self) -> list[int]:
        """The seeds of the synthetic data; empty for other data."""
        return [seed for seed in self.roots if seed is not None]

    def progress(self, stack: ExitStack, text: str, total: int) -> Callable[[], None]:
        """Show a progress bar, and return the call that advances it by one."""
        bar = stack.enter_context(Progress(console=self.console, transient=True))
        task = bar.add_task(text, total=total)
        return lambda: bar.advance(task)


def check_frames(root: Path) -> None:
    """Check the data before anything is measured.

    Raises:
        InputError: no data, frames not named by their numbers, or a first sequence that is too
            short to time anything.
    """
    first = choose_sequences(root, SPLIT, ())[0]
    if len(first.images) <= WARM:
        raise InputError(
            f"{root}: sequence {first.name} has {len(first.images)} frames, and times are kept"
            f" after the first {WARM}; give it at least {WARM + 1}"
        )


def has_pytorch() -> bool:
    """Tell whether what counts costs and gives the reference is installed."""
    return all(map(importable, ("torch", "onnx", "safetensors")))


def count_costs(bundle: Bundle) -> Costs:
    """Count what a bundle's network and the paper's motion head cost."""
    from mapt.bench.costs.flops import count_heads, count_motion
    from mapt.bench.costs.graph_flops import count_bundle
    from mapt.evaluation.reference import load_reference

    network = load_reference(bundle)
    return Costs(count_heads(network), count_bundle(bundle, network), count_motion(preset("base")))


def run_suite(setting: Setting) -> Json:
    """Measure cost, latency, memory, accuracy and parity of every available backend.

    Without PyTorch the first backend is ONNX Runtime, and nothing is counted.
    """
    costs = None
    limits = None
    if has_pytorch():
        import torch

        costs = count_costs(setting.bundle)
        print_costs(setting.console, costs)
        torch.set_num_threads(setting.threads)
        limits = measure_limits()
    else:
        setting.console.print(
            f"left out: parameters, FLOPs and the comparison with PyTorch: {WITHOUT_PYTORCH}",
            highlight=False,
            markup=False,
        )
    backends = list[Backend]()
    tried = list[tuple[BackendVariant, InputError | None]]()
    for contender in list_contenders(setting.bundle, setting.others, setting.compiled):
        if contender.kind == "torch-compile":
            setting.console.print(
                "torch.compile translates backbone and semantic head; minutes", highlight=False
            )
        try:
            backends.append(open_contender(contender, setting.threads, setting.device))
            tried.append((contender, None))
        except InputError as error:
            if contender.kind == "ort" or (contender.kind == "torch" and costs):
                raise
            tried.append((contender, error))
    sequences = list_sequences(setting.root, SPLIT)
    with ExitStack() as stack:
        total = sum(len(s.images) for s in sequences)
        on_progress = setting.progress(stack, f"measuring, {setting.threads} threads", total)
        result = run_backends(
            backends,
            setting.root,
            SPLIT,
            setting.fps,
            on_progress=on_progress,
            show=setting.pictures.show if setting.pictures else None,
        )
    providers = {backend.name: dict(backend.providers) for backend in backends}
    del backends
    images = sequences[0].images[0].parent
    rows = []
    for contender, refusal in tried:
        alone = None
        stands = standing(contender, refusal)
        if refusal is None and setting.alone:
            try:
                alone = measure_alone(
                    kind=contender.kind,
                    bundle=contender.bundle.folder,
                    images=images,
                    threads=setting.threads,
                    device=str(setting.device or "cpu"),
                    trust=contender.bundle.trust,
                )
            except RuntimeError as error:
                stands = replace(
                    stands, why=f"memory and throughput in a process of its own failed: {error}"
                )
        shares = {}
        if costs and limits and refusal is None:
            shares = gemm_shares(result, contender.name, costs.subgraphs, limits)
        rows.append(Row(contender, stands, alone, shares, providers.get(contender.name, {})))
    report = RunReport(costs, limits, rows, result)
    print_latency(setting.console, result)
    print_backends(setting.console, report)
    print_accuracy(setting.console, result)
    return run_json(report)


def ablation_suite(setting: Setting) -> Json:
    """The rows of Tables IV to VI.

    Heads of other configurations come with the repository, for the networks that they belong to, or
    with `others`.
    """
    if setting.others and not has_pytorch():
        raise InputError(f"--beside: the ablation reads the bundles' weights; {WITHOUT_PYTORCH}")
    others: dict[str, Bundle] = {}
    for bundle in setting.others:
        from mapt.bench.ablation_heads import rows_of
        from mapt.evaluation.reference import load_reference

        others |= dict.fromkeys(rows_of(load_reference(bundle).config), bundle)
    with ExitStack() as stack:
        on_progress = setting.progress(stack, "ablation", len(VARIANTS) * len(setting.roots))
        if has_pytorch():
            from mapt.bench.ablation_heads import shipped_heads

            others = {**stack.enter_context(shipped_heads(setting.bundle)), **others}
        trained: dict[str, Backend] = {
            name: OrtBackend(bundle, setting.threads) for name, bundle in others.items()
        }
        backend = OrtBackend(setting.bundle, setting.threads)
        found = run_ablation(backend, trained, setting.roots, SPLIT, setting.fps, on_progress)
    print_ablation(setting.console, found, setting.seeds)
    return {
        "heads": _count_heads(setting.bundle),
        "ablation": {
            name: [asdict(s) for s in of_seeds] for name, of_seeds in found.scores.items()
        },
        "ablation_rows": {
            name: {"title": v.title, "paper_PAT": v.paper, **asdict(found.standings[name])}
            for name, v in VARIANTS.items()
        },
        "out_of_order": out_of_order(found.scores),
        "seeds": setting.seeds,
    }


def _count_heads(bundle: Bundle) -> Json:
    """Count parameters and multiply-adds per head; empty without PyTorch."""
    if not has_pytorch():
        return {}
    from mapt.bench.costs.flops import count_heads
    from mapt.evaluation.reference import load_reference

    network = load_reference(bundle)
    return {name: asdict(cost) for name, cost in count_heads(network).items()}


def scale_suite(setting: Setting) -> Json:
    """Measure how the cost grows, with the settings of one run.

    The cost depends on the objects, the threads, the sequence length, the network's input and the
    camera's image.

    Raises:
        InputError: there is no PyTorch, with which networks of other input sizes are exported.
    """
    if not has_pytorch():
        raise InputError(f"--suite scale: exports networks of several sizes; {WITHOUT_PYTORCH}")
    from mapt.bench.latency.scaling import SWEEPS, run_scale

    sequence = list_sequences(setting.root, SPLIT)[0]
    images = [read_rgb(path) for path in sequence.images]
    with ExitStack() as stack:
        on_progress = setting.progress(stack, "scale", len(SWEEPS))
        sweeps = run_scale(setting.bundle, images, setting.threads, usable_cores(), on_progress)
    print_scale(setting.console, sweeps)
    return {
        "scale": {
            name: {
                "title": sweep.title,
                "unit": sweep.unit,
                "series": {
                    s: [{"x": x, "ms": ms} for x, ms in points]
                    for s, points in sweep.series.items()
                },
                "fits": {s: {**asdict(f), "text": str(f)} for s, f in sweep.fits.items()},
            }
            for name, sweep in sweeps.items()
        }
    }


def deadline_suite(setting: Setting) -> Json:
    """Measure what shorter and shorter deadlines cost in accuracy."""
    with ExitStack() as stack:
        on_progress = setting.progress(stack, "deadlines", len(SHARES) + 1)
        backend = OrtBackend(setting.bundle, setting.threads)
        points = run_deadlines(backend, setting.root, SPLIT, setting.fps, on_progress)
    print_deadlines(setting.console, points)
    return {"deadline": [asdict(point) for point in points]}
