import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from mapt.cli import _register, app
from mapt.errors import InputError
from mapt.model.network import Network
from mapt.model.targets import PairBatch
from mapt.model.weights import load_weights, read_card
from mapt.training.checkpoint import checkpoints
from mapt.training.config import TrainConfig
from mapt.training.loop import train
from mapt.training.reporting.data_card import data_card, describe
from mapt.training.state import start_state

Tiny = Callable[..., TrainConfig]
Losses = Callable[[Network, PairBatch], dict[str, torch.Tensor]]


def _same(a: Path, b: Path) -> bool:
    left = load_weights(a).state_dict()
    right = load_weights(b).state_dict()
    return all(torch.equal(left[name], right[name]) for name in left)


def test_an_interrupted_run_continues_bit_exactly(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(tiny(), tmp_path / "whole")
    calls = 0
    original: Losses = Network.losses

    def interrupting(self: Network, batch: PairBatch) -> dict[str, torch.Tensor]:
        nonlocal calls
        calls += 1
        if calls == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, batch)

    monkeypatch.setattr(Network, "losses", interrupting)
    with pytest.raises(KeyboardInterrupt):
        train(tiny(), tmp_path / "parts")
    assert [p.name for p in checkpoints(tmp_path / "parts")] == [
        "checkpoint-0000002.pt",
        "checkpoint-0000003.pt",
    ]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    monkeypatch.setattr(Network, "losses", original)
    torch.manual_seed(99)
    parts = train(tiny("log_every=3"), tmp_path / "parts", resume=True)
    assert _same(whole, parts)
    rows = (tmp_path / "whole" / "losses.csv").read_text().splitlines()
    assert len(rows) == 5 and len({row.split(",")[3] for row in rows}) == 5  # the weights did move


def test_a_crash_resumes_from_the_last_checkpoint(tiny: Tiny, tmp_path: Path) -> None:
    out = tmp_path / "run"
    whole = train(tiny(), tmp_path / "whole")
    train(tiny(), out)
    checkpoints(out)[-1].unlink()  # as if the run had died before iteration 4
    assert _same(whole, train(tiny(), out, resume=True))


def test_only_the_last_checkpoints_are_kept_and_a_damaged_one_is_skipped(
    tiny: Tiny, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    train(tiny("checkpoint_every=1", "keep=2"), out)
    names = [p.name for p in checkpoints(out)]
    assert names == ["checkpoint-0000003.pt", "checkpoint-0000004.pt"]
    whole = (out / "weights.safetensors").rename(tmp_path / "whole.safetensors")
    checkpoints(out)[-1].write_bytes(b"broken")
    assert _same(whole, train(tiny("checkpoint_every=1", "keep=2"), out, resume=True))
    assert "checkpoint-0000004.pt cannot be read and is left out" in (out / "log.txt").read_text()
    checkpoints(out)[-1].rename(out / "checkpoint-0000009.pt").write_bytes(b"broken")
    train(tiny("checkpoint_every=1", "keep=1"), out, resume=True)
    assert [p.name for p in checkpoints(out)] == ["checkpoint-0000004.pt"]
    train(tiny("checkpoint_every=1", "keep=2"), tmp_path / "again")
    out = tmp_path / "again"
    for path in checkpoints(out):
        path.write_bytes(b"broken")
    with pytest.raises(InputError, match="none of its 2 checkpoints can be read"):
        train(tiny(), out, resume=True)


def test_a_second_run_does_not_overwrite_and_a_changed_one_is_not_resumed(
    tiny: Tiny, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    train(tiny("schedule.iterations=1"), out)
    with pytest.raises(InputError, match="already holds a run; continue it with --resume"):
        train(tiny("schedule.iterations=1"), out)
    with pytest.raises(InputError, match=r"schedule\.rate was 0\.001 in this run and is 0\.5 now"):
        train(tiny("schedule.iterations=1", "schedule.rate=0.5"), out, resume=True)
    train(tiny("schedule.iterations=1", "data.workers=1", "threads=2"), out, resume=True)


def test_a_run_from_before_a_key_existed_is_resumed(tiny: Tiny, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(tiny("schedule.iterations=1"), out)
    path = checkpoints(out)[-1]
    content = torch.load(path, weights_only=True)
    stored = json.loads(content["config"])
    del stored["data"]["cityscapes"], stored["data"]["repeat"]
    torch.save({**content, "config": json.dumps(stored)}, path)
    train(tiny("schedule.iterations=1"), out, resume=True)
    with pytest.raises(InputError, match=r"data\.repeat was 0\.0 in this run and is 0\.5 now"):
        train(tiny("schedule.iterations=1", "data.repeat=0.5"), out, resume=True)


def test_data_may_move_but_a_dataset_may_not_come_or_go(
    tiny: Tiny, step_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    train(tiny("schedule.iterations=2", "checkpoint_every=1"), out)
    checkpoints(out)[-1].unlink()
    moved = step_folder.rename(tmp_path / "moved")
    changes = ("schedule.iterations=2", f"data.step.root={moved}")
    train(tiny(*changes), out, resume=True)
    stills = tmp_path / "camvid"
    for folder in ("images", "labels"):
        (stills / "train" / folder).mkdir(parents=True)
        (stills / "train" / folder / "0001.png").touch()
    with pytest.raises(
        InputError, match=r"data\.camvid\.root was not set in this run and is set now"
    ):
        train(tiny(*changes, f"data.camvid.root={stills}"), out, resume=True)


def test_a_bad_file_costs_no_steps_and_can_be_skipped_from_there(
    tiny: Tiny, step_folder: Path, tmp_path: Path
) -> None:
    changes = (
        "schedule.iterations=8",
        "checkpoint_every=100",
        "data.static=0",
        "data.intervals=[1]",
    )
    broken = sorted((step_folder / "training").rglob("*.png"))[-1]
    whole = train(tiny(*changes), tmp_path / "whole")
    broken.write_bytes(broken.read_bytes()[:-100])
    out = tmp_path / "run"
    with pytest.raises(InputError, match=f"{broken.name}: is truncated"):
        train(tiny(*changes), out)
    [left] = checkpoints(out)
    assert 0 < int(left.stem[-7:]) < 8
    weights = train(tiny(*changes, "data.skip_bad=true"), out, resume=True)
    assert not _same(weights, whole)
    summary = json.loads((out / "summary.json").read_text())
    assert (
        summary["iterations"] == 8 and summary["skipped"] == 1
    )  # one file, however often it was drawn
    assert (out / "log.txt").read_text().count("skipped (1)") == 1
    train(
        tiny(*changes, "data.skip_bad=true"), out, resume=True
    )  # finished: nothing to add to the summary
    assert json.loads((out / "summary.json").read_text()) == summary


def test_a_file_is_no_folder_for_a_run(tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with pytest.raises(InputError, match="is a file; choose another place"):
        train(tiny(), tmp_path / "run")


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_what_is_not_finite_stops_with_the_samples(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def broken(self: Network, batch: PairBatch) -> dict[str, torch.Tensor]:
        weight = next(p for p in self.parameters() if p.requires_grad).flatten()[0]
        finite = torch.sqrt(weight * 0)  # value 0, gradient infinite times zero
        return {"semantic": finite if where == "gradient" else weight * float("nan")}

    monkeypatch.setattr(Network, "losses", broken)
    with pytest.raises(
        FloatingPointError, match=rf"{where} is not finite at iteration 0.*0000.*\.png"
    ):
        train(tiny(), tmp_path / "run")
    assert not (tmp_path / "run" / "weights.safetensors").exists()


def test_init_starts_from_given_weights(tiny: Tiny, tmp_path: Path) -> None:
    first = train(tiny("schedule.iterations=1"), tmp_path / "first")
    state = start_state(tiny(), first)
    loaded = load_weights(first).state_dict()
    live = state.network.state_dict()
    assert all(torch.equal(live[name], loaded[name]) for name in loaded)
    assert state.network.training
    with pytest.raises(InputError, match="belong to another preset"):
        start_state(tiny("model.fpn_channels=32"), first)


def test_weights_say_what_those_they_started_from_were_trained_on(
    tiny: Tiny, tmp_path: Path
) -> None:
    street = ("data.synthetic.sequences=1", "data.synthetic.frames=3", "data.synthetic.height=96")
    plain = tiny("schedule.iterations=1")
    other = tiny("schedule.iterations=1", *street, "data.synthetic.width=224")
    first = train(plain, tmp_path / "first")
    card = read_card(first)["data"]
    assert card == describe(plain) and "before that" not in card
    second = train(other, tmp_path / "second", init=first)
    both = f"{describe(other)}; before that: {card}"
    assert read_card(second)["data"] == both
    assert data_card(other, tmp_path / "second", None) == both  # as when it is resumed
    assert (
        data_card(other, tmp_path / "third", second) == both
    )  # what was said already is not said again


def test_no_data_is_refused_before_anything_is_written(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no training data"):
        train(tiny("data.step.root="), tmp_path / "run")
    with pytest.raises(InputError, match="weight 0"):
        train(tiny("data.step.weight=0"), tmp_path / "run")
    with pytest.raises(InputError, match="no such folder"):
        train(tiny("data.step.root=/nowhere"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_command_trains_and_writes_whole_files(config_file: Path, tmp_path: Path) -> None:
    _register()
    out = tmp_path / "run"
    arguments = ["train", str(config_file), "--set", "schedule.iterations=1", "--out", str(out)]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0 and "weights.safetensors" in result.output
    assert sorted(p.name for p in out.iterdir()) == [
        "checkpoint-0000001.pt",
        "first_batch.jpg",
        "log.txt",
        "losses.csv",
        "predictions.jpg",
        "summary.json",
        "tensorboard",
        "weights.safetensors",
    ]
    network = load_weights(out / "weights.safetensors")
    assert network.config.height == 64
