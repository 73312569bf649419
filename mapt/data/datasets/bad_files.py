"""Bad files that are left out because the user asked for it: named and counted, never silently."""

from __future__ import annotations

from mapt.errors import InputError


class BadFiles:
    """Raises at the first bad file, or with `skip` remembers its message.

    Attributes:
        messages: one line for each thing left out.
    """

    def __init__(self, skip: bool = False) -> None:
        self.skip = skip
        self.messages: list[str] = []

    def report(self, message: str) -> None:
        """Take note of a bad file.

        Raises:
            InputError: bad files are not to be skipped.
        """
        if not self.skip:
            raise InputError(message)
        self.messages.append(message)
