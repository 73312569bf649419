"""The trackers of several cameras on one network, stepped together."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, cast

from mapt.cores import check_threads, usable_cores
from mapt.errors import InputError, shown
from mapt.runtime.association.associator import Association
from mapt.runtime.backends.choice import BackendName, check_name
from mapt.runtime.backends.ort_providers import check_device
from mapt.runtime.backends.protocol import Backend, Device, Options
from mapt.runtime.batches.batch import one_camera
from mapt.runtime.batches.cameras import CameraStep, Outcome, camera_names
from mapt.runtime.batches.perceive_batch import perceive_batch
from mapt.runtime.errors import BusyError, StepError, documented
from mapt.runtime.frame import Labels
from mapt.runtime.images.image import PixelFormat
from mapt.runtime.loading import Wish, open_shared
from mapt.runtime.monitoring.health import Health
from mapt.runtime.monitoring.turn import Turn
from mapt.runtime.perception.pipeline import Perception, perceive
from mapt.runtime.perception.warm_up import import_scipy
from mapt.runtime.tracker import Core, PanopticTracker, check_core
from mapt.weights import BUNDLE

Given = TypeVar("Given")
Result = TypeVar("Result")


class TrackerGroup:
    """The trackers of several cameras, which share one network.

    Every camera has a tracker of its own, with its ids, state and health: `group["front"]`. It
    gives the frames that it would give alone.

    Args:
        trackers: by the camera's name. They run `backend`, through `one_camera` if it takes several
            images at a time.
        backend: that all of them run.
        batch: images that its frame graphs take at a time.
        threads: that step cameras at the same time, where the backend may be called from several.

    Attributes:
        cameras: their names.
        batch: see above.
    """

    def __init__(
        self,
        trackers: dict[str, PanopticTracker],
        backend: Backend,
        batch: int = 1,
        threads: int = 1,
    ) -> None:
        self.cameras = tuple(trackers)
        self.batch = batch
        self._trackers = tuple(trackers.values())
        self._backend = backend
        self._turn = Turn()
        self._process = os.getpid()
        several = threads > 1 and getattr(backend, "concurrent", False)
        self._pool = ThreadPoolExecutor(threads, "mapt-group") if several else None

    @classmethod
    def load(
        cls,
        bundle_dir: str | Path | None,
        cameras: int | Sequence[str],
        backend: BackendName = "auto",
        threads: int | None = None,
        association: Association = "full",
        max_objects: int | None = None,
        trust: Path | None = None,
        test: bool = True,
        *,
        device: Device = "auto",
        tf32: bool = False,
        frame: tuple[int, int] | None = None,
        core: Core = "auto",
    ) -> TrackerGroup:
        """Open a bundle once for several cameras.

        With a bundle of `mapt export --batch N`, N cameras are perceived in one call. With any
        other, their steps run one after the other, or on a CPU at the same time.

        Args:
            bundle_dir: see `PanopticTracker.load`, and so what is not named here.
            cameras: their names, or how many there are; their names are then "0", "1", ...
            backend: see there.
            threads: of all cameras together; None: as many as cores that this process may use.
            association: see there.
            max_objects: of each camera.
            trust: see there.
            test: see there.
            device: see there.
            tf32: see there.
            frame: (height, width) of the images: of several input sizes, the best one is taken for
                all cameras.
            core: see there; bundles of `--batch N` and GPUs need Python's.

        Raises:
            InputError: no cameras, two of one name, or what `PanopticTracker.load` raises.
        """
        names = camera_names(cameras)
        folder = Path(BUNDLE if bundle_dir is None else bundle_dir)
        remedy = "free memory, or load it elsewhere"
        with documented(InputError, f"{folder}: cannot be loaded", remedy):
            check_name(backend)
            check_device(device)
            given = usable_cores() if threads is None else check_threads(threads)
            usable = min(given, usable_cores())
            options = Options(usable, device, tf32)
            wish = Wish(frame)
            check_core(core)
            if core != "python":
                choice = importlib.import_module("mapt.runtime.native.choice")
                request = choice.NativeRequest(
                    folder, options, association, max_objects, trust, test, backend
                )
                native: list[PanopticTracker] | None = choice.open_native_cameras(
                    len(names), request, core, wish
                )
                if native is not None:
                    own = dict(zip(names, native, strict=True))
                    return cls(own, native[0].backend, threads=usable)
            import_scipy()
            opened = open_shared(folder, len(names), backend, options, wish, trust=trust, test=test)
            batch = opened.bundle.batch
            alone = replace(opened, backend=one_camera(opened.backend, batch))
            trackers = {
                name: PanopticTracker.rehearsed(alone, association, max_objects) for name in names
            }
            return cls(trackers, opened.backend, batch, usable)

    def __len__(self) -> int:
        """The number of cameras."""
        return len(self.cameras)

    def __iter__(self) -> Iterator[str]:
        """The cameras' names."""
        return iter(self.cameras)

    def __getitem__(self, camera: str | int) -> PanopticTracker:
        """The tracker of a camera, by its name or index.

        Its `reset`, `save_state`, `restore_state` and `health` concern this camera alone.

        Raises:
            InputError: there is no such camera.
        """
        if isinstance(camera, str) and camera in self.cameras:
            return self._trackers[self.cameras.index(camera)]
        if type(camera) is int and 0 <= camera < len(self):
            return self._trackers[camera]
        raise InputError(f"camera {shown(camera)} is none of {', '.join(self.cameras)}")

    def health(self) -> dict[str, Health]:
        """The health of every camera; any thread may call it, and it never waits."""
        return {
            name: tracker.health()
            for name, tracker in zip(self.cameras, self._trackers, strict=True)
        }

    def step(
        self,
        images: Sequence[object | None],
        stamps: Sequence[int | None],
        deadline_ms: float | Sequence[float | None] | None = None,
        *,
        pixel_format: PixelFormat = "rgb",
        labels: Labels = "host",
    ) -> list[Outcome]:
        """Label the next frames, one of each camera.

        Args:
            images: of each camera, in the order of `cameras`, see `PanopticTracker.step`; None
                where a camera has no frame now. They may differ in size.
            stamps: of each image, nanoseconds; None where there is no image.
            deadline_ms: of all cameras, or of each, milliseconds from this call.
            pixel_format: of all images.
            labels: see `PanopticTracker.step`.

        Returns:
            For each camera the frame; None where it had no image, and its state is as before; or
            the `InputError` or `StepError` that `PanopticTracker.step` would raise. An error is
            its camera's own, and leaves that camera's state as it was.

        Raises:
            InputError: not one image, stamp and deadline for each camera.
            BusyError: another thread is in `step`, or this process was forked from the one that
                loaded the group.
        """
        called_ns = time.perf_counter_ns()
        with self._turn.taken():
            if self._process != os.getpid():
                raise BusyError("this process was forked; load a group in it")
            limits = self._each(deadline_ms)
            self._check(images=images, stamps=stamps, deadline_ms=limits)
            steps = [
                CameraStep(
                    camera,
                    self._trackers[camera].begin_step(
                        image,
                        cast("int", stamps[camera]),  # what is none is refused
                        limits[camera],
                        pixel_format,
                        labels,
                        called_ns,
                    ),
                )
                for camera, image in enumerate(images)
                if image is not None
            ]
            try:
                self._run(steps)
            finally:
                for step in steps:
                    step.drop()
            outcomes = dict[int, Outcome]((step.camera, step.outcome) for step in steps)
            return [outcomes.get(camera) for camera in range(len(self))]

    def _run(self, steps: list[CameraStep]) -> None:
        """Bring every step to its outcome."""
        if self.batch == 1:
            self._map(self._run_alone, steps)
            return
        self._map(CameraStep.begin, steps)
        waiting = [step for step in steps if step.wanted is not None]
        batches = [waiting[i : i + self.batch] for i in range(0, len(waiting), self.batch)]
        self._map(_end, [pair for found in self._map(self._perceive, batches) for pair in found])

    def _run_alone(self, step: CameraStep) -> None:
        backend = self._trackers[step.camera].backend
        step.run(lambda wanted: perceive(backend, wanted.tensor, wanted.clock))

    def _perceive(self, steps: list[CameraStep]) -> list[tuple[CameraStep, Perception | StepError]]:
        images = [step.wanted for step in steps if step.wanted is not None]
        found = perceive_batch(self._backend, self.batch, images)
        return list(zip(steps, found, strict=True))

    def _map(self, call: Callable[[Given], Result], items: Sequence[Given]) -> list[Result]:
        """Call something with every item, on several threads where the backend allows it."""
        if self._pool is None or len(items) < 2:
            return [call(item) for item in items]
        futures = [self._pool.submit(call, item) for item in items]
        wait(futures)
        return [future.result() for future in futures]

    def _each(self, deadline_ms: float | Sequence[float | None] | None) -> list[float | None]:
        if isinstance(deadline_ms, Sequence):
            return list(deadline_ms)
        return [deadline_ms] * len(self)

    def _check(self, **given: Sequence[object]) -> None:
        """Refuse what does not have one of each for each camera."""
        for name, values in given.items():
            if not isinstance(values, Sequence) or len(values) != len(self):
                have = len(values) if isinstance(values, Sequence) else shown(values)
                raise InputError(f"{name}: give one for each of {len(self)} cameras, not {have}")


def _end(perceived: tuple[CameraStep, Perception | StepError]) -> None:
    step, found = perceived
    step.end(found)
