from pathlib import Path

import pytest

from mapt.errors import InputError
from mapt.training.config import DataConfig, find_config, read_config


def test_shipped_names_take_dashes_and_underscores() -> None:
    path = find_config("nano-street")
    assert path == find_config("nano_street") and path.name == "nano_street.toml"
    config = read_config(path, [])
    assert config.model.preset == "nano" and (config.model.height, config.model.width) == (192, 640)
    assert config.data.synthetic.seed == 1000  # validation uses others


def test_a_missing_name_lists_the_shipped() -> None:
    with pytest.raises(InputError, match="nano-street"):
        find_config("nano-strete")


def test_set_reads_toml_values_and_bare_words(config_file: Path) -> None:
    config = read_config(
        config_file,
        [
            "schedule.iterations=7",
            "data.step.split=val",
            "data.intervals=[3]",
            "model.detections=20",
            "bf16=true",
        ],
    )
    assert config.schedule.iterations == 7 and config.data.model_dump()["step"]["split"] == "val"
    assert config.data.intervals == (3,) and config.model.detections == 20 and config.bf16 is True


def test_a_file_is_only_filled_over_the_preset(config_file: Path) -> None:
    config = read_config(config_file, [])
    assert config.model.backbone == "efficientnet_lite0" and config.model.height == 64


def test_a_set_keeps_what_is_not_said_about_it(config_file: Path) -> None:
    data = read_config(
        config_file, ["data.synthetic_small.sequences=3", "data.synthetic_rare.sequences=5"]
    ).data
    assert data.synthetic_small.model_dump() == {
        **DataConfig().synthetic_small.model_dump(),
        "sequences": 3,
    }
    assert (data.synthetic_rare.height, data.synthetic_rare.seed, data.synthetic_rare.rare) == (
        192,
        3000,
        0.5,
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("schedule.iteration=5", "unknown key 'schedule.iteration'; did you mean 'iterations'"),
        ("data.camvid.rot=x", "unknown key 'data.camvid.rot'; did you mean 'root'"),
        ("model.proposal=5", "unknown key 'model.proposal'; did you mean 'proposals'"),
        ("data.augmentation.colours.blurr=1", "did you mean 'blur'"),
        ("model.width=100", "not a positive multiple of 32"),
        ("model.rpn_top_k=961", "less than or equal to 960"),
        ("data.step.heights=[100,50]", "must be positive and rising"),
        ("data.augmentation.focus_class=0.5", "together they must not exceed 1"),
        ("data.intervals=[0]", "data.intervals.0"),
        ("data.crops=[[192,600]]", "must be multiples of 32 up to"),
        ("schedule.iterations=many", "schedule.iterations"),
        ("schedule=3", "schedule"),
        ("seed.x=3", "seed"),
        ("nothing", "has no '='"),
        ("model.preset=huge", "preset"),
        ("model.preset=[1]", "model.preset"),
        ("model.classes=25", "model: classes = 25: no dataset has so many classes; name them"),
        ("model.things=[]", "model.things"),
        ("model.anchor_scales=[]", "model.anchor_scales"),
        ("schedule.rate=-1", "schedule.rate"),
        ("schedule.rate=nan", "schedule.rate"),
        ("schedule.momentum=1.5", "schedule.momentum"),
        ("schedule.weight_decay=-1", "schedule.weight_decay"),
        ("data.step.weight=inf", "data.step.weight"),
        ("data.synthetic.height=0", "data.synthetic.height"),
    ],
)
def test_mistakes_are_one_line(config_file: Path, change: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_config(config_file, ["seed=1", change])
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_broken_toml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("[model\n")
    with pytest.raises(InputError, match=r"broken\.toml: is not valid TOML"):
        read_config(path, [])
    path.write_text("seed = 1\n")
    with pytest.raises(InputError, match="model"):
        read_config(path, [])
