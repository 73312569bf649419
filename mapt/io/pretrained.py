"""Finds the trained networks that come with the project, by name.

The package holds the default one as a bundle, which runs without PyTorch. The repository holds the
weights of all.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mapt.errors import InputError
from mapt.weights import BUNDLES, LICENCE, NAME

FOLDER = Path(__file__).resolve().parents[2] / "weights"
RESEARCH = "research use only"


@dataclass(frozen=True)
class Pretrained:
    """A network that comes with the project.

    Attributes:
        name: by which options ask for it.
        licence: of its weights.
    """

    name: str
    licence: str

    @property
    def weights(self) -> Path:
        """Its weights in the repository."""
        return FOLDER / f"{self.name}.safetensors"

    @property
    def bundle(self) -> Path:
        """Its bundle in the package, which only the default one has."""
        return BUNDLES / self.name


DEFAULT = Pretrained(NAME, LICENCE)
PRETRAINED = {network.name: network for network in (DEFAULT, Pretrained("nano", RESEARCH))}
WEIGHTS = PRETRAINED["nano"].weights


def shipped_weights(name: str = "nano") -> Path:
    """Return the weights of a network in the repository.

    Raises:
        InputError: they are not there, as in an installed package.
    """
    path = PRETRAINED[name].weights
    if not path.is_file():
        raise InputError(
            f"{path}: the shipped weights are missing; run from a checkout, or name a --model"
        )
    return path


def shipped_bundle() -> Path:
    """Return the default network as a bundle.

    Raises:
        InputError: it is not there; the installation is damaged.
    """
    path = DEFAULT.bundle
    if not path.is_dir():
        raise InputError(
            f"{path}: the default network is missing; install mapt again, or name a --model"
        )
    return path


def licence_of(weights: Path) -> str | None:
    """Return the licence of weights that come with the project; None: they are others."""
    known = {network.weights: network.licence for network in PRETRAINED.values()}
    return known.get(weights.resolve())
