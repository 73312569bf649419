"""Keeps account of the bad files that a user asked to skip."""

from __future__ import annotations

from mapt.errors import InputError


class BadFiles:
    """Raises at the first bad file, or with `skip` keeps its message.

    Attributes:
        skip: keep messages instead of raising.
        messages: one line for each file that was skipped.
    """

    def __init__(self, skip: bool = False) -> None:
        self.skip = skip
        self.messages: list[str] = []

    def report(self, message: str) -> None:
        """Report a bad file.

        Args:
            message: one line that says which file is bad, why, and what to do.

        Raises:
            InputError: bad files are not skipped.
        """
        if not self.skip:
            raise InputError(message)
        self.messages.append(message)
