"""Several cameras: their names, and the step of each of them, up to its outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from inspect import GEN_CLOSED, getgeneratorstate

from mapt.errors import InputError, shown
from mapt.runtime.errors import StepError
from mapt.runtime.frame import PanopticFrame
from mapt.runtime.perception.pipeline import Perception
from mapt.runtime.perception.steps import Stepping, Wanted, end_step, run_step

Outcome = PanopticFrame | InputError | StepError | None
MOST_CAMERAS = 1024


@dataclass
class CameraStep:
    """A camera's step among those of others.

    An `InputError` or `StepError` that it raises is its outcome; anything else is raised.

    Attributes:
        camera: its index.
        stepping: the step.
        wanted: the image that it wants perceived; None before, or where that failed.
        outcome: what became of it.
    """

    camera: int
    stepping: Stepping
    wanted: Wanted | None = None
    outcome: Outcome = None

    def begin(self) -> None:
        """Bring it to where it wants its image perceived."""
        self.outcome = _outcome(self._advance)

    def end(self, perceived: Perception | StepError) -> None:
        """Give it what its image shows, or why that is not known."""

        def answer() -> Perception:
            if isinstance(perceived, StepError):
                raise perceived
            return perceived

        self.outcome = _outcome(lambda: end_step(self.stepping, answer))

    def run(self, perceive: Callable[[Wanted], Perception]) -> None:
        """Run all of it; what `perceive` raises, the step raises."""
        self.outcome = _outcome(lambda: run_step(self.stepping, perceive))

    def drop(self) -> None:
        """End it if it was interrupted, so that its camera can take the next one."""
        if getgeneratorstate(self.stepping) != GEN_CLOSED:
            with suppress(StepError):
                error = StepError("the group's step was interrupted; frame dropped")
                self.stepping.throw(error)

    def _advance(self) -> None:
        self.wanted = next(self.stepping)


def _outcome(call: Callable[[], PanopticFrame | None]) -> Outcome:
    """What a call gives, or a camera's own error that it raises."""
    try:
        return call()
    except (InputError, StepError) as error:
        return error


def camera_names(cameras: int | Sequence[str]) -> tuple[str, ...]:
    """The names of the cameras: those that are given, or "0", "1", ... where a number is.

    Raises:
        InputError: there are none or too many, or two have the same.
    """
    many = isinstance(cameras, int) and not isinstance(cameras, bool)
    listed = isinstance(cameras, Sequence) and all(isinstance(name, str) for name in cameras)
    if not many and (not listed or isinstance(cameras, str)):
        raise InputError(f"cameras is {shown(cameras)}; give how many there are, or their names")
    names = tuple(map(str, range(cameras))) if isinstance(cameras, int) else tuple(cameras)
    if not 1 <= len(names) <= MOST_CAMERAS:
        raise InputError(f"cameras: there are {len(names)}; give 1 to {MOST_CAMERAS}")
    if len(set(names)) < len(names):
        raise InputError("cameras: two have the same name; give each its own")
    return names
