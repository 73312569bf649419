"""Writes and reads checkpoints, from which a run continues as if it had never stopped.

They are read with `weights_only`, which unpickles tensors and plain values only.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import torch

from mapt.config import parse
from mapt.errors import InputError
from mapt.io.atomic_files import atomic_file
from mapt.training.config import LAST, TrainConfig
from mapt.training.state import State

NAMES = re.compile(r"checkpoint-[0-9]{7}\.pt")  # all other files in a run's folder are the user's
# The settings that may differ when a run is resumed, because they do not change what it computes.
FREE = {
    "device",
    "threads",
    "log_every",
    "picture_every",
    "checkpoint_every",
    "keep",
    "data.workers",
    "data.skip_bad",
    "recompute",
}

# The entries of every checkpoint, and their types.
KINDS: dict[str, type] = {
    "iteration": int,
    "network": dict,
    "average": dict,
    "updates": int,
    "optimizer": dict,
    "rng": torch.Tensor,
    "config": str,
}


def save_checkpoint(folder: Path, state: State, config: TrainConfig) -> Path:
    """Write `checkpoint-<iteration>.pt`, whole or not at all, and remove older checkpoints.

    The last `config.keep` checkpoints stay. Checkpoints of later iterations are removed too. They
    could not be read, so the run continued from an earlier one.

    Args:
        folder: the run's folder.
        state: what to write.
        config: the run's configuration, which is written too.

    Returns:
        The file.
    """
    path = folder / f"checkpoint-{state.iteration:07d}.pt"
    content = {
        "iteration": state.iteration,
        "network": state.network.state_dict(),
        "average": state.average.network.state_dict(),
        "updates": state.average.updates,
        "optimizer": state.optimizer.state_dict(),
        "scaler": state.scaler.state_dict(),
        "best": state.best,
        "skipped": state.skipped,
        "rng": torch.get_rng_state(),
        "gpu_rng": (
            torch.cuda.get_rng_state(state.place.device)
            if state.place.device.type == "cuda"
            else None
        ),
        "config": json.dumps(config.model_dump(mode="json"), sort_keys=True),
    }
    with atomic_file(path) as temporary:
        torch.save(content, temporary)
    found = checkpoints(folder)
    last = found.index(path) + 1
    for old in found[: max(0, last - config.keep)] + found[last:]:
        old.unlink()
    return path


def checkpoints(folder: Path) -> list[Path]:
    """List the checkpoints of a run, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(
        p
        for p in folder.iterdir()
        if NAMES.fullmatch(p.name) and p.is_file() and not p.is_symlink()
    )


def restore_checkpoint(folder: Path, state: State, config: TrainConfig) -> list[Path]:
    """Load the newest readable checkpoint into `state`. Without checkpoints, it does not change.

    Args:
        folder: the run's folder.
        state: receives the checkpoint.
        config: the configuration with which the run is resumed.

    Returns:
        Newer checkpoints that could not be read.

    Raises:
        InputError: the run has another configuration or network, or none of its checkpoints can be
            read.
    """
    found = checkpoints(folder)
    damaged: list[Path] = []
    for path in reversed(found):
        content = _read(path)
        if content is None:
            damaged.append(path)
            continue
        before = _same_run(path, json.loads(content["config"]), config)
        try:
            _take(content, state, same_scores=_validates(before) == _validates(config))
        except (RuntimeError, ValueError, TypeError, KeyError, AttributeError, IndexError):
            raise InputError(
                f"{path}: is not of this network; remove it, or start anew with another --out"
            ) from None
        return damaged
    if found:
        raise InputError(
            f"{folder}: none of its {len(found)} checkpoints can be read; start anew with another"
            " --out"
        )
    return damaged


def _read(path: Path) -> dict[str, Any] | None:
    """Return the content of a checkpoint, or None if the file is damaged.

    Damaged files raise exceptions of many classes, so all of them are caught.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        whole = all(isinstance(content[key], kind) for key, kind in KINDS.items())
        known = (
            isinstance(json.loads(content["config"]), dict) and 0 <= content["iteration"] <= LAST
        )
    except Exception:
        return None
    return dict(content) if whole and known else None


def _take(content: dict[str, Any], state: State, *, same_scores: bool) -> None:
    """Load the content of a checkpoint into the state.

    The best score is dropped if it is of another validation set.
    """
    state.network.load_state_dict(content["network"])
    state.average.network.load_state_dict(content["average"])
    state.average.updates = content["updates"]
    state.optimizer.load_state_dict(content["optimizer"])
    if "scaler" in content:  # older checkpoints have neither scaler nor best
        state.scaler.load_state_dict(content["scaler"])
        state.best = content["best"] if same_scores else None
    state.skipped = content.get("skipped", [])
    state.iteration = content["iteration"]
    torch.set_rng_state(content["rng"])
    if (
        state.place.device.type == "cuda" and content.get("gpu_rng") is not None
    ):  # a run may change its device
        torch.cuda.set_rng_state(content["gpu_rng"], state.place.device)


def _same_run(path: Path, stored: dict[str, Any], config: TrainConfig) -> TrainConfig:
    """Check that a stored configuration computes the same as the current one, and return it.

    Execution, validation, reporting and the locations of data may differ.
    """
    # An older run lacks newer keys. It gets their defaults, which must not change its results.
    before = parse(TrainConfig, stored, f"{path} (its configuration)")
    old = _computes(before)
    new = _computes(config)
    for key in sorted(old | new):
        if old.get(key) != new.get(key):
            raise InputError(
                f"{path}: {key} was {old.get(key, 'not set')} in this run and is"
                f" {new.get(key, 'not set')} now; resume with the same configuration, or choose"
                " another --out"
            )
    return before


def _validates(config: TrainConfig) -> tuple[object, ...]:
    """Return the settings that define a validation set, without its location."""
    own = config.evaluation
    return bool(own.root), own.split, own.sequences, own.fps


def _computes(config: TrainConfig) -> dict[str, str]:
    """Return the settings that decide what a run computes, by dotted key.

    For the folder of a dataset, the result only says whether it is set.
    """
    flat = _flatten(config.model_dump(mode="json"))
    own = {
        key: value
        for key, value in flat.items()
        if key not in FREE and not key.startswith("evaluation.")
    }
    folders = [key for key in own if key.endswith(".root")]
    for key in folders:
        if own.pop(key) != '""' and not key.startswith("data.synthetic"):  # rendered wherever it is
            own[key] = "set"
    return own


def _flatten(values: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Flatten nested tables to dotted keys, with their values as JSON."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat.update(_flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = json.dumps(value)
    return flat
