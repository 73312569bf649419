"""What `--model` and other arguments name: a network of the project, a path, or one on the Hub."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from mapt.errors import InputError, printable
from mapt.io.hub import PREFIX, fetch_bundle
from mapt.io.pretrained import DEFAULT, PRETRAINED, Pretrained, shipped_bundle
from mapt.runtime.bundle.input_sizes import read_sizes
from mapt.runtime.bundle.manifest import find_root

NAMES = ", ".join(PRETRAINED)
HELP = f"{NAMES}, a bundle, weights, or hf:OWNER/NAME@COMMIT"


@dataclass(frozen=True)
class Model:
    """A network that was found.

    Attributes:
        path: a bundle's folder, or a weight file.
        name: as a reader knows it.
        licence: of the weights; empty: nothing states it.
    """

    path: Path
    name: str
    licence: str = ""

    def __str__(self) -> str:
        """Say which weights these are, their licence and their size."""
        files = [self.path] if self.path.is_file() else self.path.rglob("*")
        size = sum(file.stat().st_size for file in files if file.is_file())
        licence = self.licence or "licence not stated"
        return printable(f"weights: {self.name}, {licence}, {size / 1e6:.1f} MB")


def find_model(text: str | None) -> Model:
    """Find the network for tracking; None: the default one.

    A file or folder of that name comes before a network of the project.

    Raises:
        InputError: there is no such thing, or it cannot be fetched.
    """
    if text is None:
        return Model(shipped_bundle(), DEFAULT.name, DEFAULT.licence)
    found = _outside(text)
    if found:
        return found
    network = _named(text)
    if network is DEFAULT:
        return Model(shipped_bundle(), network.name, network.licence)
    return Model(_in_repository(network), network.name, network.licence)


def find_weights(text: str) -> Path:
    """Find the weights for exporting.

    Raises:
        InputError: there is no such thing, or the package alone does not have them.
    """
    found = _outside(text)
    if found is None and _is_path(text):
        return Path(text)  # reading it says what is wrong
    path = found.path if found else _in_repository(_named(text))
    return path / "weights.safetensors" if text.startswith(PREFIX) else path


def find_bundle(text: str) -> Path:
    """Find the bundle for measuring.

    Raises:
        InputError: there is no such thing, or it names weights.
    """
    found = _outside(text)
    if found is None and _is_path(text):
        return Path(text)
    if found:
        return found.path
    network = _named(text)
    if network is not DEFAULT:
        raise InputError(
            f"{network.name}: comes as weights only; make a bundle with `mapt export"
            f" {network.name} --out BUNDLE`"
        )
    return shipped_bundle()


def _outside(text: str) -> Model | None:
    """Return what a path or an address on the Hub names; None: there is no such path."""
    if text.startswith(PREFIX):
        folder = fetch_bundle(text)
        return Model(folder, text, _stated_licence(folder))
    path = Path(text)
    if path.exists() or find_root(path)[1]:
        return Model(path, path.name or text, _stated_licence(path))
    return None


def _stated_licence(path: Path) -> str:
    """Return the licence that a bundle states; empty where it is none, or states none."""
    try:
        source = read_sizes(path).source
    except InputError:  # loading it says what is wrong
        return ""
    return source.licence if source else ""


def _is_path(text: str) -> bool:
    return text not in PRETRAINED and (Path(text).suffix != "" or len(Path(text).parts) > 1)


def _named(text: str) -> Pretrained:
    if text in PRETRAINED:
        return PRETRAINED[text]
    close = difflib.get_close_matches(text, PRETRAINED, 1)
    hint = f"take {close[0]}" if close else f"take {' or '.join(PRETRAINED)}"
    raise InputError(
        f"{text:.120}: no such bundle or weights; {hint}, or make a bundle with `mapt export`"
    )


def _in_repository(network: Pretrained) -> Path:
    if not network.weights.is_file():
        raise InputError(
            f"{network.name}: its weights ({network.licence}) lie in the repository, not in an"
            f" installed package; clone it, or take --model {DEFAULT.name}"
        )
    return network.weights
