"""What a command says when it fails: one line, and the exit code."""

from __future__ import annotations

import errno
import os
import sys

from mapt.errors import InputError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # nobody's mistake
USED_UP = (
    "this user's threads and processes are used up; end other programs, or raise the limit:"
    " ulimit -u"
)


def describe(error: Exception) -> tuple[str, int]:
    """Return the line to print and the exit code: 2 for a user's mistake, otherwise 1.

    The line is empty if there is nothing to say.
    """
    if isinstance(error, InputError):
        return str(error), 2
    if isinstance(error, OSError) and (error.filename is not None or error.errno in FULL):
        return _about_the_system(error)
    for about in (_about_usage(error), _about_temporary(error), _about_package(error)):
        if about is not None:
            return about, 2
    return _about_failure(error), 1


def _about_package(error: Exception) -> str | None:
    """Which extra brings a package that is missing; None where that is not what failed."""
    if not isinstance(error, ModuleNotFoundError):
        return None
    from mapt.doctor import extra_of

    extra = extra_of(error.name)
    return f"{error}, which this command needs; pip install 'mapt[{extra}]'" if extra else None


def _about_usage(error: Exception) -> str | None:
    """Describe what is wrong with the arguments.

    The text is empty if help was shown instead. None means that the error has another cause.
    Typer brings click's classes, or has its own copies of them.
    """
    tell = getattr(error, "format_message", None)
    context = getattr(error, "ctx", None)
    if tell is None:
        return None
    command = context.command_path if context else "mapt"
    text = " ".join(tell().split()).rstrip(".?")
    near = getattr(error, "possibilities", None)
    if near:
        text = f"{getattr(error, 'message', text)}, did you mean {' or '.join(near)}"
    where = f"{command.removeprefix('mapt ')}: " if command != "mapt" else ""
    return f"{where}{text}; see {command} --help" if text else ""


def _about_failure(error: Exception) -> str:
    """What failed through no mistake of the user's, and what can be done."""
    if _threads_used_up(error):
        return USED_UP
    if isinstance(error, MemoryError):
        return (
            "the memory is used up; end other programs, or give smaller frames, a smaller --size or"
            " fewer workers"
        )
    text = " ".join(str(error).split())
    if _is_step_error(error):
        return f"{text}; the model gave what no network may give, older outputs are as they were"
    return f"failed: {type(error).__name__}: {text} (--debug shows where)"


def _is_step_error(error: Exception) -> bool:
    """Did the runtime refuse what a network gave? Asked without loading the runtime."""
    errors = sys.modules.get("mapt.runtime.errors")
    return errors is not None and isinstance(error, errors.StepError)


def _about_temporary(error: Exception) -> str | None:
    """Why a temporary folder cannot be made; None where that is not what failed."""
    text = error.strerror or "" if isinstance(error, OSError) and error.filename is None else ""
    return (
        "no temporary folder can be written; name one in TMPDIR"
        if "temporary directory" in text
        else None
    )


def _threads_used_up(error: Exception) -> bool:
    """Tell whether the system refused to start a thread or a process.

    Python, ONNX Runtime and PyTorch report this in classes of their own.
    """
    return "can't start new thread" in str(error) or os.strerror(errno.EAGAIN) in str(error)


def _about_the_system(error: OSError) -> tuple[str, int]:
    """What the system refused, of a path where it names one, in one line, and the exit code."""
    where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    reason = error.strerror or type(error).__name__
    if error.errno in FULL:
        return (
            f"{where}{reason}; free some space and run it again, older outputs are as they were",
            1,
        )
    return f"{where}{reason}; check the path and its permissions", 2
