"""`mapt report`: an archive of many recordings on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer, name: str) -> None:
    """Attach the command."""
    app.command(name)(report)


def report(
    archive: Annotated[
        str,
        typer.Argument(
            metavar="URI", help="what `mapt track` wrote on an engine: a folder, s3:// or gs://"
        ),
    ],
    html: Annotated[Path, typer.Option("--html", help="the page")] = Path("report.html"),
) -> None:
    """Show where alarms and short tracks gather, and the twenty recordings worth looking at.

    The strips are drawn from the sources, which have to be where they were.
    """
    from mapt.errors import printable
    from mapt.fleet.report.page import write_report
    from mapt.io.atomic_files import check_writable
    from mapt.io.storage.places import check_storage, open_storage

    check_writable(html, "--html")
    storage = open_storage(archive, "URI")
    check_storage(storage, writable=False)
    count = write_report(storage, html)
    typer.echo(printable(f"{count} recordings: {html}"))
