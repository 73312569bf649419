"""Reports a user's mistake in `python -m mapt.bench.*` as one line with exit code 2.

The `mapt` command reports mistakes in the same way.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from mapt.errors import InputError


@contextmanager
def told_in_one_line() -> Iterator[None]:
    """Print an `InputError` to stderr and end with exit code 2; the mains are decorated with it."""
    try:
        yield
    except InputError as error:
        print(f"mapt: {error}", file=sys.stderr)
        raise SystemExit(2) from None
