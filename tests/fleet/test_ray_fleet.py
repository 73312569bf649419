"""Forty recordings on two nodes of Ray: a node and the client die, and the bytes are the same."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mapt.synthetic import write_dataset
from tests.fleet.archives import SMALL, outputs
from tests.tools.processes import ROOT

ray = pytest.importorskip("ray", reason="Ray is not installed")
pytest.importorskip("pyarrow")
pytestmark = pytest.mark.slow
RECORDINGS = 40
KINDS = ("--save", "json,step")


@pytest.fixture(scope="module")
def forty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forty") / "data"
    write_dataset(folder, RECORDINGS, 6, (64, 96), seed=9, workers=1)
    return folder


@pytest.fixture(scope="module")
def serial(forty: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of one process that did one recording after the other."""
    out = tmp_path_factory.mktemp("serial")
    subprocess.run([*client(forty, out)], check=True, env=environment(), capture_output=True)
    return out


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two nodes with a CPU each, on loopback. The first holds Ray's own tables."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "600")  # the machine may be busy
    # Ray takes 127.0.0.1 for the machine's outer address, and the others of loopback as they are.
    head = {"num_cpus": 1, "node_ip_address": "127.0.0.2", "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=head)
    made.add_node(num_cpus=1, node_ip_address="127.0.0.3")
    yield made
    made.shutdown()


def kill_a_node(cluster: Any) -> threading.Thread:
    """Kill every process of the second node. Their end is waited for elsewhere."""
    node = next(iter(cluster.worker_nodes))
    thread = threading.Thread(
        target=cluster.remove_node, args=(node,), kwargs={"allow_graceful": False}
    )
    thread.start()
    return thread


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def client(data: Path, out: Path, *engine: str) -> list[str]:
    tracked = ["track", str(data), *SMALL, *KINDS, "--threads", "1", "--out", str(out)]
    return [sys.executable, "-m", "mapt.cli", *tracked, *engine]


class Watch:
    """Remembers each mark as it was when it was first seen."""

    def __init__(self, out: Path) -> None:
        self.folder = out / "recordings"
        self.seen = dict[str, str]()

    def look(self) -> int:
        for path in self.folder.glob("[!.]*.json"):
            self.seen.setdefault(path.name, path.read_text())
        return len(self.seen)

    def wait_for(self, count: int, child: subprocess.Popen[str]) -> None:
        while self.look() < count:
            assert child.poll() is None, child.communicate()
            time.sleep(0.02)


def test_a_node_and_the_client_die_and_the_bytes_are_those_of_one_process(
    cluster: Any, forty: Path, serial: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = client(forty, out, "--engine", "ray", "--address", cluster.address, "--workers", "2")
    watch = Watch(out)
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        watch.wait_for(8, child)
        killer = kill_a_node(cluster)
        watch.wait_for(20, child)
        child.kill()
    killer.join()
    quiet = 0
    while quiet < 50:  # Ray ends the client's actors
        before = len(watch.seen)
        time.sleep(0.1)
        quiet = quiet + 1 if watch.look() == before else 0
    whole = dict(watch.seen)
    assert 20 <= len(whole) < RECORDINGS
    again = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    left = RECORDINGS - len(whole)
    assert f"{left} tracked, {6 * left} frames; {len(whole)} were whole before" in again.stdout
    final = {path.name: path.read_text() for path in (out / "recordings").glob("*.json")}
    assert all(final[name] == text for name, text in whole.items())
    assert len(final) == RECORDINGS and outputs(out) == outputs(serial)


def test_a_node_that_dies_alone_is_made_up_for(
    cluster: Any, forty: Path, serial: Path, tmp_path: Path
) -> None:
    """The client lives on, and its one call does everything."""
    out = tmp_path / "out"
    command = client(forty, out, "--engine", "ray", "--address", cluster.address, "--workers", "2")
    watch = Watch(out)
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        watch.wait_for(8, child)
        killer = kill_a_node(cluster)
        while child.poll() is None:
            watch.look()
            time.sleep(0.02)
        told, errors = child.communicate()
    killer.join()
    assert child.returncode == 0, errors
    summary = next(line for line in told.splitlines() if f"{RECORDINGS} recordings: " in line)
    assert "failed" not in summary  # Ray itself says of its node that it failed
    final = {path.name: path.read_text() for path in (out / "recordings").glob("*.json")}
    assert final == watch.seen and outputs(out) == outputs(serial)


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_ctrl_c_leaves_what_is_done(engine: str, forty: Path, serial: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = client(forty, out, "--engine", engine, "--workers", "2")
    watch = Watch(out)
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        watch.wait_for(4, child)
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate()
    assert child.returncode == 130 and errors.endswith("mapt: interrupted\n"), errors
    whole = watch.look()
    assert 4 <= whole < RECORDINGS
    found = outputs(out)
    wanted = outputs(serial)
    assert all(found[name] == wanted[name] for name in found)
    from mapt.fleet.rows.index import read_index
    from mapt.io.storage.folder import FolderStorage

    indexed = {f"{row['recording']}.json" for row in read_index(FolderStorage(out))}
    assert indexed <= set(watch.seen) and len(indexed) >= 4
