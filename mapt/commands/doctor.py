"""`mapt doctor`: reports what works on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer, name: str) -> None:
    """Attach the command."""
    app.command(name)(doctor)


def doctor(
    bundle: Annotated[
        Path | None,
        typer.Argument(
            metavar="BUNDLE", help="also say which of its graphs and engines will run here"
        ),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="write it here too")] = None,
) -> None:
    """Report what is built, found and missing on this machine, and how to fix it.

    Nothing of the bundle is loaded. The exit code is 1 if the runtime cannot work, or if nothing of
    the bundle runs here.
    """
    from dataclasses import asdict

    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    from mapt.doctor import examine, verdict
    from mapt.doctor.bundle import examine_bundle
    from mapt.io.atomic_files import check_writable, write_json

    check_writable(json_file, "--json")
    of_bundle = examine_bundle(bundle) if bundle else []
    findings = [*examine(), *of_bundle]
    folded = (Column(name, overflow="fold") for name in ("state", "found", "what to do"))
    table = Table(Column("", no_wrap=True), *folded)
    colours = {"ok": "green", "missing": "yellow", "broken": "red"}
    for f in findings:
        table.add_row(f.what, f"[{colours[f.state]}]{f.state}", escape(f.detail), escape(f.advice))
    Console().print(table)
    typer.echo(verdict(findings[: len(findings) - len(of_bundle)]))
    if of_bundle:
        typer.echo(of_bundle[0].detail)
    if json_file:
        write_json(json_file, [asdict(f) for f in findings])
    if any(f.needed and f.state != "ok" for f in findings):
        raise typer.Exit(1)
