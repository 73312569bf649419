"""Ray gives each worker the GPUs, or the share of one, that it asked for.

Ray is told that there are GPUs: it counts them, and opens none.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from mapt.engines.choice import EngineOptions, open_engine
from mapt.errors import InputError
from tests.tools.processes import ROOT

ray = pytest.importorskip("ray", reason="Ray is not installed")
pytestmark = pytest.mark.slow
GPUS = 2


@pytest.fixture(scope="module")
def two_gpus() -> Iterator[None]:
    """A node with four CPUs and two GPUs, as it says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_raylet_start_wait_time_s", "600")  # the machine may be busy
        patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        ray.init(
            num_cpus=4, num_gpus=GPUS, include_dashboard=False, _node_ip_address="127.0.0.1",
            log_to_driver=False,
        )  # fmt: skip
        try:
            yield
        finally:
            ray.shutdown()


def see_gpus(folder: Path, workers: int) -> Callable[[int], str]:
    """Work that tells which GPUs its worker sees, once all workers are there together."""

    def see(_: int) -> str:
        (folder / str(os.getpid())).touch()
        while len(list(folder.iterdir())) < workers:
            time.sleep(0.05)
        return os.environ["CUDA_VISIBLE_DEVICES"]

    return see


def seen(folder: Path, options: EngineOptions, workers: int) -> Counter[str]:
    """How many workers see which GPUs."""
    with open_engine(options) as engine:
        assert engine.workers == workers
        outcomes = list(engine.run(partial(see_gpus, folder, workers), range(workers)))
    assert len(list(folder.iterdir())) == workers
    return Counter(str(outcome.result) for outcome in outcomes)


@pytest.mark.parametrize(
    ("gpus", "workers", "wanted"),
    [
        (0.5, 4, {"0": 2, "1": 2}),
        (1, 2, {"0": 1, "1": 1}),
        (2, 1, {"0,1": 1}),
        (0, 4, {"": 4}),
    ],
)
def test_workers_see_the_gpus_they_asked_for_and_there_are_as_many_as_fit(
    two_gpus: None, tmp_path: Path, gpus: float, workers: int, wanted: dict[str, int]
) -> None:
    assert seen(tmp_path, EngineOptions("ray", gpus=gpus), workers) == wanted


def test_more_gpus_than_a_machine_has_are_refused_and_not_waited_for() -> None:
    ray.shutdown()  # the pretended node, so that the engine starts its own
    for options, told in (
        (EngineOptions("ray", gpus=63), "--gpus 63: this machine has"),
        (EngineOptions("ray", threads=4000), "--threads 4000: this machine has"),
    ):
        with pytest.raises(InputError, match=told), open_engine(options):
            pass
