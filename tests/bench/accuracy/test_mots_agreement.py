"""Spoilt masks for the comparison with TrackEval, and the comparison where it is installed."""

import importlib.util
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mapt.bench.accuracy import mots_agreement
from mapt.bench.accuracy.mots_agreement import FIELDS, compare
from mapt.bench.accuracy.mots_perturbation import perturb, shift
from mapt.errors import InputError
from mapt.labels.mots_text import IGNORE, mots_texts, read_mots_text
from tests.conftest import Ran
from tests.metrics.mot.drawn_mots import drawn_sequence

INSTALLED = importlib.util.find_spec("trackeval") is not None


def test_spoilt_masks_resemble_the_truth_and_do_not_overlap() -> None:
    truth = drawn_sequence(0, frames=40)
    spoilt = perturb(truth, 1)
    assert spoilt == perturb(truth, 1) != perturb(truth, 2)
    for number, objects in spoilt.items():
        masks = [o.mask() for o in objects]
        assert all(not (a & b).any() for a, b in itertools.combinations(masks, 2))
        assert len({o.id for o in objects}) == len(objects)
        assert IGNORE not in {o.label for o in objects}
        assert all(mask.any() for mask in masks), number
    count = sum(len(objects) for objects in spoilt.values())
    of = sum(o.label != IGNORE for objects in truth.values() for o in objects)
    assert 0.7 * of < count < 1.3 * of
    tracks = {o.id for objects in spoilt.values() for o in objects}
    assert len(tracks) > 7  # ids change


def test_a_shift_beyond_the_frame_leaves_nothing() -> None:
    mask = np.ones((3, 4), np.bool_)
    assert shift(mask, 1, -1).sum() == 2 * 3
    assert shift(mask, 0, 0).all()
    assert not shift(mask, 5, 0).any() and not shift(mask, 0, -9).any()


def scores(value: float) -> dict[str, float | None]:
    return dict.fromkeys(FIELDS, value)


def test_the_largest_difference_is_named() -> None:
    ours = {"car": scores(0.5), "all": scores(0.5) | {"MOTP": None}}
    theirs = {"car": scores(0.5) | {"AssA": 0.25}, "all": scores(0.5) | {"MOTP": 0.0}}
    agreement = compare(ours, theirs)
    assert (agreement.difference, agreement.where) == (0.25, "car AssA")
    assert (agreement.compared, agreement.undefined) == (2 * len(FIELDS) - 1, 1)
    with pytest.raises(InputError, match=r"only one side has \['car'\]"):
        compare({"all": scores(0)}, theirs)


@pytest.mark.skipif(INSTALLED, reason="trackeval is installed")
def test_without_trackeval_it_says_how_to_install_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mots_agreement.spoil({}, tmp_path / "texts", 0)
    (tmp_path / "texts" / "0000.txt").write_text("")
    with pytest.raises(SystemExit, match="2"):
        mots_agreement.main([str(tmp_path / "texts")])
    assert "pip install --no-deps trackeval" in capsys.readouterr().err


@pytest.mark.skipif(not INSTALLED, reason="needs trackeval")
def test_spoilt_synthetic_streets_score_as_in_trackeval(
    mapt: Callable[..., Ran],
    street: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = tmp_path / "texts"
    assert mapt("data", "convert", street / "panoptic_maps" / "val", texts).code == 0
    assert any(read_mots_text(path) for path in mots_texts(texts).values())
    mots_agreement.main([str(texts), "--seed", "1"])
    assert "largest difference" in capfd.readouterr().out
    spoilt = mots_agreement.score_with_mapt
    monkeypatch.setattr(
        mots_agreement,
        "score_with_mapt",
        lambda gt, pred: {n: s | {"IDSW": s["IDSW"] + 1} for n, s in spoilt(gt, pred).items()},
    )
    with pytest.raises(SystemExit, match="1"):
        mots_agreement.main([str(texts), "--seed", "1"])
