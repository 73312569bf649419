"""`mapt bench --compare`: what is planted is caught, what is noise is not."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from mapt.bench import suites
from mapt.bench.costs import roofline as limits
from mapt.bench.latency.backend_variants import BackendVariant
from mapt.bench.latency.reference_workload import Yardstick
from mapt.bench.report.compare import change_of, compare
from mapt.bench.report.console import print_changes
from mapt.errors import InputError
from mapt.runtime.association.tracks import TrackTable
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.bundle.manifest import read_bundle
from mapt.runtime.perception import pipeline
from mapt.runtime.perception.fusion import Fused
from mapt.synthetic import write_dataset

FRAMES = 24
OLD = Path("old.json")


class Clock:
    """A clock that only a network or the reference workload advances.

    It simulates a machine whose speed varies, in the same way on every run.
    """

    def __init__(self, seed: int, pace: float = 1.0) -> None:
        self.now = 0
        self.rng = np.random.default_rng(seed)
        self.pace = pace

    def perf_counter_ns(self) -> int:
        return self.now

    def spend(self, ms: float) -> None:
        noise = np.exp(self.rng.normal(0, 0.08)) * (3 if self.rng.random() < 0.03 else 1)
        self.now += round(ms * 1e6 * self.pace * noise)


@pytest.fixture
def bench(
    mapt: Callable[..., Any], bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Runs `mapt bench` on a simulated machine, optionally with a comparison.

    The networks are `slow` times as slow, and the machine runs at `pace`.
    """
    run = OrtBackend.run
    counted = suites.count_costs(read_bundle(bundle))
    write_dataset(tmp_path / "street", 1, FRAMES, (192, 624), 12)

    def measure(name: str, old: str = "", slow: float = 1.0, pace: float = 1.0) -> Any:
        clock = Clock(len(name), pace)
        times = SimpleNamespace(
            perf_counter_ns=clock.perf_counter_ns, perf_counter=lambda: clock.now / 1e9
        )

        def spending(self: OrtBackend, subgraph: str, inputs: Any) -> Any:
            clock.spend(10 * slow)
            return run(self, subgraph, inputs)

        monkeypatch.setattr(OrtBackend, "run", spending)
        monkeypatch.setattr(pipeline, "time", times)
        monkeypatch.setattr(Yardstick, "measure", lambda _: 3 * pace)
        monkeypatch.setattr(
            suites, "count_costs", lambda _: counted
        )  # the same whatever is planted
        monkeypatch.setattr(
            suites, "list_contenders", lambda bundle, *_: [BackendVariant("ort", "ort", bundle)]
        )
        monkeypatch.setattr(suites, "measure_limits", lambda: limits.Limits(1e11, 1e10))
        compared = ("--compare", tmp_path / f"{old}.json") if old else ()
        data = ("--data", tmp_path / "street", "--no-alone", "--threads", 2)
        return mapt("bench", bundle, *data, "--json", tmp_path / f"{name}.json", *compared)

    return measure


def test_a_slowdown_and_an_id_error_are_caught_and_an_unchanged_rerun_is_not(
    bench: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bench("first").code == 0
    again = bench("again", "first", pace=1.3)  # a busier machine is not a slower program
    assert again.code == 0 and "nothing got slower or less accurate" in again.out, (
        again.out + again.err
    )
    assert "1.30 times" in again.out
    slow = bench("slow", "first", slow=1.1)
    assert slow.code == 1 and "worse ort latency: frame" in slow.out, slow.out + slow.err
    assert "accuracy" not in slow.out and "labels" not in slow.out

    update = TrackTable.update

    def swapped(self: TrackTable, fused: Fused, *rest: Any) -> Any:
        table, ids, decisions = update(self, fused, *rest)
        return table, ids[1::-1] + ids[2:] if rest[2] > 1_000_000_000 else ids, decisions

    monkeypatch.setattr(TrackTable, "update", swapped)
    wrong = bench("wrong", "first")
    assert wrong.code == 1 and "worse ort labels: classes or ids differ in" in wrong.out, (
        wrong.out + wrong.err
    )
    assert "of the same bundle" in wrong.out and "ort latency" not in wrong.out

    other = json.loads((tmp_path / "first.json").read_text())
    other["machine"]["cpu"] = "another"
    (tmp_path / "other.json").write_text(json.dumps(other))
    refused = bench("x", "other")
    assert refused.code == 2 and "on another machine (cpu was another" in refused.err


def noisy(rng: np.random.Generator, count: int, pace: float = 1.0) -> Any:
    """Draw the times of differing frames and of the reference workload.

    They have noise, changes of speed that last minutes, and disturbances.
    """
    work = 40 + 5 * np.sin(np.arange(count) / 7)
    mood = pace * np.exp(np.cumsum(rng.normal(0, 0.01, count)))
    spikes = np.where(rng.random(count) < 0.05, 2.0, 1.0)
    return work * mood * spikes * np.exp(rng.normal(0, 0.05, count)), 3 * mood * np.exp(
        rng.normal(0, 0.05, count)
    )


def test_noise_alone_is_hardly_ever_called_slower_and_a_tenth_nearly_always() -> None:
    rng = np.random.default_rng(1)
    called = {1.0: 0, 1.1: 0}
    for slower in called:
        for _ in range(100):
            before, pace_before = noisy(rng, 120)
            after, pace_after = noisy(rng, 120, rng.uniform(0.8, 1.4))
            called[slower] += change_of(before, after * slower, pace_before, pace_after)[1] > 1.03
    assert called[1.0] <= 1 and called[1.1] >= 95


def test_too_few_frames_say_nothing() -> None:
    ones = np.ones(19)
    assert change_of(ones, 2 * ones, ones, ones) == (1.0, 0.0, float("inf"))


def report(**changes: Any) -> dict[str, Any]:
    frames = np.ones(30).tolist()
    halves = dict.fromkeys(("PAT", "PQ", "TQ", "STQ", "AQ", "SQ"), 0.5)
    return {
        "backends": {"ort": {"bundle": "a"}},
        "samples_ms": {"ort": {"frame": frames}},
        "yardstick_ms": frames,
        "labels": {"ort": {"0000": ["x"] * 30}},
        "accuracy": {"ort": {**halves, "IDS": 3}},
        **changes,
    }


def test_too_few_kept_frames_are_said_to_compare_no_latency(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for frames, words in (
        (19, "latency was not compared"),
        (20, "nothing got slower or less accurate"),
    ):
        run = report(yardstick_ms=[1.0] * frames, machine={"libraries": {}})
        print_changes(Console(width=120), [], run, run)
        told = capsys.readouterr().out
        assert words in told and ("slower" in told) == (frames == 20)


def test_scores_count_in_their_direction_and_other_weights_may_label_otherwise() -> None:
    assert compare(report(), report(), OLD) == []
    better = report()
    better["accuracy"] = {"ort": {**better["accuracy"]["ort"], "PAT": 0.6, "IDS": 2}}
    assert [c.worse for c in compare(report(), better, OLD)] == [False, False]
    assert [c.worse for c in compare(better, report(), OLD)] == [True, True]
    other = report(backends={"ort": {"bundle": "b"}}, labels={"ort": {"0000": ["x"] * 29 + ["y"]}})
    (change,) = compare(report(), other, OLD)
    assert not change.worse and "0000 frame 29" in change.text
    with pytest.raises(InputError, match="has no backend of this run; it has ort"):
        compare(report(), report(samples_ms={"other": {}}), OLD)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not JSON"),
        ('{"machine": {}}', "has no 'bundle'"),
        ("[]", "has no 'machine'"),
        (None, "cannot be read"),
    ],
)
def test_what_is_no_result_is_refused(
    mapt: Callable[..., Any], bundle: Path, tmp_path: Path, content: str | None, words: str
) -> None:
    path = tmp_path / "old.json"
    if content is not None:
        path.write_text(content)
    ran = mapt("bench", bundle, "--compare", path)
    assert ran.code == 2 and words in ran.err and ran.err.count("\n") == 1
