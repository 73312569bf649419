"""The report for people, from results of any suite."""

import base64
import json
import re
import tempfile
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mapt.bench.report.frame_time import frame_ms, split_frame
from mapt.bench.report.page import html
from mapt.bench.report.page.annotated import AnnotatedFrames
from mapt.bench.report.page.elements import Picture
from mapt.bench.report.page.plots import curves, grouped_bars, stacked_bars
from mapt.bench.report.page.sections import cards, sections
from mapt.runtime import PanopticFrame, Track


class Outline(HTMLParser):
    """Headings, cells, and whatever would be loaded; open tags must be closed."""

    VOID = frozenset({"meta", "br", "img", "rect", "line", "circle", "polyline"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.loaded += [
            value or "" for name, value in attributes if name in ("src", "href", "srcset")
        ]
        self.open += [] if tag in self.VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


def render(report: dict[str, Any], pictures: Sequence[Picture] = ()) -> str:
    """The page as text."""
    with tempfile.TemporaryDirectory() as folder:
        html.write_html(Path(folder) / "page.html", report, pictures)
        return (Path(folder) / "page.html").read_text()


@pytest.fixture
def report() -> dict[str, Any]:
    """What a small run leaves."""
    quantiles = {"p50": 10.0, "p95": 12.0, "p99": 13.0, "max": 15.0}
    stages = {s: quantiles for s in ("preprocess", "backbone", "fusion", "networks", "frame")}
    scores = {"PAT": 0.5, "PQ": 0.4, "TQ": None, "STQ": 0.6, "AQ": 0.5, "SQ": 0.7, "IDS": 3}
    kinds = {"convolution": 5, "linear": 4, "product": 3, "sample": 2}
    return {
        "machine": {
            "cpu": "CPU <one>",
            "cores": 2,
            "memory_gib": 4,
            "system": "Linux",
            "threads": 2,
            "python": "3",
            "libraries": {},
        },
        "bundle": {
            "id": "a" * 64,
            "preset": "nano",
            "height": 64,
            "width": 96,
            "lowering": "custom",
            "precision": "fp32",
        },
        "data": {"sequences": 1, "frames": 4, "seeds": [7]},
        "latency_ms": {"torch": stages, "ort": stages},
        "accuracy": {"torch": scores, "ort": scores},
        "classes": {
            "ort": {
                "road": {"PQ": 0.9, "IoU": 0.8, "TQ": None, "PAT": None, "IDS": None},
                "car": {"PQ": 0.5, "IoU": 0.25, "TQ": 0.125, "PAT": 0.3, "IDS": 3},
            }
        },
        "objects_by_size": {
            "ort": {
                "person": {"20 to 40": {"masks": 9, "found": 7, "false": 5}},
                "car": {
                    "below 12": {"masks": 40, "found": 3, "false": 4},
                    "above 80": {"masks": 6, "found": 6, "false": 0},
                },
            }
        },
        "samples_ms": {
            "ort": {
                "preprocess": [1.0, 1.0, 1.0],
                "backbone": [2.0, 2.0, 20.0],
                "fusion": [2.0, 9.0, 2.0],
                "frame": [6.0, 13.0, 24.0],
            }
        },
        "parity": {"frames": 4, "differences": []},
        "limits": {"flops": 1e11},
        "backends": {
            "ort": {
                "kind": "ort",
                "proof": "proven here",
                "why": "",
                "gemm_share": {"backbone": 0.5},
                "peak_mib": 90,
                "frames_per_second": 21,
            },
            "tensorrt": {
                "kind": "tensorrt",
                "proof": "built only",
                "why": "engines for sm86",
                "gemm_share": {},
            },
        },
        "heads": {"motion": {"params": 10, "flops": 20, "per_instance": 1.0}},
        "operators": {"motion": {"graph": kinds, "graph_params": 10, "agree": True}},
        "base_motion": {"params": 380_000, "flops": 3e9, "per_instance": 1e7},
        "ablation": {"iou": [scores, scores]},
        "seeds": [7, 8],
        "out_of_order": [],
        "ablation_rows": {
            "iou": {"title": "IoU", "paper_PAT": 59.45, "proof": "proven here", "why": ""},
            "mask": {
                "title": "masks",
                "paper_PAT": 59.78,
                "proof": "unproven",
                "why": "other weights",
            },
        },
        "scale": {
            "objects": {
                "title": "Objects.",
                "unit": "objects",
                "series": {"motion": [{"x": 1, "ms": 2.0}, {"x": 100, "ms": 9.0}]},
                "fits": {"motion": {"text": "1 + 2 x (±3%)"}},
            }
        },
    }


def test_the_page_has_every_part_and_loads_nothing(tmp_path: Path, report: dict[str, Any]) -> None:
    path = tmp_path / "report.html"
    html.write_html(path, report)
    text = path.read_text()
    outline = Outline(text)
    assert outline.loaded == [] and not re.search(r"url\(|@import|<script", text)
    assert 'name="viewport"' in text
    for title in (
        "Latency",
        "Accuracy and parity",
        "Classes",
        "Cost",
        "Ablation",
        "Scale",
        "The paper's tables",
    ):
        assert title in outline.texts
    for cell in (
        "built only",
        "50.00 ± 0.00",
        "62.16 (parts: 61.73)",
        "masks: other weights.",
        "10.0 ms",
        "Objects by size",
        "below 12",
        "37",
    ):
        assert cell in outline.texts, cell
    assert "CPU &lt;one&gt;" in text
    assert text.count("<svg") == 4


def test_every_part_of_the_page_has_the_same_total(report: dict[str, Any]) -> None:
    """The medians of the stages sum to something else than the median of the frame."""
    text = "".join(re.findall(r"<figure>.*?</figure>", render(report)))
    assert cards(report)[0].value == "10.0 ms"
    split = split_frame(report["latency_ms"]["ort"], report["samples_ms"]["ort"])
    assert sum(split.values()) == pytest.approx(frame_ms(report["latency_ms"]["ort"]))
    assert split["rest"] == pytest.approx(10 * 3 / 43) and "10.0 ms" in text
    assert split["backbone"] == pytest.approx(10 * 24 / 43)
    del report["samples_ms"]  # as in results of before they were kept
    split = split_frame(report["latency_ms"]["ort"], None)
    assert sum(split.values()) == pytest.approx(10.0) and split["rest"] == 0


def test_annotated_frames_stand_in_the_page_itself(report: dict[str, Any]) -> None:
    frames = AnnotatedFrames("ort")
    image = np.full((90, 1200, 3), 128, np.uint8)
    track = Track(id=1, label=13, score=0.9, box=(0, 0, 50, 50), age=1, lost=0)
    instance = np.zeros((90, 1200), np.int32)
    instance[:50, :50] = 1
    labels = PanopticFrame(np.zeros((90, 1200), np.uint8), instance, (track,), (), {}, 0, 0)
    for index in range(30):
        frames.show("0000", index, image, {"torch": labels, "ort": labels})
    assert [picture.caption for picture in frames.images] == [
        f"ort, sequence 0000, frame {index}: 1 tracks" for index in (3, 20)
    ]
    outline = Outline(render(report, frames.images))
    assert len(outline.loaded) == 2 and "What it sees" in outline.texts
    encoded = outline.loaded[0].removeprefix("data:image/jpeg;base64,")
    drawn = cv2.imdecode(np.frombuffer(base64.b64decode(encoded), np.uint8), cv2.IMREAD_COLOR)
    assert drawn is not None and drawn.shape == (72, 960, 3) and drawn.std() > 5


def test_the_papers_tables_are_folded_away(report: dict[str, Any]) -> None:
    page = render(report)
    folded = page[page.index('<details class="section">') :]
    assert "paper&#39;s tables" in folded and page.count('<details class="section">') == 1
    assert "(published)" in folded and "(published)" not in page.removesuffix(folded)


def test_a_run_without_pytorch_has_a_page(report: dict[str, Any]) -> None:
    report["latency_ms"].pop("torch")
    report["accuracy"].pop("torch")
    report["machine"]["pytorch"] = None
    for key in ("limits", "operators", "base_motion"):
        del report[key]
    page = render(report)
    assert "without PyTorch" in page and "ids differ" not in page and "parity" not in page


def test_the_papers_tables_stand_beside_the_bundle_not_another_row(report: dict[str, Any]) -> None:
    def beside() -> Any:
        return next(
            (row.cells for row in sections(report)[-1].blocks[0].rows if "here" in row.cells[0]),
            None,
        )

    scores = report["accuracy"]["ort"]
    report["accuracy"] = {
        "torch": scores,
        "torch-best": {**scores, "STQ": 0.9},
        "ort": {**scores, "STQ": 0.25},
    }
    assert "25.00" in beside() and "90.00" not in beside()
    report["latency_ms"].pop("ort")
    assert beside() is None


def test_results_of_several_suites_become_one_page(
    tmp_path: Path, report: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    run = {key: value for key, value in report.items() if key != "scale"}
    scale = {key: report[key] for key in ("machine", "bundle", "data", "scale")} | {
        "latency_ms": {}
    }
    paths = [tmp_path / "run.json", tmp_path / "scale.json"]
    for path, part in zip(paths, (run, scale), strict=True):
        path.write_text(json.dumps(part))
    html.main([str(tmp_path / "out.html"), *map(str, paths)])
    texts = Outline((tmp_path / "out.html").read_text()).texts
    assert "Latency" in texts and "Scale" in texts
    with pytest.raises(SystemExit) as stopped:
        html.main([str(tmp_path / "none.html"), str(tmp_path / "nowhere.json")])
    told = capsys.readouterr().err
    assert stopped.value.code == 2 and "cannot be read" in told and told.count("\n") == 1
    assert not (tmp_path / "none.html").exists()


def test_bars_are_as_long_as_their_numbers_and_curves_keep_inside() -> None:
    bars = stacked_bars({"one": {"a": 10.0, "b": 30.0}, "two": {"a": 20.0}}, "ms")
    widths = [
        float(w)
        for w in re.findall(r'<rect x="[\d.]+" y="[\d.]+" width="([\d.]+)" height="18"', bars)
    ]
    assert widths[1] == pytest.approx(3 * widths[0], abs=0.2) and widths[2] == pytest.approx(
        2 * widths[0], abs=0.2
    )
    groups = grouped_bars({"road": {"IoU": 80.0}, "car": {"IoU": 40.0, "TQ": 20.0}}, 100)
    wide = [float(w) for w in re.findall(r'width="([\d.]+)" height="7"', groups)]
    assert wide[0] == pytest.approx(2 * wide[1], abs=0.2)
    assert wide[1] == pytest.approx(2 * wide[2], abs=0.2)
    over_time = curves({"ort": [(n, 50.0 + n % 7) for n in range(300)]}, "frame", "ms")
    assert "<circle" not in over_time and over_time.count("<text") < 20
    drawn = curves({"s": [(1, 0.5), (10, 3.0), (100, 0.25)]}, "n", "ms")
    places = [
        (float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', drawn)
    ]
    assert all(0 <= x <= 480 and 0 <= y <= 240 for x, y in places)
    assert places[1][1] < places[0][1] < places[2][1]  # larger is higher
    assert places[1][0] - places[0][0] == pytest.approx(
        places[2][0] - places[1][0], abs=0.2
    )  # logarithmic
