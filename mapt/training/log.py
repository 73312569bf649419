"""What a run shows: a progress bar, a log file, a CSV of losses, and TensorBoard where it is installed."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from mapt.files import atomic_file

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class RunLog:
    """Losses averaged over the steps since the last report go to every place at once."""

    def __init__(self, folder: Path, start: int, total: int, every: int, console: Console | None = None) -> None:
        self.folder, self.every, self.iteration = folder, every, start
        self.sums: dict[str, float] = {}
        self.steps = 0
        self.since = time.monotonic()
        self.table = LossTable(folder / "losses.csv", start)
        self.writer = _tensorboard(folder / "tensorboard", start)
        self.progress = Progress(
            TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
            TextColumn("{task.fields[loss]}"), console=console,
        )  # fmt: skip
        self.task = self.progress.add_task("train", total=total, completed=start, loss="")

    def __enter__(self) -> RunLog:
        """Start the bar."""
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the bar and close the files."""
        self.progress.stop()
        if self.writer:
            self.writer.close()  # type: ignore[no-untyped-call,unused-ignore]

    def step(self, losses: dict[str, float], rate: float, norm: float) -> None:
        """Take in one iteration's losses; every `every` iterations report their means."""
        self.iteration += 1
        self.steps += 1
        values = {"total": sum(losses.values()), **losses, "gradient_norm": norm}
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.progress.update(self.task, advance=1, loss=f"loss {values['total']:.3f}")
        if self.iteration % self.every == 0:
            self._report(rate)

    def note(self, text: str) -> None:
        """A line for the log file and, above the bar, the screen."""
        line = f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}"
        with (self.folder / "log.txt").open("a") as file:
            file.write(line + "\n")
        # Not wrapped, and names with brackets stay as they are.
        self.progress.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _report(self, rate: float) -> None:
        seconds = (time.monotonic() - self.since) / self.steps
        means = {name: value / self.steps for name, value in self.sums.items()}
        self.sums, self.steps, self.since = {}, 0, time.monotonic()
        shown = " ".join(f"{name} {value:.3f}" for name, value in means.items())
        self.note(f"iteration {self.iteration} rate {rate:.5f} {seconds:.2f} s/step {shown}")
        row = {"rate": rate, "seconds": seconds, **means}
        self.table.append(self.iteration, row)
        if self.writer:
            for name, value in row.items():
                self.writer.add_scalar(name, value, self.iteration)  # type: ignore[no-untyped-call,unused-ignore]


class LossTable:
    """`losses.csv`: one row per report. Rows after iteration `start` belong to steps that are taken again: dropped."""

    def __init__(self, path: Path, start: int) -> None:
        self.path = path
        if path.is_file():
            header, *rows = path.read_text().splitlines() or [""]
            kept = [row for row in rows if row.split(",")[0].isdigit() and int(row.split(",")[0]) <= start]
            with atomic_file(path) as temporary:
                temporary.write_text("".join(line + "\n" for line in (header, *kept)))

    def append(self, iteration: int, values: dict[str, float]) -> None:
        """Write one row, and the header before the first."""
        fresh = not self.path.is_file()
        with self.path.open("a", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            if fresh:
                table.writerow(["iteration", *values])
            table.writerow([iteration, *(f"{value:.6g}" for value in values.values())])


def _tensorboard(folder: Path, start: int) -> SummaryWriter | None:
    """A writer that hides what an interrupted run wrote after `start`; None where TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=start + 1)  # type: ignore[no-untyped-call,unused-ignore]
