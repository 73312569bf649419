"""The results of `mapt bench` as one value, and its JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mapt.bench.costs.counts import HeadCost
from mapt.bench.costs.roofline import Limits
from mapt.bench.latency.backend_variants import BackendVariant, Verification
from mapt.bench.latency.interleaved import RunResult
from mapt.bench.latency.isolated import Alone
from mapt.bench.report.constants import NETWORKS, SCORES

if TYPE_CHECKING:
    from mapt.bench.costs.graph_flops import SubgraphCost

Json = dict[str, object]


@dataclass(frozen=True)
class BenchReport:
    """What one call of `mapt bench` found: what `--json` writes and every other report reads.

    Attributes:
        machine: the hardware and the versions.
        bundle: the bundle and its network.
        data: the frames, and the seeds of synthetic ones.
        parts: the keys that each measured part of the suite has.
    """

    machine: Json
    bundle: Json
    data: Json
    parts: Mapping[str, Json] = field(default_factory=dict)

    def to_json(self) -> Json:
        """The report as `--json` writes it; a part that was not measured leaves its keys empty."""
        found: Json = {"machine": self.machine, "bundle": self.bundle, "data": self.data}
        found |= {"heads": {}, "latency_ms": {}, "accuracy": {}}
        for part in self.parts.values():
            found |= part
        return found


@dataclass(frozen=True)
class Costs:
    """The computed costs of the network.

    Attributes:
        heads: parameters and multiply-adds per head.
        subgraphs: model and exported graph, by kind of operator.
        base_motion: the motion head of `base` with one instance, which the paper's Table V counts.
    """

    heads: dict[str, HeadCost]
    subgraphs: dict[str, SubgraphCost]
    base_motion: HeadCost


@dataclass(frozen=True)
class Row:
    """A backend variant and its results.

    Attributes:
        contender: the row.
        standing: whether it ran here.
        alone: its memory and throughput in a process of its own; None where that was not measured.
        shares: of the rate of a float32 matrix product, by subgraph.
        providers: what ran each subgraph; empty where it did not run.
    """

    contender: BackendVariant
    standing: Verification
    alone: Alone | None
    shares: dict[str, float]
    providers: dict[str, str]


@dataclass(frozen=True)
class RunReport:
    """The results of one pass over the frames, with the data that reports need.

    Costs and limits are None where there is no PyTorch to count and to measure them.
    """

    costs: Costs | None
    limits: Limits | None
    rows: list[Row]
    result: RunResult


def gemm_shares(
    result: RunResult, name: str, costs: dict[str, SubgraphCost], limits: Limits
) -> dict[str, float]:
    """Compute the share of the machine's peak rate that each subgraph of a backend reaches.

    It is the median over the frames in which the subgraph ran.
    """
    out = {}
    for subgraph in NETWORKS:
        calls = np.array(result.calls[name][subgraph])
        ms = np.array(result.timings[name][subgraph])
        ran = calls > 0
        if ran.any():
            rates = 2 * costs[subgraph].graph.total * calls[ran] / (ms[ran] / 1e3)
            out[subgraph] = float(np.median(rates)) / limits.flops
    return out


def run_json(report: RunReport) -> Json:
    """The keys of a run; `latency_ms` and `accuracy` hold the backends that ran.

    What is counted on the PyTorch model is left out where there is none.
    """
    result = report.result
    return {
        **_costs_json(report.costs),
        **({"limits": asdict(report.limits)} if report.limits else {}),
        "backends": {
            row.contender.name: {
                "kind": row.contender.kind,
                "bundle": row.contender.bundle.id,
                "proof": row.standing.proof,
                "why": row.standing.why,
                "gemm_share": row.shares,
                "providers": row.providers,
                **(asdict(row.alone) if row.alone else {}),
            }
            for row in report.rows
        },
        "latency_ms": result.latency(),
        "accuracy": {n: {k: getattr(s, k) for k in SCORES} for n, s in result.scores.items()},
        "classes": {
            name: {label: asdict(scores) for label, scores in classes.items()}
            for name, classes in result.classes.items()
        },
        "objects_by_size": {name: sizes.to_json() for name, sizes in result.sizes.items()},
        "parity": {"frames": result.frames, "differences": [asdict(d) for d in result.differences]},
        "samples_ms": {
            n: {s: _rounded(v) for s, v in stages.items()} for n, stages in result.timings.items()
        },
        "yardstick_ms": _rounded(result.yardstick),
        "labels": result.labels,
    }


def _costs_json(costs: Costs | None) -> Json:
    if costs is None:
        return {"heads": {}}
    return {
        "heads": {name: asdict(cost) for name, cost in costs.heads.items()},
        "operators": {
            name: {
                "params": cost.params,
                "graph_params": cost.graph_params,
                "folded": cost.folded,
                "agree": cost.agree,
                "model": asdict(cost.model),
                "graph": asdict(cost.graph),
            }
            for name, cost in costs.subgraphs.items()
        },
        "base_motion": asdict(costs.base_motion),
    }


def _rounded(values: list[float]) -> list[float]:
    return [round(value, 4) for value in values]
