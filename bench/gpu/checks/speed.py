"""Operators beside torchvision's: eager, and from a CUDA graph, so without launch gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
import torchvision

from mapt import ops
from mapt.bench.gpu.context import Context, Result
from mapt.bench.gpu.device import capture, first_line, milliseconds, tf32
from mapt.bench.kernels.case import HEIGHT, WIDTH, Call, Case, blobs, normal, random_boxes
from mapt.bench.kernels.cases import convolution_case, motion_cases, roi_cases
from mapt.bench.kernels.training_cases import convolution_training_case, training_cases
from mapt.ops.nms import greedy_keep, pairwise_iou

BANDWIDTH = 3e12  # bytes per second, of the floor: an H200's memory moves half as much again
LEVELS = 5  # of the pyramid, whose boxes do not suppress each other
OVERLAP = 0.7  # IoU above which a box is dropped, as among proposals
SMALL = (8, 24, 40)  # channels, height and width of a rehearsal's convolutions


def forward(context: Context) -> Result:
    """Time inference."""
    with torch.device(context.device), torch.no_grad():
        torch.manual_seed(0)
        cases = [*motion_cases(None), features_case()]
        cases += suppression_cases(200 if context.small else 1000)
        if context.small:
            cases += roi_cases(None, 8, ((20, 7),))
            cases.append(convolution_case(None, SMALL))
        else:
            cases += suppression_cases(4000)
            cases += roi_cases(None)
            cases += roi_cases(None, 64, ((300, 7),))
            cases += roi_cases(None, 256, ((1000, 7),), torch.float16)
            cases += roi_cases(None, 256, ((1000, 7),), torch.float32, torch.channels_last)
            cases += roi_cases(None, 256, ((1000, 7),), torch.float16, torch.channels_last)
            for shape in ((64, 94, 311), (256, 96, 312)):
                cases.append(convolution_case(None, shape))
                cases.append(in_tf32(convolution_case(None, shape)))
                cases.append(convolution_case(None, shape, torch.float16))
        return measured(cases, context)


def in_tf32(case: Case) -> Case:
    """The same work, where PyTorch and we may multiply in TF32."""

    def allowed(call: Call) -> Call:
        def run() -> object:
            with tf32(True):
                return call()

        return run

    others = {name: allowed(call) for name, call in case.others.items()}
    return Case(f"{case.name}, TF32", allowed(case.ours), others, case.flops, case.bytes)


def backward(context: Context) -> Result:
    """Time the forward and backward pass."""
    with torch.device(context.device):
        torch.manual_seed(0)
        cases = training_cases()
        if not context.small:
            cases.append(convolution_training_case(256, 96, 312))
    return measured(cases[:1] if context.small else cases, context)


def features_case() -> Case:
    """The motion step with features inside boxes; torchvision has nothing that does the same."""
    count = 20
    filters = 16
    h = HEIGHT // 8
    w = WIDTH // 8
    masks = blobs(count, h, w)
    offsets = normal(4, 18, h, w, scale=2)
    head = normal(4, filters, 1, 3, 3), normal(4 * filters)
    bias = normal(1)
    boxes = random_boxes(count)[:, 1:].contiguous()

    def ours() -> object:
        return ops.propagate_masks(masks, offsets, *head, bias, boxes)

    amount = 4 * (masks.numel() * 2 + offsets.numel() + count * 4 * filters * 49)
    return Case("the same with box features", ours, {}, 2 * 4 * 36 * masks.numel(), amount)


def suppression_cases(count: int) -> list[Case]:
    """Greedy suppression of `count` boxes of five levels, several around each object.

    First with their overlaps, as torchvision does it; then the operator alone on known overlaps,
    for which torchvision has nothing.
    """
    objects = random_boxes(count // 8)[:, 1:]
    places = torch.arange(count) % len(objects)
    boxes = (objects[places] + normal(count, 4, scale=3)).contiguous()
    scores = torch.rand(count).sort(descending=True).values
    levels = torch.randint(0, LEVELS, (count,))
    valid = torch.ones(count, dtype=torch.bool)
    over = (pairwise_iou(boxes) > OVERLAP) & (levels[:, None] == levels[None])
    suppresses = torch.triu(over, 1).float()

    def theirs() -> object:
        return torchvision.ops.batched_nms(boxes, scores, levels, OVERLAP)

    return [
        Case(
            f"greedy_nms, {count} boxes of {LEVELS} levels",
            lambda: ops.greedy_nms(boxes, levels, valid, OVERLAP),
            {"torchvision": theirs},
            16 * count**2,
            26 * count,
        ),
        Case(
            f"greedy_keep alone, {count} boxes",
            lambda: greedy_keep(suppresses),
            {},
            count**2 / 2,
            4 * count**2 + count,
        ),
    ]


@dataclass(frozen=True)
class KernelTiming:
    """The times of one case.

    Attributes:
        name: the work.
        us: median microseconds by contender.
        graphed_us: the same, replayed from a CUDA graph.
        not_captured: why there is no such replay, by contender.
        floor_us: inputs and outputs, each once, at `BANDWIDTH`.
    """

    name: str
    us: dict[str, float]
    graphed_us: dict[str, float]
    not_captured: dict[str, str]
    floor_us: float

    def row(self) -> str:
        """A line of the table."""
        known = self.us, self.graphed_us
        cells = [times.get(who) for times in known for who in ("ours", "torchvision")]
        shown = " ".join(f"{'-' if us is None else f'{us:.0f}':>8}" for us in cells)
        return f"{self.name[:58]:58} {shown} {self.floor_us:6.1f}"


def time_case(case: Case, context: Context) -> KernelTiming:
    """Medians of every contender, eager and graphed."""
    calls: dict[str, Call] = {"ours": case.ours, **case.others}
    us = dict[str, float]()
    graphed = dict[str, float]()
    refused = dict[str, str]()
    for name, call in calls.items():
        us[name] = 1e3 * milliseconds(call, context.device, context.rounds())
        try:
            replay, _ = capture(call, context.device)
            graphed[name] = 1e3 * milliseconds(replay, context.device, context.rounds())
        except Exception as error:  # torchvision's pooler asks the device for sizes
            refused[name] = first_line(error)
    return KernelTiming(case.name, us, graphed, refused, 1e6 * case.bytes / BANDWIDTH)


def measured(cases: Sequence[Case], context: Context) -> Result:
    """Measure all cases, and return them as a table."""
    timings = [time_case(case, context) for case in cases]
    faults = [f"{t.name}: ours cannot be captured" for t in timings if "ours" in t.not_captured]
    both = [t for t in timings if "torchvision" in t.us]
    slower = sum(t.us["ours"] > t.us["torchvision"] for t in both)
    line = (
        f"{len(timings)} pieces of work, ours slower than torchvision's in {slower} of {len(both)}"
    )
    head = f"{'microseconds':58} {'ours':>8} {'tv':>8} {'graphed':>8} {'tv':>8} {'floor':>6}"
    rows = (head, *(t.row() for t in timings))
    return Result(line, {"cases": [asdict(t) for t in timings]}, tuple(faults), rows)
