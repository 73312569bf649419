"""Forty steps of training as a user starts them, and the same again from the twentieth on."""

from __future__ import annotations

import csv
import math
import shutil
import statistics
import time
from pathlib import Path
from typing import Any, Literal

from mapt.bench.gpu.context import Context, Result, Skip
from mapt.bench.gpu.device import peak_gib, reset_peak
from mapt.cores import usable_cores
from mapt.training.config import TrainConfig, find_config, read_config
from mapt.training.loop import train

Precision = Literal["float32", "bf16", "fp16"]
# How far the first loss after a resume may lie from that of the whole run.
CLOSE = {"float32": 1e-4, "bf16": 2e-2, "fp16": 5e-3}
Row = dict[str, float]  # of a run's table of losses
WARM = 5  # steps that speeds leave out


def nano_float32(context: Context) -> Result:
    """`nano` in float32."""
    return trained(context, "nano", "float32")


def nano_bf16(context: Context) -> Result:
    """`nano` in bfloat16."""
    return trained(context, "nano", "bf16")


def nano_fp16(context: Context) -> Result:
    """`nano` in float16, with a scaled loss."""
    return trained(context, "nano", "fp16")


def base_float32(context: Context) -> Result:
    """`base` in float32."""
    return trained(context, "base", "float32")


def base_bf16(context: Context) -> Result:
    """`base` in bfloat16."""
    return trained(context, "base", "bf16")


def base_fp16(context: Context) -> Result:
    """`base` in float16, with a scaled loss."""
    return trained(context, "base", "fp16")


def configuration(context: Context, name: str, precision: Precision, steps: int) -> TrainConfig:
    """A run on a few small streets, which all runs share; nothing is downloaded."""
    height, width = (64, 128) if context.small else (192, 640)
    street = context.folder / "streets"
    size = (64, 128) if context.small else (192, 624)
    changes = [
        f"model.preset={name}",
        f"model.height={height}",
        f"model.width={width}",
        "imagenet=false",
        f"data.synthetic.sequences={1 if context.small else 4}",
        f"data.synthetic.frames={4 if context.small else 10}",
        f"data.synthetic.height={size[0]}",
        f"data.synthetic.width={size[1]}",
        f"data.synthetic.heights=[{size[0]}.0, {size[0] * 1.25}]",
        f"data.synthetic.root={street}",
        "data.synthetic_small.sequences=0",
        "data.synthetic_rare.sequences=0",
        f"data.workers={0 if context.small else min(8, max(1, usable_cores() - 2))}",
        f"schedule.iterations={steps}",
        f"schedule.batch={1 if context.small else 4}",
        f"schedule.warmup={steps // 2}",
        f"checkpoint_every={steps // 2}",
        "log_every=1",
        f"picture_every={10 * steps}",
        f"device={context.device}",
        f"bf16={'true' if precision == 'bf16' else 'false'}",
        f"fp16={'true' if precision == 'fp16' else 'false'}",
        f"threads={int(context.small)}",
    ]
    return read_config(find_config("nano-street"), changes)


def trained(context: Context, name: str, precision: Precision) -> Result:
    """Train, then go on once more from the checkpoint in the middle.

    Raises:
        Skip: a rehearsal in fp16, or of `base`, which takes a CPU minutes.
    """
    if context.device == "cpu" and (precision == "fp16" or name == "base"):
        raise Skip("fp16 and base are not rehearsed on a CPU")
    steps = 2 if context.small else 40
    config = configuration(context, name, precision, steps)
    folder = context.folder / f"{name}-{precision}"
    reset_peak(context.device)
    begin = time.perf_counter()
    train(config, folder)
    seconds = time.perf_counter() - begin
    whole = losses(folder / "losses.csv")
    go_back(folder, steps // 2)
    train(config, folder, resume=True)
    resumed = losses(folder / "losses.csv")
    values = summary(whole, resumed, steps // 2) | {
        "seconds": seconds,
        "peak_gib": peak_gib(context.device),
    }
    faults = judged(values, precision, len(whole) == len(resumed) == steps)
    line = (
        f"loss {values['first']:.2f} to {values['last']:.2f}, {values['step_ms']:.0f} ms a step, "
        f"{100 * values['waiting']:.0f} % waiting for data, "
        f"resumed within {values['resumed_first']:.0e}"
    )
    return Result(line, values, tuple(faults))


def losses(path: Path) -> list[Row]:
    """The rows of a run's table of losses."""
    with path.open() as file:
        return [{name: float(v) for name, v in row.items()} for row in csv.DictReader(file)]


def go_back(folder: Path, step: int) -> None:
    """Make a finished run look as if it had been stopped after a step."""
    for path in folder.glob("checkpoint-*.pt"):
        if path.name != f"checkpoint-{step:07d}.pt":
            path.unlink()
    shutil.copy(folder / "losses.csv", folder / "losses-whole.csv")


def summary(whole: list[Row], resumed: list[Row], step: int) -> dict[str, Any]:
    """Losses, speed and waiting of a run, and how far the resumed one drifts from it."""
    pairs = zip(whole[step:], resumed[step:], strict=False)
    drift = [abs(a["total"] - b["total"]) / max(abs(a["total"]), 1e-9) for a, b in pairs]
    steady = whole[min(WARM, len(whole) - 1) :]
    return {
        "first": whole[0]["total"],
        "last": whole[-1]["total"],
        "losses": [row["total"] for row in whole],
        "step_ms": 1e3 * statistics.median(row["seconds"] for row in steady),
        "waiting": sum(row["waited"] for row in steady) / sum(row["seconds"] for row in steady),
        "resumed_first": drift[0] if drift else math.inf,
        "resumed_largest": max(drift, default=math.inf),
        "gradient_norm": whole[-1]["gradient_norm"],
    }


def judged(values: dict[str, Any], precision: Precision, complete: bool) -> list[str]:
    """List the faults of a run."""
    faults = []
    if not complete:
        faults.append("the run or its continuation lacks steps")
    if not all(math.isfinite(loss) for loss in values["losses"]):
        faults.append("a loss is not finite")
    if not values["resumed_first"] <= CLOSE[precision]:
        faults.append(f"the first loss after the resume differs by {values['resumed_first']:.1e}")
    return faults
