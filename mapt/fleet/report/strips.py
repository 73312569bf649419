"""Draws the doubtful tracks of a recording, as `mapt explain` does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mapt.app.track_history import choose_moments, draw_life, read_decisions
from mapt.app.track_lives import read_lives
from mapt.drawing.text import Image
from mapt.errors import InputError
from mapt.fleet.sources.recordings import Recording
from mapt.fleet.worker import at_hand
from mapt.io.storage.storage import Storage

CELLS = 6  # crops of a strip
FILES = ("tracks.json", "decisions.jsonl")


def draw_strip(archive: Storage, row: dict[str, Any], folder: Path) -> tuple[Image, str] | str:
    """Draw the track of a recording that lasted shortest.

    Args:
        archive: where the outputs are.
        row: of the index.
        folder: for the files that are needed meanwhile.

    Returns:
        (h,w,3) uint8 RGB and a caption; or in words why there is none.
    """
    name = row["recording"]
    run = folder / name
    run.mkdir(parents=True, exist_ok=True)
    try:
        for file in FILES:
            data = archive.read(f"{name}/{file}")
            if data is None:
                return "no strip: it was saved without json"
            (run / file).write_bytes(data)
        lives = read_lives(run)
        if not lives:
            return "no strip: it has no track"
        life = min(lives, key=lambda life: (life.count("seen"), life.track))
        moments = choose_moments(run, life.track, read_decisions(run, life.track), CELLS)
        with at_hand(Recording(row["source"], name)) as place:
            picture = draw_life(run, life.track, moments, Path(place))
    except InputError as error:
        return f"no strip: {error}"
    return picture, f"{life.label} {life.track}: {life.spells()}"
