"""Rendered sequences are used again only if they are the ones asked for.

They are never mistaken for others.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mapt.errors import InputError
from mapt.training.config import SyntheticData, TrainConfig
from mapt.training.sources import build_samples, render_once


def one_sequence(root: Path, **changes: object) -> SyntheticData:
    """One sequence of two frames of 96x160."""
    wanted: dict[str, object] = {
        "sequences": 1,
        "frames": 2,
        "height": 96,
        "width": 160,
        "root": str(root),
        **changes,
    }
    return SyntheticData.model_validate(wanted)


def test_rendered_sequences_are_used_again(tmp_path: Path) -> None:
    root = tmp_path / "streets"
    assert render_once(one_sequence(root), root) == root
    [frame] = sorted(root.rglob("*000001.*g"))[:1]
    frame.write_bytes(b"not rendered again")
    assert render_once(one_sequence(root, weight=0.3, heights=[96.0, 120.0]), root) == root
    assert frame.read_bytes() == b"not rendered again"


def test_what_differs_from_other_sequences_is_named(tmp_path: Path) -> None:
    root = tmp_path / "streets"
    render_once(one_sequence(root, rare=0.5), root)
    with pytest.raises(InputError) as refused:
        render_once(one_sequence(root, seed=5), root)
    assert (
        str(refused.value)
        == f"{root}: holds other sequences: seed 1000 (asked: 5), rare 0.5 (asked: none); "
        "name a new folder, or read this one as it is with data.step.root"
    )


def test_a_style_is_part_of_what_was_rendered_unless_it_is_the_plain_one(tmp_path: Path) -> None:
    varied = tmp_path / "varied"
    render_once(one_sequence(varied, style="varied"), varied)
    assert json.loads((varied / "recipe.json").read_text())["style"] == "varied"
    with pytest.raises(InputError, match=r"style varied \(asked: none\)"):
        render_once(one_sequence(varied), varied)
    plain = tmp_path / "plain"
    render_once(one_sequence(plain), plain)
    assert "style" not in json.loads((plain / "recipe.json").read_text())


def test_weights_are_looked_at_before_anything_is_rendered(
    tiny: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    config = tiny("data.step.weight=0", "data.synthetic.sequences=1", "data.synthetic.weight=0")
    with pytest.raises(InputError, match="every dataset has weight 0"):
        build_samples(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("recipe", [None, "{", "[]"])
def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, recipe: str | None) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"a picture")
    if recipe is not None:
        (tmp_path / "recipe.json").write_text(recipe)
    with pytest.raises(InputError, match="is not empty and holds no rendered sequences"):
        render_once(one_sequence(tmp_path), tmp_path)
    assert (tmp_path / "holiday.jpg").read_bytes() == b"a picture"
