"""The `mapt` command line: registers the commands and turns a user's mistake into one line and exit code 2."""

from __future__ import annotations

import errno
import os
import sys

import typer

from mapt.errors import InputError

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


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 failed, 2 bad input, 130 interrupted."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # quiet: a bad video gets our one line, not FFmpeg's too
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    _register()
    try:
        app()
    except InputError as error:
        if debug:
            raise
        print(f"mapt: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("mapt: interrupted", file=sys.stderr)
        raise SystemExit(130) from None
    except Exception as error:
        if debug:
            raise
        from mapt.doctor import extra_of

        extra = extra_of(error.name) if isinstance(error, ModuleNotFoundError) else None
        if extra:
            print(f"mapt: {error}, which this command needs; pip install 'mapt[{extra}]'", file=sys.stderr)
            raise SystemExit(2) from None
        advice = USED_UP if _threads_used_up(error) else "--debug shows where"
        print(f"mapt: failed: {type(error).__name__}: {error} ({advice})", file=sys.stderr)
        raise SystemExit(1) from None


def _threads_used_up(error: Exception) -> bool:
    """Did the system refuse a thread or a process? Python, ONNX Runtime and PyTorch say so in their own classes."""
    return "can't start new thread" in str(error) or os.strerror(errno.EAGAIN) in str(error)


if __name__ == "__main__":
    main()
