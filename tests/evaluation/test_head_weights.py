"""Heads in files of their own: what is extracted comes back, what does not belong is refused."""

from pathlib import Path

import pytest
import torch

from mapt.config import preset
from mapt.errors import InputError
from mapt.evaluation.head_weights import base_of, extract_heads, load_heads, start_heads
from mapt.model.network import Network, owner
from mapt.model.weights import load_weights, save_weights


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("base") / "base.safetensors"
    save_weights(path, Network(preset("nano", height=64, width=128)))
    return path


def trained(base: Path, path: Path, head: str, **overrides: object) -> Path:
    """Weights of the base with one head anew, as a run with `shared = false` writes them."""
    torch.manual_seed(1)
    network = load_weights(base, anew=[head], **overrides)  # type: ignore[list-item, arg-type]
    save_weights(path, network, {"data": "streets"})
    return path


def test_heads_of_another_configuration_come_back_on_their_base(base: Path, tmp_path: Path) -> None:
    run = trained(base, tmp_path / "run.safetensors", "motion", motion_input="backbone")
    out = tmp_path / "heads.safetensors"
    assert extract_heads(run, base, out) == ["motion"]
    assert out.stat().st_size < base.stat().st_size / 5
    network = load_heads(out, base)
    assert network.config.motion_input == "backbone" and not network.training
    want = load_weights(run).state_dict()
    got = network.state_dict()
    assert want.keys() == got.keys()
    assert all(torch.equal(want[name], tensor) for name, tensor in got.items())
    assert load_heads(out, base, (128, 256)).config.width == 256


def test_only_the_head_that_differs_is_written(base: Path, tmp_path: Path) -> None:
    run = trained(base, tmp_path / "run.safetensors", "appearance")
    out = tmp_path / "heads.safetensors"
    assert extract_heads(run, base, out) == ["appearance"]
    network = load_heads(out, base)
    before = load_weights(base).state_dict()
    for name, tensor in network.state_dict().items():
        if owner(name) != "appearance":
            assert torch.equal(tensor, before[name])


def test_what_does_not_belong_together_is_refused(base: Path, tmp_path: Path) -> None:
    run = trained(base, tmp_path / "run.safetensors", "appearance")
    out = tmp_path / "heads.safetensors"
    with pytest.raises(InputError, match="no head differs"):
        extract_heads(base, base, out)
    network = load_weights(run)
    with torch.no_grad():
        next(network.fpn.parameters()).add_(1)
    save_weights(tmp_path / "other.safetensors", network)
    with pytest.raises(InputError, match=r"fpn.* is no head's; train with shared = false"):
        extract_heads(tmp_path / "other.safetensors", base, out)
    assert not out.exists()
    extract_heads(run, base, out)
    with pytest.raises(InputError, match="do not belong to"):
        load_heads(out, run)
    with pytest.raises(InputError, match="no heads of another network"):
        base_of(base)


def test_heads_of_another_input_begin_with_all_that_fits(base: Path, tmp_path: Path) -> None:
    """The box's appearance head has no attention; backbone features need a layer of their own."""
    before = load_weights(base).state_dict()
    box = tmp_path / "box.safetensors"
    assert start_heads(base, box, appearance_input="box") == []
    found = load_weights(box).state_dict()
    assert load_weights(box).config.appearance_input == "box"
    assert not any(name.startswith("appearance.attention") for name in found)
    assert all(torch.equal(before[name], tensor) for name, tensor in found.items())
    moved = tmp_path / "moved.safetensors"
    anew = start_heads(base, moved, motion_input="backbone")
    assert anew and all(name.startswith("semantic.backbone_features.") for name in anew)
    found = load_weights(moved).state_dict()
    assert all(torch.equal(before[name], found[name]) for name in before)
    with pytest.raises(InputError, match="motion_input"):
        start_heads(base, tmp_path / "none.safetensors", motion_input="p4")
    assert not (tmp_path / "none.safetensors").exists()
