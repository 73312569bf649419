"""Runs the training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path

import torch

from mapt.data.loader import check_shares, end_workers, load_batches
from mapt.data.samples import SampleRule
from mapt.errors import InputError
from mapt.evaluation.device import arithmetic, describe_device
from mapt.evaluation.torch_backend import TorchBackend
from mapt.io.atomic_files import check_folder, own_folder
from mapt.io.storage.mirror import FileMirror
from mapt.io.storage.storage import Storage
from mapt.model.network import HEADS
from mapt.model.targets import PairBatch
from mapt.model.weights import save_weights
from mapt.training.checkpoint import NAMES, checkpoints, restore_checkpoint, save_checkpoint
from mapt.training.checks.paths import missing_paths
from mapt.training.checks.preflight import check_deployable, describe_batch, save_batch
from mapt.training.config import LAST, TrainConfig
from mapt.training.distributed import (
    any_process,
    default_threads,
    first_process,
    first_process_first,
    gather,
    join,
)
from mapt.training.optimizer import rate_at
from mapt.training.reporting.data_card import data_card, describe
from mapt.training.reporting.log import REPLACED, RunLog, SilentLog, is_run
from mapt.training.reporting.pictures import draw_batch, draw_predictions
from mapt.training.reporting.validation import Validation, improves
from mapt.training.signals import StopRequest, WaitEnded
from mapt.training.sources import build_samples
from mapt.training.state import FIXED, State, start_state
from mapt.training.steps import NotFiniteError, step


def train(
    config: TrainConfig,
    folder: Path,
    resume: bool = False,
    init: Path | None = None,
    mirror: Storage | None = None,
) -> Path:
    """Train a network. Under torchrun, all processes call this function together.

    Args:
        config: the run's configuration.
        folder: receives checkpoints, logs and `weights.safetensors`. All processes must see it.
        resume: continue from the newest checkpoint in `folder`, or start if there is none.
        init: weights to start from instead of ImageNet's.
        mirror: receives a copy of every checkpoint and its weights. A run that is resumed in an
            empty folder, or on another machine, goes on from the newest one there.

    Returns:
        The weight file, with the moving average of the weights after the last step.

    Raises:
        InputError: data are bad, the folder holds another run or files that the run would replace,
            or a checkpoint has another configuration.
        NotFiniteError: a loss or the gradient is not finite. The message names the samples, and the
            batch is written to `not_finite-<rank>.pt`.
        KeyboardInterrupt: a signal stopped the run, after a checkpoint.
    """
    check_folder(folder, "--out")
    with ExitStack() as stack:
        if first_process():
            stack.enter_context(own_folder(folder))
            if resume and mirror is not None:
                FileMirror(mirror, NAMES).fetch(folder)  # the others meet this process in `join`
        _check_run(config, folder, resume, init)
        if missing := missing_paths(config, folder, init):
            raise InputError(missing[0])
        place = stack.enter_context(join(config.device))
        stack.enter_context(arithmetic(config.tf32))
        check_shares(config.schedule.batch, place.world)
        torch.set_num_threads(config.threads or default_threads())
        torch.manual_seed(config.seed)
        validation = Validation(config, place)
        state = start_state(config, init, place)
        damaged = restore_checkpoint(folder, state, config) if resume else []
        with first_process_first(place):
            samples = build_samples(config, folder)
        run = TrainingRun(
            config, folder, state, samples, validation, data_card(config, folder, init)
        )
        for path in damaged:
            run.log.note(f"warning: {path.name} cannot be read and is left out")
        run.mirror = mirror
        run.finish()
    return folder / "weights.safetensors"


def _check_run(config: TrainConfig, folder: Path, resume: bool, init: Path | None) -> None:
    """Check that the folder holds no files that this run would replace, except a run to resume."""
    there = checkpoints(folder)
    if there and not resume:
        raise InputError(
            f"{folder}: already holds a run; continue it with --resume, or choose another --out"
        )
    if not (config.shared or init or there):
        raise InputError(FIXED)
    foreign = (
        None
        if there or is_run(folder)
        else next((n for n in REPLACED if (folder / n).exists()), None)
    )
    if foreign:
        raise InputError(
            f"{folder}: its {foreign} is of no run that began there; move it, or choose another"
            " --out"
        )


class TrainingRun:
    """A training run, from a given state to the last iteration."""

    def __init__(
        self,
        config: TrainConfig,
        folder: Path,
        state: State,
        samples: SampleRule,
        validation: Validation,
        data: str,
    ) -> None:
        self.data = data
        self.config = config
        self.folder = folder
        self.state = state
        self.samples = samples
        self.validation = validation
        self.place = state.place
        self.total = total_iterations(config, samples)
        self.mirror: Storage | None = None
        self.log = SilentLog()
        if self.place.first:
            self.log = RunLog(folder, state.iteration, self.total, config.log_every)

    def finish(self) -> None:
        """Run all remaining iterations. The exceptions are those of `train`."""
        config = self.config
        state = self.state
        batches = load_batches(
            self.samples,
            config.schedule.batch,
            state.iteration,
            self.total,
            config.data.workers,
            self.place.rank,
            self.place.world,
            self.place.device.type == "cuda",
        )
        with ExitStack() as stack:
            stop = stack.enter_context(StopRequest())
            log = stack.enter_context(self.log)
            self._begin()
            try:
                for batch, waited in timed(
                    batches, stop.ends_wait if self.place.world == 1 else nullcontext
                ):
                    if self._iterate(batch, waited, stop):
                        log.note("stopped; --resume continues")
                        raise KeyboardInterrupt
            except InputError:
                if state.iteration:  # keep the steps before the bad file
                    self._save()
                raise
            except WaitEnded:
                end_workers()  # a worker may hang
                if state.iteration:
                    self._save()
                log.note("stopped; --resume continues")
                raise KeyboardInterrupt from None
            self._save_weights("weights")
            best = {} if state.best is None else {"best_score": round(state.best, 4)}
            log.summary(config.schedule.batch, {"skipped": len(state.skipped), **best})

    def _begin(self) -> None:
        """Report the run's start, and check that the network can be deployed."""
        state = self.state
        log = self.log
        verb = "resumed" if state.iteration else "started"
        where = f"{self.place.world} x {describe_device(self.place.device, self.config.tf32)}"
        log.note(
            f"{verb} at iteration {state.iteration} of {self.total} on {where}:"
            f" {describe(self.config)}"
        )
        stale = [head for head in HEADS if head not in self.config.heads]
        if self.config.shared and stale:
            verb = "do" if len(stale) > 1 else "does"
            log.note(
                f"warning: {' and '.join(stale)} {verb} not learn, but what they read does; train"
                " them afterwards"
            )
        for share in self.samples.shares:
            self._note_skipped(share.source.bad.messages)
        if not state.iteration:
            check_deployable(state)

    def _iterate(self, batch: PairBatch, waited: float, stop: StopRequest) -> bool:
        """Take a step, and validate, save and draw if it is time.

        Returns:
            True if the run must stop before its last iteration.
        """
        config = self.config
        state = self.state
        log = self.log
        if not state.iteration:
            line, odd = describe_batch(batch, config.model.class_set)
            log.note(f"first batch: {line}; drawn in first_batch.jpg")
            for text in odd:
                log.note(f"warning: {text}")
            log.picture("first_batch", draw_batch(batch, config.model.class_set), 0)
        try:
            losses, norm = step(state, batch, config)
        except NotFiniteError as error:
            path = self.folder / f"not_finite-{self.place.rank}.pt"
            save_batch(path, batch)
            raise NotFiniteError(f"{error}; the batch is in {path}") from None
        log.step(losses, rate_at(state.iteration - 1, config.schedule), norm, waited)
        done = state.iteration
        if self.validation.due(done, self.total):
            self._validate()
        # Processes receive signals at different steps, but must stop together. Messages about
        # skipped files are gathered, because only the first process has a log.
        stopping, skipping = any_process((stop.requested, bool(batch.skipped)), self.place)
        if skipping:
            self._note_skipped(gather(batch.skipped, self.place))
        if done == self.total or stopping or done % config.checkpoint_every == 0:
            self._save()
        if self.place.first and (done == self.total or done % config.picture_every == 0):
            backend = TorchBackend(state.averaged)
            log.picture(
                "predictions", draw_predictions(batch, backend, config.model.class_set), done
            )
        return stopping and done < self.total

    def _validate(self) -> None:
        scores = self.validation.run(self.state)
        self.log.evaluation(self.state.iteration, scores)
        if improves(self.state, scores):
            self._save_weights("best")

    def _save(self) -> None:
        if self.place.first:
            path = save_checkpoint(self.folder, self.state, self.config)
            self._save_weights("weights")
            if self.mirror is not None:
                weights = self.folder / "weights.safetensors"
                FileMirror(self.mirror, NAMES).push(path, self.config.keep, (weights,))
            self.log.note(f"wrote {path.name}")

    def _save_weights(self, name: str) -> None:
        """Save the averaged weights with a description of their training data."""
        if self.place.first:
            schedule = self.config.schedule
            card = {
                "iterations": str(self.state.iteration),
                "batch": str(schedule.batch),
                "data": self.data,
            }
            save_weights(self.folder / f"{name}.safetensors", self.state.averaged, card)

    def _note_skipped(self, messages: list[str]) -> None:
        for message in messages:
            if message not in self.state.skipped:
                self.state.skipped.append(message)
                self.log.note(f"skipped ({len(self.state.skipped)}): {message}")


def total_iterations(config: TrainConfig, samples: SampleRule) -> int:
    """Count the iterations of a run: those of the schedule, and those of its extra epochs.

    An epoch is a pass over all pairs of all datasets.

    Raises:
        InputError: there are more than `LAST` iterations.
    """
    pairs = sum(len(share.source) for share in samples.shares if share.weight)
    total = config.schedule.iterations + math.ceil(
        config.schedule.extra_epochs * pairs / config.schedule.batch
    )
    if total > LAST:
        raise InputError(
            f"schedule.extra_epochs: makes {total} iterations, {LAST} are possible; lower it"
        )
    return total


def timed(
    batches: Iterator[PairBatch], wait: Callable[[], AbstractContextManager[None]] = nullcontext
) -> Iterator[tuple[PairBatch, float]]:
    """Yield each batch with the seconds that the run waited for it.

    Args:
        batches: the batches.
        wait: returns the context in which to wait for a batch.
    """
    while True:
        start = time.monotonic()
        with wait():
            batch = next(batches, None)
        if batch is None:
            return
        yield batch, time.monotonic() - start
