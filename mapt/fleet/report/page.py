"""Writes an archive's report: one HTML file, with everything in it."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mapt.drawing.text import Image
from mapt.errors import InputError
from mapt.fleet.report.overview import Candidate, Overview
from mapt.fleet.report.strips import draw_strip
from mapt.fleet.rows.index import read_index
from mapt.io.atomic_files import atomic_file, temporary_folder
from mapt.io.storage.storage import Storage

QUALITY = 82  # of JPEG


@dataclass(frozen=True)
class ShownRecording:
    """A recording that the page shows.

    Attributes:
        candidate: why it is worth looking at.
        picture: of its most doubtful track, as a data URI; empty: none.
        caption: what the picture shows, or why there is none.
    """

    candidate: Candidate
    picture: str
    caption: str


def write_report(archive: Storage, path: Path) -> int:
    """Write the page, whole or not at all.

    Args:
        archive: what `mapt track` wrote on an engine.
        path: the file.

    Returns:
        The number of recordings in the archive.

    Raises:
        InputError: there is no index, it is not whole, or jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, FileSystemLoader
    except ImportError:
        raise InputError("mapt report needs jinja2; pip install 'mapt[cpu]'") from None
    overview = Overview.of(read_index(archive))
    with temporary_folder() as folder:
        shown = [_shown(archive, candidate, folder) for candidate in overview.best]
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True
    )
    page = environment.get_template("report.html.j2").render(
        archive=archive.uri, overview=overview, shown=shown
    )
    with atomic_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return overview.recordings


def _shown(archive: Storage, candidate: Candidate, folder: Path) -> ShownRecording:
    found = draw_strip(archive, candidate.row, folder)
    if isinstance(found, str):
        return ShownRecording(candidate, "", found)
    return ShownRecording(candidate, _data_uri(found[0]), found[1])


def _data_uri(image: Image) -> str:
    bgr = np.ascontiguousarray(image[..., ::-1])
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"
