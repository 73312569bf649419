"""The documentation's tables are those of the committed results."""

import json
import shutil
from pathlib import Path

import pytest

from mapt.bench.report.readme import RESULTS, ROOT, main, pages, render
from mapt.errors import InputError


@pytest.mark.parametrize("page", pages(ROOT), ids=lambda page: page.name)
def test_a_page_shows_what_the_committed_results_say(page: Path) -> None:
    text = page.read_text()
    report = json.loads(RESULTS.read_text())
    assert render(text, report) == text, "run python -m mapt.bench.report.readme"


def test_every_block_is_on_a_page() -> None:
    text = "".join(page.read_text() for page in pages(ROOT))
    names = ("costs", "machine", "hardware", "speed", "ratios", "ablation")
    assert all(f"<!-- bench: {name} -->" in text for name in names)


def test_other_results_change_the_blocks_that_they_have_numbers_for(tmp_path: Path) -> None:
    shutil.copy(ROOT / "README.md", tmp_path)
    for folder in ("bench", "docs"):
        (tmp_path / folder).mkdir()
    shutil.copy(ROOT / "docs" / "results.md", tmp_path / "docs")
    head = {"params": 1_500_000, "flops": 2_000_000_000, "per_instance": 3e6}
    (tmp_path / "new.json").write_text(
        json.dumps({"heads": {"only": head}, "samples_ms": {"ort": {}}})
    )
    main([str(tmp_path / "new.json"), "--root", str(tmp_path)])
    before, after = ((root / "docs" / "results.md").read_text() for root in (ROOT, tmp_path))
    assert "| only | 1.500 M | 2.000 G | 3.00 M |" in after and "| backbone | 2.9" not in after
    assert before.split("<!-- bench: machine -->")[1] == after.split("<!-- bench: machine -->")[1]
    assert (tmp_path / "README.md").read_text() == (ROOT / "README.md").read_text()
    assert json.loads((tmp_path / "bench" / "results.json").read_text()) == {
        "heads": {"only": head}
    }


def test_a_mistake_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([str(tmp_path / "nowhere.json")])
    told = capsys.readouterr().err
    assert stopped.value.code == 2 and "nowhere.json" in told and told.count("\n") == 1


def test_speed_and_accuracy_come_from_one_run() -> None:
    names = (
        "backbone",
        "semantic",
        "instance",
        "fusion",
        "motion",
        "appearance",
        "association",
        "networks",
    )
    stages = {name: {"p50": 2.0} for name in names}
    latency = {
        name: {**stages, "frame": {"p50": ms, "p99": ms + 5}}
        for name, ms in (("torch", 30.0), ("ort", 15.0))
    }
    scores = {"PAT": 0.311, "PQ": 0.2, "TQ": None, "STQ": 0.5, "IDS": 7}
    report = {
        "latency_ms": latency,
        "accuracy": {"torch": scores, "ort": scores},
        "backends": {"torch": {}, "ort": {"frames_per_second": 60.0, "peak_mib": 123.4}},
    }
    text = "<!-- bench: speed -->\nold\n<!-- end -->\n<!-- bench: ratios -->\n<!-- end -->\n"
    made = render(text, report)
    assert "old" not in made and "| 15.0 | 20.0 | 60.0 | 123 |" in made
    assert "| ort | 1.00 | 2.00 | 31.10 | 20.00 | - | 50.00 | 7 |" in made
    with pytest.raises(InputError, match="unknown block 'sped'"):
        render("<!-- bench: sped -->\n<!-- end -->\n", report)
