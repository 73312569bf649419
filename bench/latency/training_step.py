"""Compares a training step of `nano` with one of torchvision's Mask R-CNN.

Mask R-CNN is scaled to about as many FLOPs. The time to load the training data is measured, too.

    python -m mapt.bench.latency.training_step [--steps N] [--threads T] [--json FILE]

Contenders take the same frames in turn: MAPT with compiled operators and with torchvision's, and
Mask R-CNN with a ResNet-50 and FPN, whose images are scaled until its step computes about what a
step of `nano` does. Loading is timed alone, with one worker: what a step would wait for if it took
no time itself.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mapt import ops
from mapt.bench.cli_errors import told_in_one_line
from mapt.bench.machine import describe_machine
from mapt.data.loader import load_batches
from mapt.docstrings import text_of
from mapt.io.atomic_files import write_json
from mapt.model.heads.instance import thing_index
from mapt.model.targets import PairBatch
from mapt.training.config import TrainConfig, find_config, read_config
from mapt.training.sources import build_samples
from mapt.training.state import State, start_state
from mapt.training.steps import step

HEIGHTS = (32, 48, 64, 80, 96, 112, 128, 160, 192, 256, 320)  # of Mask R-CNN's images, pixels


def mask_rcnn(config: TrainConfig) -> tuple[nn.Module, torch.optim.Optimizer]:
    """Mask R-CNN of torchvision in training mode, with its optimiser.

    An eighth of `nano`'s samples an image: the RoI heads alone cost more than a step of `nano`
    otherwise.
    """
    model = torchvision.models.detection.maskrcnn_resnet50_fpn(
        weights=None,
        weights_backbone=None,
        num_classes=1 + len(config.model.things),
        box_batch_size_per_image=config.model.roi_samples // 8,
        rpn_post_nms_top_n_train=300,
    )
    return model.train(), torch.optim.SGD(model.parameters(), 1e-4, 0.9)


def reference_loss(model: nn.Module, batch: PairBatch, things: Tensor, height: int) -> Tensor:
    """Return the sum of Mask R-CNN's losses on the frames t - tau and t of a batch.

    Images are scaled to `height`. Each frame must hold at least one object.
    """
    model.transform.min_size = (height,)  # type: ignore[union-attr]
    model.transform.max_size = 10 * height  # type: ignore[union-attr]
    images = []
    targets = []
    for image, frame in zip(
        torch.cat((batch.images_prev, batch.images)), [*batch.prev, *batch.now], strict=True
    ):
        images.append(image.permute(2, 0, 1).float() / 255)
        labels = 1 + thing_index(frame.labels, things)
        targets.append(
            {"boxes": frame.boxes, "labels": labels, "masks": frame.masks().to(torch.uint8)}
        )
    losses: dict[str, Tensor] = model(images, targets)
    return torch.stack(list(losses.values())).sum()


def reference_step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Backpropagate a loss, and update the weights."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


def forward_flops(call: Callable[[], object]) -> int:
    """Count the FLOPs of a forward pass, two per multiply-add, on torchvision's operators.

    Backward passes are taken as twice that: PyTorch's counter is wrong for those of grouped
    convolutions.
    """
    with ops.disabled(), FlopCounterMode(display=False) as counter:
        call()
    return int(counter.get_total_flops())


def compare(config: TrainConfig, folder: Path, steps: int) -> dict[str, object]:
    """Measure a training step of every contender.

    The result holds the median milliseconds of a step by contender, those of loading a batch, and
    the FLOPs that were matched.
    """
    batches = load_batches(
        build_samples(config, folder), config.schedule.batch, 0, 4 * steps + 8, 1
    )
    begin = time.perf_counter()
    waits = []
    usable = []
    for batch in batches:
        waits.append(time.perf_counter() - begin)
        if all(len(frame.boxes) for frame in (*batch.prev, *batch.now)):
            usable.append(batch)
        begin = time.perf_counter()
        if len(usable) > steps:
            break
    state = start_state(config, None)
    model, optimizer = mask_rcnn(config)
    things = torch.tensor(config.model.things)
    first = usable[0]
    # The frames t - 2 tau have no backward pass.
    own = 3 * forward_flops(lambda: state.network.losses(first))
    own -= 2 * forward_flops(lambda: state.network.features(first.images_before))
    costs = {
        h: 3 * forward_flops(partial(reference_loss, model, first, things, h)) for h in HEIGHTS
    }
    height = min(costs, key=lambda h: abs(costs[h] - own))
    contenders: dict[str, Callable[[PairBatch], object]] = {
        "compiled": lambda batch: step(state, batch, config),
        "torchvision's operators": lambda batch: _disabled(state, batch, config),
        "Mask R-CNN": lambda batch: reference_step(
            optimizer, reference_loss(model, batch, things, height)
        ),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for batch in usable[1:]:
        for name, take in contenders.items():
            begin = time.perf_counter()
            take(batch)
            seconds[name].append(time.perf_counter() - begin)
    return {
        "ms": {name: 1e3 * statistics.median(s) for name, s in seconds.items()},
        "loading_ms": 1e3 * statistics.median(waits[1:]),
        "gflop": {"MAPT": own / 1e9, "Mask R-CNN": costs[height] / 1e9},
        "mask_rcnn_height": height,
        "pairs": config.schedule.batch,
    }


def _disabled(state: State, batch: PairBatch, config: TrainConfig) -> None:
    with ops.disabled():
        step(state, batch, config)


@told_in_one_line()
def main(arguments: Sequence[str] | None = None) -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(
        prog="python -m mapt.bench.latency.training_step", description=text_of(__name__)
    )
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--set", action="append", default=[], help="key=value of the training configuration"
    )
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args(arguments)
    changes = [
        "data.synthetic.sequences=4",
        "data.synthetic.frames=8",
        "data.synthetic_small.sequences=0",
        f"threads={options.threads}",
        *options.set,
    ]
    torch.set_num_threads(options.threads)
    config = read_config(find_config("nano-street"), changes)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mapt-bench-"))
        found = compare(config, Path(folder), options.steps)
    ms = found["ms"]
    gflop = found["gflop"]
    assert (
        isinstance(ms, dict) and isinstance(gflop, dict) and isinstance(found["loading_ms"], float)
    )
    rows = found["mask_rcnn_height"]
    costs = f"MAPT {gflop['MAPT']:.0f} GFLOP, Mask R-CNN {gflop['Mask R-CNN']:.0f}"
    print(f"a step of {found['pairs']} pairs: {costs} with images of {rows} rows")
    for name, value in ms.items():
        print(f"{name}: {value:.0f} ms a step, {value / ms['compiled']:.2f} times the compiled one")
    print(
        f"loading a batch: {found['loading_ms']:.0f} ms in one worker beside the steps' own process"
    )
    if options.json:
        write_json(options.json, {"machine": describe_machine(options.threads), **found})


if __name__ == "__main__":
    main()
