"""A run with a teacher: its loss, its weights' card, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mapt.data.loader import load_batches
from mapt.errors import InputError
from mapt.model.weights import load_weights, read_card, save_weights
from mapt.training.config import TrainConfig
from mapt.training.loop import train
from mapt.training.sources import build_samples
from mapt.training.state import start_state
from mapt.training.steps import step
from mapt.training.teaching.pupil import Pupil, feature_loss

Tiny = Callable[..., TrainConfig]
WIDER = ("model.fpn_channels=80", "model.dpc_channels=72", "model.head_channels=66")


@pytest.fixture
def teacher(tiny: Tiny, tmp_path: Path) -> Path:
    """Weights of an untrained `nano` whose card names its data."""
    torch.manual_seed(7)
    path = tmp_path / "teacher.safetensors"
    save_weights(path, start_state(tiny(), None).network, {"data": "CamVid; before that: streets"})
    return path


def test_features_of_the_teacher_are_no_distance_away(tiny: Tiny, teacher: Path) -> None:
    network = load_weights(teacher)
    images = torch.randint(0, 256, (1, 64, 128, 3), dtype=torch.uint8)
    with torch.no_grad():
        features = network.features(images)
        other = network.features(255 - images)
    assert feature_loss(features, features) == 0
    assert feature_loss(features, other) > 0.01


def test_a_pupil_comes_closer_and_its_teacher_stays(
    tiny: Tiny, teacher: Path, tmp_path: Path
) -> None:
    changes = ("schedule.optimizer=adamw", "schedule.rate=0.003")
    config = tiny(f"teacher={teacher}", 'heads=["semantic"]', *WIDER, *changes)
    batch = next(load_batches(build_samples(config, tmp_path), 1, 0, 1, 0))
    state = start_state(config, None)
    assert isinstance(state.module, Pupil)
    before = {name: t.clone() for name, t in state.module.teacher.state_dict().items()}
    found = [step(state, batch, config)[0]["teacher"] for _ in range(12)]
    assert found[-1] < 0.9 * found[0]
    after = state.module.teacher.state_dict()
    assert all(torch.equal(after[name], t) for name, t in before.items())
    saved = set(state.network.state_dict())
    assert not any("teacher" in name for name in saved)


def test_a_run_with_a_teacher_resumes_and_names_its_data(
    tiny: Tiny, teacher: Path, tmp_path: Path
) -> None:
    short = (f"teacher={teacher}", 'heads=["semantic"]', *WIDER)
    weights = train(tiny(*short), tmp_path / "run")
    assert load_weights(weights).config.fpn_channels == 80
    assert read_card(weights)["data"].endswith("; before that: CamVid; before that: streets")
    assert ",teacher," in (tmp_path / "run" / "losses.csv").read_text().splitlines()[0] + ","
    train(tiny(*short), tmp_path / "run", resume=True)
    assert read_card(weights)["data"].count("CamVid") == 1


def test_a_teacher_that_cannot_teach_is_refused(tiny: Tiny, teacher: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.safetensors: no such weight file"):
        train(tiny("teacher=gone.safetensors"), tmp_path / "a")
    with pytest.raises(InputError, match="must not be wider than its pupil"):
        train(tiny(f"teacher={teacher}", "model.fpn_channels=32"), tmp_path / "b")
