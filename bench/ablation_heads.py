"""Finds the heads that rows of the ablation need, and writes them after a training.

`python -m mapt.bench.ablation_heads RUN/weights.safetensors BASE OUT` writes the heads in
which a run's weights differ from those that it started from.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mapt.bench.cli_errors import told_in_one_line
from mapt.config import ModelConfig
from mapt.errors import InputError
from mapt.evaluation.head_weights import base_of, extract_heads, load_heads
from mapt.evaluation.reference import reference_weights
from mapt.export.bundle.writer import Request, write_bundle
from mapt.io.pretrained import FOLDER
from mapt.runtime.bundle.contents import sha256
from mapt.runtime.bundle.manifest import Bundle, read_bundle

HEADS = FOLDER / "ablation"


def rows_of(config: ModelConfig) -> list[str]:
    """Return the rows of the ablation that a network with this configuration fills."""
    row = {
        "backbone": config.motion_input,
        "box": config.appearance_input,
        "mask": config.appearance_input,
    }
    return [name for name, value in row.items() if name == value]


@contextmanager
def shipped_heads(bundle: Bundle, folder: Path = HEADS) -> Iterator[dict[str, Bundle]]:
    """Export a bundle's network with the heads in a folder that belong to it.

    Args:
        bundle: whose trunk, and whose other heads.
        folder: files of `extract_heads`; those of other networks are passed over.

    Yields:
        Bundles by row of the ablation, until the context ends.

    Raises:
        InputError: a file is damaged.
    """
    files = sorted(folder.glob("*.safetensors"))
    with tempfile.TemporaryDirectory(prefix="mapt-heads-") as scratch:
        found: dict[str, Bundle] = {}
        base = _weights_of(bundle) if files else None
        digest = sha256(base) if base else ""
        for path in files:
            if base is None or base_of(path) != digest:
                continue
            network = load_heads(path, base, (bundle.info.height, bundle.info.width))
            out = Path(scratch, path.stem)
            out.mkdir()
            request = Request(lowering=bundle.lowering, weights=False)  # type: ignore[arg-type]
            write_bundle(network, out, request, None, lambda _: None)
            exported = read_bundle(out)
            found |= dict.fromkeys(rows_of(network.config), exported)
        yield found


def _weights_of(bundle: Bundle) -> Path | None:
    """Return the weights that a bundle was exported from; None if they are not there."""
    try:
        return reference_weights(bundle)
    except InputError:
        return None


@told_in_one_line()
def main(arguments: list[str] | None = None) -> None:
    """Write the heads of a run."""
    parser = argparse.ArgumentParser(
        prog="python -m mapt.bench.ablation_heads", description=main.__doc__
    )
    parser.add_argument("trained", type=Path, help="weights of the run")
    parser.add_argument("base", type=Path, help="weights that the run started from")
    parser.add_argument("out", type=Path, help="file of the heads")
    given = parser.parse_args(arguments)
    heads = extract_heads(given.trained, given.base, given.out)
    print(f"{given.out}: {', '.join(heads)}, to be used with {given.base.name}")


if __name__ == "__main__":
    main()
