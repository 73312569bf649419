"""The exception for a user's mistake.

The command line prints it as one line and exits with code 2.
"""

from __future__ import annotations


class InputError(Exception):
    """Bad input from outside: a file, a configuration, an argument.

    The message is one line that says what is wrong, where, and what to do.
    """


def shown(value: object, limit: int = 40) -> str:
    """Return the beginning of a value's `repr` for a message.

    If `repr` fails, as it does for an integer of 5000 digits, the type is named instead.
    """
    try:
        return repr(value)[:limit]
    except Exception:  # a host's class may raise anything
        return f"a {type(value).__name__}"


def printable(text: str) -> str:
    """Text in which nothing can steer a terminal: control characters of names are written out."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )
