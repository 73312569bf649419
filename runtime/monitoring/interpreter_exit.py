"""Makes the interpreter wait at its end for threads that are in a step.

Native code cannot return to an interpreter that has ended.
"""

from __future__ import annotations

import atexit
import os
import threading
from weakref import WeakSet

PATIENCE = 60.0  # seconds for a step that may never end
_turns = WeakSet[threading.Lock]()
_left = threading.Event()


def watch(turn: threading.Lock) -> None:
    """Make the interpreter wait at its end for the thread that holds this lock."""
    _turns.add(turn)
    atexit.unregister(_wait)
    atexit.register(_wait)  # last, so that it comes before what ends the libraries loaded so far


def stay_out() -> None:
    """Block a daemon thread that arrives while the interpreter ends.

    Otherwise it would be stopped in the middle of native code.
    """
    if _left.is_set() and threading.current_thread().daemon:
        threading.Event().wait()


def _wait() -> None:
    _left.set()
    for turn in list(_turns):
        turn.acquire(timeout=PATIENCE)


def _forget() -> None:
    """Forget all locks in a forked child, where no thread holds them."""
    for turn in [turn for turn in _turns if turn.locked()]:
        _turns.discard(turn)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
