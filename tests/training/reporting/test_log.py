import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from mapt.training.reporting.log import RunLog


def _run(folder: Path, start: int, steps: int, every: int = 2) -> str:
    stream = io.StringIO()
    with RunLog(folder, start, 10, every, Console(file=stream, width=60)) as log:
        log.note("data [train] ready")
        for i in range(start, start + steps):
            log.step({"a": float(i), "b": 1.0}, 0.01, 2.0)
    return stream.getvalue()


def test_lines_are_whole_where_there_is_no_terminal(tmp_path: Path) -> None:
    printed = _run(tmp_path, 0, 4)
    assert "data [train] ready" in printed
    lines = [line for line in printed.splitlines() if "iteration 4" in line]
    assert len(lines) == 1 and "a 2.500" in lines[0] and "gradient_norm 2.000" in lines[0]
    assert [
        line for line in (tmp_path / "log.txt").read_text().splitlines() if "iteration" in line
    ][-1] == lines[0]


def test_a_resumed_run_replaces_the_rows_it_repeats(tmp_path: Path) -> None:
    _run(tmp_path, 0, 6)
    before = (tmp_path / "losses.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in before] == ["iteration", "2", "4", "6"]
    _run(tmp_path, 3, 5)
    after = (tmp_path / "losses.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in after] == ["iteration", "2", "4", "6", "8"]
    assert after[0] == before[0] and after[1] == before[1]
    # The first report after resuming at 3 covers one step only: its mean is that step's value.
    assert dict(zip(after[0].split(","), after[2].split(","), strict=True))["a"] == "3"


def test_the_last_steps_are_reported_too(tmp_path: Path) -> None:
    with RunLog(tmp_path, 0, 3, 2, Console(file=io.StringIO())) as log:
        for value in (1.0, 2.0, 7.0):
            log.step({"a": value}, 0.01, 2.0)
        log.summary(1, {})
    rows = (tmp_path / "losses.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["iteration", "2", "3"] and ",7," in rows[2]
    assert json.loads((tmp_path / "summary.json").read_text())["losses"]["a"] == 7.0


def test_a_run_that_starts_again_may_have_other_losses(tmp_path: Path) -> None:
    _run(tmp_path, 0, 2)
    with RunLog(tmp_path, 0, 2, 1, Console(file=io.StringIO())) as log:
        log.step({"other": 3.0}, 0.01, 2.0)
    header, row = (tmp_path / "losses.csv").read_text().splitlines()
    assert dict(zip(header.split(","), row.split(","), strict=True))["other"] == "3"


def test_without_tensorboard_the_rest_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    _run(tmp_path, 0, 2)
    assert (tmp_path / "losses.csv").is_file() and not (tmp_path / "tensorboard").exists()
