"""The exception for a user's mistake.

The command line prints it as one line and exits with code 2.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterable

# A short text, whatever the value: a few lines of YAML can name lists in lists of 2^40 items.
_BRIEF = reprlib.Repr()
_BRIEF.maxlevel = 3
_BRIEF.maxstring = _BRIEF.maxlong = _BRIEF.maxother = 250
_BRIEF.maxlist = _BRIEF.maxtuple = _BRIEF.maxdict = 20
LIKE = 0.7  # of a name must be the same, so that gpu is not taken for cpu


class InputError(Exception):
    """Bad input from outside: a file, a configuration, an argument.

    The message is one line that says what is wrong, where, and what to do.
    """


def nearest(value: str, known: Iterable[str]) -> str | None:
    """Return the known name that a mistyped one is nearest to; None where none is near.

    Capitals, and '-' or '_', make no difference.
    """
    import difflib

    spelled = {name.lower().replace("_", "-"): name for name in known}
    asked = value.lower().replace("_", "-")
    near = difflib.get_close_matches(asked, spelled, 1, LIKE)
    return spelled[near[0]] if near else None


def suggest(value: str, known: Iterable[str]) -> str:
    """Say what may stand in place of an unknown name, for the end of a message.

    Args:
        value: what was given.
        known: the names that exist, in the order in which they are listed.

    Returns:
        The nearest name if there is one, and every name.
    """
    names = list(known)
    near = nearest(value, names)
    hint = f"did you mean {near!r}? " if near else ""
    return f"{hint}choose one of {', '.join(names)}"


def shown(value: object, limit: int = 40) -> str:
    """Return the beginning of a value's `repr` for a message, in bounded time and memory.

    If `repr` fails, as it does for an integer of 5000 digits, the type is named instead.
    """
    try:
        return _BRIEF.repr(value)[:limit]
    except Exception:  # a host's class may raise anything
        return f"a {type(value).__name__}"


def printable(text: str) -> str:
    """Text in which nothing can steer a terminal: control characters of names are written out."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )
