"""Evaluates under torchrun.

The ranks share the sequences, and their sums are merged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from mapt.engines.torchrun import process_group
from mapt.errors import InputError
from mapt.metrics.evaluate import Evaluation, Variant, evaluate_pairs
from mapt.metrics.frame_pair import FramePair


def share_sequences(pairs: Sequence[FramePair], rank: int, world: int) -> list[FramePair]:
    """Return the frames of the sequences that one rank evaluates.

    Sequences are assigned from the longest on, each to the rank with the fewest frames so far.
    """
    owner = owners(Counter(pair.sequence for pair in pairs), world)
    return [pair for pair in pairs if owner[pair.sequence] == rank]


def owners(frames: Mapping[str, int], world: int) -> dict[str, int]:
    """The rank of each sequence, given their numbers of frames."""
    loads = [0] * world
    owner = {}
    for name, count in sorted(frames.items(), key=lambda item: (-item[1], item[0])):
        owner[name] = loads.index(min(loads))
        loads[owner[name]] += count
    return owner


def evaluate_on_ranks(
    find: Callable[[], list[FramePair]],
    dataset: str,
    variant: Variant = "step",
    workers: int = 1,
) -> Evaluation | None:
    """`evaluate_pairs` shared among the processes of torchrun, which talk by gloo.

    Args:
        find: gives all frames, the same on every rank.
        dataset: name.
        variant: see `PanopticTrackingMetrics`.
        workers: threads of this rank.

    Returns:
        On rank 0 everything, as one process would have computed it; None on the others.

    Raises:
        InputError: on rank 0, whichever rank met the mistake; the others exit with code 2 in
            silence.
    """
    from torch import distributed

    # The longest wait is that for the slowest rank.
    with process_group("gloo", timedelta(days=1)) as (rank, world):
        names: list[str] = []
        outcome: Evaluation | InputError
        try:
            pairs = find()
            names = list(dict.fromkeys(pair.sequence for pair in pairs))
            outcome = evaluate_pairs(share_sequences(pairs, rank, world), dataset, variant, workers)
        except InputError as error:
            outcome = error
        gathered: list[Evaluation | InputError] = [outcome] * world
        distributed.all_gather_object(gathered, outcome)
    merged = Evaluation.empty(dataset, variant)
    for part in gathered:
        if isinstance(part, InputError):
            if rank:
                raise SystemExit(2)
            raise part
        merged.merge(part)
    sums = merged.metrics.sequences
    objects = merged.mot.sequences
    # In one process's order: the same last bit.
    merged.metrics.sequences = {name: sums[name] for name in names}
    merged.mot.sequences = {name: objects[name] for name in names}
    return None if rank else merged
