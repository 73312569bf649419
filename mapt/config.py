"""Configuration: frozen pydantic models, four presets, and TOML files that only fill them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mapt.contract import Thresholds
from mapt.errors import InputError, nearest, suggest
from mapt.io.toml import TOMLDecodeError, loads
from mapt.io.user_files import read_text
from mapt.labels.class_sets import ClassSet, default_names, find_class_set

Preset = Literal["base", "small", "micro", "nano"]
LONGEST = 16384  # side of an image or of the network's input, pixels: twice 8K
MAX_TOP_K = 3840  # TensorRT's limit for TopK


Channels = Annotated[int, Field(ge=1, le=8192)]
Positive = Annotated[float, Field(gt=0)]


class Frozen(BaseModel):
    """Base of every configuration: immutable, unknown keys refused, numbers finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ModelConfig(Frozen):
    """The network. Widths in channels, sizes in pixels.

    Deployability is checked here, when the configuration is read: input a multiple of 32, top-k
    within TensorRT's limit.
    """

    preset: Preset
    backbone: Literal["regnet_y_8gf", "regnet_y_1_6gf", "efficientnet_lite0", "efficientnet_lite2"]
    classes: int = Field(
        19,
        ge=1,
        le=255,
        description="19: Cityscapes'; 7: MOTChallenge-STEP's; others by name",
    )
    class_names: tuple[str, ...] = Field(
        (), description="by train id; filled in where a dataset has so many classes"
    )
    things: tuple[int, ...] = Field((11, 13), min_length=1, description="train ids with instances")
    height: int = Field(384, le=LONGEST)
    width: int = Field(1248, le=LONGEST)
    fpn_channels: Channels = 256
    semantic_channels: Channels = 128
    dpc_channels: Channels = 256
    head_channels: Channels = 256
    box_hidden: Channels = 1024
    motion_filters: int = Field(16, ge=1, le=256)
    embedding: Channels = 256
    semantic_loss_stride: int = Field(
        1, ge=1, le=4, description="pixels between the semantic loss's samples"
    )
    semantic_hard_share: float = Field(
        0.25, gt=0, le=1, description="share of worst pixels in the semantic loss"
    )
    semantic_balance: float = Field(
        0.0, ge=0, le=1, description="pixels weigh as (their class's share)^-balance"
    )
    semantic_jaccard: float = Field(
        0.0, ge=0, description="weight of 1 - soft IoU of an image's classes in the loss"
    )
    frozen_stages: int = Field(
        0,
        ge=0,
        le=2,
        description="trunk stages up to stride 2 * n that keep their pretrained weights",
    )
    motion_input: Literal["semantic", "backbone", "flow"] = Field(
        "semantic", description="what the motion head compares (Table V)"
    )
    appearance_input: Literal["box", "mask", "mask_motion"] = Field(
        "mask_motion", description="what embeddings are made of (Table VI)"
    )
    activation: Literal["leaky_relu", "relu"] = "leaky_relu"
    # The four levels are ranked together before NMS.
    rpn_top_k: int = Field(
        960, ge=1, le=MAX_TOP_K // 4, description="anchors kept per level before NMS"
    )
    proposals: int = Field(
        300, ge=1, le=MAX_TOP_K, description="proposals kept after NMS, at inference"
    )
    detections: int = Field(100, ge=1, le=MAX_TOP_K, description="detection slots D")
    motion_batch: int = Field(
        16, ge=1, le=1024, description="instances per motion and appearance call, N"
    )
    zoom: bool = Field(
        False,
        description="also see the middle of the input twice as large, when tracking or exported",
    )
    anchor_sizes: tuple[Positive, Positive, Positive, Positive] = (16.0, 40.0, 96.0, 240.0)
    anchor_scales: tuple[Positive, ...] = Field((1.0, 1.6), min_length=1, max_length=16)
    anchor_ratios: tuple[Positive, ...] = Field(
        (0.5, 1.0, 2.4), min_length=1, max_length=16, description="height / width"
    )
    roi_samples: int = Field(
        128,
        ge=4,
        le=MAX_TOP_K,
        description="boxes sampled per image in training, a quarter positive",
    )
    min_box: float = Field(
        2.0, gt=0, description="proposals and detections smaller than this are dropped, pixels"
    )
    nms_iou: float = Field(0.5, ge=0, le=1)
    rpn_nms_iou: float = Field(0.7, ge=0, le=1)
    thresholds: Thresholds = Thresholds()

    @model_validator(mode="before")
    @classmethod
    def _named(cls, values: Any) -> Any:
        """Names where none are given: weights and bundles say whose classes they have."""
        if not isinstance(values, dict):  # which pydantic refuses after this
            return values
        count = values.get("classes", 19)
        if values.get("class_names") or not isinstance(count, int):
            return values
        names = default_names(count)
        if names is None:
            raise ValueError(
                f"classes = {count}: no dataset has so many classes; name them:"
                ' class_names = ["road", "car", ...]'
            )
        return values | {"class_names": names}

    @model_validator(mode="after")
    def _deployable(self) -> ModelConfig:
        names = self.class_names
        if len(names) != self.classes or len(set(names)) != len(names) or not all(names):
            raise ValueError(
                f"class_names = {list(names)}: need {self.classes} different names, one a class"
            )
        for name, value in (("height", self.height), ("width", self.width)):
            if value % 32 or value <= 0:
                raise ValueError(
                    f"{name} = {value} is not a positive multiple of 32; use"
                    f" {max(32, round(value / 32) * 32)}"
                )
        if self.motion_input == "flow" and self.semantic_channels < 64:
            raise ValueError(
                "motion_input = flow: packs 64 pixels into a cell; semantic_channels must be at"
                " least 64"
            )
        if self.zoom and self.detections > MAX_TOP_K // 2:
            raise ValueError(
                f"zoom: ranks the detections of two views together; detections = {self.detections}"
                f" must be at most {MAX_TOP_K // 2}"
            )
        if any(not 0 <= c < self.classes for c in self.things) or len(set(self.things)) != len(
            self.things
        ):
            raise ValueError(
                f"things = {self.things} must be different ids in 0..{self.classes - 1}"
            )
        return self

    @property
    def stuff(self) -> tuple[int, ...]:
        """Train ids without instances."""
        return self.class_set.stuff

    @property
    def class_set(self) -> ClassSet:
        """The classes by name, a dataset's where one has the same."""
        return find_class_set(self.class_names, self.things)


PRESETS: dict[str, dict[str, Any]] = {
    "base": {"backbone": "regnet_y_8gf"},
    "small": {
        "backbone": "regnet_y_1_6gf",
        "fpn_channels": 128,
        "dpc_channels": 128,
        "head_channels": 128,
        "box_hidden": 512,
    },
    "micro": {
        "backbone": "efficientnet_lite2",
        "fpn_channels": 96,
        "dpc_channels": 128,
        "head_channels": 96,
        "box_hidden": 256,
        "motion_filters": 8,
        "activation": "relu",
        "roi_samples": 96,
        "semantic_loss_stride": 2,
        "frozen_stages": 2,
        "rpn_top_k": 200,
        "proposals": 128,
        "detections": 64,
        # Steps of 1.7: every object of 6 to 400 pixels has an anchor of about its size.
        "anchor_sizes": (8.0, 22.0, 64.0, 180.0),
        "anchor_scales": (1.0, 1.7),
    },
    "nano": {
        "backbone": "efficientnet_lite0",
        "fpn_channels": 64,
        "dpc_channels": 64,
        "head_channels": 64,
        "box_hidden": 256,
        "motion_filters": 8,
        "activation": "relu",
        "roi_samples": 64,
        "semantic_loss_stride": 2,
        "frozen_stages": 2,
        "rpn_top_k": 150,
        "proposals": 100,
        "detections": 48,
        "height": 192,
        "width": 640,
        "anchor_sizes": (10.0, 28.0, 72.0, 180.0),
    },
}


def preset(name: str, **overrides: Any) -> ModelConfig:
    """The named preset with `overrides`.

    Raises:
        InputError: unknown preset or key, or a value the deployment rules refuse.
    """
    if name not in PRESETS:
        raise InputError(f"preset {name!r} does not exist; {suggest(name, PRESETS)}")
    return parse(ModelConfig, {"preset": name, **PRESETS[name], **overrides}, f"preset {name}")


C = TypeVar("C", bound=Frozen)


def parse(model: type[C], values: dict[str, Any], where: str) -> C:
    """Build `model` from plain values.

    A mistake becomes one line of InputError with `where` and the nearest valid key.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        # An unknown key is named first: it is usually the cause of what else is missing.
        first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        key = ".".join(str(part) for part in first["loc"]) or "value"
        if first["type"] == "extra_forbidden":
            known = _fields_at(model, first["loc"][:-1])
            near = nearest(str(first["loc"][-1]), known)
            hint = f"did you mean {near!r}?" if near else f"known keys: {', '.join(sorted(known))}"
            raise InputError(f"{where}: unknown key {key!r}; {hint}") from None
        if first["type"] == "literal_error" and isinstance(first["input"], str):
            names = re.findall(r"'([^']*)'", first["ctx"]["expected"])
            hint = suggest(first["input"], names)
            raise InputError(f"{where}: {key}: {first['input']!r} is unknown; {hint}") from None
        raise InputError(
            f"{where}: {key}: {first['msg'].removeprefix('Value error, ')}; correct it"
        ) from None
    except (RecursionError, OverflowError):
        raise InputError(
            f"{where}: is nested too deep, or has a number that is too large; correct it"
        ) from None


def _fields_at(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """The keys allowed at `path` inside `model`."""
    for part in path:
        field = model.model_fields.get(str(part))
        inner = field.annotation if field else None
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            model = inner
    return list(model.model_fields)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        InputError: the file is missing or is not TOML.
    """
    try:
        return loads(read_text(path))
    except (TOMLDecodeError, RecursionError, ValueError) as error:
        what = error if isinstance(error, TOMLDecodeError) else "nested too deep, or a long number"
        raise InputError(f"{path}: is not valid TOML ({what}); correct it") from None
