"""The compiled operators as PyTorch sees them.

The tests cover schemas, fake tensors, determinism, instruction sets and refusals.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from mapt import ops
from mapt.bench.gpu.cases import calls
from mapt.ops import compiled
from tests.ops.conftest import needs_compiled

pytestmark = needs_compiled
STRIDES = [4, 8, 16, 32]


def features(channels: int = 5, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    random = torch.Generator().manual_seed(0)
    return [
        torch.rand(2, channels, 96 // s, 160 // s, generator=random, dtype=dtype) for s in STRIDES
    ]


def boxes(count: int = 70) -> Tensor:
    random = torch.Generator().manual_seed(1)
    corner = torch.rand(count, 2, generator=random) * 100
    size = torch.rand(count, 2, generator=random) ** 2 * 600
    return torch.cat(
        (torch.randint(0, 2, (count, 1), generator=random).float(), corner, corner + size), 1
    )


def convolution(batch: int, channels: int, shared: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    return (
        torch.randn(batch, channels, 23, 37, generator=random),
        torch.randn(1 if shared else batch, 18, 23, 37, generator=random) * 3,
        torch.randn(6, channels, 3, 3, generator=random),
        torch.randn(6, generator=random),
    )


def test_the_operators_pass_pytorchs_own_checks() -> None:
    for call in calls("cpu"):
        torch.library.opcheck(call.overload, call.arguments)


def everything() -> list[Tensor]:
    """Return the results and gradients of every operator.

    The inputs fill several blocks, bands and groups of lanes.
    """
    results = []
    for batch, channels, shared in ((20, 1, True), (3, 20, True), (2, 35, False)):
        leaves = [x.requires_grad_() for x in convolution(batch, channels, shared)]
        out = ops.deform_conv2d(leaves[0], leaves[1], leaves[2], leaves[3], padding=1)
        results += [out, *torch.autograd.grad(out.square().sum(), leaves)]
    pyramid = [f.requires_grad_() for f in features(35)]
    out = ops.multiscale_roi_align(pyramid, boxes(), 7, STRIDES)
    results += [out, *torch.autograd.grad(out.square().sum(), pyramid)]
    random = torch.Generator().manual_seed(2)
    masks = torch.rand(20, 1, 23, 37, generator=random) * (
        torch.rand(20, 1, 23, 37, generator=random) > 0.8
    )
    offsets = torch.randn(4, 18, 23, 37, generator=random) * 3
    weights = torch.randn(4, 3, 1, 3, 3, generator=random)
    head = torch.randn(12, generator=random), torch.randn(1, generator=random)
    logits, found = ops.propagate_masks(masks, offsets, weights, *head, boxes(20)[:, 1:])
    assert found is not None
    return [x.detach() for x in (*results, logits, found)]


def test_same_bits_for_any_number_of_threads_and_on_every_run() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        want = everything()
        for threads in (2, 1, 2, 3):
            torch.set_num_threads(threads)
            assert all(torch.equal(a, b) for a, b in zip(everything(), want, strict=True))
    finally:
        torch.set_num_threads(before)


def elsewhere(saved: Path, **environment: str) -> tuple[str, list[Tensor]]:
    """`ops.implementation()` and `everything()` of a process with other environment variables."""
    script = (
        "import sys, torch; sys.path.insert(0, ''); from mapt import ops; import"
        " tests.ops.test_compiled as tests;print(ops.implementation());"
        " torch.save(tests.everything(), sys.argv[1])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(saved)],
        env={**os.environ, **environment},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip(), torch.load(saved)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc fills new memory")
def test_no_bit_depends_on_what_memory_held(tmp_path: Path) -> None:
    used, found = elsewhere(tmp_path / "results.pt", MALLOC_PERTURB_="165")
    assert used == ops.implementation()
    assert all(torch.equal(got, want) for got, want in zip(found, everything(), strict=True))


@pytest.mark.parametrize("isa", ["baseline", "avx2"])
def test_every_instruction_set_computes_the_same(isa: str, tmp_path: Path) -> None:
    used, found = elsewhere(tmp_path / "results.pt", MAPT_ISA=isa)
    assert used in (f"compiled ({isa})", "compiled (baseline)")
    for got, want in zip(found, everything(), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5 * (1 + want.abs().max().item()))


def bad(**changes: Tensor) -> Callable[[], Tensor]:
    names = ("input", "offset", "weight", "bias")
    arguments: dict[str, Any] = {
        **dict(zip(names, convolution(3, 2, True), strict=True)),
        **changes,
    }
    return lambda: ops.deform_conv2d(**arguments, padding=1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (bad(offset=torch.zeros(1, 16, 23, 37)), "offset is .*, not"),
        (bad(offset=torch.zeros(2, 18, 23, 37)), "offset has a batch of 2, not 1 or 3"),
        (bad(weight=torch.zeros(6, 1, 3, 3)), "weight reads 1 channels, input has 2"),
        (bad(bias=torch.zeros(5)), "bias is"),
        (bad(input=torch.zeros(3, 2, 0, 37)), "an empty map"),
        (
            lambda: ops.multiscale_roi_align(features()[:3], boxes(), 7, STRIDES[:3]),
            "3 features and 3 strides, not 4",
        ),
        (
            lambda: ops.multiscale_roi_align(features(), boxes()[:, 1:], 7, STRIDES),
            "boxes is .*, not",
        ),
        (
            lambda: ops.multiscale_roi_align(features(), boxes(), 7, STRIDES, 0),
            "sampling_ratio is 0, below 1",
        ),
        (
            lambda: ops.multiscale_roi_align(features(), boxes(), 7, STRIDES, 2**61),
            "sampling_ratio is .*, above 64",
        ),
        (
            lambda: ops.multiscale_roi_align(features(), boxes(), 2**40, STRIDES),
            "output_size is .*, above 256",
        ),
        (
            lambda: ops.multiscale_roi_align(features(), boxes(), 7, (4, 8, 16, 2**62)),
            "a stride is .*, above 32768",
        ),
        (
            lambda: ops.deform_conv2d(*convolution(3, 2, True), padding=2**62),
            "padding is .*, above 32768",
        ),
        (
            lambda: ops.deform_conv2d(*convolution(3, 2, True), padding=1, dilation=2**62),
            "dilation is .*, above",
        ),
        (bad(weight=torch.zeros(0, 2, 2**26, 2**26)), "weight is .*, which is too large"),
        (
            lambda: ops.multiscale_roi_align(
                features(), boxes(), 7, STRIDES, out=torch.empty(70, 5, 7, 8)
            ),
            "out is",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call: Callable[[], Tensor], message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        call()


def test_it_says_what_computes() -> None:
    assert ops.implementation() in ("compiled (avx512)", "compiled (avx2)", "compiled (baseline)")


def test_the_fallback_is_announced_once() -> None:
    script = (
        "import torch; from mapt.ops import compiled, deform_conv2d, implementation;"
        " compiled.MISSING = 'no reason';x = torch.zeros(1, 1, 4, 4), torch.zeros(1, 18, 4, 4),"
        " torch.zeros(1, 1, 3, 3);[deform_conv2d(*x, padding=1) for _ in range(3)];"
        " print(implementation())"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "torchvision"
    lines = [line for line in ran.stderr.splitlines() if "torchvision" in line]
    assert len(lines) == 1 and "no reason" in lines[0]


def test_importing_prints_nothing() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", "import mapt.ops"], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "" and ran.stderr == ""


def test_the_record_says_what_was_built() -> None:
    record = json.loads((Path(compiled.__file__).parents[1] / "build.json").read_text())
    assert record["torch"] == "ok"
