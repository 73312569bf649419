"""Margins of rankings and suppressions, on numbers that can be checked by hand."""

import numpy as np
import pytest
import torch

from mapt.bench.parity.margins import EPSILONS, Margins, Tally
from mapt.ops import greedy_nms, top_k
from mapt.ops.nms import watched


def test_a_tally_counts_what_lies_within_each_epsilon() -> None:
    tally = Tally()
    tally.add([0.5, 1e-3])
    tally.add(np.array([1e-7, 1e-5], np.float32))
    tally.add([])
    assert (tally.total, tally.within) == (4, [1, 2, 3]) and tally.smallest == pytest.approx(1e-7)
    assert EPSILONS == (1e-6, 1e-4, 1e-2)


def test_a_ranking_is_as_narrow_as_its_cut() -> None:
    margins = Margins()
    with watched(margins):
        top_k(
            torch.tensor([0.9, 0.5, 0.505, 0.1, 0.0]), 2
        )  # 0.9 and 0.505 are in, 0.5 is the best left out
    tally = margins.tallies["top-k"]
    assert (
        tally.total == 4
        and tally.smallest == pytest.approx(0.005, rel=1e-4)
        and tally.within == [0, 0, 2]
    )


def test_where_all_fit_nothing_was_cut() -> None:
    margins = Margins()
    with watched(margins):
        top_k(torch.tensor([0.9, 0.0, 0.5, 0.0]), 3)
    assert margins.tallies["top-k"].total == 0


def test_suppression_is_as_narrow_as_overlap_and_order() -> None:
    boxes = torch.tensor([(0.0, 0, 10, 10), (0, 0, 10, 9.95), (0, 5.05, 10, 15.05), (0, 0, 10, 10)])
    groups = torch.tensor([0, 0, 0, 1])
    scores = torch.tensor([0.9, 0.8999, 0.5, 0.4])
    margins = Margins()
    with watched(margins):
        order = top_k(scores, 4)
        kept = greedy_nms(boxes[order], groups[order], torch.ones(4, dtype=torch.bool), 1 / 3)
    assert kept.tolist() == [True, False, True, True]
    # The first box beside the second (IoU 0.995) and the third (0.329); the fourth is of another
    # group.
    assert margins.tallies["suppression"].total == 2
    assert margins.tallies["suppression"].smallest == pytest.approx(1 / 3 - 4.95 / 15.05, abs=1e-5)
    assert margins.tallies["suppression order"].total == 1
    assert margins.tallies["suppression order"].smallest == pytest.approx(1e-4, rel=1e-2)


def test_nobody_listens_outside() -> None:
    margins = Margins()
    with watched(margins):
        pass
    top_k(torch.tensor([0.9, 0.5, 0.4]), 2)
    assert all(tally.total == 0 for tally in margins.tallies.values())
