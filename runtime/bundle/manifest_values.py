"""Checks values of a manifest that only together make sense."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mapt.contract import SUBGRAPHS, ModelInfo, Thresholds
from mapt.errors import InputError
from mapt.runtime.bundle.format import PAIR_LIMIT

if TYPE_CHECKING:
    from mapt.runtime.bundle.schema import Int8Bound, Manifest


def _one_of(what: str, value: Any, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ValueError(f"{what} is {value!r}, not one of {', '.join(known)}")
    return str(value)


def read_precision(subgraph: str, own: Any, asked: str) -> str:
    """Check that a subgraph has the requested precision or stayed in float32.

    Raises:
        ValueError: it has another.
    """
    return _one_of(
        f"the precision of {subgraph}", own, ("fp32", asked) if asked != "fp32" else ("fp32",)
    )


def check_pair_sums(path: Path, stated: Int8Bound, precisions: dict[str, str]) -> None:
    """Refuse int8 subgraphs whose products saturate on some processors.

    Subgraphs that do not state whether they do are refused, too.

    Raises:
        InputError: such a subgraph.
    """
    for name in [n for n, precision in precisions.items() if precision == "int8"]:
        worst = stated.pair_sums.get(name)
        if type(worst) is not int or worst < 0 or stated.limit != PAIR_LIMIT:
            raise InputError(
                f"{path}: states no bound on int8 products of {name!r}; export it with this version"
            )
        if worst > PAIR_LIMIT:
            raise InputError(
                f"{path}: two int8 products of {name!r} add up to {worst}, more than the"
                f" {PAIR_LIMIT} that every processor holds; export it with this version"
            )


def read_model_info(manifest: Manifest) -> ModelInfo:
    """Return what a manifest says of the network.

    Raises:
        ValueError, TypeError, KeyError, AttributeError, OverflowError: a value that none can have.
    """
    for spec in SUBGRAPHS:
        for tensor in (*spec.inputs, *spec.outputs):
            tensor.resolve(manifest.sizes)
    return ModelInfo(
        preset=manifest.preset,
        height=manifest.height,
        width=manifest.width,
        classes=tuple(manifest.classes),
        things=tuple(manifest.things),
        sizes=manifest.sizes,
        thresholds=_thresholds(manifest.thresholds),
    )


def _thresholds(values: dict[str, Any]) -> Thresholds:
    """Read the thresholds, all of which must be stated.

    The default of a threshold that was added later would change the bundle's decisions.
    """
    missing = sorted(asdict(Thresholds()).keys() - values.keys())
    if missing:
        raise ValueError(f"the threshold {missing[0]!r} is missing")
    return Thresholds(**values)
