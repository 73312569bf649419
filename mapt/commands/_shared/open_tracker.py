"""Opens the tracker that `mapt track` asks for, and says what it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import typer

from mapt.commands._shared.model import Model, find_model
from mapt.commands._shared.size import network_size
from mapt.errors import InputError, printable, suggest
from mapt.io.sources.frame import Source
from mapt.io.sources.live.source import LiveSource
from mapt.runtime import PanopticTracker
from mapt.runtime.association.associator import Association
from mapt.runtime.bundle.input_sizes import (
    InputSizes,
    Size,
    propose_sizes,
    read_sizes,
    written,
)

AUTO = "auto"


@dataclass(frozen=True)
class TrackerOptions:
    """Options of `mapt track`, as they were given.

    Attributes:
        threads: of the network.
        association: see `mapt.runtime.PanopticTracker`.
        size: of the network's input, HxW or "auto"; None: auto where there is a choice.
        budget_ms: milliseconds that a frame may take.
        backend: of a bundle.
        tta: see every frame at several sizes.
        device: of a bundle or of PyTorch.
        tf32: let a GPU round in a bundle's products.
        trust: the key that must have signed a bundle.
        core: of a bundle, see `mapt.runtime.PanopticTracker.load`.
        zoom: see the middle of every frame twice as large, too.
    """

    threads: int | None = None
    association: str = "full"
    size: str | None = None
    budget_ms: float | None = None
    backend: str = "auto"
    tta: bool = False
    device: str = "auto"
    tf32: bool = False
    trust: Path | None = None
    core: str = "python"
    zoom: bool = False


def replaying(path: Path) -> PanopticTracker:
    """Create a tracker that replays a record in place of a network.

    Raises:
        InputError: no record, or a damaged one.
    """
    from mapt.runtime.persistence.recording import Replayer

    backend = Replayer(path)
    association = backend.association
    return PanopticTracker(backend, association, backend.max_objects)  # type: ignore[arg-type]


def open_tracker(
    name: str | None, options: TrackerOptions, sources: Sequence[Source], *, tell: bool = True
) -> PanopticTracker:
    """Open a tracker on a bundle or, with PyTorch, on a weight file.

    It says on standard error which weights run, their licence, and the input size that was chosen.

    Args:
        name: see `mapt.commands._shared.model.find_model`.
        options: what was asked for.
        sources: what will be tracked; the size is chosen for the first frame.
        tell: say which weights run; False: say nothing.

    Raises:
        InputError: no such thing, or an option that does not fit it.
    """
    known = get_args(Association)
    if options.association not in known:
        raise InputError(
            f"--association {options.association}: unknown; {suggest(options.association, known)}"
        )
    model = find_model(name)
    if model.path.is_file():
        tracker = _open_weights(model, options, sources, tell=tell)
    else:
        tracker = _open_bundle(model, options, sources)
    if tell and (model.licence or tracker.size_choice):
        info = tracker.backend.info
        choice = tracker.size_choice or f"input {written((info.height, info.width))}"
        typer.echo(printable(f"mapt: {model}; {choice}"), err=True)
    return tracker


def _open_bundle(
    model: Model, options: TrackerOptions, sources: Sequence[Source]
) -> PanopticTracker:
    offered = read_sizes(model.path, options.trust)
    folder = model.path
    frame = None
    if options.size not in (None, AUTO):
        folder = offered.path(_choose(offered, options))
    elif options.size or options.budget_ms is not None:
        frame = first_size(sources)
    elif len(offered.sizes) > 1 and _announces_size(sources[0]):
        frame = first_size(sources)
    if options.tta:
        raise InputError(
            "--tta: needs weights, a bundle has its sizes; give a .safetensors file with --model"
        )
    if options.zoom:
        raise InputError(
            "--zoom: is for weights; make a bundle that does so with `mapt export --zoom`"
        )
    return PanopticTracker.load(
        folder,
        options.backend,  # type: ignore[arg-type]
        options.threads,
        options.association,  # type: ignore[arg-type]
        trust=options.trust,
        device=options.device,  # type: ignore[arg-type]
        tf32=options.tf32,
        frame=frame,
        budget_ms=options.budget_ms,
        core=options.core,  # type: ignore[arg-type]
    )


def _choose(offered: InputSizes, options: TrackerOptions) -> Size:
    """Return the size that was asked for, which the bundle must have."""
    if options.budget_ms is not None:
        raise InputError("--budget-ms: chooses the size; leave out --size, or give --size auto")
    size = network_size(options.size)
    if size is None or size not in offered.sizes:
        have = ", ".join(map(written, offered.sizes))
        raise InputError(
            f"--size {options.size}: the bundle has {have}; export another with `mapt export"
            " WEIGHTS --size`"
        )
    return size


def _announces_size(source: Source) -> bool:
    """Tell whether the size of a source's frames is known without taking one from it."""
    return not isinstance(source, LiveSource) or source.frame_size is not None


def first_size(sources: Sequence[Source]) -> Size:
    """Return the (height, width) of the first frame, without taking one from a live source.

    Raises:
        InputError: there is no frame, it cannot be read, or a stream announces no size.
    """
    first = sources[0]
    if isinstance(first, LiveSource):
        if first.frame_size is None:
            raise InputError(f"{first.name}: announces no size of frames; give --size HxW")
        return first.frame_size
    frame = next(iter(first), None)
    if frame is None:
        raise InputError(
            f"{first.name}: has no frame in what was asked for; check --start and --end"
        )
    return frame.image.shape[0], frame.image.shape[1]


def _open_weights(
    model: Model, options: TrackerOptions, sources: Sequence[Source], *, tell: bool
) -> PanopticTracker:
    if options.trust is not None:
        raise InputError(
            "--trust: is for bundles, weights are not signed; make one with `mapt export --sign`"
        )
    if options.tf32:
        raise InputError("--tf32: is for bundles; the PyTorch reference computes in float32")
    if options.backend != "auto":
        raise InputError(
            f"--backend {options.backend}: weights run in PyTorch; make a bundle with `mapt export`"
        )
    if options.budget_ms is not None:
        raise InputError("--budget-ms: is for bundles; make one with `mapt export --for VIDEO`")
    if options.tta and options.zoom:
        raise InputError("--tta, --zoom: both add views; leave one of them out")
    try:
        from mapt.evaluation.device import describe_device, find_device
        from mapt.evaluation.test_time_scales import ScaledBackend
        from mapt.evaluation.torch_backend import TorchBackend
    except ImportError:
        raise InputError(
            f"{model.path}: weights need PyTorch; install mapt[train], or track with a bundle"
        ) from None
    place = find_device(options.device)
    if options.size == AUTO:
        size: Size | None = propose_sizes(first_size(sources))[0]
    else:
        size = network_size(options.size)
    reference = (ScaledBackend if options.tta else TorchBackend).load(
        model.path,
        size,
        options.threads,
        place,
        zoom=False if options.tta else options.zoom or None,
    )
    if tell:
        typer.echo(f"PyTorch on {describe_device(place)}")
    return PanopticTracker(reference, options.association)  # type: ignore[arg-type]
