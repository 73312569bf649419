"""Opens a bundle's network, and chooses its input size for a camera."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.errors import InputError, shown
from mapt.runtime.backends.choice import BackendName, open_backend
from mapt.runtime.backends.ort_providers import say_once
from mapt.runtime.backends.protocol import Backend, Options
from mapt.runtime.batches.batch import one_camera
from mapt.runtime.bundle.golden import read_arrays
from mapt.runtime.bundle.input_sizes import InputSizes, Size, rank_sizes, read_sizes, written
from mapt.runtime.bundle.manifest import Bundle, read_bundle
from mapt.runtime.frame import PanopticFrame
from mapt.runtime.perception.self_test import layout, self_test
from mapt.runtime.perception.warm_up import run_blank

WARM = 2  # steps before those that are timed
TIMED = 3
PERIOD = 100_000_000  # ns
Step = Callable[[NDArray[np.uint8], int], PanopticFrame]


@dataclass(frozen=True)
class SizeChoice:
    """The input size that was chosen for a camera's frames.

    Attributes:
        size: (height, width) of the input.
        frame: (height, width) of the frames.
        sizes: those that the bundle has.
        ms: what a step took here, the median of a few; None: nothing was measured.
        budget_ms: what it may take; None: there was no budget.
    """

    size: Size
    frame: Size
    sizes: tuple[Size, ...]
    ms: float | None = None
    budget_ms: float | None = None

    def __str__(self) -> str:
        """Say in a line what was chosen, from what, and why."""
        others = ", ".join(map(written, sorted(self.sizes)))
        text = f"input {written(self.size)} of {others} for frames of {written(self.frame)}"
        if self.ms is None or self.budget_ms is None:
            return text
        fits = "within" if self.ms <= self.budget_ms else "the quickest, but not within"
        return f"{text}: {self.ms:.0f} ms a frame, {fits} the budget of {self.budget_ms:g} ms"


@dataclass(frozen=True)
class Opened:
    """A network that is ready to run: its backend, its bundle, and how its size was chosen."""

    backend: Backend
    bundle: Bundle
    choice: SizeChoice | None = None


@dataclass(frozen=True)
class Wish:
    """What a bundle's network is wanted for.

    Attributes:
        frame: (height, width) of the camera's frames; None: the bundle's first size is taken.
        budget_ms: milliseconds that a step may take; None: as many as the best size needs.

    Raises:
        InputError: no size of frames, no number of milliseconds, or a budget without frames.
    """

    frame: Size | None = None
    budget_ms: float | None = None

    def __post_init__(self) -> None:
        if self.frame is not None and not _is_size(self.frame):
            raise InputError(
                f"frame is {shown(self.frame)}; give (height, width) of the camera's frames"
            )
        if self.budget_ms is None:
            return
        if type(self.budget_ms) not in (int, float) or not 0 < self.budget_ms < float("inf"):
            raise InputError(f"budget_ms is {shown(self.budget_ms)}; give milliseconds above 0")
        if self.frame is None:
            raise InputError("budget_ms: needs the frames' (height, width) too; give frame")


def _is_size(frame: object) -> bool:
    return (
        isinstance(frame, tuple)
        and len(frame) == 2
        and all(type(side) is int and side > 0 for side in frame)
    )


def open_network(
    folder: Path,
    backend: BackendName,
    options: Options,
    wish: Wish,
    make_step: Callable[[Opened], Step],
    *,
    trust: Path | None,
    test: bool,
) -> Opened:
    """Open a bundle's network in the size that suits the frames.

    With a budget, the sizes are tried from the best one on, until the steps of one keep it. Each is
    timed here on a picture of the frames' size. If none keeps it, the quickest is taken.

    Args:
        folder: see `mapt.runtime.bundle.manifest.read_bundle`.
        backend: see `mapt.runtime.backends.choice.open_backend`.
        options: see there.
        wish: what the network is wanted for.
        make_step: gives the `step` of a new tracker on a network, which is timed.
        trust: see `mapt.runtime.bundle.manifest.read_bundle`.
        test: compare what the golden picture gives; False: run the networks once, on zeros.

    Raises:
        InputError: what reading, opening and testing raise.
    """
    if wish.frame is None:
        return open_tested(read_bundle(folder, trust), backend, options, test)
    offered = read_sizes(folder, trust)
    ranked = rank_sizes(wish.frame, offered.sizes)
    for size in ranked:
        opened = open_tested(read_bundle(offered.path(size), trust), backend, options, test)
        ms = None
        if wish.budget_ms is not None:
            ms = _time_steps(make_step(opened), opened.bundle, wish.frame)
        if ms is None or wish.budget_ms is None or ms <= wish.budget_ms:
            break
    return _chosen(opened, offered, wish, ms)


def _chosen(opened: Opened, offered: InputSizes, wish: Wish, ms: float | None) -> Opened:
    assert wish.frame, "a choice without frames"
    info = opened.backend.info
    size = info.height, info.width
    choice = SizeChoice(size, wish.frame, offered.sizes, ms, wish.budget_ms)
    say_once(logging.INFO, str(choice))
    return Opened(opened.backend, opened.bundle, choice)


def best_size(offered: InputSizes, frame: Size) -> SizeChoice:
    """Choose the size that suits frames of (height, width) best, whatever it costs."""
    return SizeChoice(rank_sizes(frame, offered.sizes)[0], frame, offered.sizes)


def open_shared(
    folder: Path,
    cameras: int,
    backend: BackendName,
    options: Options,
    wish: Wish,
    *,
    trust: Path | None,
    test: bool,
) -> Opened:
    """Open one network for several cameras, also one whose frame graphs take several images.

    Args:
        folder: see `mapt.runtime.bundle.manifest.read_bundle`.
        cameras: how many.
        backend: see `mapt.runtime.backends.choice.open_backend`.
        options: see there; the threads are those of all cameras together.
        wish: the images of all cameras, without a budget.
        trust: see `mapt.runtime.bundle.manifest.read_bundle`.
        test: see `open_network`.

    Raises:
        InputError: what reading, opening and testing raise.
    """
    choice = None
    if wish.frame is not None:
        offered = read_sizes(folder, trust)
        choice = best_size(offered, wish.frame)
        folder = offered.path(choice.size)
    bundle = read_bundle(folder, trust, batched=True)
    # On a CPU, calls for several cameras run at the same time, and share the threads.
    if backend != "openvino" and options.threads is not None:
        calls = min(options.threads, -(-cameras // bundle.batch))
        options = options.with_threads(options.threads // calls)
    return replace(open_tested(bundle, backend, options, test), choice=choice)


def open_tested(bundle: Bundle, backend: BackendName, options: Options, test: bool) -> Opened:
    """Open a bundle's network and run it once; for arguments and errors see `open_network`."""
    chosen = open_backend(bundle, backend, options)
    alone = one_camera(chosen, bundle.batch)
    if test and bundle.golden:
        self_test(alone, bundle)
    else:
        run_blank(alone)
    return Opened(chosen, bundle)


def _time_steps(step: Step, bundle: Bundle, frame: Size) -> float:
    """Return the median milliseconds of a few steps on the golden picture, enlarged to a frame."""
    picture = np.zeros((1, bundle.info.height, bundle.info.width, 3), np.uint8)
    if bundle.golden:
        picture = read_arrays(bundle.contents.read(bundle.golden), layout(bundle.info))["image"]
    image = np.asarray(cv2.resize(picture[0], (frame[1], frame[0])), np.uint8)
    ms = [step(image, number * PERIOD).timings_ms["frame"] for number in range(1, WARM + TIMED + 1)]
    return statistics.median(ms[WARM:])
