"""`mapt eval` gives the numbers that TrackEval 1.3.0 gave for the texts in `recorded`.

`gt` are two sequences of `drawn_mots`, and `pred` is what `mots_agreement.spoil` made of them.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mapt.bench.accuracy.mots_agreement import FIELDS, compare
from tests.conftest import Ran

RECORDED = Path(__file__).parent / "recorded"
Mapt = Callable[..., Ran]


@pytest.mark.parametrize("sides", ["texts", "predicted PNGs", "true PNGs", "PNGs"])
def test_recorded_scores(mapt: Mapt, tmp_path: Path, sides: str) -> None:
    gt = RECORDED / "gt"
    pred = RECORDED / "pred"
    if sides in ("predicted PNGs", "PNGs"):
        mapt("data", "convert", pred, tmp_path / "pred")
        pred = tmp_path / "pred"
    if sides in ("true PNGs", "PNGs"):
        mapt("data", "convert", gt, tmp_path / "gt")
        gt = tmp_path / "gt"
    written = tmp_path / "scores.json"
    ran = mapt("eval", gt, pred, "--dataset", "kitti-mots", "--json", written)
    assert ran.code == 0, ran.err
    results = json.loads(written.read_text())
    ours = {**results["sequences"], "all": results["dataset"]}
    ours |= {name: results["classes"][name] for name in ("car", "person")}
    theirs = json.loads((RECORDED / "scores.json").read_text())
    agreement = compare(ours, theirs)
    assert agreement.compared == 5 * len(FIELDS)
    assert agreement.difference < 1e-9, agreement.where


def test_the_tables_show_classes_and_all(mapt: Mapt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    out = mapt("eval", RECORDED / "gt", RECORDED / "pred", "--dataset", "kitti-mots").out
    rows = [
        [cell.strip() for cell in line.strip("│").split("│")]
        for line in out.splitlines()
        if line.startswith("│ all")
    ]
    scores = json.loads((RECORDED / "scores.json").read_text())["all"]
    fractions = ("HOTA", "DetA", "AssA", "LocA", "IDF1", "IDP", "IDR")
    assert ["all", *(f"{100 * scores[name]:.2f}" for name in fractions)] in rows
    assert [
        "all",
        *(f"{100 * scores[name]:.2f}" for name in ("MOTA", "sMOTSA", "MOTP")),
        *(str(int(scores[name])) for name in ("IDSW", "FP", "FN", "Frag")),
    ] in rows
