"""Compares the exported graphs with PyTorch, tensor by tensor, on one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mapt.contract import SUBGRAPHS
from mapt.runtime.backends.protocol import Backend, Tensors, all_on_host, on_host
from mapt.runtime.batches.batch import OneOfBatch
from mapt.runtime.perception.pipeline import padded
from mapt.runtime.perception.self_test import GIVEN, difference, later_inputs
from mapt.synthetic import render_sequence

TOLERANCE = 2e-4  # of each tensor's largest value; for integers the share of elements that differ


@dataclass(frozen=True)
class Deviation:
    """The largest difference of a subgraph's outputs.

    Attributes:
        subgraph: its name.
        tensor: the output that differs most.
        relative: its largest difference, as a share of the tensor's largest value; for integers the
            share of elements.
    """

    subgraph: str
    tensor: str
    relative: float


def compare(reference: Backend, other: Backend, batch: int = 1) -> list[Deviation]:
    """Compare two backends on a synthetic street, subgraph by subgraph.

    Each subgraph gets the reference's tensors, so that errors do not add up.

    Args:
        reference: takes one image at a time.
        other: is compared with it.
        batch: images that the other's frame graphs take. Every place among them is compared.
    """
    if batch == 1:
        return _compare_places(reference, [other])
    return _compare_places(reference, [OneOfBatch(other, batch, place) for place in range(batch)])


def _compare_places(reference: Backend, others: Sequence[Backend]) -> list[Deviation]:
    info = reference.info
    frames = list(render_sequence(7, 0, 2, (info.height, info.width)))
    known: Tensors = {"image": frames[1].image[None]}
    before = reference.run("backbone", {"image": frames[0].image[None]})
    s_prev = reference.run("semantic", {k: before[k] for k in ("c16", "p4", "p8")})["s"]
    count = info.sizes["N"]
    out = []
    for spec in SUBGRAPHS:
        inputs = {t.name: known[t.name] for t in spec.inputs}
        want = all_on_host(reference.run(spec.name, inputs))
        found = [all_on_host(other.run(spec.name, inputs)) for other in others]
        differences = {
            t.name: max(difference(want[t.name], got[t.name]) for got in found)
            for t in spec.outputs
        }
        worst = max(differences, key=lambda name: differences[name])
        out.append(Deviation(spec.name, worst, differences[worst]))
        known.update(want)
        if spec.name == "instance":
            given = {name: padded(want[name][:count], count) for name in GIVEN}
            known |= later_inputs(info, given, known["s"]) | {"s_prev": on_host(s_prev)}
    return out
