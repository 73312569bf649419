"""Class sets by name, from a TOML file, or from an export of a labelling tool."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mapt.errors import InputError, shown
from mapt.io.toml import TOMLDecodeError, loads
from mapt.io.user_files import read_text
from mapt.labels.annotations.formats import CLASS_READERS, FORMATS, read_annotated_classes
from mapt.labels.class_sets import CLASS_SETS, ClassSet, check_class_names, find_class_set

CLASS_FILE = "classes.toml"  # names the classes of a folder in KITTI-STEP's layout
KEYS = ("classes", "things")
FORM = 'write classes = ["road", "car", ...] and things = ["car"]'


def read_class_set(name: str) -> ClassSet:
    """A class set.

    Args:
        name: a dataset's, such as "kitti-step"; a TOML file with `classes`, the names by train id,
            and `things`, the names of those with instances; or an export, see `read_annotations`.

    Raises:
        InputError: none of these.
    """
    if name in CLASS_SETS:
        return CLASS_SETS[name]
    path = Path(name)
    if path.suffix.lower() == ".toml":
        return _read_toml(path)
    if path.is_dir() or path.suffix.lower() in CLASS_READERS:
        return read_annotated_classes(path)
    raise InputError(
        f"class set {name}: give {', '.join(CLASS_SETS)}, a TOML file, or an export ({FORMATS})"
    )


def _read_toml(path: Path) -> ClassSet:
    try:
        content: dict[str, Any] = loads(read_text(path))
    except (TOMLDecodeError, RecursionError, ValueError):
        raise InputError(f"{path}: is not valid TOML; {FORM}") from None
    unknown = sorted(set(content) - set(KEYS))
    if unknown:
        raise InputError(f"{path}: unknown key {shown(unknown[0])}; {FORM}")
    lists = [content.get(key) for key in KEYS]
    if not all(
        isinstance(names, list) and names and all(isinstance(n, str) and n for n in names)
        for names in lists
    ):
        raise InputError(f"{path}: needs two lists of names; {FORM}")
    classes = [str(name) for name in lists[0] or ()]
    things = [str(name) for name in lists[1] or ()]
    check_class_names(classes, str(path))
    odd = [name for name in things if name not in classes]
    if odd:
        raise InputError(f"{path}: {shown(odd[0])} is a thing but no class; {FORM}")
    return find_class_set(tuple(classes), tuple(sorted({classes.index(name) for name in things})))
