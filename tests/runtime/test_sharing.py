"""Trackers of one process share a network on a CPU, and close it with the last of them."""

import gc
import os
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import pytest

from mapt.errors import InputError
from mapt.io.pretrained import shipped_bundle
from mapt.runtime import PanopticTracker, TrackerGroup
from mapt.runtime.backends.ort import OrtBackend, Sessions
from mapt.runtime.sharing.shared_networks import SharedNetworks
from tests.runtime.conftest import picture

SMALL = "192x352"
PERIOD = 100_000_000  # ns
# Memory of its own in MiB (PSS) before the first tracker, with one and with five of them.
MEASURE = """
import sys
from pathlib import Path
import numpy as np, onnxruntime, scipy.optimize
from mapt.runtime import PanopticTracker

def mib():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("Pss:")).split()[1]) / 1024

image = np.random.default_rng(0).integers(0, 255, (192, 352, 3), np.uint8)
before, trackers, found = mib(), [], []
for _ in range(5):
    trackers.append(
        PanopticTracker.load(sys.argv[1], "ort", 1, device="cpu", test=False, core=sys.argv[2])
    )
    for number in range(2):
        trackers[-1].step(image, number * 100_000_000)
    found.append(mib())
print(before, found[0], found[-1])
"""


def load(threads: int = 1) -> PanopticTracker:
    return PanopticTracker.load(
        shipped_bundle() / SMALL, "ort", threads, device="cpu", test=False, core="python"
    )


def sessions(tracker: PanopticTracker) -> Sessions:
    backend = tracker.backend
    assert isinstance(backend, OrtBackend)
    return backend.sessions


def test_trackers_of_a_bundle_share_its_sessions_until_the_last_is_gone() -> None:
    first = load()
    second = load()
    assert sessions(first) is sessions(second)
    assert first.backend is not second.backend
    kept = weakref.ref(sessions(first))
    del first
    gc.collect()
    assert kept() is sessions(second)
    second.step(picture(1), PERIOD)
    del second
    gc.collect()
    assert kept() is None


def test_a_group_shares_them_too() -> None:
    tracker = load()
    group = TrackerGroup.load(
        shipped_bundle() / SMALL, 3, "ort", 1, device="cpu", test=False, core="python"
    )
    assert {id(sessions(group[camera])) for camera in group} == {id(sessions(tracker))}


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux")
@pytest.mark.parametrize("core", ["python", "auto"])
def test_five_trackers_hold_little_more_memory_than_one(core: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", MEASURE, str(shipped_bundle() / SMALL), core],
        check=True,
        capture_output=True,
        text=True,
    )
    before, one, five = map(float, ran.stdout.split())
    assert one - before > 20, "the network's memory was not seen"
    assert (five - one) / 4 < 0.4 * (one - before)


def test_one_thread_opens_what_several_want() -> None:
    networks = SharedNetworks[Sessions]()
    opened = list[Sessions]()
    together = threading.Barrier(4)
    found = list[Sessions]()

    def open_network() -> Sessions:
        opened.append(Sessions())
        return opened[-1]

    def want() -> None:
        together.wait()
        found.append(networks.get("key", open_network))

    threads = [threading.Thread(target=want) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 1 and all(network is opened[0] for network in found)
    assert networks.get("other", open_network) is not opened[0]


def test_what_does_not_open_leaves_nothing_behind() -> None:
    networks = SharedNetworks[Sessions]()

    def fail() -> Sessions:
        raise InputError("no memory")

    with pytest.raises(InputError):
        networks.get("key", fail)
    made = Sessions()
    assert networks.get("key", lambda: made) is made


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_opens_its_own() -> None:
    networks = SharedNetworks[Sessions]()
    made = networks.get("key", Sessions)
    child = os.fork()
    if not child:
        os._exit(0 if networks.get("key", Sessions) is not made else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert networks.get("key", Sessions) is made
