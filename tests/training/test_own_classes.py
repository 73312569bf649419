"""A network for own classes: named by a file, started from weights of other classes."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mapt.config import preset
from mapt.errors import InputError
from mapt.model.network import Network
from mapt.model.weights import load_weights, read_config, save_weights
from mapt.training.config import TrainConfig
from mapt.training.loop import train
from tests.labels.annotations.conftest import write_coco, write_yolo

Tiny = Callable[..., TrainConfig]
SMALL = {"height": 64, "width": 128}


def test_an_export_names_the_classes(tiny: Tiny, tmp_path: Path) -> None:
    model = tiny(f"model.class_set={write_coco(tmp_path)}").model
    assert model.class_names == ("background", "forklift", "pallet", "floor")
    assert (model.classes, model.things) == (4, (1, 2))
    assert tiny("model.class_set=motchallenge-step").model.class_set.name == "motchallenge-step"


def test_classes_named_twice_are_refused(tiny: Tiny) -> None:
    with pytest.raises(InputError, match=r"model\.class_set and model\.things both name classes"):
        tiny("model.class_set=kitti-step", "model.things=[13]")
    with pytest.raises(InputError, match=r"class set 7: give kitti-step"):
        tiny("model.class_set=7")


def test_an_export_trains_a_network_of_its_classes(tiny: Tiny, tmp_path: Path) -> None:
    export = write_yolo(tmp_path / "yolo")
    config = tiny(
        f"model.class_set={export}",
        "data.step.root=",
        f"data.annotated.root={export}",
        "data.annotated.heights=[64, 80]",
        "schedule.iterations=2",
    )
    weights = train(config, tmp_path / "run")
    assert read_config(weights).class_names == ("background", "pallet", "forklift")


def test_classes_of_the_same_name_keep_their_weights(tmp_path: Path) -> None:
    torch.manual_seed(0)
    old = Network(preset("nano", **SMALL))
    save_weights(tmp_path / "old.safetensors", old)
    names = ["background", "car", "forklift", "road"]
    path = tmp_path / "old.safetensors"
    new = load_weights(path, classes=4, class_names=names, things=[1, 2])
    before = old.state_dict()
    after = new.state_dict()
    for layer, car, own_car in (
        ("semantic.classify", 13, 1),
        ("instance.box.classify", 1, 0),
        ("instance.mask.classify", 1, 0),
    ):
        assert torch.equal(after[f"{layer}.weight"][own_car], before[f"{layer}.weight"][car])
        assert torch.equal(after[f"{layer}.bias"][own_car], before[f"{layer}.bias"][car])
    assert torch.equal(after["semantic.classify.weight"][3], before["semantic.classify.weight"][0])
    no_thing = (
        after["instance.box.classify.weight"][-1],
        before["instance.box.classify.weight"][-1],
    )
    assert torch.equal(*no_thing)
    fresh = after["semantic.classify.weight"][2]
    assert not any(torch.equal(fresh, row) for row in before["semantic.classify.weight"])
    same = [n for n in before if "classify" not in n]
    assert all(torch.equal(before[n], after[n]) for n in same if n in after)
    assert new.config.class_names == tuple(names)


def test_another_order_of_the_same_classes_moves_rows(tmp_path: Path) -> None:
    names = ("floor", "pallet", "forklift")
    torch.manual_seed(0)
    old = Network(preset("nano", classes=3, class_names=names, things=[1, 2], **SMALL))
    save_weights(tmp_path / "old.safetensors", old)
    turned = load_weights(
        tmp_path / "old.safetensors", class_names=names[::-1], things=[0, 1]
    ).state_dict()
    weight = old.state_dict()["semantic.classify.weight"]
    assert torch.equal(turned["semantic.classify.weight"], weight.flip(0))
    boxes = old.state_dict()["instance.box.classify.weight"]
    assert torch.equal(turned["instance.box.classify.weight"], boxes[[1, 0, 2]])


def test_another_preset_is_still_refused(tiny: Tiny, tmp_path: Path) -> None:
    save_weights(tmp_path / "old.safetensors", Network(preset("nano", **SMALL)))
    export = write_yolo(tmp_path / "yolo")
    shutil.rmtree(tmp_path / "yolo" / "train")  # the classes alone are read
    config = tiny("model.fpn_channels=32", f"model.class_set={export}", "schedule.iterations=1")
    with pytest.raises(InputError, match=r"old\.safetensors: tensor .* another preset"):
        train(config, tmp_path / "run", init=tmp_path / "old.safetensors")
