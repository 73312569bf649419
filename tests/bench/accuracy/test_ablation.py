"""`mapt bench --suite ablation`: the rows of the paper's tables."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from mapt.bench.ablation_heads import shipped_heads
from mapt.bench.accuracy import ablation
from mapt.bench.accuracy.ablation import VARIANTS, Ablation, out_of_order
from mapt.bench.accuracy.baselines import Peer, find_peers, relabelled
from mapt.bench.accuracy.optical_flow import FlowMotion
from mapt.bench.latency.backend_variants import Verification
from mapt.bench.report.console import print_ablation
from mapt.evaluation.head_weights import extract_heads
from mapt.evaluation.reference import reference_weights
from mapt.metrics import Scores
from mapt.model.weights import load_weights, save_weights
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.bundle.manifest import read_bundle
from mapt.runtime.frame import PanopticFrame, Track


def frame_of(*tracks: tuple[int, tuple[float, float, float, float]]) -> PanopticFrame:
    instance = np.zeros((8, 8), np.int32)
    for number, (x1, y1, x2, y2) in tracks:
        instance[int(y1) : int(y2), int(x1) : int(x2)] = number
    seen = tuple(Track(number, 13, 0.9, box, 0, 0) for number, box in tracks)
    return PanopticFrame(np.zeros((8, 8), np.uint8), instance, seen, (), {}, 0, 0)


class Lagging:
    """A tracker that confirms a box only in its second frame.

    It recognises boxes by their left side, and returns them in reverse order.
    """

    def __init__(self, **_: float) -> None:
        self.seen: set[float] = set()

    def update(self, detections: Any) -> Any:
        lefts = detections.xyxy[:, 0].tolist()
        ids = [int(left) if left in self.seen else -1 for left in lefts]
        self.seen.update(lefts)
        order = slice(None, None, -1)
        data = {key: value[order] for key, value in detections.data.items()} if lefts else {}
        return SimpleNamespace(tracker_id=np.array(ids)[order], data=data)


def test_a_peers_ids_take_the_place_of_ours_and_what_it_is_unsure_of_has_its_own() -> None:
    peer = Peer(Lagging(), SimpleNamespace)
    near = (0.0, 0.0, 2.0, 2.0)
    far = (4.0, 4.0, 8.0, 8.0)
    first = relabelled(frame_of((1, near), (2, far)), peer)
    second = relabelled(frame_of((2, near), (7, far)), peer)  # ours switched
    assert not relabelled(frame_of(), peer).any()
    third = relabelled(frame_of((3, near)), peer)
    assert len({first[0, 0], first[5, 5], second[0, 0], second[5, 5]}) == 4 and first[3, 3] == 0
    assert third[0, 0] == second[0, 0] and third[5, 5] == 0


def test_flow_carries_masks_along_with_the_picture() -> None:
    rng = np.random.default_rng(0)
    info = SimpleNamespace(sizes={"N": 2, "M": 32})
    texture = np.kron(rng.integers(0, 255, (32, 48)), np.ones((4, 4))).astype(np.uint8)
    inner: Any = SimpleNamespace(info=info, run=lambda *_: {}, providers={})
    flow = FlowMotion(inner)
    masks = np.zeros((2, 1, 16, 24), np.float32)
    masks[0, 0, 4:8, 8:12] = 1
    for picture in (texture, np.roll(texture, 16, 1)):  # two cells to the right
        flow.run("backbone", {"image": np.repeat(picture[None, ..., None], 3, 3)})
    out = flow.run("motion", {"masks_prev": masks})
    carried = out["propagated"][0, 0] > 0
    assert carried[5:7, 11:13].all() and not carried[:, :9].any()
    assert np.isfinite(out["propagated"]).all() and out["f_p"].shape == (2, 32, 7, 7)


def test_what_is_not_in_the_papers_order_is_named() -> None:
    def of(pat: float) -> list[Scores]:
        return [SimpleNamespace(PAT=pat)]  # type: ignore[list-item]

    good = {"iou": of(0.3), "appearance": of(0.31), "motion": of(0.32), "full": of(0.33)}
    assert out_of_order(good) == []
    assert out_of_order({**good, "appearance": of(0.29)}) == [
        "MAPT appearance (29.00) is not above IoU matching (30.00)"
    ]


def test_the_suite_runs_what_it_can_and_says_what_the_rest_needs(
    mapt: Callable[..., Any], bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "trackers", None)
    assert find_peers(10.0, 0.3) == {}
    path = tmp_path / "ablation.json"
    data = ("--sequences", 1, "--frames", 4, "--seeds", "5,6")
    ran = mapt("bench", bundle, "--suite", "ablation", *data, "--json", path)
    assert ran.code == 0, ran.err
    report = json.loads(path.read_text())
    ablation = report["ablation"]
    rows = report["ablation_rows"]
    trained = {"backbone", "box", "mask"}  # heads that come with these weights
    assert set(ablation) == {"full", "motion", "appearance", "iou", "flow"} | trained
    assert set(rows) == set(VARIANTS)
    assert all(len(scores) == 2 for scores in ablation.values())
    assert len({scores[0]["PQ"] for scores in ablation.values()}) == 1, (
        "the association must not change the pixels"
    )
    assert {rows[name]["proof"] for name in trained} == {"proven here"}
    assert rows["ByteTrack"]["proof"] == "unproven"
    assert "export,bench]" in rows["ByteTrack"]["why"]
    assert report["seeds"] == [5, 6] and "unproven" in ran.out


def test_rows_without_their_heads_say_how_to_train_them(
    bundle: Path, street: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablation, "VARIANTS", {"backbone": VARIANTS["backbone"]})
    backend = OrtBackend(read_bundle(bundle), 1)
    found = ablation.run_ablation(backend, {}, {0: street}, "val", 10.0)
    assert not found.scores and found.standings["backbone"].proof == "unproven"
    assert "model.motion_input=backbone" in found.standings["backbone"].why


def test_peers_rows_are_scored_on_the_runtimes_own_pixels(
    bundle: Path, street: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Sure:  # one track for all, which is as wrong as ids can be
        def __init__(self, **_: float) -> None:
            pass

        def update(self, detections: Any) -> Any:
            return SimpleNamespace(
                tracker_id=np.zeros(len(detections.xyxy), int), data=detections.data
            )

    monkeypatch.setitem(sys.modules, "supervision", SimpleNamespace(Detections=SimpleNamespace))
    monkeypatch.setitem(
        sys.modules, "trackers", SimpleNamespace(ByteTrackTracker=Sure, OCSORTTracker=Lagging)
    )
    rows = {name: VARIANTS[name] for name in ("iou", "OC-SORT", "ByteTrack")}
    monkeypatch.setattr(ablation, "VARIANTS", rows)
    backend = OrtBackend(read_bundle(bundle), 1)
    found = ablation.run_ablation(backend, {}, {0: street}, "val", 10.0)
    scores = {name: found.scores[name][0] for name in rows}
    assert {standing.proof for standing in found.standings.values()} == {"proven here"}
    assert scores["iou"].SQ == scores["OC-SORT"].SQ == scores["ByteTrack"].SQ
    assert (scores["OC-SORT"].TQ or 0) < (scores["iou"].TQ or 0) > (scores["ByteTrack"].TQ or 0)


def test_the_table_fits_a_narrow_terminal_with_every_number(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def of(share: float) -> Any:
        names = ("PAT", "PQ", "TQ", "STQ", "AQ")
        return SimpleNamespace(IDS=700, **dict.fromkeys(names, share))

    names = ("iou", "OC-SORT", "motion", "appearance", "full")
    found = Ablation(
        {name: [of(0.9), of(0.1)] for name in names},
        {n: Verification("unproven") for n in VARIANTS},
    )
    print_ablation(Console(width=80), found, [7, 8])
    table = [line for line in capsys.readouterr().out.splitlines() if line[:1] in "┏┃┡│└"]
    assert max(map(len, table)) <= 80 and not any("…" in line for line in table)
    row = next(line for line in table if "IoU matching" in line)
    assert row.count("50.0±56.6") == 5 and "1400" in row and "59.45" in row
    print_ablation(Console(width=80), Ablation({n: [of(0.5)] for n in names}, found.standings), [0])
    alone = capsys.readouterr().out
    assert "±" not in alone and "50.0" in alone  # one seed has no spread


def test_heads_in_the_repository_fill_the_rows_of_their_network(
    bundle: Path, tmp_path: Path
) -> None:
    base = reference_weights(read_bundle(bundle))
    torch.manual_seed(1)
    network = load_weights(base, anew=["appearance"], appearance_input="box")
    save_weights(tmp_path / "run.safetensors", network)
    heads = tmp_path / "heads"
    heads.mkdir()
    extract_heads(tmp_path / "run.safetensors", base, heads / "box.safetensors")
    with shipped_heads(read_bundle(bundle), heads) as rows:
        assert list(rows) == ["box"]
        assert rows["box"].info.sizes == read_bundle(bundle).info.sizes
    with shipped_heads(replace(read_bundle(bundle), folder=tmp_path), heads) as rows:
        assert not rows, "without its weights nothing tells whose heads would fit"
