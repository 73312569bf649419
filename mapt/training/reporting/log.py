"""Shows the progress of a run.

It writes a progress bar, a log file, CSV tables, pictures and, if it is installed, TensorBoard's
files.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from mapt.app.visualize import write_picture
from mapt.drawing.text import Image
from mapt.io.atomic_files import write_json
from mapt.regular_files import open_regular
from mapt.training.reporting.table import Table

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


LOG = "log.txt"
# The files that a run replaces, beside its checkpoints and its log.
REPLACED = (
    *("weights.safetensors", "best.safetensors", "losses.csv", "evaluation.csv", "summary.json"),
    *("first_batch.jpg", "predictions.jpg"),
)
_NOTE = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")


def is_run(folder: Path) -> bool:
    """Tell whether a run began in this folder, by its log."""
    path = folder / LOG
    try:
        with open_regular(path) as file:
            return _NOTE.match(file.read(32)) is not None
    except OSError:
        return False


class SilentLog:
    """The log of processes other than the first, which writes nothing."""

    def __enter__(self) -> SilentLog:
        """Enter the context without opening anything."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the context without closing anything."""

    def step(self, losses: dict[str, float], rate: float, norm: float, waited: float = 0.0) -> None:
        """Ignore a step; see `RunLog.step`."""

    def note(self, text: str) -> None:
        """Ignore a note; see `RunLog.note`."""

    def evaluation(self, iteration: int, values: Mapping[str, float | None]) -> None:
        """Ignore an evaluation; see `RunLog.evaluation`."""

    def picture(self, name: str, image: Image, iteration: int) -> None:
        """Ignore a picture; see `RunLog.picture`."""

    def summary(self, pairs: int, more: Mapping[str, object]) -> None:
        """Ignore a summary; see `RunLog.summary`."""


class RunLog(SilentLog):
    """Logs a run to all outputs.

    Args:
        folder: the run's folder.
        start: iterations before this part of the run.
        total: iterations of the whole run.
        every: iterations between two reports of the mean losses.
        console: shows the progress bar and the log.
    """

    def __init__(
        self, folder: Path, start: int, total: int, every: int, console: Console | None = None
    ) -> None:
        self.folder = folder
        self.every = every
        self.iteration = start
        self.start = start
        self.sums: dict[str, float] = {}
        self.means: dict[str, float] = {}
        self.steps = 0
        self.waited = 0.0
        self.all_waited = 0.0
        self.rate = 0.0
        self.began = self.since = time.monotonic()
        self.table = Table(folder / "losses.csv", start)
        self.scores = Table(folder / "evaluation.csv", start)
        self.writer = _tensorboard(folder / "tensorboard", start)
        self.progress = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[loss]}"),
            console=console,
        )
        self.task = self.progress.add_task("train", total=total, completed=start, loss="")

    def __enter__(self) -> RunLog:
        """Start the bar."""
        self.progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the bar and close the files."""
        self.progress.stop()
        if self.writer:
            self.writer.close()  # type: ignore[no-untyped-call,unused-ignore]

    def step(self, losses: dict[str, float], rate: float, norm: float, waited: float = 0.0) -> None:
        """Add a step, and report the mean losses every `every` iterations.

        Args:
            losses: the step's losses by name.
            rate: its learning rate.
            norm: the gradient's norm before clipping.
            waited: seconds for which the step waited for its batch.
        """
        self.iteration += 1
        self.steps += 1
        self.rate = rate
        self.waited += waited
        self.all_waited += waited
        values = {"total": sum(losses.values()), **losses, "gradient_norm": norm}
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.progress.update(self.task, advance=1, loss=f"loss {values['total']:.3f}")
        if self.iteration % self.every == 0:
            self._report()

    def note(self, text: str) -> None:
        """Write a line to the log file and, above the progress bar, to the screen."""
        line = f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}"
        with (self.folder / LOG).open("a") as file:
            file.write(line + "\n")
        # Rich must neither wrap lines nor interpret brackets in names.
        self.progress.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def evaluation(self, iteration: int, values: Mapping[str, float | None]) -> None:
        """Report the scores of the averaged weights to the log, `evaluation.csv` and TensorBoard.

        Args:
            iteration: iterations so far.
            values: scores in [0,1] by name, None if undefined.
        """
        defined = {name: value for name, value in values.items() if value is not None}
        self.note(
            f"evaluation at {iteration}: "
            + " ".join(f"{name} {100 * v:.1f}" for name, v in defined.items())
        )
        self.scores.append(
            iteration, {name: float("nan") if v is None else v for name, v in values.items()}
        )
        self._scalars({f"evaluation/{name}": value for name, value in defined.items()}, iteration)

    def picture(self, name: str, image: Image, iteration: int) -> None:
        """Write a picture (H,W,3) uint8 RGB to `<name>.jpg`, which it replaces, and TensorBoard."""
        write_picture(self.folder / f"{name}.jpg", image)
        if self.writer:
            self.writer.add_image(  # type: ignore[no-untyped-call,unused-ignore]
                name, image, iteration, dataformats="HWC"
            )

    def summary(self, pairs: int, more: Mapping[str, object]) -> None:
        """Write the summary of this part of the run to the log and to `summary.json`.

        Args:
            pairs: pairs in a step.
            more: further entries.
        """
        if self.steps:
            self._report()
        steps = self.iteration - self.start
        seconds = time.monotonic() - self.began
        rate = steps * pairs / max(seconds, 1e-9)
        share = self.all_waited / max(seconds, 1e-9)
        entries: dict[str, object] = {
            "iterations": self.iteration,
            "seconds": round(seconds, 1),
            "pairs_per_second": round(rate, 4),
            "waiting_for_data": round(share, 4),
            **more,
            "losses": self.means,
        }
        if steps:  # a run that was already finished keeps its summary
            write_json(self.folder / "summary.json", entries)
        self.note(
            f"finished {self.iteration} iterations; here {steps} in {seconds / 60:.1f} min,"
            f" {rate:.2f} pairs/s, {100 * share:.1f} % of the time waiting for data"
            + "".join(f", {name} {value}" for name, value in more.items() if value)
        )

    def _report(self) -> None:
        """Report the means of the steps since the last report."""
        seconds = (time.monotonic() - self.since) / self.steps
        waited = self.waited / self.steps
        self.means = {name: value / self.steps for name, value in self.sums.items()}
        self.sums = {}
        self.steps = 0
        self.waited = 0.0
        self.since = time.monotonic()
        shown = " ".join(f"{name} {value:.3f}" for name, value in self.means.items())
        self.note(f"iteration {self.iteration} rate {self.rate:.5f} {seconds:.2f} s/step {shown}")
        row = {"rate": self.rate, "seconds": seconds, "waited": waited, **self.means}
        self.table.append(self.iteration, row)
        self._scalars(row, self.iteration)

    def _scalars(self, values: Mapping[str, float], iteration: int) -> None:
        if self.writer:
            for name, value in values.items():
                self.writer.add_scalar(  # type: ignore[no-untyped-call,unused-ignore]
                    name, value, iteration
                )


def _tensorboard(folder: Path, start: int) -> SummaryWriter | None:
    """Create TensorBoard's writer, or return None if TensorBoard is not installed.

    The writer hides the records of an interrupted run after iteration `start`.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(  # type: ignore[no-untyped-call,unused-ignore]
        str(folder), purge_step=start + 1
    )
