"""Headless Chromium, driven through chromedriver's WebDriver protocol (W3C) on loopback."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

BROWSER = Path("/usr/bin/chromium")
DRIVER = Path("/usr/bin/chromedriver")
NOT_HERE = None if BROWSER.exists() and DRIVER.exists() else "needs Debian's chromium-driver"
needs_browser = pytest.mark.skipif(NOT_HERE is not None, reason=NOT_HERE or "")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
SECONDS = 60


class Page:
    """A page that is open in the browser."""

    def __init__(self, address: str) -> None:
        self._address = address

    def open(self, url: str) -> None:
        """Go to a page and wait until it is loaded."""
        _call("POST", f"{self._address}/url", {"url": url})

    def wait_for(self, script: str) -> Any:
        """Run a script that calls its first argument with the result."""
        return _call("POST", f"{self._address}/execute/async", {"script": script, "args": []})

    def screenshot(self) -> bytes:
        """What the page looks like, as PNG."""
        return base64.b64decode(_call("GET", f"{self._address}/screenshot"))


@contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """Start a browser with a fresh profile folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    quiet = subprocess.DEVNULL
    driver = subprocess.Popen([str(DRIVER), f"--port={port}"], stdout=quiet, stderr=quiet)
    root = f"http://127.0.0.1:{port}"
    options = {"binary": str(BROWSER), "args": [*FLAGS, f"--user-data-dir={profile}"]}
    try:
        _wait_until_ready(root)
        wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
        session = _call("POST", f"{root}/session", wanted)["sessionId"]
        address = f"{root}/session/{session}"
        _call("POST", f"{address}/timeouts", {"script": 1000 * SECONDS})
        try:
            yield Page(address)
        finally:
            with suppress(OSError):
                _call("DELETE", address)
    finally:
        driver.terminate()
        driver.wait()


def _wait_until_ready(root: str) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            _call("GET", f"{root}/status")
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _call(method: str, url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=2 * SECONDS) as answer:
        return json.load(answer)["value"]
