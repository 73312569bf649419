"""Names the classes of a configuration by a dataset, a file or an export."""

from __future__ import annotations

from typing import Any

from mapt.errors import InputError
from mapt.labels.class_files import read_class_set


def expand_class_set(model: dict[str, Any], where: str) -> dict[str, Any]:
    """The table `model` with the classes that its `class_set` names, see `read_class_set`.

    Raises:
        InputError: there is no such class set, or the table names classes itself.
    """
    rest = {key: value for key, value in model.items() if key != "class_set"}
    given = sorted({"classes", "class_names", "things"} & set(rest))
    if given:
        raise InputError(
            f"{where}: model.class_set and model.{given[0]} both name classes; keep one of them"
        )
    named = read_class_set(str(model["class_set"]))
    return {
        **rest,
        "classes": len(named.classes),
        "class_names": list(named.classes),
        "things": list(named.things),
    }
