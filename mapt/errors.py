"""The one exception for a user's mistake: the command line prints it as one line and exits with code 2."""

from __future__ import annotations


class InputError(Exception):
    """Bad input from outside: a file, a configuration, an argument.

    The message is one line that says what is wrong, where, and what to do.
    """
