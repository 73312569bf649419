"""The checks as data; `python -m mapt.bench.gpu --list` prints them, with nothing but Python."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mapt.errors import InputError

Need = Literal[
    "gpu", "ort-cuda", "tensorrt", "nvcc", "sanitizer", "compiler", "tests", "trained weights"
]
PACKAGE = "mapt.bench.gpu.checks"
FRAMES = "mapt.bench.gpu.frames"


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        group: checks of one group share a process, and are functions of one module.
        title: its name in the group.
        needs: what has to be there; empty: it runs on any machine.
        limit: seconds after which it is stopped.
        shows: what it shows.
        package: where the group's module lies.
    """

    group: str
    title: str
    needs: tuple[Need, ...]
    limit: float
    shows: str
    package: str = PACKAGE

    @property
    def name(self) -> str:
        """The check's name for --only and in results."""
        return f"{self.group}.{self.title}"

    @property
    def target(self) -> str:
        """The check's function, as "module:function" for `child`."""
        return f"{self.package}.{self.group}:{self.title.replace('-', '_')}"


# In the order in which they run: what everything else depends on first.
CHECKS: tuple[Check, ...] = (
    Check("machine", "versions", (), 60, "GPU, driver, libraries, and which device PyTorch sees"),
    Check("operators", "equal", ("gpu",), 60, "every dtype with gradients, beside the CPU's"),
    Check("operators", "same-bits", ("gpu",), 30, "results and gradients have the same bits twice"),
    Check("operators", "opcheck", ("gpu",), 60, "torch.library.opcheck on every operator"),
    Check("operators", "graphs", ("gpu",), 30, "every operator captured in a CUDA graph, replayed"),
    Check("speed", "forward", ("gpu",), 60, "operators beside torchvision's, also graphed"),
    Check("speed", "backward", ("gpu",), 60, "forward and backward beside torchvision's"),
    Check("bundles", "export", (), 200, "every kind of bundle, exported as a user does"),
    Check("ort", "host-binding", (), 60, "IoBinding on the CPU gives what a plain run gives"),
    Check("ort", "operator-library", (), 30, "providers that have the custom operators"),
    Check("ort", "providers", ("gpu", "ort-cuda"), 60, "every kind loads, without PyTorch's help"),
    Check("ort", "tensors", ("gpu", "ort-cuda"), 60, "outputs beside the CPU's, TF32 off and on"),
    Check("ort", "frames", ("gpu", "ort-cuda", "trained weights"), 60, "labels, ids as the CPU's"),
    Check("ort", "speed", ("gpu", "ort-cuda"), 60, "ms of subgraphs: through the host, bound"),
    Check("cameras", "one", ("gpu", "ort-cuda"), 150, "frames: ms, worst, bytes, waits", FRAMES),
    Check("cameras", "eight", ("gpu", "ort-cuda"), 200, "of eight, also in batches; ids", FRAMES),
    Check("pytorch", "frames", ("gpu", "trained weights"), 60, "labels and ids as the CPU's"),
    Check("pytorch", "capture", ("gpu",), 45, "each subgraph captured in a CUDA graph; its ms"),
    Check("pytorch", "launches", ("gpu",), 45, "kernels launched by each subgraph"),
    Check("training", "nano-float32", ("gpu",), 60, "40 steps, resumed from the 20th"),
    Check("training", "nano-bf16", ("gpu",), 60, "the same in bfloat16"),
    Check("training", "nano-fp16", ("gpu",), 60, "the same in float16"),
    Check("training", "base-float32", ("gpu",), 60, "40 steps, resumed from the 20th"),
    Check("training", "base-bf16", ("gpu",), 60, "the same in bfloat16"),
    Check("training", "base-fp16", ("gpu",), 60, "the same in float16"),
    Check("suite", "device-tests", ("gpu", "tests"), 90, "the tests that take a device, there"),
    Check("suite", "images", ("gpu", "tests"), 60, "images, labels in GPU memory as the host's"),
    Check("suite", "fake-cuda", ("tests",), 120, "the network on fake CUDA tensors"),
    Check("suite", "kernels-as-loops", ("tests", "compiler"), 120, "CUDA source run by the CPU"),
    Check("plugins", "enqueue", ("gpu", "nvcc", "compiler"), 90, "TensorRT plugins beside the CPU"),
    Check("tensorrt", "engines", ("gpu", "tensorrt", "trained weights"), 120, "ids of engines"),
    Check("build", "resources", ("nvcc",), 120, "kernels for sm_90: registers, spilled bytes"),
    Check("operators", "memcheck", ("gpu", "sanitizer"), 90, "compute-sanitizer finds no error"),
)  # fmt: skip


def choose(wanted: Sequence[str], checks: Sequence[Check] = CHECKS) -> list[Check]:
    """The checks of these names or groups; all where none is named.

    Raises:
        InputError: there is no such check.
    """
    known = {check.name for check in checks} | {check.group for check in checks}
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; do you mean {near[0]}?" if near else "; --list shows them"
            raise InputError(f"--only {name}: there is no such check{hint}")
    return [c for c in checks if not wanted or c.name in wanted or c.group in wanted]


def listed(checks: Sequence[Check] = CHECKS) -> list[str]:
    """A line for each check: name, what it needs, what it shows."""
    names = [c.name for c in checks]
    needs = [", ".join(c.needs) or "nothing" for c in checks]
    wide = max(map(len, names))
    far = max(map(len, needs))
    return [
        f"{name:{wide}}  {need:{far}}  {check.shows}"
        for name, need, check in zip(names, needs, checks, strict=True)
    ]
