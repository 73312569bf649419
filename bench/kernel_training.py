"""Training with the compiled operators beside training with torchvision's: `python -m mapt.bench.kernel_training`.

Two copies of one network see the same batches, step by step in turn; printed are how far their losses drift apart and
the steps per second of each.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from mapt import ops
from mapt.bench.machine import describe_machine
from mapt.data.loader import load_batches
from mapt.files import write_json
from mapt.training.config import TrainConfig, find_config, read_config
from mapt.training.loop import start_state, step
from mapt.training.sources import build_samples


def compare(config: TrainConfig, folder: Path) -> tuple[list[tuple[float, float]], tuple[list[float], list[float]]]:
    """Train two copies in turn.

    Args:
        config: the run; its iterations are the number of steps.
        folder: where synthetic data goes.

    Returns:
        The losses of each step, compiled and torchvision's, and the seconds of each step of both.
    """
    torch.manual_seed(config.seed)
    ours = start_state(config, None)
    theirs = start_state(config, None)
    theirs.network.load_state_dict(ours.network.state_dict())
    samples = build_samples(config, folder)
    losses: list[tuple[float, float]] = []
    seconds: tuple[list[float], list[float]] = ([], [])
    for number, batch in enumerate(
        load_batches(samples, config.schedule.batch, 0, config.schedule.iterations, config.data.workers)
    ):
        pair = []
        for k, state in enumerate((ours, theirs)):
            torch.manual_seed(number)  # both draw the same boxes
            with ops.disabled() if k else contextlib.nullcontext():
                begin = time.perf_counter()
                parts, _ = step(state, batch, config)
                seconds[k].append(time.perf_counter() - begin)
            pair.append(sum(parts.values()))
        losses.append((pair[0], pair[1]))
    return losses, seconds


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(prog="python -m mapt.bench.kernel_training", description=__doc__)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], help="key=value of the training configuration")
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args(arguments)
    changes = [
        "data.synthetic.sequences=4", "data.synthetic.frames=8", "data.workers=0", f"threads={options.threads}",
        f"schedule.iterations={options.steps}", *options.set,
    ]  # fmt: skip
    torch.set_num_threads(options.threads)
    config = read_config(find_config("nano-street"), changes)
    with tempfile.TemporaryDirectory(prefix="mapt-bench-") as folder:
        losses, seconds = compare(config, Path(folder))
    drift = [abs(a - b) / max(abs(b), 1e-9) for a, b in losses]
    rates = [1 / statistics.median(s) for s in seconds]
    for i in sorted({0, len(losses) // 2, len(losses) - 1}):
        print(f"step {i + 1}: loss {losses[i][0]:.6f} compiled, {losses[i][1]:.6f} torchvision")
    print(f"largest relative difference of the losses over {len(losses)} steps: {max(drift):.1e}")
    print(
        f"steps/s: {rates[0]:.3f} {ops.implementation()}, {rates[1]:.3f} torchvision ({rates[0] / rates[1]:.2f} times)"
    )
    if options.json:
        machine = describe_machine(options.threads)
        write_json(options.json, {"machine": machine, "losses": losses, "drift": max(drift), "steps_per_second": rates})


if __name__ == "__main__":
    main()
