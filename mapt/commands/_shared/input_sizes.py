"""The input sizes that `mapt export` is asked for."""

from __future__ import annotations

from pathlib import Path

import typer

from mapt.commands._shared.open_tracker import first_size
from mapt.commands._shared.size import network_size
from mapt.errors import InputError
from mapt.io.sources.folders import open_sources
from mapt.runtime.bundle.input_sizes import Size, propose_sizes, written


def network_sizes(
    sizes: list[str] | None, video: Path | None, weights: Path | None
) -> list[Size | None]:
    """Return the sizes of `--size`, or those that suit the frames of `--for`.

    Args:
        sizes: HxW each, which are rounded up to what the network takes.
        video: frames that the sizes are chosen for.
        weights: whose own size is looked up if none is asked for; None: it need not be known.

    Returns:
        Every size once; None stands for the weights' own.

    Raises:
        InputError: no sizes, both options, or frames that cannot be read.
    """
    if video:
        if sizes:
            raise InputError("--for: chooses the sizes; leave out --size")
        frame = first_size(open_sources(video))
        chosen = propose_sizes(frame)
        listed = ", ".join(map(written, chosen))
        typer.echo(f"input sizes for frames of {written(frame)}: {listed}")
        return list(chosen)
    if sizes:
        return list(dict.fromkeys(network_size(size) for size in sizes))
    if weights is None:
        return [None]
    from mapt.model.weights import read_config

    config = read_config(weights)
    return [(config.height, config.width)]
