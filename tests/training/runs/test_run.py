"""What a run checks, shows and keeps besides its weights."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
import torch

from mapt.data.loader import load_batches
from mapt.errors import InputError
from mapt.labels.class_sets import KITTI_STEP
from mapt.model.network import Network
from mapt.model.subgraphs import InstanceGraph
from mapt.model.targets import PairBatch
from mapt.model.weights import load_weights
from mapt.training.checks.preflight import describe_batch
from mapt.training.config import TrainConfig
from mapt.training.loop import total_iterations, train
from mapt.training.reporting import validation
from mapt.training.sources import build_samples
from mapt.training.state import start_state
from mapt.training.steps import NotFiniteError, step

Tiny = Callable[..., TrainConfig]


def batch_of(config: TrainConfig, folder: Path) -> PairBatch:
    return next(load_batches(build_samples(config, folder), 1, 0, 1, 0))


def test_evaluation_keeps_the_best(
    tiny: Tiny, step_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter((0.2, 0.5, 0.3))

    def fake(self: validation.Validation, state: object) -> dict[str, float | None]:
        value = next(scores)
        return {"PAT": value, "PQ": value, "TQ": None}

    out = tmp_path / "run"
    changes = (
        "schedule.iterations=3",
        f"evaluation.root={step_folder}",
        "evaluation.split=train",
        "evaluation.every=1",
    )
    real = validation.Validation.run
    monkeypatch.setattr(validation.Validation, "run", fake)
    train(tiny(*changes, "checkpoint_every=1", "keep=1"), out)
    rows = (out / "evaluation.csv").read_text().splitlines()
    assert rows == ["iteration,PAT,PQ,TQ", "1,0.2,0.2,nan", "2,0.5,0.5,nan", "3,0.3,0.3,nan"]
    assert (out / "best.safetensors").read_bytes() != (out / "weights.safetensors").read_bytes()
    train(tiny("schedule.iterations=2"), tmp_path / "two")
    assert torch.load(out / "checkpoint-0000003.pt", weights_only=True)["best"] == 0.5
    # The best are those after two steps.
    names = (out / "best.safetensors", tmp_path / "two" / "weights.safetensors")
    best, second = (load_weights(path).state_dict() for path in names)
    assert all(torch.equal(best[n], second[n]) for n in best)
    assert json.loads((out / "summary.json").read_text())["best_score"] == 0.5
    monkeypatch.setattr(validation.Validation, "run", real)
    config = tiny(*changes)
    state = start_state(config, None)
    found = validation.Validation(config, state.place).run(state)
    assert set(found) == {"PAT", "PQ", "TQ", "STQ", "AQ", "SQ"} and found["PQ"] is not None


def test_a_missing_validation_set_stops_before_training(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere/panoptic_maps/val: no such folder"):
        train(tiny("evaluation.root=nowhere"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_bad_files_are_counted_in_log_and_summary(
    tiny: Tiny, step_folder: Path, tmp_path: Path
) -> None:
    path = step_folder / "training" / "image_02" / "0000" / "000001.png"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"000001\.png: is truncated"):
        train(tiny("schedule.iterations=8"), tmp_path / "strict")
    train(tiny("data.skip_bad=true"), tmp_path / "run")
    lines = [
        line
        for line in (tmp_path / "run" / "log.txt").read_text().splitlines()
        if " skipped (" in line
    ]
    assert lines and "000001.png" in lines[0]
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["skipped"] == len(lines)


def test_the_batch_that_is_not_finite_is_kept(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Network, batch: PairBatch) -> dict[str, torch.Tensor]:
        return {"semantic": next(self.fpn.parameters()).sum() * float("inf")}

    monkeypatch.setattr(Network, "losses", broken)
    with pytest.raises(NotFiniteError, match=r"not_finite-0\.pt"):
        train(tiny(), tmp_path / "run")
    content = torch.load(tmp_path / "run" / "not_finite-0.pt", weights_only=True)
    expected = batch_of(tiny(), tmp_path)
    assert torch.equal(content["images"], expected.images) and content["names"] == expected.names
    assert torch.equal(content["now"][0]["boxes"], expected.now[0].boxes)


def test_a_network_that_cannot_be_deployed_stops(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = InstanceGraph.forward

    def broken(self: InstanceGraph, *pyramid: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(part[:1] for part in whole(self, *pyramid))

    monkeypatch.setattr(InstanceGraph, "forward", broken)
    with pytest.raises(InputError, match="cannot be deployed: instance: boxes is float32"):
        train(tiny(), tmp_path / "run")


def test_pictures_show_frames_and_predictions(tiny: Tiny, tmp_path: Path) -> None:
    train(tiny("schedule.iterations=1"), tmp_path / "run")
    first, predicted = (
        cv2.imread(str(tmp_path / "run" / f"{n}.jpg")) for n in ("first_batch", "predictions")
    )
    assert first is not None and predicted is not None
    assert first.shape[1] == predicted.shape[1] and predicted.shape[0] == 2 * first.shape[0]
    assert (
        "first batch: 1 pairs, 4 objects, 2 seen in both frames; road, sky, car"
        in (tmp_path / "run" / "log.txt").read_text()
    )


def test_odd_batches_are_warned_of(tiny: Tiny, tmp_path: Path) -> None:
    batch = batch_of(tiny(), tmp_path)
    assert describe_batch(batch, KITTI_STEP)[1] == []
    batch.now[0].track_ids += 25600
    assert "do ids last" in describe_batch(batch, KITTI_STEP)[1][0]
    for frame in (*batch.prev, *batch.now):
        frame.semantic[:] = 255
    assert any(
        "every pixel of the first batch is void" in text
        for text in describe_batch(batch, KITTI_STEP)[1]
    )


def test_extra_epochs_follow_at_the_last_rate(tiny: Tiny, tmp_path: Path) -> None:
    config = tiny("schedule.iterations=4", "schedule.extra_epochs=1.5", "schedule.milestones=[1.0]")
    assert (
        total_iterations(config, build_samples(config, tmp_path)) == 4 + 5
    )  # three pairs, one a step
    more = (
        "schedule.iterations=1",
        "schedule.extra_epochs=0.5",
        "schedule.milestones=[1.0]",
        "schedule.warmup=0",
    )
    train(tiny(*more), tmp_path / "run")
    rates = [
        line.split(",")[1]
        for line in (tmp_path / "run" / "losses.csv").read_text().splitlines()[1:]
    ]
    assert rates == ["0.001", "0.0001", "0.0001"]


def test_recomputed_activations_save_memory_and_change_no_gradient(
    tiny: Tiny, tmp_path: Path
) -> None:
    saved = []
    gradients = []
    batch = batch_of(tiny(), tmp_path)
    for recompute in ("false", "true"):
        torch.manual_seed(0)
        state = start_state(tiny(f"recompute={recompute}", "model.frozen_stages=0"), None)
        total = 0

        def count(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal total
            total += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            losses = state.module(batch)
        torch.stack(list(losses.values())).sum().backward()
        saved.append(total)
        gradients.append([p.grad for p in state.network.parameters()])
    assert saved[1] < 0.8 * saved[0]
    for one, two in zip(*gradients, strict=True):
        assert (
            one is not None and two is not None and torch.allclose(one, two, rtol=1e-4, atol=1e-6)
        )


def test_half_precision_and_its_limits(tiny: Tiny, tmp_path: Path) -> None:
    state = start_state(tiny("bf16=true"), None)
    losses, norm = step(state, batch_of(tiny(), tmp_path), tiny("bf16=true"))
    assert norm > 0 and losses["semantic"] > 0
    with pytest.raises(InputError, match="fp16 = true: needs a GPU"):
        start_state(tiny("fp16=true"), None)
    with pytest.raises(InputError, match="both true"):
        tiny("fp16=true", "bf16=true")


def test_frozen_norms_keep_their_statistics(tiny: Tiny, tmp_path: Path) -> None:
    state = start_state(tiny("frozen_norm=true"), None)
    before = {n: b.clone() for n, b in state.network.named_buffers()}
    step(state, batch_of(tiny(), tmp_path), tiny("frozen_norm=true"))
    assert all(torch.equal(b, before[n]) for n, b in state.network.named_buffers())


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_compiled_network_has_the_same_losses(tiny: Tiny, tmp_path: Path) -> None:
    batch = batch_of(tiny(), tmp_path)
    found = []
    for setting in ("compile=false", "compile=true"):
        torch.manual_seed(0)
        state = start_state(tiny(setting), None)
        found.append([step(state, batch, tiny(setting))[0] for _ in range(2)])
    for one, two in zip(*found, strict=True):
        assert two == pytest.approx(one, rel=1e-3)


def test_features_that_change_under_a_head_are_warned_of(tiny: Tiny, tmp_path: Path) -> None:
    train(tiny("schedule.iterations=1", 'heads=["semantic","instance"]'), tmp_path / "a")
    line = (
        "warning: motion and appearance do not learn, but what they read does; train them"
        " afterwards"
    )
    assert line in (tmp_path / "a" / "log.txt").read_text()
    alone = tiny("schedule.iterations=1", 'heads=["motion"]', "shared=false")
    with pytest.raises(InputError, match="--init"):
        train(alone, tmp_path / "b")
    assert not (tmp_path / "b").exists()
    train(alone, tmp_path / "b", init=tmp_path / "a" / "weights.safetensors")
    assert "do not learn" not in (tmp_path / "b" / "log.txt").read_text()
    assert "motion" in (tmp_path / "b" / "losses.csv").read_text().splitlines()[0]


def test_a_run_without_heads_is_refused(tiny: Tiny) -> None:
    with pytest.raises(InputError, match="heads"):
        tiny("heads=[]")
