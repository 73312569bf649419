"""Engines of this machine: outcomes, failures, killed processes and what is read ahead."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from multiprocessing import active_children

import pytest

from mapt.engines.choice import EngineOptions, open_engine
from mapt.engines.processes import ProcessEngine
from mapt.errors import InputError
from tests.tools.processes import ROOT

WORKERS = [1, 2]


def times_ten(number: int) -> int:
    """Work that refuses some numbers and dies of another."""
    if number == 3:
        raise InputError("three: is refused; leave it out")
    if number == 4:
        raise ValueError("four\nis odd")
    if number == 5:
        os._exit(1)
    return 10 * number


def itself(work: Callable[[int], int]) -> Callable[[int], int]:
    return work


@pytest.fixture(autouse=True)
def workers_find_this_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.mark.parametrize("workers", WORKERS)
def test_a_task_that_fails_does_not_stop_the_others(workers: int) -> None:
    outcomes = list(ProcessEngine(workers).run(partial(itself, times_ten), [1, 3, 4, 2]))
    assert {o.task: o.result for o in outcomes if o.failure is None} == {1: 10, 2: 20}
    told = {o.task: o.failure for o in outcomes if o.failure}
    assert told[3].mistake and told[3].text == "three: is refused; leave it out"
    assert not told[4].mistake and told[4].text == "failed: ValueError: four is odd"


def test_a_task_whose_process_is_killed_fails_and_the_next_gets_a_new_process() -> None:
    before = set(active_children())  # of other tests
    outcomes = list(ProcessEngine(1, apart=True).run(partial(itself, times_ten), [5, 1, 5, 2]))
    assert [o.result for o in outcomes] == [None, 10, None, 20]
    lost = outcomes[0].failure
    assert lost and lost.lost and "ended from outside" in lost.text
    assert set(active_children()) <= before


@pytest.mark.parametrize("workers", WORKERS)
def test_few_tasks_are_read_ahead(workers: int) -> None:
    read = 0

    def tasks() -> Iterator[int]:
        nonlocal read
        for number in range(1000, 1100):
            read += 1
            yield number

    with closing(ProcessEngine(workers).run(partial(itself, times_ten), tasks())) as outcomes:
        next(outcomes)
        assert read <= workers + 1


def test_closing_ends_the_workers_at_once() -> None:
    """Task n takes n seconds here. To wait for all of them would take longer than a test may."""
    others = active_children()
    with closing(ProcessEngine(2).run(partial(itself, time.sleep), range(1000))) as outcomes:  # type: ignore[arg-type]
        next(outcomes)
    assert active_children() == others


def test_what_is_no_engine_is_told() -> None:
    for options, told in (
        (EngineOptions("rey"), "choose one of local, ray"),
        (EngineOptions("local", address="auto"), "--address: is for --engine ray"),
        (EngineOptions("local", gpus=0.5), "--gpus: is for --engine ray"),
    ):
        with pytest.raises(InputError, match=told), open_engine(options):
            pass
