"""Checkpoints: everything a run needs to continue as if it had never stopped; nothing is unpickled but tensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from mapt.config import parse
from mapt.errors import InputError
from mapt.files import atomic_file
from mapt.training.config import TrainConfig
from mapt.training.state import State

# What may differ when a run is resumed: where and how it is executed, what is reported.
FREE = {"device", "threads", "log_every", "picture_every", "checkpoint_every", "keep", "data.workers", "recompute"}


def save_checkpoint(folder: Path, state: State, config: TrainConfig) -> Path:
    """Write `checkpoint-<iteration>.pt` whole, then drop all but the last `config.keep`."""
    path = folder / f"checkpoint-{state.iteration:07d}.pt"
    content = {
        "iteration": state.iteration,
        "network": state.network.state_dict(),
        "average": state.average.network.state_dict(),
        "updates": state.average.updates,
        "optimizer": state.optimizer.state_dict(),
        "scaler": state.scaler.state_dict(),
        "best": state.best,
        "rng": torch.get_rng_state(),
        "config": json.dumps(config.model_dump(mode="json"), sort_keys=True),
    }
    with atomic_file(path) as temporary:
        torch.save(content, temporary)
    for old in checkpoints(folder)[: -config.keep]:
        old.unlink()
    return path


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    return sorted(folder.glob("checkpoint-*.pt"))


def restore_checkpoint(folder: Path, state: State, config: TrainConfig) -> bool:
    """Load the newest readable checkpoint into `state`; False where there is none.

    Raises:
        InputError: the run was made with another configuration, or no checkpoint of it can be read.
    """
    found = checkpoints(folder)
    for path in reversed(found):
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
        except Exception:  # a damaged file fails in many ways; the one before it is whole
            continue
        _same_run(path, json.loads(content["config"]), config)
        state.network.load_state_dict(content["network"])
        state.average.network.load_state_dict(content["average"])
        state.average.updates = content["updates"]
        state.optimizer.load_state_dict(content["optimizer"])
        if "scaler" in content:  # older checkpoints know neither
            state.scaler.load_state_dict(content["scaler"])
            state.best = content["best"]
        state.iteration = content["iteration"]
        torch.set_rng_state(content["rng"])
        return True
    if found:
        raise InputError(f"{folder}: none of its {len(found)} checkpoints can be read; start anew with another --out")
    return False


def _same_run(path: Path, stored: dict[str, Any], config: TrainConfig) -> None:
    """A resumed run must be the same run: only how it is executed and reported, and where data lie, may change."""
    # Keys that came later have their default in an older run: they must not change what it computes.
    before = parse(TrainConfig, stored, f"{path} (its configuration)")
    old, new = (_flatten(c.model_dump(mode="json")) for c in (before, config))
    for key in sorted(old | new):
        if (
            key not in FREE
            and not key.endswith(".root")
            and not key.startswith("evaluation.")
            and old.get(key) != new.get(key)
        ):
            raise InputError(
                f"{path}: {key} was {old.get(key)} in this run and is {new.get(key)} now; "
                "resume with the same configuration, or choose another --out"
            )


def _flatten(values: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested tables to dotted keys with their values as JSON."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat.update(_flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = json.dumps(value)
    return flat
