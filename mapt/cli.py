"""The `mapt` command line.

It registers the commands, and turns a user's mistake into one line and exit code 2.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from types import FrameType
from typing import Annotated, NoReturn

import typer

from mapt import __version__
from mapt.cores import bound_pools
from mapt.errors import InputError, printable

app = typer.Typer(
    name="mapt",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
LIVE = "mapt.io.sources.live.source"  # not loaded: no thread can wait for a stream
DEBUG = "With --debug a failure shows its full traceback instead of one line."


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"mapt {__version__}")
        raise typer.Exit


@app.callback(epilog="Try `mapt COMMAND -h` for the options of a command.")
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="show the version")
    ] = False,
    # `main` takes it from the arguments, wherever it stands.
    debug: Annotated[
        bool,
        typer.Option(
            "--debug", help="full traceback instead of one line; may stand behind any command"
        ),
    ] = False,
) -> None:
    """Motion and appearance-aware panoptic tracking: train, export, track, evaluate, benchmark."""
    _check_system()


def _check_system() -> None:
    """Refuse a system without POSIX file locks before a command begins.

    Raises:
        InputError: there are none, as on Windows.
    """
    try:
        import fcntl  # noqa: F401
    except ImportError:
        raise InputError(
            "this system is not supported, it has no POSIX file locks; on Windows run mapt in WSL 2"
            " or in a Linux container"
        ) from None


def _register() -> None:
    """Attach every command once; the modules import nothing heavy until one of them runs."""
    if app.registered_commands:  # a program that calls `main` again and again
        return
    from mapt.commands import COMMANDS

    for name, module in COMMANDS.items():
        module.register(app, name)
    _explain(app)


def _explain(group: typer.Typer) -> None:
    """Give every command its docstring for help; typer looks for it where `python -OO` has none."""
    from mapt.docstrings import text_of

    callbacks = [entry.callback for entry in group.registered_commands]
    if group.registered_callback:
        callbacks.append(group.registered_callback.callback)
    for entry in group.registered_commands:
        entry.epilog = DEBUG
    for inner in group.registered_groups:
        inner.epilog = DEBUG
    for callback in callbacks:
        if callback and not callback.__doc__:
            callback.__doc__ = text_of(callback)
    for inner in group.registered_groups:
        if inner.typer_instance:
            _explain(inner.typer_instance)


def _end(number: int, _: FrameType | None) -> None:
    """Leave through every `finally`, with the shell's exit code for this signal."""
    raise SystemExit(128 + number)


def main() -> None:
    """Run the command line and exit with its code.

    The exit codes are 0 done, 1 failed, 2 bad input, 130 interrupted, and 143 ended by SIGTERM.
    """
    previous = signal.signal(signal.SIGTERM, _end)  # process 1 of a container has no default
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="backslashreplace"
            )  # names of files may not fit the terminal's encoding
    os.environ.setdefault(
        "OPENCV_FFMPEG_LOGLEVEL", "-8"
    )  # quiet: a bad video gets our one line, not FFmpeg's too
    bound_pools()
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    _register()
    try:
        _refuse_empty(sys.argv[1:])
        _run()
    except KeyboardInterrupt:
        print("mapt: interrupted", file=sys.stderr)
        raise SystemExit(130) from None
    except Exception as error:
        if debug:
            raise
        from mapt.failures import describe

        text, code = describe(error)
        _say(text)
        raise SystemExit(code) from None
    finally:
        signal.signal(signal.SIGTERM, previous)


def program() -> NoReturn:
    """Run the command line as this process's program, and end the process.

    A thread may still wait in a library for a stream that has gone silent. Nothing can stop it, and
    it would run on while the interpreter and the libraries end. So the process then ends at once.
    """
    code: str | int | None = 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code
    live = sys.modules.get(LIVE)
    if live is not None and live.reads():
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):  # a closed pipe
                stream.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))
    sys.exit(code)


def _refuse_empty(arguments: list[str]) -> None:
    """Refuse an empty argument.

    It usually is an unset shell variable. As a path it would mean the current folder.
    """
    for number, argument in enumerate(arguments):
        if not argument or (argument.startswith("--") and argument.endswith("=")):
            where = (
                f"after {arguments[number - 1]}"
                if number and not argument
                else argument or "the first one"
            )
            raise InputError(f"an argument is empty ({where}); give it a value, or leave it out")


def _run() -> None:
    """The command that is asked for; typer's own messages would take a frame of several lines."""
    code = app(standalone_mode=False, prog_name="mapt")
    if code == 130:
        raise KeyboardInterrupt
    if code:
        raise SystemExit(code)


def _say(text: str) -> None:
    """Print one line on standard error, with control characters escaped.

    Empty text prints nothing.
    """
    if text:
        print(f"mapt: {printable(text)}", file=sys.stderr)


if __name__ == "__main__":
    program()
