"""The search for thresholds."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest
from safetensors import safe_open

from mapt.bench.accuracy.thresholds import GRID, Tuned, main, search
from mapt.contract import Thresholds
from mapt.io.pretrained import shipped_weights
from mapt.model.weights import load_weights, read_config, save_weights, write_thresholds

START = Thresholds()


def test_keys_are_searched_in_turn_from_the_best_so_far() -> None:
    def score(limits: Thresholds) -> float:
        low = -abs(limits.score - 0.3) - abs(limits.similarity - 0.85)
        return low - (10 if limits.similarity != START.similarity and limits.score != 0.3 else 0)

    trials = list(search(START, ("score", "similarity"), score))
    assert trials[-1].thresholds == replace(START, score=0.3, similarity=0.85)
    assert len(trials) == 2 + len(GRID["score"]) - 1 + len(GRID["similarity"]) - 1
    assert trials[0].thresholds == START and trials[-1].pat == max(t.pat for t in trials)


def test_ties_keep_what_there_was() -> None:
    assert list(search(START, GRID, lambda _: 0.5))[-1].thresholds == START


def test_every_searched_threshold_exists_and_shows_its_present_value() -> None:
    for key, values in GRID.items():
        assert getattr(START, key) in values and all(
            type(v) is type(asdict(START)[key]) for v in values
        ), key


def test_weights_get_new_limits_and_keep_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(path, load_weights(shipped_weights()), {"data": "somewhere"})
    before = read_config(path)
    write_thresholds(path, replace(START, score=0.25))
    assert read_config(path) == before.model_copy(update={"thresholds": replace(START, score=0.25)})
    with safe_open(path, framework="pt") as file:
        assert file.metadata()["data"] == "somewhere"


def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["b", "--data", "d", "--keys", "colour"], [str(tmp_path), "--data", "d"]):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 2
    assert "colour" in capsys.readouterr().err


def test_a_tuned_backend_decides_otherwise(bundle: Path) -> None:
    from mapt.runtime.backends.ort import OrtBackend
    from mapt.runtime.bundle.manifest import read_bundle

    backend = OrtBackend(read_bundle(bundle), 1)
    tuned = Tuned(backend, replace(START, score=0.9))
    assert tuned.info.thresholds.score == 0.9 and backend.info.thresholds.score != 0.9
    assert tuned.info.sizes == backend.info.sizes
