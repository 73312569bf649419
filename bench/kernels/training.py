"""Compares training with the compiled operators to training with torchvision's.

Run it with `python -m mapt.bench.kernels.training`.

Copies of one network see the same batches, step by step in turn; printed are how far their losses
drift apart and the steps per second of each. In float32 any other rounding is soon another run: a
proposal's rank flips, another box is sampled. So a third copy runs on torchvision's operators from
weights that differ by a rounding, to compare with, and `--double` trains in float64, where the
curves can only differ by a fault.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
import unittest.mock
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from mapt import ops
from mapt.bench.cli_errors import told_in_one_line
from mapt.bench.machine import describe_machine
from mapt.data.loader import load_batches
from mapt.docstrings import text_of
from mapt.io.atomic_files import write_json
from mapt.training.config import TrainConfig, find_config, read_config
from mapt.training.sources import build_samples
from mapt.training.state import start_state
from mapt.training.steps import step

COPIES = ("compiled", "torchvision", "torchvision, weights rounded otherwise")
SAME = 1e-4


def compare(
    config: TrainConfig, folder: Path, double: bool
) -> dict[str, list[tuple[float, float]]]:
    """Train one copy per contender, in turn.

    Args:
        config: the run; its iterations are the number of steps.
        folder: where synthetic data goes.
        double: in float64, and without the third copy.

    Returns:
        The loss and the seconds of each step, by contender.
    """
    torch.manual_seed(config.seed)
    first = start_state(config, None)
    states = {COPIES[0]: first}
    for name in COPIES[1:2] if double else COPIES[1:]:
        states[name] = start_state(config, None)
        states[name].network.load_state_dict(first.network.state_dict())
    if double:
        for state in states.values():
            state.network.double(), state.average.network.double()
    else:
        with torch.no_grad():
            for parameter in states[COPIES[2]].network.parameters():
                parameter.mul_(1 + torch.finfo(torch.float32).eps)
    rule = build_samples(config, folder)
    schedule = config.schedule
    steps: dict[str, list[tuple[float, float]]] = {name: [] for name in states}
    for number, batch in enumerate(
        load_batches(rule, schedule.batch, 0, schedule.iterations, config.data.workers)
    ):
        for name, state in states.items():
            torch.manual_seed(number)  # all draw the same boxes
            with contextlib.nullcontext() if name == COPIES[0] else ops.disabled():
                begin = time.perf_counter()
                parts, _ = step(state, batch, config)
                steps[name].append((sum(parts.values()), time.perf_counter() - begin))
    return steps


@contextlib.contextmanager
def in_double() -> Iterator[None]:
    """Compute in float64 inside this context, also where the network calls `float()`."""
    torch.set_default_dtype(torch.float64)
    try:
        with unittest.mock.patch.object(torch.Tensor, "float", torch.Tensor.double):
            yield
    finally:
        torch.set_default_dtype(torch.float32)


def drift(steps: dict[str, list[tuple[float, float]]], name: str) -> list[float]:
    """How far a contender's losses lie from torchvision's, relatively, by step."""
    pairs = zip(steps[name], steps[COPIES[1]], strict=True)
    return [abs(a[0] - b[0]) / abs(b[0]) for a, b in pairs]


@told_in_one_line()
def main(arguments: Sequence[str] | None = None) -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(
        prog="python -m mapt.bench.kernels.training", description=text_of(__name__)
    )
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--double", action="store_true", help="in float64")
    parser.add_argument(
        "--set", action="append", default=[], help="key=value of the training configuration"
    )
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args(arguments)
    changes = [
        "data.synthetic.sequences=4",
        "data.synthetic.frames=8",
        "data.synthetic_small.sequences=0",
        "data.workers=0",
        f"threads={options.threads}",
        f"schedule.iterations={options.steps}",
        *options.set,
    ]
    torch.set_num_threads(options.threads)
    config = read_config(find_config("nano-street"), changes)
    precision = in_double() if options.double else contextlib.nullcontext()
    with tempfile.TemporaryDirectory(prefix="mapt-bench-") as folder, precision:
        steps = compare(config, Path(folder), options.double)
    rates = {name: 1 / statistics.median(s for _, s in of) for name, of in steps.items()}
    drifts = {name: drift(steps, name) for name in steps if name != COPIES[1]}
    for name, of in steps.items():
        print(f"{name}: loss {of[0][0]:.6f} to {of[-1][0]:.6f}, {rates[name]:.3f} steps/s")
    for name, of_name in drifts.items():
        first = next((i + 1 for i, d in enumerate(of_name) if d > SAME), None)
        same = (
            f"from step {first} on not within {SAME:g}" if first else f"within {SAME:g} throughout"
        )
        print(f"{name} against torchvision: largest relative difference {max(of_name):.1e}, {same}")
    if options.json:
        machine = describe_machine(options.threads)
        write_json(
            options.json,
            {"machine": machine, "steps": steps, "drift": drifts, "steps_per_second": rates},
        )


if __name__ == "__main__":
    main()
