"""Ray's mistakes are one line each."""

import importlib
import sys
from pathlib import Path

import pytest

from mapt.engines.choice import EngineOptions, open_engine
from mapt.engines.ray_cluster import RayWorker, check_room
from mapt.errors import InputError
from tests.tools.stores.servers import free_port


def test_without_ray_the_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'mapt\[ray\]'"):
        with open_engine(EngineOptions("ray")):
            pass


def test_an_address_where_nobody_answers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(InputError, match=f"--address {address}: nobody answers there"):
        with open_engine(EngineOptions("ray", address)):
            pass


def test_no_cluster_of_this_machine_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    services = importlib.import_module("ray._private.services")
    if services.find_gcs_addresses():
        pytest.skip("a cluster of Ray runs on this machine")
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    with pytest.raises(InputError, match="--address auto: no Ray cluster can be reached"):
        with open_engine(EngineOptions("ray", "auto")):
            pass


def test_a_worker_makes_its_work_once_and_tells_what_cannot_be_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    made = []

    def get(reference: str) -> object:
        made.append(reference)
        if reference == "absent":
            raise ModuleNotFoundError("No module named 'odd'")
        return lambda: lambda task: 10 * task

    monkeypatch.setattr(ray, "get", get)
    worker = RayWorker(0)
    assert [worker.do(["there"], task).result for task in (1, 2)] == [10, 20]
    assert made == ["there"]
    failure = RayWorker(0).do(["absent"], 1).failure
    assert failure and failure.text == "failed: ModuleNotFoundError: No module named 'odd'"


def test_a_worker_larger_than_the_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 4.0, "GPU": 1.0})
    check_room(4, 1)
    for threads, gpus, told in (
        (5, 0, "--threads 5: this machine has 4 CPUs for Ray"),
        (1, 1.5, "--gpus 1.5: this machine has 1 GPUs for Ray"),
    ):
        with pytest.raises(InputError, match=told):
            check_room(threads, gpus)
