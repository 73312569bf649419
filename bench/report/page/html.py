"""Writes the report as one self-contained HTML file with plots.

`python -m mapt.bench.report.page.html OUT.html RESULTS.json...` makes one from JSON files of `mapt
bench`; keys of later files win.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from mapt.bench.cli_errors import told_in_one_line
from mapt.bench.report.page.elements import Picture
from mapt.bench.report.page.sections import cards, sections, seen
from mapt.docstrings import text_of
from mapt.errors import InputError
from mapt.io.atomic_files import atomic_file
from mapt.io.user_files import read_json


def write_html(path: Path, report: Mapping[str, Any], pictures: Sequence[Picture] = ()) -> None:
    """Write the page, whole or not at all.

    Args:
        path: the file.
        report: the JSON of `mapt bench`.
        pictures: annotated frames of the run.
    """
    machine = report["machine"]
    bundle = report["bundle"]
    data = report.get("data", {})
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True
    )
    seeds = f", seed {', '.join(map(str, data['seeds']))}" if data.get("seeds") else ""
    page = environment.get_template("report.html.j2").render(
        title=f"mapt bench: {bundle['preset']} {bundle['height']}x{bundle['width']}",
        machine=_machine(machine)
        + f" Bundle {bundle['id'][:12]}, {bundle['lowering']}, {bundle['precision']}.",
        data=f"{_sequences(data)}, {data.get('frames', '?')} frames{seeds}.",
        cards=cards(report),
        sections=[*seen(pictures), *sections(report)],
    )
    with atomic_file(path) as temporary:
        temporary.write_text(page)


def _sequences(data: Mapping[str, Any]) -> str:
    count = data.get("sequences", "?")
    return "1 sequence" if count == 1 else f"{count} sequences"


def _machine(machine: Mapping[str, Any]) -> str:
    libraries = ", ".join(
        f"{name} {version}" for name, version in machine["libraries"].items() if version
    )
    device = machine.get("pytorch", "cpu")
    pytorch = f"PyTorch on {device}" if device else "without PyTorch"
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB,"
        f" {machine['system']}, {machine['threads']} threads, {pytorch}."
        f" Python {machine['python']}, {libraries}."
    )


@told_in_one_line()
def main(arguments: Sequence[str] | None = None) -> None:
    """Merge the files and write the page."""
    parser = argparse.ArgumentParser(
        prog="python -m mapt.bench.report.page.html", description=text_of(__name__)
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("results", type=Path, nargs="+")
    options = parser.parse_args(arguments)
    merged: dict[str, Any] = {}
    for path in options.results:
        found = read_json(path, "give one of `mapt bench --json`")
        if not isinstance(found, dict):
            raise InputError(f"{path}: holds no results; give one of `mapt bench --json`")
        merged |= {key: value for key, value in found.items() if value or key not in merged}
    write_html(options.out, merged)


if __name__ == "__main__":
    main()
