"""Processes that are started again meet each other, and nothing of those before them."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from torch._C._distributed_c10d import HashStore, Store

from mapt.engines.torchrun import START, store_of_this_start


def begin(shared: Store, world: int) -> list[Store]:
    """One start of all processes, each in a thread, the first one last."""
    with ThreadPoolExecutor(world) as pool:
        ranks = [*range(1, world), 0]
        began = {rank: pool.submit(store_of_this_start, shared, rank, world) for rank in ranks}
        return [began[rank].result(timeout=60) for rank in range(world)]


@pytest.mark.parametrize("world", [1, 2, 5])
def test_all_processes_of_a_start_share_a_store(world: int) -> None:
    stores = begin(HashStore(), world)
    for rank, store in enumerate(stores):
        store.set(f"address {rank}", str(rank))
    for store in stores:
        assert [store.get(f"address {rank}") for rank in range(world)] == [
            str(rank).encode() for rank in range(world)
        ]


def test_a_later_start_sees_nothing_of_the_earlier_one() -> None:
    shared = HashStore()
    for attempt in range(20):
        stores = begin(shared, 3)
        assert not any(store.check(["address"]) for store in stores), attempt
        stores[0].set("address", "gone when this start ends")


def test_a_process_that_is_early_waits_for_the_first_of_its_own_start() -> None:
    shared = HashStore()
    begin(shared, 2)
    old = shared.get(START)
    with ThreadPoolExecutor(1) as pool:
        # It meets the old start, whose key it writes to, and does not take it for its own.
        key = f"mapt/{old.decode()}/1/own"
        before = shared.get(key)
        early = pool.submit(store_of_this_start, shared, 1, 2)
        while shared.get(key) == before:
            time.sleep(0.01)
        assert not early.done()
        first = store_of_this_start(shared, 0, 2)
        first.set("address", "here")
        assert early.result(timeout=60).get("address") == b"here"
