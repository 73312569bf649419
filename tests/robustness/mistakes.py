"""How a command answers a user's mistake: one line and exit code 2.

The line says what is wrong, where, and what to do.
"""

import re
from collections.abc import Callable
from typing import Any

Run = Callable[..., Any]


def told(ran: Any, *words: str) -> None:
    """One line for people."""
    line = ran.err.removesuffix("\n")
    assert ran.code == 2, (ran.code, line, ran.out)
    assert line.startswith("mapt: ") and line.isprintable() and len(line) < 700, line
    assert not re.search(r"Traceback|failed: |[A-Z][a-z]+Error\b|Exception|\bNone\b|Errno", line), (
        line
    )
    assert ";" in line, line
    for word in words:
        assert word in line, (word, line)
