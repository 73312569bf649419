"""Means of weights."""

from pathlib import Path

import pytest
import torch

from mapt.bench.average_weights import average_weights, main
from mapt.config import preset
from mapt.errors import InputError
from mapt.model.network import Network
from mapt.model.weights import load_weights, read_card, save_weights


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Weights of two small networks of one shape."""
    folder = tmp_path_factory.mktemp("weights")
    paths = folder / "a.safetensors", folder / "b.safetensors"
    for seed, path in enumerate(paths):
        torch.manual_seed(seed)
        save_weights(path, Network(preset("nano")), {"data": f"data {seed}", "batch": "2"})
    return paths


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_every_tensor_lies_on_the_line_between_both(
    pair: tuple[Path, Path], tmp_path: Path, share: float
) -> None:
    out = tmp_path / "mean.safetensors"
    main([*map(str, pair), str(out), "--share", str(share)])
    a, b, mean = (load_weights(path).state_dict() for path in (*pair, out))
    assert mean.keys() == a.keys()
    for name, tensor in mean.items():
        if tensor.is_floating_point():
            expected = a[name].double() * (1 - share) + b[name].double() * share
            torch.testing.assert_close(tensor.double(), expected, rtol=1e-5, atol=1e-7)
    assert "data 0" in read_card(out)["data"] and "data 1" in read_card(out)["data"]


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_outside_its_range_is_refused(
    pair: tuple[Path, Path], tmp_path: Path, share: float
) -> None:
    with pytest.raises(InputError, match=r"within 0\.\.1"):
        average_weights(*pair, share, tmp_path / "out.safetensors")
    assert not list(tmp_path.iterdir())


def test_networks_of_two_presets_are_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    other = tmp_path / "micro.safetensors"
    save_weights(other, Network(preset("micro")))
    with pytest.raises(InputError, match="is not that of"):
        average_weights(other, pair[1], 0.5, tmp_path / "out.safetensors")
    with pytest.raises(SystemExit) as ended:
        main([str(pair[0]), str(tmp_path / "absent"), str(tmp_path / "out.safetensors")])
    assert ended.value.code == 2
