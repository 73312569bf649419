"""The `mapt` command line: registers the commands and turns a user's mistake into one line and exit code 2."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from types import FrameType

import typer

from mapt.errors import InputError
from mapt.workers import bound_pools

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # nobody's mistake

app = typer.Typer(
    name="mapt",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
USED_UP = "this user's threads and processes are used up; end other programs, or raise the limit: ulimit -u"


@app.callback()
def _root() -> None:
    """Motion and appearance-aware panoptic tracking: train, export, track, evaluate, benchmark."""


def _register() -> None:
    """Attach every command; the modules import nothing heavy until one of them runs."""
    from mapt.commands import COMMANDS

    for name, module in COMMANDS.items():
        module.register(app, name)


def _end(number: int, _: FrameType | None) -> None:
    """Leave through every `finally`, with the shell's exit code for this signal."""
    raise SystemExit(128 + number)


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 failed, 2 bad input, 130 interrupted, 143 ended by SIGTERM."""
    previous = signal.signal(signal.SIGTERM, _end)  # process 1 of a container has no default
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files may not fit the terminal's encoding
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # quiet: a bad video gets our one line, not FFmpeg's too
    bound_pools()
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    _register()
    try:
        app()
    except InputError as error:
        if debug:
            raise
        _say(str(error))
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("mapt: interrupted", file=sys.stderr)
        raise SystemExit(130) from None
    except Exception as error:
        if debug:
            raise
        if isinstance(error, OSError) and (error.filename is not None or error.errno in FULL):
            text, code = _about_the_system(error)
            _say(text)
            raise SystemExit(code) from None
        from mapt.doctor import extra_of

        extra = extra_of(error.name) if isinstance(error, ModuleNotFoundError) else None
        if extra:
            _say(f"{error}, which this command needs; pip install 'mapt[{extra}]'")
            raise SystemExit(2) from None
        advice = USED_UP if _threads_used_up(error) else "--debug shows where"
        _say(f"failed: {type(error).__name__}: {error} ({advice})")
        raise SystemExit(1) from None
    finally:
        signal.signal(signal.SIGTERM, previous)


def _threads_used_up(error: Exception) -> bool:
    """Did the system refuse a thread or a process? Python, ONNX Runtime and PyTorch say so in their own classes."""
    return "can't start new thread" in str(error) or os.strerror(errno.EAGAIN) in str(error)


def _about_the_system(error: OSError) -> tuple[str, int]:
    """What the system refused, of a path where it names one, in one line, and the exit code."""
    where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    reason = error.strerror or type(error).__name__
    if error.errno in FULL:
        return f"{where}{reason}; free some space and run it again, older outputs are as they were", 1
    return f"{where}{reason}; check the path and its permissions", 2


def _say(text: str) -> None:
    """One line on standard error, in which nothing can steer the terminal."""
    safe = (c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    print(f"mapt: {''.join(safe)}", file=sys.stderr)


if __name__ == "__main__":
    main()
