"""Finds the heads that rows of the ablation need, and writes them before and after a training.

`python -m mapt.bench.ablation_heads start ROW BASE OUT` writes the weights from which the heads of
a row begin: those of BASE, and new ones where the row's input has no such tensors.
`python -m mapt.bench.ablation_heads extract RUN/weights.safetensors BASE OUT` writes the heads in
which the weights of a run differ from those of BASE.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mapt.bench.accuracy.ablation import VARIANTS
from mapt.bench.cli_errors import told_in_one_line
from mapt.config import ModelConfig
from mapt.errors import InputError
from mapt.evaluation.head_weights import base_of, digest_of, extract_heads, load_heads, start_heads
from mapt.evaluation.reference import reference_weights
from mapt.export.bundle.writer import Request, write_bundle
from mapt.io.pretrained import FOLDER
from mapt.runtime.bundle.manifest import Bundle, read_bundle

HEADS = FOLDER / "ablation"
# By row of the ablation that needs heads of its own: their input in the configuration.
ROWS = {
    name: dict([variant.setting.split("=")])
    for name, variant in VARIANTS.items()
    if variant.setting
}


def rows_of(config: ModelConfig) -> list[str]:
    """Return the rows of the ablation that a network with this configuration fills."""
    return [
        name
        for name, inputs in ROWS.items()
        if all(getattr(config, key) == value for key, value in inputs.items())
    ]


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
        digest = digest_of(base) if base else ""
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
    """Write the heads of a run, or what they start from."""
    parser = argparse.ArgumentParser(
        prog="python -m mapt.bench.ablation_heads", description=main.__doc__
    )
    steps = parser.add_subparsers(dest="step", required=True)
    start = steps.add_parser("start", help="write the weights that a training starts from")
    start.add_argument("row", choices=sorted(ROWS), help="row of the ablation")
    extract = steps.add_parser("extract", help="write the heads of a training")
    extract.add_argument("trained", type=Path, help="weights of the run")
    for step in (start, extract):
        step.add_argument("base", type=Path, help="weights of everything else")
        step.add_argument("out", type=Path, help="file that is written")
    given = parser.parse_args(arguments)
    if given.step == "start":
        anew = start_heads(given.base, given.out, **ROWS[given.row])
        print(f"{given.out}: {len(anew)} tensors start anew: {', '.join(anew) or 'none'}")
        return
    heads = extract_heads(given.trained, given.base, given.out)
    print(f"{given.out}: {', '.join(heads)}, to be used with {given.base.name}")


if __name__ == "__main__":
    main()
