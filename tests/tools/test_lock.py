"""requirements.lock: what `make setup` installs is pinned by version and by hash."""

import re
from pathlib import Path

LOCK = Path(__file__).parents[2] / "requirements.lock"
PIN = re.compile(r"[A-Za-z0-9._-]+(\[[a-z,-]+\])?==\S+( ; .+)?( --hash=sha256:[0-9a-f]{64})+")


def pins() -> list[str]:
    """One line for each package."""
    text = re.sub(r" \\\n +", " ", LOCK.read_text())
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_every_package_is_pinned_with_the_hashes_of_its_files() -> None:
    found = pins()
    assert len(found) > 50
    assert [line for line in found if not PIN.fullmatch(line)] == []


def test_no_place_of_download_is_named() -> None:
    assert "://" not in LOCK.read_text() and "--index" not in LOCK.read_text()
