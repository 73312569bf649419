"""`mapt synth`, `mapt eval` and `mapt bench --against` on Ray: what one process gives."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Ran
from tests.fleet.archives import SMALL
from tests.tools.processes import ROOT

ray = pytest.importorskip("ray", reason="Ray is not installed")
pytest.importorskip("pyarrow")
pytestmark = pytest.mark.slow
Mapt = Callable[..., Ran]
KITTI = ("--dataset", "kitti-step")


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """Ray on this machine, with places for three workers, which the commands find."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_raylet_start_wait_time_s", "600")  # the machine may be busy
        ray.init(
            num_cpus=3, include_dashboard=False, _node_ip_address="127.0.0.1", log_to_driver=False
        )
        try:
            yield
        finally:
            ray.shutdown()


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_streets_are_the_same_bytes_with_any_number_of_workers(mapt: Mapt, tmp_path: Path) -> None:
    recipe = ("--sequences", 4, "--frames", 3, "--size", "64x96", "--seed", 5)
    one = mapt("synth", tmp_path / "one", *recipe, "--workers", 1)
    assert one.code == 0, one.err
    wanted = files(tmp_path / "one")
    assert len([name for name in wanted if name.endswith(".png")]) == 24  # images and labels
    for workers in (1, 3):
        out = tmp_path / f"ray{workers}"
        ran = mapt("synth", out, *recipe, "--engine", "ray", "--workers", workers)
        assert ran.code == 0 and files(out) == wanted, ran.err


def test_scores_are_the_same_bits(mapt: Mapt, clips: Path, tmp_path: Path) -> None:
    """Of labels that differ from the truth, so that every score is a sum of many fractions."""
    labels = tmp_path / "labels"
    tracked = mapt("track", clips, *SMALL, "--save", "step", "--workers", 1, "--out", labels)
    assert tracked.code == 0, tracked.err
    found = []
    for number, engine in enumerate(([], ["--engine", "ray", "--workers", 3])):
        file = tmp_path / f"{number}.json"
        ran = mapt("eval", clips, labels, *KITTI, "--json", file, *engine)
        assert ran.code == 0, ran.err
        found.append(file.read_text())
    assert found[0] == found[1] and 0 < json.loads(found[0])["dataset"]["PAT"] < 1


def test_two_networks_differ_by_the_same_counts(mapt: Mapt, clips: Path, tmp_path: Path) -> None:
    from mapt.weights import BUNDLE

    pair = (BUNDLE / "192x352", "--against", BUNDLE / "192x640", "--archive", clips)
    found = []
    for number, engine in enumerate((["--workers", 1], ["--engine", "ray", "--workers", 2])):
        file = tmp_path / f"{number}.json"
        ran = mapt("bench", *pair, "--truth", clips, "--json", file, *engine)
        assert ran.code == 0, ran.err
        found.append(file.read_text())
    assert found[0] == found[1] and json.loads(found[0])["differing"]
