"""`mapt data`: looks at datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def register(app: typer.Typer, name: str) -> None:
    """Attach the command group."""
    group = typer.Typer(no_args_is_help=True)
    group.command("stats")(stats)
    group.callback()(_group)
    app.add_typer(group, name=name)


def _group() -> None:
    """Look at datasets."""


def stats(
    root: Annotated[Path, typer.Argument(help="KITTI-MOTS texts, or <seq>/<frame>.png labels")],
    json_file: Annotated[Path | None, typer.Option("--json", help="write the statistics here")] = None,
) -> None:
    """Sizes, speeds, lifetimes and gaps of cars and people, beside those of KITTI-MOTS."""
    import json

    from rich.console import Console
    from rich.table import Table

    from mapt.data.statistics import REFERENCE, dataset_statistics
    from mapt.files import write_json

    found, reference = dataset_statistics(root), json.loads(REFERENCE.read_text())
    console = Console()
    for name, own in found.items():
        table = Table(name, "here", "KITTI-MOTS")
        for key, value in own.items():
            table.add_row(key, _cell(value), _cell(reference[name][key]))
        console.print(table)
    console.print("quantiles are p10 / p25 / p50 / p75 / p90; pixels at the dataset's own size", highlight=False)
    if json_file:
        write_json(json_file, found)


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return " / ".join(f"{v:g}" for v in value.values()) or "-"
    return f"{value:g}"
