"""The documentation's tables from results: `python -m mapt.bench.report.readme RESULTS.json`.

It rewrites the marked blocks of README.md and docs/*.md. A block begins with a line
`<!-- bench: NAME -->` and ends with `<!-- end -->`. Names: `costs`, `machine`, `hardware`, `speed`,
`ratios`, `ablation`. A block whose numbers the results lack stays as it is. The results that the
pages show are committed as `bench/results.json`; a test compares both.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mapt.bench.cli_errors import told_in_one_line
from mapt.bench.report.constants import STAGES, percent, with_spread
from mapt.docstrings import text_of
from mapt.errors import InputError
from mapt.io.atomic_files import atomic_file

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench" / "results.json"
BLOCK = re.compile(r"(<!-- bench: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
Report = Mapping[str, Any]
# Samples and fingerprints are for `--compare`; no page needs them.
DROPPED = ("samples_ms", "yardstick_ms", "labels", "parity")


def render(text: str, report: Report) -> str:
    """Return a page's text with new blocks wherever the report has numbers.

    Raises:
        InputError: a block of an unknown name.
    """

    def block(found: re.Match[str]) -> str:
        name = found[2]
        if name not in _BLOCKS:
            raise InputError(f"unknown block {name!r}; there are {', '.join(_BLOCKS)}")
        needs, make = _BLOCKS[name]
        return (
            found[1] + make(report) + found[3]
            if all(report.get(key) for key in needs)
            else found[0]
        )

    return BLOCK.sub(block, text)


def pages(root: Path) -> list[Path]:
    """README.md and the pages of docs/ that have marked blocks, in a fixed order."""
    files = [root / "README.md", *sorted((root / "docs").glob("*.md"))]
    return [file for file in files if BLOCK.search(file.read_text())]


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def _costs(report: Report) -> str:
    rows = [
        (name, f"{c['params'] / 1e6:.3f} M", f"{c['flops'] / 1e9:.3f} G", _each(c["per_instance"]))
        for name, c in report["heads"].items()
    ]
    total = [sum(c[key] for c in report["heads"].values()) for key in ("params", "flops")]
    rows.append(("all", f"{total[0] / 1e6:.3f} M", f"{total[1] / 1e9:.3f} G", ""))
    return table(("head", "parameters", "multiply-adds", "of it each instance"), rows)


def _each(flops: float) -> str:
    return f"{flops / 1e6:.2f} M" if flops else ""


def _machine(report: Report) -> str:
    m = report["machine"]
    data = report["data"]
    return (
        f"The machine gave {m['threads']} threads of {m['cpu']}. The backends took turns over"
        f" {data['frames']} frames, and times are medians in milliseconds. The versions are Python"
        f" {m['python']}, ONNX Runtime {m['libraries']['onnxruntime']} and PyTorch"
        f" {m['libraries']['torch']}.\n"
    )


def _hardware(report: Report) -> str:
    machine = report["machine"]
    where = f"{machine['threads']} threads of {machine['cpu']}"
    rows = []
    for name, stages in report["latency_ms"].items():
        about = report["backends"][name]
        alone = [f"{about[key]:.{digits}f}" if key in about else "" for key, digits in _ALONE]
        times = [f"{stages[stage]['p50']:.1f}" for stage in ("networks", "frame")]
        rows.append((where, name, *times, *alone))
    columns = ("hardware", "backend", "networks, ms", "frame, ms", "frames/s alone", "peak MiB")
    return table(columns, rows)


def _speed(report: Report) -> str:
    shown = [s for s in STAGES if s not in ("preprocess", "output")]
    rows = []
    for name, stages in report["latency_ms"].items():
        about = report["backends"][name]
        alone = [f"{about[key]:.{digits}f}" if key in about else "" for key, digits in _ALONE]
        rows.append(
            (
                name,
                *(f"{stages[s]['p50']:.1f}" for s in shown),
                f"{stages['frame']['p99']:.1f}",
                *alone,
            )
        )
    return table(("", *shown, "frame p99", "frames/s alone", "peak MiB"), rows)


def _ratios(report: Report) -> str:
    latency = report["latency_ms"]
    first = next(iter(report["latency_ms"]))
    rows = []
    for name in latency:
        times = [
            f"{latency[first][s]['p50'] / latency[name][s]['p50']:.2f}"
            for s in ("networks", "frame")
        ]
        s = report["accuracy"][name]
        rows.append(
            (name, *times, *(percent(s[key]) for key in ("PAT", "PQ", "TQ", "STQ")), str(s["IDS"]))
        )
    return table(("", f"networks, times {first}", "frame", "PAT", "PQ", "TQ", "STQ", "IDS"), rows)


def _ablation(report: Report) -> str:
    rows = []
    for name, about in report["ablation_rows"].items():
        scores = report["ablation"].get(name, [])
        cells = ["unproven", ""]
        if scores:
            cells = [with_spread([s[key] for s in scores], 1) for key in ("PAT", "TQ")]
        rows.append((about["title"], *cells, f"{about['paper_PAT']:.2f}"))
    return table(("association", "PAT", "TQ", "PAT in the paper (KITTI-STEP)"), rows)


_ALONE = (("frames_per_second", 1), ("peak_mib", 0))
_BLOCKS: dict[str, tuple[tuple[str, ...], Callable[[Report], str]]] = {
    "costs": (("heads",), _costs), "machine": (("machine", "data", "latency_ms"), _machine),
    "hardware": (("machine", "latency_ms", "backends"), _hardware),
    "speed": (("latency_ms", "backends"), _speed), "ratios": (("latency_ms", "accuracy"), _ratios),
    "ablation": (("ablation", "ablation_rows"), _ablation),
}  # fmt: skip


@told_in_one_line()
def main(arguments: Sequence[str] | None = None) -> None:
    """Rewrite the pages with marked blocks, and keep the results beside the bench."""
    from mapt.io.atomic_files import write_json
    from mapt.io.user_files import read_json, read_text

    parser = argparse.ArgumentParser(
        prog="python -m mapt.bench.report.readme", description=text_of(__name__)
    )
    parser.add_argument("results", type=Path, nargs="?", default=RESULTS)
    parser.add_argument("--root", type=Path, default=ROOT, help="checkout")
    options = parser.parse_args(arguments)
    report = read_json(options.results, "give one of `mapt bench --json`")
    made = {page: render(read_text(page), report) for page in pages(options.root)}
    kept = {key: value for key, value in report.items() if key not in DROPPED}
    write_json(options.root / "bench" / "results.json", kept)
    for page, text in made.items():
        with atomic_file(page) as temporary:
            temporary.write_text(text)


if __name__ == "__main__":
    main()
