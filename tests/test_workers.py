"""Threads that work ahead end with whom they work for, and a machine without threads to give is told from a hang."""

import itertools
import os
import threading
from pathlib import Path

import pytest

from mapt.runtime.bundle import read_bundle
from mapt.runtime.ort import OrtBackend
from mapt.workers import AHEAD, _quotas, map_ahead, require_threads, usable_cores


@pytest.fixture
def two_threads_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that starts two more threads, as it says when a user's are used up."""
    start, left = threading.Thread.start, iter((True, True))

    def limited(thread: threading.Thread) -> None:
        if not next(left, False):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)


def test_a_generator_that_is_dropped_ends_its_threads() -> None:
    before, seen = threading.active_count(), list[int]()
    results = map_ahead(seen.append, itertools.count(), 2)
    assert next(results) == (0, None)
    del results
    assert threading.active_count() == before and len(seen) <= 2 + 2 * AHEAD


@pytest.mark.usefixtures("two_threads_left")
def test_threads_that_are_refused_are_counted_and_the_others_end() -> None:
    before = threading.active_count()
    with pytest.raises(RuntimeError, match="can't start new thread: 5 more are needed, the system gives 2"):
        require_threads(5)
    assert threading.active_count() == before


@pytest.mark.usefixtures("two_threads_left")
def test_onnx_runtime_is_not_asked_for_threads_that_it_would_wait_for(bundle: Path) -> None:
    read = read_bundle(bundle)
    with pytest.raises(RuntimeError, match="can't start new thread: 3 more are needed"):
        OrtBackend(read, threads=4)
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
        monkeypatch.setattr("mapt.workers._quotas", lambda quotas=quotas: iter(quotas))
        assert usable_cores() == cores
