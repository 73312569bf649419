"""Runs checks of one group in a process of their own, started by `runner`.

Each line that it writes to the given descriptor is JSON: `{"begin": NAME}`, then what became of the
check. A check that raises ends the process: after an error CUDA may be unusable, and the next check
gets a new one.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, cast

from mapt.bench.gpu.context import Context, Device, Result, Skip


def outcome(target: str, context: Context) -> tuple[dict[str, Any], bool]:
    """Run one check.

    Args:
        target: its function, "module:function".
        context: what it is given.

    Returns:
        What became of it, as it goes into the results; and whether the process is still sound.
    """
    module, _, function = target.partition(":")
    begin = time.perf_counter()
    sound = True
    try:
        result: Result = getattr(importlib.import_module(module), function)(context)
        status = "failed" if result.faults else "passed"
        told: dict[str, Any] = {
            "status": status,
            "line": result.line,
            "faults": list(result.faults),
            "rows": list(result.rows),
            "values": dict(result.values),
        }
    except Skip as reason:
        told = {"status": "skipped", "line": str(reason)}
    except Exception as error:
        traceback.print_exc()
        sound = False
        text = str(error).strip().splitlines() or [""]
        line = f"{type(error).__name__}: {text[0]}"
        told = {"status": "failed", "line": line, "faults": [line], "values": {"error": str(error)}}
    return {**told, "seconds": round(time.perf_counter() - begin, 2)}, sound


def main(arguments: list[str]) -> None:
    """Descriptor, device, small (0 or 1), folder, then NAME=TARGET of each check."""
    descriptor, device, small, folder, *checks = arguments
    _end_with_parent()
    context = Context(cast(Device, device), small == "1", Path(folder))
    with os.fdopen(int(descriptor), "w") as events:
        for entry in checks:
            name, _, target = entry.partition("=")
            print(json.dumps({"begin": name}), file=events, flush=True)
            told, sound = outcome(target, context)
            print(json.dumps({"end": name, **told}, default=_plain), file=events, flush=True)
            if not sound:
                break
        sys.stdout.flush()
    os._exit(0)  # CUDA's own clean-up may hang or crash after an error


def _plain(value: Any) -> Any:
    """Convert numbers of NumPy and PyTorch, paths and other values for JSON."""
    return value.item() if hasattr(value, "item") else str(value)


def _end_with_parent() -> None:
    """End this process and those that it started when the parent ends: standard input closes."""

    def watch() -> None:
        while os.read(0, 1):
            pass
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1:])
