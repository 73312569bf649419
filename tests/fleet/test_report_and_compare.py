"""The report of an archive, and two networks over one."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mapt.fleet.report.overview import Overview
from mapt.fleet.rows.index import read_index
from mapt.io.storage.folder import FolderStorage
from tests.conftest import Ran
from tests.fleet.archives import SMALL

Mapt = Callable[..., Ran]
pytest.importorskip("pyarrow")


def row(name: str, **changes: object) -> dict[str, object]:
    start = {"recording": name, "source": f"/day/{name}", "frames": 10, "fps": 10.0, "late": 1}
    counts = {"tracks": 4, "short_tracks": 0, "alarms": 0, "seconds": 2.0, "bundle": "b"}
    return {**start, **counts, "tracks_car": 4, "pat": None, **changes}


def test_the_twenty_oddest_recordings_come_first() -> None:
    rows = [row(f"r{n:03d}", alarms=n % 10, alarms_blind=n % 10 or None) for n in range(100)]
    rows[50] |= {"short_tracks": 4, "source": "/night/r050"}
    overview = Overview.of(rows)
    assert len(overview.best) == 20 and overview.best[0].name == "r050"
    assert {found.row["alarms"] for found in overview.best[1:]} == {8, 9}
    assert overview.alarms == {"blind": 450} and overview.tracks == {"car": 400}
    assert overview.where()[0][0] == "/night" and overview.frames == 1000


def test_a_report_shows_strips_and_says_where_there_is_none(
    mapt: Mapt, clips: Path, tmp_path: Path
) -> None:
    pytest.importorskip("jinja2")
    data = tmp_path / "data"
    shutil.copytree(clips, data)
    out = tmp_path / "out"
    assert mapt("track", data, *SMALL, "--save", "json", "--workers", 1, "--out", out).code == 0
    (out / "0001" / "decisions.jsonl").unlink()
    ran = mapt("report", out, "--html", tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert ran.code == 0 and "4 recordings" in ran.out, ran.err
    drawn = [r for r in read_index(FolderStorage(out)) if r["tracks"] and r["recording"] != "0001"]
    assert drawn and page.count('<img src="data:image/jpeg') == len(drawn)
    assert "saved without json" in page
    assert "<b>16</b>frames" in page and str(out) in page


def test_two_networks_are_compared_recording_by_recording(
    mapt: Mapt, clips: Path, tmp_path: Path
) -> None:
    from mapt.weights import BUNDLE

    small = str(BUNDLE / "192x352")
    other = str(BUNDLE / "192x640")
    json_file = tmp_path / "d.json"
    shared = ("--archive", clips, "--workers", 1, "--json", json_file)
    same = mapt("bench", small, "--against", small, *shared)
    assert same.code == 0 and "0 of 4 recordings differ" in same.out, same.err
    ran = mapt("bench", small, "--against", other, *shared, "--truth", clips)
    found = json.loads(json_file.read_text())
    assert ran.code == 0 and found["recordings"] == 4, ran.err
    differing = found["differing"]
    assert differing and differing == sorted(differing, key=lambda each: -each["much"])
    assert all(each["labels"] > 0 and None not in each["pat"] for each in differing)
    alone = mapt("bench", small, "--against", small)
    assert alone.code == 2 and "--archive: is missing" in alone.err
