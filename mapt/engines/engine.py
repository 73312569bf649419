"""What every engine offers: tasks go in, outcomes come out in the order in which they are done."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from mapt.errors import InputError

T = TypeVar("T")
R = TypeVar("R")
Work = Callable[[T], R]
# Makes the work in a worker, which may take long: a network is loaded. It has to be picklable.
MakeWork = Callable[[], Callable[[T], R]]


@dataclass(frozen=True)
class TaskFailure:
    """Why a task failed.

    Attributes:
        error: what was raised; where it cannot be sent to another process, a `RuntimeError` of the
            same text.
        where: its traceback.
        lost: the worker was ended from outside, and nothing was raised.
    """

    error: Exception
    where: str = ""
    lost: bool = False

    @property
    def text(self) -> str:
        """One line for the user."""
        words = " ".join(str(self.error).split())
        if isinstance(self.error, InputError) or self.lost:
            return words
        return f"failed: {type(self.error).__name__}: {words}"

    @property
    def mistake(self) -> bool:
        """Whether it is the user's mistake, in the data or the options."""
        return isinstance(self.error, InputError)


@dataclass(frozen=True)
class TaskOutcome(Generic[T, R]):
    """A task that was done.

    Attributes:
        task: as it was given.
        result: what the work returned; None where it failed.
        failure: why it failed; None where it did not.
    """

    task: T
    result: R | None = None
    failure: TaskFailure | None = None


Outcomes = Generator[TaskOutcome[T, R], None, None]


class TaskEngine(Protocol):
    """Runs work on tasks.

    Attributes:
        workers: how many tasks are worked on at once.
    """

    @property
    def workers(self) -> int: ...  # noqa: D102

    def run(self, make: MakeWork[T, R], tasks: Iterable[T]) -> Outcomes[T, R]:
        """Yield the outcome of every task, in the order in which they are done.

        Args:
            make: makes the work, once in each worker, when its first task comes.
            tasks: may be endless. It is read as workers become free, so that little waits.

        Closing the iterator ends the workers at once.
        """
        ...


class LazyWork(Generic[T, R]):
    """Work that is made when its first task comes, and reports what it raises as an outcome."""

    def __init__(self, make: MakeWork[T, R]) -> None:
        self._make = make
        self._work: Work[T, R] | None = None

    def do(self, task: T) -> TaskOutcome[T, R]:
        """Do a task. Nothing but the end of the process is raised."""
        try:
            if self._work is None:
                self._work = self._make()
            return TaskOutcome(task, self._work(task))
        except Exception as error:
            return TaskOutcome(task, failure=TaskFailure(_portable(error), traceback.format_exc()))


def _portable(error: Exception) -> Exception:
    """The exception, if another process can read it, without what it refers to."""
    import pickle

    try:
        copy = pickle.loads(pickle.dumps(error))  # our own bytes
    except Exception:
        copy = None
    if type(copy) is type(error):
        return error
    return RuntimeError(f"{type(error).__name__}: {error}")


LOST = "its process was ended from outside, perhaps for want of memory; run it again"


def lost_worker() -> TaskFailure:
    """The failure of a task whose worker is gone."""
    return TaskFailure(RuntimeError(LOST), lost=True)
