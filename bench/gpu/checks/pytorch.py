"""The PyTorch network on the GPU: beside the CPU's, in CUDA graphs, and what it launches."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from mapt.bench.gpu import device as device_
from mapt.bench.gpu.checks.bundles import street, trained
from mapt.bench.gpu.checks.ort import compare, judged, track
from mapt.bench.gpu.context import Context, Result
from mapt.bench.gpu.device import first_line, milliseconds, synchronize, tf32
from mapt.config import preset
from mapt.contract import SUBGRAPHS
from mapt.evaluation.torch_backend import TorchBackend
from mapt.io.pretrained import shipped_weights
from mapt.model.network import Network
from mapt.model.subgraphs import build_subgraphs
from mapt.model.weights import load_weights

CLOSE = 1e-4  # a replay beside the eager run, as a share of a tensor's largest value


def network(context: Context, name: str = "nano") -> Network:
    """A network on the device: the trained `nano`, else random weights."""
    if name == "nano" and trained():
        made = load_weights(shipped_weights(), size=context.size())
    else:
        torch.manual_seed(3)
        height, width = context.size()
        made = Network(preset(name, height=height, width=width))
    return made.eval().to(context.device)


def frames(context: Context) -> Result:
    """Labels and ids of the trained network beside those on the CPU, without TF32."""
    images = list(street(context, 2 if context.small else 10))
    want = track(TorchBackend(network(Context("cpu", context.small, context.folder))), images)
    backend = TorchBackend(network(context))
    with tf32(False):
        got = track(backend, images)
        again = track(backend, images)
    found: dict[str, Any] = compare(want, got)
    steady = again[len(again) // 2 :]
    stages = {
        stage: statistics.median(f.timings_ms.get(stage, 0.0) for f in steady)
        for stage in steady[-1].timings_ms
    }
    faults = judged("nano", found, context)
    if compare(got, again)["ids_differ"]:
        faults.append("the second run of the same frames has other ids")
    same = f"the CPU's tracks in {found['same_tracks']} of {found['frames']} frames"
    line = f"{same}, {stages['frame']:.1f} ms a frame"
    return Result(line, {**found, "stages_ms": stages}, tuple(faults))


def inputs(context: Context, made: Network) -> dict[str, tuple[Tensor, ...]]:
    """What each subgraph reads on one frame of a street, on the device."""
    graphs = build_subgraphs(made)
    known = {"image": torch.from_numpy(next(street(context, 1)))[None].to(context.device)}
    taken: dict[str, tuple[Tensor, ...]] = {}
    rows = made.config.motion_batch
    for spec in SUBGRAPHS:
        if spec.name == "motion":
            known |= {"s_prev": known["s"].roll(1, -1), "masks_prev": known["masks8"][:rows]}
            known["rows"] = torch.arange(rows, dtype=torch.int32, device=context.device)
        taken[spec.name] = tuple(known[t.name] for t in spec.inputs)
        found = _run(graphs[spec.name], taken[spec.name])
        known |= dict(zip((t.name for t in spec.outputs), found, strict=True))
    return taken


def captured(call: Callable[[], list[Tensor]], context: Context) -> tuple[dict[str, float], str]:
    """Measure a subgraph eagerly and as a CUDA graph, and list its faults."""
    want = [t.clone() for t in call()]
    ms = {"ms": milliseconds(call, context.device, context.rounds())}
    try:
        replay, out = device_.capture(call, context.device)
        replay()
        synchronize(context.device)
        ms["graphed_ms"] = milliseconds(replay, context.device, context.rounds())
    except Exception as error:  # what is looked for
        return ms, f"cannot be captured, {first_line(error)}"
    far = max(_apart(a, b) for a, b in zip(out, want, strict=True))
    return ms, "" if far <= CLOSE else f"the replay differs by {far:.1e}"


def _run(graph: nn.Module, arguments: tuple[Tensor, ...]) -> list[Tensor]:
    found = graph(*arguments)
    return list(found) if isinstance(found, tuple) else [found]


def _apart(got: Tensor, want: Tensor) -> float:
    scale = float(want.double().abs().max()) or 1.0 if want.numel() else 1.0
    return float((got.double() - want.double()).abs().max()) / scale if want.numel() else 0.0


@torch.no_grad()
def capture(context: Context) -> Result:
    """Each subgraph of `nano` and `base` captured in a CUDA graph, and replayed."""
    work: dict[tuple[str, str], Callable[[], list[Tensor]]] = {}
    for name in ("nano",) if context.small else ("nano", "base"):
        made = network(context, name)
        graphs = build_subgraphs(made)
        for title, arguments in inputs(context, made).items():
            work[name, title] = partial(_run, graphs[title], arguments)
    values = dict[str, Any]()
    faults = list[str]()
    rows = list[str]()
    # The instance heads come last: a capture that fails may leave nothing that works behind it.
    for name, title in sorted(work, key=lambda key: key[1] == "instance"):
        ms, fault = captured(work[name, title], context)
        values[f"{name} {title}"] = ms
        faults += [f"{name} {title}: {fault}"] if fault else []
        graphed = f"{ms['graphed_ms']:8.2f}" if "graphed_ms" in ms else "       -"
        rows.append(f"{name:5} {title:11} eager {ms['ms']:8.2f} ms, graphed {graphed} ms")
    count = sum("graphed_ms" in ms for ms in values.values())
    line = f"{count} of {len(values)} subgraphs captured"
    return Result(line, values, tuple(faults), tuple(rows))


@torch.no_grad()
def launches(context: Context) -> Result:
    """Kernels that each subgraph of `nano` launches, and the copies between host and device."""
    from torch.profiler import ProfilerActivity, profile

    made = network(context)
    graphs = build_subgraphs(made)
    given = inputs(context, made)
    values = dict[str, Any]()
    kinds = [ProfilerActivity.CPU]
    if context.device == "cuda":
        kinds.append(ProfilerActivity.CUDA)
    for title, arguments in given.items():
        graphs[title](*arguments)
        synchronize(context.device)
        with profile(activities=kinds) as profiler:
            graphs[title](*arguments)
            synchronize(context.device)
        counts = {event.key: event.count for event in profiler.key_averages()}
        values[title] = {
            "launches": sum(n for key, n in counts.items() if "LaunchKernel" in key),
            "copies": sum(n for key, n in counts.items() if key.startswith("Memcpy")),
            "waits": sum(n for key, n in counts.items() if key.startswith("cudaStreamSynchronize")),
            "operations": sum(n for key, n in counts.items() if key.startswith("aten::")),
        }
    line = ", ".join(f"{title} {v['launches']}" for title, v in values.items())
    return Result(f"launches: {line}", values)
