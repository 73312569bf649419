"""The errors of a step.

Each leaves the tracker's state exactly as it was, so the caller can skip the frame and go on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mapt.errors import InputError


class StampError(InputError):
    """The time of a frame is not valid.

    It is repeated, older than the last one, absurdly far ahead, or not a time at all.
    """


class StateError(InputError):
    """Saved state that is damaged, foreign, or of another network, association or version."""


class StepError(RuntimeError):
    """The frame could not be labelled, through no fault of the caller's image and stamp."""


class BackendError(StepError):
    """The backend raised while it ran a subgraph; `__cause__` is what it raised."""


class OutputError(StepError):
    """The network's output breaks its contract.

    It has NaN or infinity, a wrong shape or type, or a class or count out of range.
    """


class BusyError(StepError):
    """Another thread is in `step`, `reset` or `restore_state` of the same tracker."""


@contextmanager
def documented(kind: type[InputError | StepError], what: str, remedy: str) -> Iterator[None]:
    """Turn the errors of libraries, and a lack of memory, into a documented error.

    Args:
        kind: the class to raise; errors that are documented already pass unchanged.
        what: the beginning of the message.
        remedy: the end of the message.
    """
    try:
        yield
    except (InputError, StepError):
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise kind(f"{what} ({reason}); {remedy}") from error
