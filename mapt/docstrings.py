"""Reads the docstrings that are shown to users, also under `python -OO`, which strips them."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable
from types import ModuleType
from typing import Any


def text_of(documented: Callable[..., Any] | ModuleType | str) -> str:
    """Return the docstring of a function or a module.

    If Python has stripped it, it is read from the source. Without the source it is empty.

    Args:
        documented: the function, the module, or a module's name.
    """
    found = sys.modules[documented] if isinstance(documented, str) else documented
    if found.__doc__:
        return inspect.cleandoc(found.__doc__)
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(found)))
    except (OSError, TypeError, SyntaxError):
        return ""
    node = tree if isinstance(found, ModuleType) else tree.body[0]
    return (ast.get_docstring(node) or "") if isinstance(node, ast.Module | ast.FunctionDef) else ""
