"""Weights of one class set for a network of another: what both know by name is kept."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from mapt.config import ModelConfig

SEMANTIC = ("semantic.classify.weight", "semantic.classify.bias")  # a row a class
BOXES = ("instance.box.classify.weight", "instance.box.classify.bias")  # a thing, then background
MASKS = ("instance.mask.classify.weight", "instance.mask.classify.bias")  # a row a thing


def match_classes(
    tensors: dict[str, Tensor], old: ModelConfig, new: ModelConfig, initial: dict[str, Tensor]
) -> dict[str, Tensor]:
    """The tensors of a network with `old` classes, for one with `new` classes.

    Only the last layers of the semantic head, of the boxes and of the masks have rows by class. The
    rows of a class that both have go on; those of a new class stay as they were initialised.

    Args:
        tensors: of the old network, by name.
        old: its configuration.
        new: the other network's.
        initial: tensors of the new network, by name.
    """
    old_things = [old.class_names[c] for c in old.things]
    new_things = [new.class_names[c] for c in new.things]
    background = [""]  # no class has this name
    matched = dict(tensors)
    for names, before, after in (
        (SEMANTIC, old.class_names, new.class_names),
        (BOXES, old_things + background, new_things + background),
        (MASKS, old_things, new_things),
    ):
        for name in names:
            rows = tensors.get(name)
            if rows is not None and len(rows) == len(before):
                matched[name] = _move_rows(rows, before, after, initial[name])
    return matched


def _move_rows(rows: Tensor, old: Sequence[str], new: Sequence[str], initial: Tensor) -> Tensor:
    out = initial.clone()
    if out.shape[1:] != rows.shape[1:]:
        return rows  # another preset's, which is refused by its shape
    for row, name in enumerate(new):
        if name in old:
            out[row] = rows[old.index(name)]
    return out
