"""What a run shows: a progress bar, a log file, a CSV of losses, and TensorBoard."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from types import TracebackType

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class RunLog:
    """Losses averaged over a window go to every place at once."""

    def __init__(self, folder: Path, start: int, total: int, every: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.folder, self.every, self.iteration = folder, every, start
        self.sums: dict[str, float] = {}
        self.since = time.monotonic()
        self.writer = SummaryWriter(str(folder / "tensorboard"))  # type: ignore[no-untyped-call]
        self.progress = Progress(
            TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
            TextColumn("{task.fields[loss]}"),
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
        self.writer.close()  # type: ignore[no-untyped-call]

    def step(self, losses: dict[str, float], rate: float, norm: float) -> None:
        """Take in one iteration's losses; every `every` iterations report their means."""
        self.iteration += 1
        values = {"total": sum(losses.values()), **losses, "gradient_norm": norm}
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.progress.update(self.task, advance=1, loss=f"loss {values['total']:.3f}")
        if self.iteration % self.every == 0:
            self._report(rate)

    def note(self, text: str) -> None:
        """A line for the log file and, above the bar, the screen."""
        line = f"{time.strftime('%H:%M:%S')} {text}"
        with (self.folder / "log.txt").open("a") as file:
            file.write(line + "\n")
        self.progress.console.print(line, highlight=False)

    def _report(self, rate: float) -> None:
        seconds = (time.monotonic() - self.since) / self.every
        means = {name: value / self.every for name, value in self.sums.items()}
        self.sums, self.since = {}, time.monotonic()
        shown = " ".join(f"{name} {value:.3f}" for name, value in means.items())
        self.note(f"iteration {self.iteration} rate {rate:.5f} {seconds:.2f} s/step {shown}")
        row = {"iteration": self.iteration, "rate": rate, "seconds": seconds, **means}
        path = self.folder / "losses.csv"
        fresh = not path.exists()
        with path.open("a", newline="") as file:
            table = csv.DictWriter(file, list(row))
            if fresh:
                table.writeheader()
            table.writerow(row)
        for name, value in row.items():
            if name != "iteration":
                self.writer.add_scalar(name, value, self.iteration)  # type: ignore[no-untyped-call]
