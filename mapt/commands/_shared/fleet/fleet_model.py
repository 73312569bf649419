"""The network of a fleet: found once, and opened in every worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mapt.commands._shared.model import Model, find_model
from mapt.commands._shared.open_tracker import TrackerOptions, open_tracker
from mapt.fleet.shipping import ShippedModel, pack_model
from mapt.fleet.sources.fingerprint import model_fingerprint
from mapt.io.atomic_files import temporary_folder
from mapt.io.sources.frame import Source
from mapt.io.storage.bucket import BucketStorage
from mapt.io.storage.places import in_bucket
from mapt.labels.class_sets import ClassSet, find_class_set
from mapt.runtime import PanopticTracker
from mapt.weights import BUNDLES


@dataclass(frozen=True)
class TrackerOpener:
    """Opens the tracker in a worker.

    Attributes:
        path: of the network, where the worker sees it.
        shipped: the network itself, where the worker may be on another machine.
        options: as they were given.
    """

    path: Path
    shipped: ShippedModel | None
    options: TrackerOptions

    def __call__(self, source: Source) -> PanopticTracker:
        """Open the tracker, of the input size that suits the source's first frame."""
        path = self.path if self.shipped is None else self.shipped.unpack()
        return open_tracker(str(path), self.options, [source], tell=False)


@dataclass(frozen=True)
class FleetModel:
    """The network of a fleet.

    Attributes:
        name: as the index calls it.
        told: which weights these are, for people.
        fingerprint: of its files.
        options: what else changes labels and ids.
        open: opens the tracker in a worker.
        class_set: of the network; None: only a worker knows it.
    """

    name: str
    told: str
    fingerprint: str
    options: dict[str, Any]
    open: TrackerOpener
    class_set: ClassSet | None


@contextmanager
def fleet_model(
    name: str | None, options: TrackerOptions, *, elsewhere: bool
) -> Iterator[FleetModel]:
    """Find a network.

    Args:
        name: see `mapt.commands._shared.model.find_model`, or an address in an object store.
        options: how trackers are opened.
        elsewhere: workers may be on other machines, so the network is sent to them. The default
            network, and one on the Hub, are there already.

    Raises:
        InputError: there is no such network.
    """
    with _at_hand(name) as text:
        model = find_model(text)
        there = model.path.resolve().is_relative_to(BUNDLES.resolve())
        shipped = pack_model(model.path) if elsewhere and not there else None
        path = model.path.absolute()
        if options.trust is not None:
            options = replace(options, trust=options.trust.absolute())
        yield FleetModel(
            name or model.name,
            str(model),
            model_fingerprint(model.path),
            {
                "association": options.association,
                "size": options.size,
                "budget_ms": options.budget_ms,
                "backend": options.backend,
                "tta": options.tta,
                "zoom": options.zoom,
                "device": options.device,
                "tf32": options.tf32,
            },
            TrackerOpener(path, shipped, options),
            _classes(model, options),
        )


def _classes(model: Model, options: TrackerOptions) -> ClassSet | None:
    from mapt.runtime.bundle.manifest import read_bundle

    if model.path.is_file():
        return None
    info = read_bundle(model.path, options.trust).info
    return find_class_set(info.classes, info.things)


@contextmanager
def _at_hand(name: str | None) -> Iterator[str | None]:
    """A network in an object store, copied to this machine; any other as it is."""
    if name is None or not in_bucket(name):
        yield name
        return
    with temporary_folder() as folder:
        place = folder / name.rstrip("/").rpartition("/")[2]
        storage = BucketStorage(name.rstrip("/"))
        if storage.entry() is None:
            storage.download("", place)
        else:
            storage.fetch(place)
        yield str(place)
