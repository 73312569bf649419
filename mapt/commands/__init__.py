"""One module per `mapt` command, each with a function `register(app, name)`.

Heavy imports stay inside the functions.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType


def _modules() -> dict[str, ModuleType]:
    """The command modules of this package; a module `train` gives `mapt train`."""
    names = sorted(
        module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")
    )
    return {name: importlib.import_module(f"{__name__}.{name}") for name in names}


COMMANDS = _modules()
