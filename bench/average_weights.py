"""Averages the weights of two networks between which a training lies.

`python -m mapt.bench.average_weights A B OUT [--share 0.5]` writes A and `--share` of the way to B.
The result often does better on unfamiliar pictures than either: Wortsman et al., "Robust
fine-tuning of zero-shot models", CVPR 2022. It needs a B that was trained on from A.

The statistics of norms do not mix as weights do. A training that changes no weight renews them:
`mapt train ... --init OUT --set schedule.rate=1e-8 --set schedule.ema=0.9`.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch

from mapt.bench.cli_errors import told_in_one_line
from mapt.errors import InputError
from mapt.model.weights import load_weights, read_card, save_weights


def average_weights(first: Path, second: Path, share: float, out: Path) -> None:
    """Write the weighted mean of two networks' tensors, with the configuration of the second.

    Args:
        first: weights from which the other's training began.
        second: weights that it wrote.
        share: of the second, 0..1.
        out: the file that is written.

    Raises:
        InputError: a file is damaged, the networks differ in a tensor's shape, or the share is
            outside its range.
        OSError: the file cannot be written.
    """
    if not (math.isfinite(share) and 0 <= share <= 1):
        raise InputError(f"the share is {share:g}; give one within 0..1")
    network = load_weights(second)
    tensors = network.state_dict()
    others = load_weights(first).state_dict()
    for name, tensor in tensors.items():
        if name not in others or others[name].shape != tensor.shape:
            raise InputError(f"{first}: tensor {name} is not that of {second}; average one preset")
        if tensor.is_floating_point():
            tensors[name] = torch.lerp(others[name], tensor, share)
    network.load_state_dict(tensors)
    data = [
        read_card(path).get("data", "data that its file does not name") for path in (first, second)
    ]
    card = {
        "data": f"a mean of two networks, {1 - share:.2f} of one and {share:.2f} of the other;"
        f" one: {data[0]}; the other: {data[1]}"
    }
    save_weights(out, network, card)


@told_in_one_line()
def main(arguments: list[str] | None = None) -> None:
    """Write the mean of two networks."""
    parser = argparse.ArgumentParser(
        prog="python -m mapt.bench.average_weights", description=main.__doc__
    )
    parser.add_argument("first", type=Path, help="weights from which the other's training began")
    parser.add_argument("second", type=Path, help="weights that it wrote")
    parser.add_argument("out", type=Path, help="file that is written")
    parser.add_argument("--share", type=float, default=0.5, help="of the second, 0..1")
    given = parser.parse_args(arguments)
    average_weights(given.first, given.second, given.share, given.out)
    print(f"{given.out}: renew the statistics of its norms before it is used")


if __name__ == "__main__":
    main()
