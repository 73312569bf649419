"""Chooses the core of a tracker, and opens a bundle with the native one."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from mapt.contract import ModelInfo
from mapt.cores import check_threads, usable_cores
from mapt.errors import InputError
from mapt.runtime.backends.ort_providers import say_once
from mapt.runtime.bundle.format import MANIFEST
from mapt.runtime.bundle.input_sizes import read_sizes
from mapt.runtime.bundle.manifest import choose_entry, find_root, read_manifest
from mapt.runtime.bundle.manifest_values import read_model_info
from mapt.runtime.bundle.schema import BatchManifest, Manifest, SizesManifest
from mapt.runtime.loading import SizeChoice, Wish, best_size
from mapt.runtime.native.library import find_onnxruntime, load_library
from mapt.runtime.native.tracker import NativeRequest, NativeTracker
from mapt.runtime.tracker import Core


@dataclass(frozen=True)
class NativeChoice:
    """What the native core can be asked for.

    Attributes:
        request: of a tracker.
        info: of the bundle's network.
        bundle_id: of the bundle that `info` was read from.
        size: how the input size was chosen; None: it was not.
    """

    request: NativeRequest
    info: ModelInfo
    bundle_id: str
    size: SizeChoice | None

    def open(self, *, test: bool = True) -> NativeTracker:
        """Open a tracker; where `test` is False, it is not tested, whatever the request says."""
        request = replace(self.request, test=self.request.test and test)
        tracker = NativeTracker(request, self.info, self.bundle_id)
        tracker.size_choice = self.size
        if self.size:
            say_once(logging.INFO, str(self.size))
        return tracker


def open_native(request: NativeRequest, core: Core, wish: Wish) -> NativeTracker | None:
    """Open a bundle with the native core.

    Args:
        request: what is asked for; the bundle may have several sizes.
        core: "native", or "auto".
        wish: the camera's frames, and what a step may take.

    Returns:
        The tracker. None: "auto" leaves this to the Python core, because the native core is not
        built, or does not run what is asked for.

    Raises:
        InputError: as `PanopticTracker.load`, or "native" cannot run what is asked for.
    """
    choice = _fault(request, core, wish) or _choose(request, core, wish)
    if isinstance(choice, NativeChoice):
        return choice.open()
    _refuse(core, choice)
    return None


def open_native_cameras(
    cameras: int, request: NativeRequest, core: Core, wish: Wish
) -> list[NativeTracker] | None:
    """Open a bundle with the native core for several cameras, which share the network.

    Args:
        cameras: how many.
        request: see `open_native`; the threads are those of all cameras together, and the first
            camera's network is tested.
        core: see there.
        wish: see there.

    Returns:
        The trackers. None: as `open_native`.

    Raises:
        InputError: as `open_native`.
    """
    fault = _fault(request, core, wish)
    if not fault and _on_gpu(request, find_onnxruntime()):
        fault = "trackers on a GPU share their network with the Python core alone"
    threads = request.options.threads
    if threads is not None:
        own = request.options.with_threads(threads // min(threads, cameras))
        request = replace(request, options=own)
    choice = fault or _choose(request, core, wish)
    if isinstance(choice, NativeChoice):
        return [choice.open(test=number == 0) for number in range(cameras)]
    _refuse(core, choice)
    return None


def _refuse(core: Core, fault: str) -> None:
    if core == "native":
        raise InputError(f"core 'native': {fault}; or take core 'python'")


def _choose(request: NativeRequest, core: Core, wish: Wish) -> NativeChoice | str:
    """Find the input size for the camera's frames; a text says why the core cannot run it."""
    offered = read_sizes(request.folder, request.trust)
    size = None
    if wish.frame is not None:
        size = best_size(offered, wish.frame)
        request = replace(request, folder=offered.path(size.size))
    entry = _entry(request.folder, request.trust)
    options = request.options
    if isinstance(entry, BatchManifest):
        return "the bundle's graphs take several images at a time"
    if entry.engines and core == "auto" and options.device != "cpu":
        return "the network runs on a GPU"
    if options.threads is not None:
        options = options.with_threads(min(check_threads(options.threads), usable_cores()))
    request = replace(request, options=options)
    return NativeChoice(request, _info(request.folder, entry), entry.id, size)


def _fault(request: NativeRequest, core: Core, wish: Wish) -> str:
    """Say why the native core cannot run this; empty where it can."""
    if request.backend not in ("auto", "ort", "tensorrt"):
        return f"backend {request.backend!r} runs with the Python core alone"
    if wish.budget_ms is not None:
        return "budget_ms is kept by the Python core alone"
    try:
        load_library()
        library = find_onnxruntime()
    except InputError as error:
        return str(error)
    if core == "auto" and _on_gpu(request, library):
        return "the network runs on a GPU"
    return ""


def _on_gpu(request: NativeRequest, onnxruntime: Path) -> bool:
    """Tell whether a GPU may run the network.

    No GPU has run the native core yet, so it runs there only where it is asked for by name.
    """
    device = request.options.device
    if request.backend == "tensorrt" or device == "cuda":
        return True
    return device == "auto" and any(onnxruntime.parent.glob("*providers_cuda*"))


def _entry(folder: Path, trust: Path | None) -> Manifest:
    """Return what the manifest says of one input size."""
    root, name = find_root(folder)
    manifest = read_manifest(root, trust)
    if isinstance(manifest, SizesManifest):
        return choose_entry(root / MANIFEST, manifest, name)
    return manifest


def _info(folder: Path, entry: Manifest) -> ModelInfo:
    try:
        return read_model_info(entry)
    except (TypeError, KeyError, AttributeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{find_root(folder)[0] / MANIFEST}: is malformed ({type(error).__name__}: {error});"
            " export the bundle again"
        ) from None
