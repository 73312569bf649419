"""Threads that work ahead end with their consumer.

A machine that cannot give a thread is told from one that hangs.
"""

import itertools
import os
import subprocess
import sys
import threading
from pathlib import Path

import onnxruntime
import pytest

from mapt.cores import MOST_THREADS, POOLS, _quotas, check_threads, require_threads, usable_cores
from mapt.errors import InputError
from mapt.io.prefetch import AHEAD, map_ahead
from mapt.runtime import PanopticTracker
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.bundle.manifest import read_bundle


@pytest.fixture
def two_threads_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that starts two more threads, as it says when a user's are used up."""
    start = threading.Thread.start
    left = iter((True, True))

    def limited(thread: threading.Thread) -> None:
        if not next(left, False):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)


def test_a_generator_that_is_dropped_ends_its_threads() -> None:
    before = threading.active_count()
    seen = list[int]()
    results = map_ahead(seen.append, itertools.count(), 2)
    assert next(results) == (0, None)
    del results
    assert threading.active_count() == before and len(seen) <= 2 + 2 * AHEAD


@pytest.mark.usefixtures("two_threads_left")
def test_threads_that_are_refused_are_counted_and_the_others_end() -> None:
    before = threading.active_count()
    with pytest.raises(
        RuntimeError, match="can't start new thread: 5 more are needed, the system gives 2"
    ):
        require_threads(5)
    assert threading.active_count() == before


@pytest.mark.usefixtures("two_threads_left")
def test_onnx_runtime_is_not_asked_for_threads_that_it_would_wait_for(bundle: Path) -> None:
    read = read_bundle(bundle)
    with pytest.raises(
        InputError, match=r"the system gives no more threads .*: 3 more are needed.*; take fewer"
    ) as told:
        OrtBackend(read, threads=4)
    assert isinstance(told.value.__cause__, RuntimeError)
    assert len(OrtBackend(read, threads=1).sessions) == len(read.graphs)


def test_as_many_threads_as_cores_means_those_that_this_process_may_use(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    options = OrtBackend(read_bundle(bundle)).sessions["backbone"].get_session_options()
    assert options.intra_op_num_threads == 1


def test_a_containers_quota_bounds_the_cores(tmp_path: Path) -> None:
    own = tmp_path / "cgroup"
    own.write_text("0::/pod/container\n")
    container = tmp_path / "fs" / "pod" / "container"
    container.mkdir(parents=True)
    assert list(_quotas(tmp_path / "fs", own)) == []
    (container / "cpu.max").write_text("max 100000\n")
    (container.parent / "cpu.max").write_text("150000 100000\n")
    assert list(_quotas(tmp_path / "fs", own)) == [1.5]
    own.write_text("3:cpu,cpuacct:/box\n2:memory:/box\n")
    box = tmp_path / "fs" / "cpu" / "box"
    box.mkdir(parents=True)
    (box / "cpu.cfs_quota_us").write_text("50000\n")
    (box / "cpu.cfs_period_us").write_text("100000\n")
    assert list(_quotas(tmp_path / "fs", own)) == [0.5]
    assert list(_quotas(tmp_path / "fs", tmp_path / "nowhere")) == []


def test_no_more_cores_than_the_quota_and_at_least_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(64))
    for quotas, cores in (([], 64), ([1.5, 8.0], 2), ([0.2], 1)):
        monkeypatch.setattr("mapt.cores._quotas", lambda quotas=quotas: iter(quotas))
        assert usable_cores() == cores


@pytest.mark.parametrize("count", [0, -1, MOST_THREADS + 1, 20_000, 10**400, True, 2.0])
def test_a_number_of_threads_that_is_none_is_refused(bundle: Path, count: int) -> None:
    with pytest.raises(InputError, match=r"threads is .*; give a whole number from 1 to 1024"):
        check_threads(count)
    with pytest.raises(InputError, match="threads is"):
        PanopticTracker.load(bundle, threads=count)


def test_a_tracker_starts_no_more_threads_than_there_are_cores(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mapt.runtime.backends.choice.usable_cores", lambda: 1)
    tracker = PanopticTracker.load(bundle, threads=64, core="python")
    assert isinstance(tracker.backend, OrtBackend) and tracker.backend.threads == 1


@pytest.mark.skipif(
    not hasattr(onnxruntime, "set_global_thread_pool_sizes"),
    reason="an older ONNX Runtime has none",
)
def test_a_pool_that_the_host_has_made_for_the_process_runs_every_subgraph(bundle: Path) -> None:
    """ONNX Runtime refuses sessions with threads of their own then; the bits are the same."""
    program = """
import os, sys, zlib
os.environ["OPENBLAS_NUM_THREADS"] = "1"
import cv2
import numpy as np
import onnxruntime
cv2.setNumThreads(1)
from mapt.runtime import PanopticTracker
if sys.argv[2] == "one":
    onnxruntime.set_global_thread_pool_sizes(3, 1)
before = len(os.listdir("/proc/self/task"))
tracker = PanopticTracker.load(sys.argv[1], threads=2, core="python")
opened = len(os.listdir("/proc/self/task")) - before
image = np.random.default_rng(0).integers(0, 255, (192, 624, 3), np.uint8)
frames = [tracker.step(image[:, ::flip], n * 10**8) for n, flip in enumerate((1, -1))]
print(opened if sys.argv[2] == "one" else 0)
print([(zlib.crc32(f.semantic), zlib.crc32(f.instance), f.tracks) for f in frames])
print(zlib.crc32(tracker.save_state()))
"""
    commands = [[sys.executable, "-c", program, bundle, pools] for pools in ("one", "each its own")]
    told = [subprocess.run(c, capture_output=True, text=True, check=True).stdout for c in commands]
    assert told[0] == told[1] and told[0].startswith("0\n")


def test_every_pool_of_a_command_follows_the_quota(tmp_path: Path) -> None:
    """Of libraries that count the machine's cores, or their affinity alone."""
    program = """
import sys
import mapt.cores
mapt.cores._quotas = lambda: iter([0.5])
from mapt.cli import main
sys.argv = ["mapt", "--help"]
try:
    main()
except SystemExit:
    pass
import cv2, torch
print("pools:", cv2.getNumThreads(), torch.get_num_threads())
"""
    environment = {name: value for name, value in os.environ.items() if name not in POOLS}
    ran = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        cwd=tmp_path,
    )
    assert ran.stdout.splitlines()[-1] == "pools: 1 1"
