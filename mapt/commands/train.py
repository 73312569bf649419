"""`mapt train`: train a network from a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mapt.commands._shared.completion import complete_with, configurations
from mapt.errors import InputError, printable

if TYPE_CHECKING:
    from mapt.training.config import TrainConfig


def register(app: typer.Typer, name: str) -> None:
    """Attach the command."""
    app.command(name)(train)


def train(
    config: Annotated[
        str,
        typer.Argument(
            help="a TOML file, or a shipped name such as nano-street",
            autocompletion=complete_with(configurations),
        ),
    ],
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="key=value over the configuration")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="continue the run in --out")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="the run's folder, default runs/<name>")
    ] = None,
    init: Annotated[Path | None, typer.Option("--init", help="weights to start from")] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="leave bad files out, and count them")
    ] = False,
    checkpoints: Annotated[
        str | None,
        typer.Option("--checkpoints", help="copy every checkpoint there: a folder, s3:// or gs://"),
    ] = None,
    dry: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="look at every path, build everything, take two steps, name what is missing",
        ),
    ] = False,
) -> None:
    """Train a network and write its weights.

    Checkpoints, logs and weights.safetensors are written to the run's folder. The command also runs
    under torchrun.
    """
    from mapt.io.storage.places import check_storage, open_storage
    from mapt.training.config import find_config, read_config
    from mapt.training.distributed import first_process
    from mapt.training.loop import train as run

    path = find_config(config)
    folder = out or Path("runs") / path.stem
    settings = read_config(path, [*(changes or []), *(["data.skip_bad=true"] if skip_bad else [])])
    if dry:
        _dry_run(settings, folder, init)
        return
    mirror = None if checkpoints is None else open_storage(checkpoints, "--checkpoints")
    if mirror is not None:
        check_storage(mirror, writable=first_process())
    weights = run(settings, folder, resume, init, mirror)
    if first_process():
        typer.echo(f"weights: {printable(str(weights))}")


def _dry_run(settings: TrainConfig, out: Path, init: Path | None) -> None:
    from mapt.training.checks.dry_run import dry_run
    from mapt.training.distributed import first_process

    found = dry_run(settings, out, init)
    if first_process():
        for line in found.lines:
            typer.echo(line)
        for line in found.missing:
            typer.echo(f"missing: {line}")
    if found.missing:
        count = len(found.missing)
        raise InputError(
            f"dry run: {count} thing{'s are' if count > 1 else ' is'} missing, see above"
        )
    if first_process():
        typer.echo("dry run: nothing is missing")
