"""Builds everything that a run needs, and takes two training steps.

Missing data is reported and replaced by a stand-in.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from mapt.data.datasets.bad_files import BadFiles
from mapt.data.datasets.kitti_step import open_step
from mapt.data.loader import check_shares, load_batches
from mapt.data.samples import SampleRule
from mapt.data.triplet import TripletSource
from mapt.errors import InputError
from mapt.evaluation.device import arithmetic, describe_device
from mapt.training.checks.paths import missing_paths
from mapt.training.checks.preflight import check_deployable, describe_batch
from mapt.training.config import DatasetTable, TrainConfig
from mapt.training.distributed import default_threads, first_process_first, join
from mapt.training.reporting.data_card import describe
from mapt.training.reporting.validation import Validation
from mapt.training.sources import (
    NO_DATA,
    Part,
    check_weights,
    datasets,
    sample_rule,
    synthetic_sets,
)
from mapt.training.state import FIXED, start_state
from mapt.training.steps import step

STEPS = 2
STAND_IN = (3, 384, 1248)  # frames of drawn data where there is none, and their size


@dataclass
class DryRun:
    """The result of a dry run.

    Attributes:
        lines: what was built and done.
        missing: one line for each thing that the run needs and does not have.
    """

    lines: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def attempt(self, work: Callable[[], object]) -> bool:
        """Run an action; if its input is missing, note that and return False."""
        try:
            work()
        except InputError as error:
            self.missing.append(str(error))
            return False
        return True


def dry_run(config: TrainConfig, out: Path, init: Path | None = None) -> DryRun:
    """Build data, network, optimiser and processes as `train` does, and take two steps.

    No file is kept. If a path is missing, nothing is built, and every missing path is named.

    Args:
        config: the run's configuration.
        out: the run's folder. Nothing is written there.
        init: weights to start from.

    Raises:
        InputError: something is wrong that no stand-in can replace, such as a batch that the
            processes cannot share.
    """
    found = DryRun(missing=missing_paths(config, out, init))
    if found.missing:
        found.lines.append("paths are looked at first: nothing was built yet")
        return found
    found.lines.append("paths: every file and folder that the run names is there")
    with (
        tempfile.TemporaryDirectory() as folder,
        join(config.device) as place,
        arithmetic(config.tf32),
    ):
        torch.set_num_threads(config.threads or default_threads())
        torch.manual_seed(config.seed)
        found.attempt(lambda: Validation(config, place))
        with first_process_first(place):
            rule = _samples(config, Path(folder), found)
        if not (config.shared or init):
            found.missing.append(FIXED)
        if not found.attempt(lambda: start_state(config, init, place)):
            config = config.model_copy(update={"imagenet": False})
            init = None
        state = start_state(config, init, place)
        size = sum(p.numel() for p in state.network.parameters()) / 1e6
        where = f"{place.world} x {describe_device(place.device, config.tf32)}"
        found.lines.append(f"built {config.model.preset}, {size:.1f} M parameters, on {where}")
        check_deployable(state)
        found.lines.append("the five subgraphs keep their contract under the tracker")
        check_shares(config.schedule.batch, place.world)
        # A CPU needs most of a minute for a pair of `base`. A GPU gets the whole batch, which shows
        # whether it fits into memory.
        pairs = config.schedule.batch if place.device.type == "cuda" else place.world
        for batch in load_batches(rule, pairs, 0, STEPS, 0, place.rank, place.world):
            line, odd = describe_batch(batch, config.model.class_set)
            start = time.monotonic()
            losses, _ = step(state, batch, config)
            shown = " ".join(f"{name} {value:.3f}" for name, value in losses.items())
            found.lines.append(
                f"step {state.iteration}: {time.monotonic() - start:.1f} s, {line}; {shown}"
            )
            found.lines += [f"warning: {text}" for text in odd]
    return found


def _samples(config: TrainConfig, folder: Path, found: DryRun) -> SampleRule:
    """Open the samples of the available datasets or, if there are none, of a drawn one."""
    opened: list[tuple[Part, TripletSource]] = []
    short = {"sequences": 1, "frames": 3, "root": ""}
    data = config.data.model_copy(
        update={n: p.model_copy(update=short) for n, p in synthetic_sets(config.data)}
    )
    for name, part, opener in datasets(data, folder):
        bad = BadFiles(config.data.skip_bad)

        def open_it(
            part: Part = part,
            opener: Callable[[BadFiles], TripletSource] = opener,
            bad: BadFiles = bad,
        ) -> None:
            source = opener(bad)
            sample_rule(config, [(part, source)])  # reads labels where classes are counted
            source.read(0, np.random.default_rng(0))
            opened.append((part, source))

        if found.attempt(open_it):
            found.lines.append(
                f"data.{name}: {len(opened[-1][1])} pairs or stills, {len(bad.messages)} skipped"
            )
    if opened and not found.attempt(lambda: check_weights(part for part, _ in opened)):
        opened.clear()
    if not opened:
        if not found.missing:
            found.missing.append(f"no training data: {NO_DATA}")
        opened.append((DatasetTable(), _stand_in(folder)))
        found.lines.append("no data: drawn frames stand in")
    else:
        found.lines.append(f"data: {describe(config)}")
    return sample_rule(config, opened)


def _stand_in(folder: Path) -> TripletSource:
    from mapt.synthetic import write_dataset

    frames, height, width = STAND_IN
    write_dataset(folder / "stand_in", 1, frames, (height, width), 0, split="train", workers=1)
    return open_step(folder / "stand_in", "train", (1,))
