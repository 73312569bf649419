"""Defines a line of the report, and runs a check that gives one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from mapt.errors import InputError

State = Literal["ok", "missing", "broken"]


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        what: the name of the part.
        state: "ok", "missing" (it is absent, and what needs it cannot run) or "broken" (it is
            present but does not work).
        detail: its version, or what the check saw.
        advice: what the user can do; empty if there is nothing to do.
        needed: whether the runtime cannot work without it.
    """

    what: str
    state: State
    detail: str
    advice: str = ""
    needed: bool = False


def attempt(what: str, check: Callable[[], str], advice: str, needed: bool = False) -> Finding:
    """Run a check and return its finding.

    Args:
        what: the name of the part.
        check: returns the finding's detail. An `InputError` means that the part is missing, and any
            other exception that it is broken.
        advice: what the user can do if the check fails.
        needed: whether the runtime cannot work without the part.
    """
    try:
        return Finding(what, "ok", check(), needed=needed)
    except InputError as error:
        return Finding(what, "missing", str(error), advice, needed)
    except Exception as error:
        return Finding(what, "broken", f"{type(error).__name__}: {error}", advice, needed)
