"""The configuration of `mapt train`.

A TOML file overrides these defaults, and `--set key=value` overrides both.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, PositiveInt, create_model, model_validator

from mapt.config import LONGEST, PRESETS, Frozen, ModelConfig, parse, read_toml
from mapt.configs import FOLDER, shipped_configs
from mapt.data.datasets.registry import KITTI_HEIGHTS, find_datasets
from mapt.data.transforms import Augmentation
from mapt.errors import InputError, suggest
from mapt.model.network import HEADS, Head
from mapt.synthetic import Style
from mapt.training.changes import apply_changes
from mapt.training.own_classes import expand_class_set


def _rising(heights: tuple[float, float]) -> tuple[float, float]:
    if not 0 < heights[0] <= heights[1]:
        raise ValueError(f"heights {list(heights)} must be positive and rising, e.g. [190, 420]")
    return heights


# The least and the largest height in pixels to which a frame is scaled before it is cropped. They
# let KITTI's wide frames and CamVid's 4:3 stills show cars at overlapping sizes.
Heights = Annotated[tuple[float, float], AfterValidator(_rising)]


def _strided(crop: tuple[int, int]) -> tuple[int, int]:
    if any(not 0 < length <= LONGEST or length % 32 for length in crop):
        raise ValueError(
            f"crop {list(crop)} must be multiples of 32 up to {LONGEST}, e.g. [256, 832]"
        )
    return crop


Crop = Annotated[tuple[int, int], AfterValidator(_strided)]  # height and width, pixels
Rare = Annotated[
    float,
    Field(
        ge=0, le=1, description="0: usual traffic; 1: many trucks, buses, trams and two-wheelers"
    ),
]
Weight = Annotated[float, Field(ge=0, description="share of the samples")]
LAST = 9_999_999  # the last iteration whose number fits into the name of a checkpoint


class SyntheticData(Frozen):
    """Procedural sequences. They are rendered once, if `sequences` is above 0."""

    sequences: int = Field(0, ge=0)
    frames: int = Field(40, ge=2)
    height: int = Field(384, ge=32, le=LONGEST)
    width: int = Field(1248, ge=32, le=LONGEST)
    fps: float = Field(10.0, gt=0)
    seed: int = Field(1000, ge=0, description="validation and tests use other seeds, such as 7")
    rare: Rare = 0.0
    style: Style = Field(
        "plain", description="varied: streets closer to real frames; plain: those of benchmarks"
    )
    root: str = Field("", description="where they are rendered; empty: the run's folder")
    weight: Weight = 1.0
    heights: Heights = KITTI_HEIGHTS


class SmallSyntheticData(SyntheticData):
    """Synthetic sequences that are rendered at the network's own size, and not scaled down."""

    height: int = Field(192, ge=32, le=LONGEST)
    width: int = Field(624, ge=32, le=LONGEST)
    seed: int = Field(2000, ge=0)
    heights: Heights = (192.0, 240.0)


class RareSyntheticData(SmallSyntheticData):
    """Synthetic sequences with many objects of the classes that are rare in the other two sets."""

    seed: int = Field(3000, ge=0)
    rare: Rare = 0.5
    heights: Heights = (192.0, 420.0)


class DatasetTable(Frozen):
    """A labelled dataset. It is not used if its root is empty."""

    root: str = ""
    split: str = "train"
    weight: Weight = 1.0
    heights: Heights = KITTI_HEIGHTS


class _DataConfig(Frozen):
    """The sources of samples, and their augmentation."""

    crops: tuple[Crop, ...] = Field(
        (),
        description=(
            "sizes of the views trained on, one an iteration in turn; none: the network's input"
        ),
    )

    synthetic: SyntheticData = SyntheticData()
    synthetic_small: SmallSyntheticData = SmallSyntheticData()
    synthetic_rare: RareSyntheticData = RareSyntheticData()
    skip_bad: bool = Field(
        False, description="draw another sample if a file is bad, instead of stopping"
    )
    intervals: tuple[PositiveInt, ...] = Field((1, 2), min_length=1, description="tau, in frames")
    repeat: float = Field(
        0.0,
        ge=0,
        le=1,
        description=(
            "classes in less than this share of a STEP dataset's frames are shown more often"
        ),
    )
    static: float = Field(
        0.2, ge=0, le=1, description="probability that t - tau replaces t - 2 tau (S_prev = S)"
    )
    augmentation: Augmentation = Augmentation()
    workers: int = Field(1, ge=0, le=512)


def _with_datasets() -> type[_DataConfig]:
    """Build the configuration with a table for each dataset of `mapt.data.datasets`."""
    tables: dict[str, Any] = {}
    for dataset in find_datasets():
        table: Any = create_model(
            dataset.name, __base__=DatasetTable, heights=(Heights, dataset.heights)
        )
        tables[dataset.name] = (table, table())
    made: type[_DataConfig] = create_model(
        "DataConfig", __base__=_DataConfig, __doc__=_DataConfig.__doc__, **tables
    )
    return made


if TYPE_CHECKING:
    DataConfig = _DataConfig
else:
    DataConfig = _with_datasets()


class Schedule(Frozen):
    """The optimiser and its schedule: the paper's SGD (III-E), or AdamW for short schedules."""

    optimizer: Literal["sgd", "adamw"] = "sgd"
    iterations: int = Field(10_000, ge=1, le=LAST)
    batch: int = Field(2, ge=1, description="pairs per step")
    rate: float = Field(0.01, gt=0)
    new_rate: float = Field(
        1.0, gt=0, description="factor of the rate for layers without pretrained weights"
    )
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(1e-4, ge=0)
    warmup: int = Field(200, ge=0, description="iterations from a third of the rate to the rate")
    milestones: tuple[float, ...] = Field(
        (0.7, 0.9), description="shares of the iterations where the rate is divided"
    )
    extra_epochs: float = Field(
        0.0, ge=0, description="passes over the data after `iterations`, at the last rate"
    )
    decay: float = Field(10.0, gt=1)
    clip: float = Field(10.0, gt=0, description="largest gradient norm")
    ema: float = Field(
        0.998, ge=0, lt=1, description="momentum of the averaged weights, which a run writes"
    )


class EvaluationConfig(Frozen):
    """The evaluation during a run, which tracks a validation set with the averaged weights.

    The best weights are kept.
    """

    root: str = Field(
        "",
        description=(
            "a folder in the layout of KITTI-STEP or MOTChallenge-STEP; empty: no evaluation"
        ),
    )
    split: str = "val"
    every: int = Field(1000, ge=1, description="iterations; the last one is always evaluated")
    sequences: tuple[str, ...] = Field((), description="empty: all")
    fps: float = Field(10.0, gt=0)


class TrainConfig(Frozen):
    """One training run."""

    model: ModelConfig
    imagenet: bool = True
    heads: tuple[Head, ...] = Field(
        HEADS,
        min_length=1,
        description="heads that learn; others keep their weights, without computing their losses",
    )
    shared: bool = Field(True, description="trunk and pyramid learn too")
    teacher: str = Field(
        "",
        description=(
            "weights of a trained, narrower network, whose features pyramid and semantic head learn"
            " too, and whose heads the network starts with, unless --init names others"
        ),
    )
    teacher_weight: float = Field(1.0, gt=0, description="of the distance from its features")
    anew: tuple[Head, ...] = Field(
        (), description="heads that do not start from the weights of --init"
    )
    data: DataConfig = DataConfig()
    schedule: Schedule = Schedule()
    evaluation: EvaluationConfig = EvaluationConfig()
    seed: int = Field(0, ge=0, lt=1 << 20)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = Field(
        0, ge=0, le=4096, description="PyTorch threads, 0: as many as there are cores"
    )
    bf16: bool = False
    fp16: bool = Field(False, description="with a scaled loss; on a GPU only")
    tf32: bool = Field(
        False, description="a GPU multiplies float32 in TF32: faster, 10 bits of mantissa"
    )
    channels_last: bool = True
    compile: bool = Field(False, description="torch.compile for trunk, pyramid and semantic head")
    recompute: bool = Field(
        False, description="compute the trunk's activations again in the backward pass"
    )
    frozen_norm: bool = Field(
        False, description="batch norms outside the trunk keep their statistics too"
    )
    log_every: int = Field(20, ge=1)
    picture_every: int = Field(500, ge=1)
    checkpoint_every: int = Field(500, ge=1)
    keep: int = Field(3, ge=1, description="checkpoints kept")

    @property
    def crops(self) -> tuple[tuple[int, int], ...]:
        """Return the heights and widths of the crops for training, in pixels."""
        return self.data.crops or ((self.model.height, self.model.width),)

    @model_validator(mode="after")
    def _one_precision(self) -> TrainConfig:
        if self.bf16 and self.fp16:
            raise ValueError("bf16 and fp16 are both true; choose one")
        return self


def find_config(name: str) -> Path:
    """Find a configuration file.

    Args:
        name: a path, or the name of a shipped configuration, in which '-' equals '_'.

    Raises:
        InputError: there is neither.
    """
    path = Path(name)
    if path.is_file():
        return path
    shipped = FOLDER / f"{name.replace('-', '_')}.toml"
    if shipped.is_file():
        return shipped
    raise InputError(
        f"{name}: no such configuration file; give a path, or a shipped one:"
        f" {suggest(name, shipped_configs())}"
    )


def read_config(path: Path, changes: list[str]) -> TrainConfig:
    """Read a configuration from a TOML file.

    Args:
        path: the file.
        changes: texts `key.path=value` that override values of the file. Values are TOML, and bare
            words are strings. For `model.class_set` see `expand_class_set`.

    Raises:
        InputError: the file cannot be read, a key is unknown, or a value does not fit.
    """
    values = read_toml(path)
    apply_changes(values, changes)
    model = values.get("model", {})
    if isinstance(model, dict) and "class_set" in model:
        values["model"] = model = expand_class_set(model, str(path))
    if isinstance(model, dict) and isinstance(name := model.get("preset"), str) and name in PRESETS:
        values["model"] = {**PRESETS[name], **model}
    return parse(TrainConfig, values, str(path))
