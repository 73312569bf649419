"""The tracker that vehicle software embeds: an image in, labelled pixels with lasting ids out."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Generator
from pathlib import Path
from typing import Literal, NoReturn, get_args

from mapt.errors import InputError, shown, suggest
from mapt.runtime.association.associator import Association
from mapt.runtime.association.tracks import TrackTable
from mapt.runtime.backends.choice import BackendName, check_name
from mapt.runtime.backends.ort_providers import check_device, say_once
from mapt.runtime.backends.protocol import Backend, Device, Options
from mapt.runtime.errors import StepError, documented
from mapt.runtime.frame import Labels, PanopticFrame
from mapt.runtime.frame_maker import FrameMaker
from mapt.runtime.images.image import CameraImage, PixelFormat
from mapt.runtime.loading import Opened, SizeChoice, Wish, open_network
from mapt.runtime.monitoring.deadline import check_deadline
from mapt.runtime.monitoring.health import Health, HealthRecord
from mapt.runtime.monitoring.timestamps import check_stamp, whole
from mapt.runtime.monitoring.turn import Turn
from mapt.runtime.perception.pipeline import Clock, Perception, perceive
from mapt.runtime.perception.steps import Stepping, Wanted, run_step
from mapt.runtime.perception.warm_up import Scene, import_scipy, rehearse
from mapt.runtime.persistence.state import TrackerState, model_id, restore, save
from mapt.weights import BUNDLE, LICENCE, NAME

Core = Literal["auto", "python", "native"]


def check_core(core: Core) -> None:
    """Refuse a core that does not exist.

    Raises:
        InputError: it is none of `Core`.
    """
    if core not in get_args(Core):
        raise InputError(f"core {core!r} is unknown; {suggest(str(core), get_args(Core))}")


class PanopticTracker:
    """Motion and appearance-aware panoptic tracking of one camera.

    State belongs to the instance; several trackers in a process do not disturb each other. One
    thread at a time may call `step`, `reset` or `restore_state`; a second one gets a `BusyError`.
    `health` and `save_state` may be called from any thread at any time.

    Args:
        backend: runs the network; `load` makes one from a bundle.
        association: "full", or for ablations "motion" (propagated masks only), "appearance"
            (embeddings only), "iou" (the previous masks where they were).
        max_objects: most objects in a frame, the best scores win; None: as many as the network has
            slots.
        model: what saved states belong to; empty: derived from what the backend says of its
            network.

    Attributes:
        size_choice: how `load` chose the input size for the camera's frames; None: it did not.

    Raises:
        InputError: an unknown association, or a limit of objects that is no whole number from 1 on.
        TypeError: from pickling or copying it; `save_state` gives bytes.
    """

    def __init__(
        self,
        backend: Backend,
        association: Association = "full",
        max_objects: int | None = None,
        model: str = "",
    ) -> None:
        slots = backend.info.sizes["D"]
        wanted = slots if max_objects is None else whole(max_objects)
        if wanted < 1:
            raise InputError(
                f"max_objects is {shown(max_objects)}; give at least 1, or None for all {slots}"
            )
        self.backend = backend
        self.size_choice: SizeChoice | None = None
        self.association = association
        self.max_objects = min(wanted, slots)
        self.model = model_id(backend.info, model)
        limits = backend.info.thresholds
        self._empty = TrackTable(limits, association, limits.tracks_per_object * self.max_objects)
        self._state = TrackerState(self._empty)
        self._turn = Turn()
        # A host's own backend may not say what runs its subgraphs.
        self._record = HealthRecord(limits.max_gap, providers=getattr(backend, "providers", {}))
        self._maker = FrameMaker(backend, association, self.max_objects)

    @classmethod
    def load(
        cls,
        bundle_dir: str | Path | None = None,
        backend: BackendName = "auto",
        threads: int | None = None,
        association: Association = "full",
        max_objects: int | None = None,
        trust: Path | None = None,
        test: bool = True,
        *,
        device: Device = "auto",
        tf32: bool = False,
        cuda_graphs: bool = True,
        frame: tuple[int, int] | None = None,
        budget_ms: float | None = None,
        core: Core = "auto",
    ) -> PanopticTracker:
        """Open a bundle written by `mapt export`.

        The bundle is read completely, so its folder may change afterwards.

        Args:
            bundle_dir: its folder; every file is checked against the manifest's SHA-256 first. Of
                several input sizes, `BUNDLE/HxW` names one. None: the network that comes with the
                package, trained on synthetic streets alone (Apache-2.0).
            backend: "ort", "tensorrt", "openvino", or "auto": TensorRT where bundle and machine
                have all it needs, else ONNX Runtime; what it chose is logged once.
            threads: of the network; None, or more than that: as many as cores that this process may
                use.
            association: see the class.
            max_objects: see the class.
            trust: public Ed25519 key (PEM) that must have signed the bundle; None: signatures are
                not looked at. An empty path is an error.
            test: compare what the bundle's golden picture gives; False: the networks only run once,
                on zeros.
            device: of ONNX Runtime: "cpu", "cuda", or "auto": CUDA where this machine and
                installation have all it needs; `health().providers` says what runs.
            tf32: let ONNX Runtime's CUDA provider round the inputs of float32 products and
                convolutions to TF32.
            cuda_graphs: let a GPU replay what a subgraph queues as one CUDA graph, where that can
                be captured; `health().providers` says where it is.
            frame: (height, width) of the camera's images: of several input sizes, the best one for
                them is taken, see `size_choice`. None: the bundle's first size.
            budget_ms: milliseconds that a step may take: the best size is taken whose steps, timed
                here, keep it, or else the quickest.
            core: what computes the frames around the network, with the same bits: "python",
                "native" (C++), or "auto": native where it is built, the network runs on a CPU and
                no budget is given, else Python.

        Raises:
            InputError: not a bundle, a changed file, a missing or wrong key or signature, a backend
                that is not available, no memory or threads, or outputs that differ from what the
                bundle gave when it was exported. Where a library raised, `__cause__` is its
                exception.
        """
        if bundle_dir is None:
            say_once(logging.INFO, f"the default network runs, {NAME} ({LICENCE})")
            bundle_dir = BUNDLE
        with documented(
            InputError, f"{bundle_dir}: cannot be loaded", "free memory, or load it elsewhere"
        ):
            check_name(backend)
            check_device(device)
            check_core(core)
            folder = Path(bundle_dir)
            options = Options(threads, device, tf32, cuda_graphs)
            wish = Wish(frame, budget_ms)
            if core != "python" and cls is PanopticTracker:
                choice = importlib.import_module("mapt.runtime.native.choice")
                request = choice.NativeRequest(
                    folder, options, association, max_objects, trust, test, backend
                )
                native: PanopticTracker | None = choice.open_native(request, core, wish)
                if native is not None:
                    return native
            import_scipy()
            opened = open_network(
                folder,
                backend,
                options,
                wish,
                lambda opened: cls(opened.backend, association, max_objects).step,
                trust=trust,
                test=test,
            )
            return cls.rehearsed(opened, association, max_objects)

    @classmethod
    def rehearsed(
        cls, opened: Opened, association: Association, max_objects: int | None
    ) -> PanopticTracker:
        """A tracker on an opened network, warmed up; for the arguments see `load`."""
        tracker = cls(opened.backend, association, max_objects, opened.bundle.id)
        tracker.size_choice = opened.choice
        rehearsal = cls(Scene(opened.bundle.info), association, max_objects)
        rehearsal._maker.use_memory_of(tracker._maker)
        rehearse(rehearsal)
        return tracker

    @property
    def core(self) -> str:
        """What computes the frames around the network: "python" or "native"."""
        return "python"

    @property
    def next_id(self) -> int:
        """The id that the next new track gets."""
        return self._state.table.next_id

    def reset(self) -> None:
        """Forget all tracks, as after a camera cut; ids go on counting.

        Raises:
            BusyError: another thread is in `step`.
        """
        with self._turn.taken():
            self._state = self._state.cut()

    def save_state(self) -> bytes:
        """Return everything that the next step depends on, as bytes.

        During a step, it is the state before that step.
        """
        return save(self._state, self.model)

    def restore_state(self, data: bytes) -> None:
        """Go on where `save_state` was called, with the same ids as if it had never stopped.

        Args:
            data: from a tracker of the same bundle and association, in this or another process.

        Raises:
            StateError: damaged or foreign bytes; the state is as before.
            BusyError: another thread is in `step`.
        """
        with self._turn.taken():
            self._state = restore(data, self.model, self.backend.info, self._empty)

    def health(self) -> Health:
        """Return the current health; any thread may call it, and it never waits for a step."""
        return self._record.read()

    def step(
        self,
        image: object,
        stamp_ns: int,
        deadline_ms: float | None = None,
        *,
        pixel_format: PixelFormat = "rgb",
        labels: Labels = "host",
    ) -> PanopticFrame:
        """Label the next frame.

        Args:
            image: (h,w,3) uint8 of any size and strides: a NumPy array, or one of another library
                with DLPack or `__cuda_array_interface__`, on the host or in a GPU's memory. It is
                read without a copy, and may change as soon as the step returns.
            stamp_ns: its time in nanoseconds, above the previous frame's by at most `max_jump`
                seconds.
            deadline_ms: milliseconds from the call within which the frame is wanted: appearance,
                then motion are left out where they would not fit, by what they cost lately; the
                frame says so. None: never.
            pixel_format: "rgb"; "bgr", OpenCV's order; or "nv12" (BT.601) and "nv12-709" (BT.709),
                both of the limited range, as one array (h * 3 / 2, w) or a pair of the planes
                (h,w) and (h/2,w/2,2), of even sides.
            labels: "host", or "device" to leave them in the GPU's memory: `frame.device_labels`.

        Returns:
            Labels at the image's size, tracks, decisions and timings.

        Raises:
            InputError: wrong shape, type or strides of the image, an unknown format, an image in a
                GPU's memory that cannot be read here, labels for a GPU that cannot be used, or a
                deadline that is none.
            StampError: a stamp that does not rise, or is absurd.
            StepError: the backend or another library raised (`__cause__`), there is no memory, the
                output is invalid, or another thread is in `step`.

        Whatever is raised, the state is exactly as before.
        """
        stepping = self.begin_step(image, stamp_ns, deadline_ms, pixel_format, labels)
        return run_step(
            stepping, lambda wanted: perceive(self.backend, wanted.tensor, wanted.clock)
        )

    def begin_step(
        self,
        image: object,
        stamp_ns: int,
        deadline_ms: float | None,
        pixel_format: PixelFormat,
        labels: Labels,
        called_ns: int | None = None,
    ) -> Stepping:
        """A step that stops where it wants its image perceived, for whoever does that for it.

        Arguments, result and errors are those of `step`. The deadline counts from `called_ns` by
        `time.perf_counter_ns`, or from the first `next`. No other step begins until this one ends.
        """
        with self._turn.taken():
            started = Clock(start_ns=called_ns)
            self._record.begin(started.past_ms())
            with self._record.errors():
                picture = self._maker.inputs.read(image, pixel_format)
                self._maker.labels.prepare(labels)
                max_jump = self.backend.info.thresholds.max_jump
                stamp = check_stamp(stamp_ns, self._state.accepted_ns, max_jump)
                limit_ms = check_deadline(deadline_ms)
                self._record.expect(limit_ms)
                with documented(StepError, "the frame cannot be labelled", "frame dropped"):
                    clock = Clock(limit_ms, called_ns)
                    frame, self._state = yield from self._next(picture, stamp, clock, labels)
            self._record.labelled(frame)
            return frame

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied or pickled: only the saved state can be transferred."""
        raise TypeError(
            "a tracker cannot be copied or pickled; load another one and give it save_state()'s"
            " bytes"
        )

    def _next(
        self, image: CameraImage, stamp: int, clock: Clock, where: Labels
    ) -> Generator[Wanted, Perception, tuple[PanopticFrame, TrackerState]]:
        """The next frame and the state after it; nothing of the tracker changes but estimates."""
        return self._maker.make(self._state, image, stamp, clock, where)
