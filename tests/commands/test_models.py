"""The names that stand for a network: the project's own, paths, and those of the Hub."""

import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from mapt.commands._shared.model import find_bundle, find_model, find_weights
from mapt.commands._shared.open_tracker import TrackerOptions, open_tracker
from mapt.errors import InputError
from mapt.io import pretrained
from mapt.io.hub import parse_hub
from mapt.io.pretrained import shipped_bundle, shipped_weights
from mapt.io.sources.live.connection import Received
from mapt.io.sources.live.source import LiveSource
from mapt.runtime.bundle.contents import sha256

Run = Callable[..., Any]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An installed package: there is no repository around it."""
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path / "site-packages" / "weights")


def test_the_default_is_the_free_one() -> None:
    model = find_model(None)
    assert model == find_model("nano-synthetic") and model.path == shipped_bundle()
    assert model.licence == "Apache-2.0" and "nano-synthetic, Apache-2.0, " in str(model)


def test_the_one_for_research_must_be_named_and_says_so() -> None:
    model = find_model("nano")
    assert model.path == shipped_weights("nano")
    assert str(model) == "weights: nano, research use only, 18.4 MB"


@pytest.mark.usefixtures("installed")
def test_where_there_is_no_repository_a_line_says_what_is_there() -> None:
    assert find_model("nano-synthetic").path.is_dir()
    for find in (find_model, find_weights):
        with pytest.raises(InputError, match=r"research use only.*take --model nano-synthetic"):
            find("nano")
    with pytest.raises(InputError, match=r"nano-synthetic: its weights .* lie in the repository"):
        find_weights("nano-synthetic")


def test_exporting_takes_weights_and_measuring_a_bundle() -> None:
    assert find_weights("nano") == shipped_weights("nano")
    assert find_bundle("nano-synthetic") == shipped_bundle()
    with pytest.raises(InputError, match="nano: comes as weights only; make a bundle"):
        find_bundle("nano")


def test_a_folder_of_that_name_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "nano").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_model("nano").path == Path("nano") and find_model("nano").licence == ""


def test_a_size_of_a_bundle_is_a_path_too() -> None:
    model = find_model(str(shipped_bundle() / "192x352"))
    assert model.path == shipped_bundle() / "192x352" and model.licence == "Apache-2.0"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nano-synthetc", "no such bundle or weights; take nano-synthetic, or make"),
        ("resnet", "no such bundle or weights; take nano-synthetic or nano, or make"),
    ],
)
def test_an_unknown_name_is_told_the_nearest(name: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        find_model(name)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("hf:owner/name", "names no revision; add @COMMIT"),
        ("hf:owner/name@", "names no revision"),
        ("hf:owner/name@main", "the revision 'main' can move; give the commit's 40 digits"),
        ("hf:owner/name@0123456", "can move"),
        ("hf:name@" + COMMIT, "is not hf:OWNER/NAME@COMMIT"),
        ("hf:../../x@" + COMMIT, "is not hf:OWNER/NAME@COMMIT"),
    ],
)
def test_an_address_on_the_hub_is_pinned_or_refused(text: str, says: str) -> None:
    with pytest.raises(InputError) as error:
        parse_hub(text)
    assert says in str(error.value)


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the Hub as a download of `owner/name` asks for."""

    files: Path  # of the one repository at the one commit

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, body: bool) -> None:
        path = urlsplit(self.path).path
        names = [p for p in sorted(self.files.rglob("*")) if p.is_file()]
        listed = [
            {"type": "file", "path": str(p.relative_to(self.files)), "size": p.stat().st_size,
             "oid": sha256(p)[:40]}
            for p in names
        ]  # fmt: skip
        resolved = f"/owner/name/resolve/{COMMIT}/"
        if path.startswith(resolved) and (self.files / path[len(resolved) :]) in names:
            self._send((self.files / path[len(resolved) :]).read_bytes(), body)
        elif path == f"/api/models/owner/name/tree/{COMMIT}":
            self._send(json.dumps(listed).encode(), body)
        elif path == f"/api/models/owner/name/revision/{COMMIT}":
            siblings = [{"rfilename": entry["path"]} for entry in listed]
            info = {"id": "owner/name", "sha": COMMIT, "siblings": siblings}
            self._send(json.dumps(info).encode(), body)
        else:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _send(self, content: bytes, body: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{abs(hash(content))}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if body:
            self.wfile.write(content)


@contextmanager
def hub(files: Path, home: Path) -> Iterator[dict[str, str]]:
    """Serve a repository; the environment lets the Hub's library find it."""
    handler = type("Served", (Hub,), {"files": files})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        endpoint = f"http://127.0.0.1:{server.server_port}"
        settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
        yield {**os.environ, **settings, "HF_HUB_DISABLE_TELEMETRY": "1"}
    finally:
        server.shutdown()
        server.server_close()


def track(
    frames: Path, out: Path, environment: dict[str, str], commit: str = COMMIT
) -> subprocess.CompletedProcess[str]:
    command = ["track", str(frames), "--model", f"hf:owner/name@{commit}", "--out", str(out)]
    more = ["--save", "json", "--threads", "1"]
    return subprocess.run(
        [sys.executable, "-m", "mapt.cli", *command, *more],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def test_a_bundle_of_the_hub_is_fetched_checked_and_kept(street: Path, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    frames = street / "training" / "image_02" / "0000"
    files = tmp_path / "files"
    shutil.copytree(shipped_bundle(), files)
    (files / "README.md").write_text("not fetched")
    with hub(files, tmp_path / "home") as environment:
        ran = track(frames, tmp_path / "out", environment)
        assert ran.returncode == 0, ran.stderr
        assert f"weights: hf:owner/name@{COMMIT}, Apache-2.0, " in ran.stderr
        other = track(frames, tmp_path / "other", environment, "f" * 40)
        assert other.returncode == 2 and "cannot be fetched" in other.stderr
    assert not list((tmp_path / "home").rglob("README.md"))
    offline = track(frames, tmp_path / "again", {**environment, "HF_HUB_OFFLINE": "1"})
    assert offline.returncode == 0, offline.stderr


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda files: (files / "manifest.json").unlink(), "holds no bundle"),
        (lambda files: (files / "384x1248" / "motion.onnx").write_bytes(b"x"), "motion.onnx"),
    ],
)
def test_what_is_no_bundle_on_the_hub_is_refused(
    street: Path, tmp_path: Path, change: Callable[[Path], object], says: str
) -> None:
    pytest.importorskip("huggingface_hub")
    files = tmp_path / "files"
    shutil.copytree(shipped_bundle(), files)
    change(files)
    with hub(files, tmp_path / "home") as environment:
        ran = track(street / "training" / "image_02" / "0000", tmp_path / "out", environment)
    assert ran.returncode == 2 and says in ran.stderr.splitlines()[-1]


def test_without_its_library_a_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"pip install 'mapt\[hub\]'"):
        find_model(f"hf:owner/name@{COMMIT}")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--size", "64x64"), "--size 64x64: the bundle has 384x672, 192x352, 192x640, 384x1248"),
        (("--size", "192x352", "--budget-ms", "9"), "--budget-ms: chooses the size; leave out"),
        (("--budget-ms", "-1"), "budget_ms is -1.0; give milliseconds above 0"),
        (("--model", "nano", "--budget-ms", "9"), "--budget-ms: is for bundles"),
        (("--tta",), "--tta: needs weights"),
    ],
)
def test_wrong_options(
    mapt: Run, street: Path, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    frames = street / "training" / "image_02" / "0000"
    ran = mapt("track", frames, "--out", tmp_path / "out", *arguments)
    assert ran.code == 2 and says in ran.err and ran.err.count("\n") == 1, ran.err


def test_a_size_can_be_asked_for(mapt: Run, street: Path, tmp_path: Path) -> None:
    frames = street / "training" / "image_02" / "0000"
    ran = mapt("track", frames, "--out", tmp_path, "--save", "json", "--size", "192x352")
    assert ran.code == 0, ran.err
    assert "MB; input 192x352\n" in ran.err


class Announced:
    """A connection that announces the size of its frames, and must not be read from."""

    fps = 30.0
    damaged = 0

    def __init__(self, size: tuple[int, int] | None) -> None:
        self.size = size

    def frames(self) -> Iterator[Received]:
        raise AssertionError("a frame was taken")

    def close(self) -> None:
        pass


def test_of_a_live_source_the_announced_size_decides_and_no_frame_is_lost() -> None:
    stream = LiveSource("stream", "stream", Announced((720, 1280)))
    tracker = open_tracker(None, TrackerOptions(threads=1), [stream])
    assert tracker.size_choice and tracker.size_choice.size == (384, 672)


def test_a_live_source_that_announces_nothing_gets_the_first_size_unless_one_is_chosen() -> None:
    stream = LiveSource("stream", "stream", Announced(None))
    tracker = open_tracker(None, TrackerOptions(threads=1), [stream])
    assert tracker.size_choice is None and tracker.backend.info.width == 672
    with pytest.raises(InputError, match="stream: announces no size of frames; give --size HxW"):
        open_tracker(None, TrackerOptions(budget_ms=50), [stream])
