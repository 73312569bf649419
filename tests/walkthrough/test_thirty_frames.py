"""The commands of docs/thirty-frames.md lead from labelled frames to a tracked video, in small."""

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mapt.labels.class_files import read_class_set
from mapt.model.weights import read_config
from mapt.synthetic import write_dataset
from tests.conftest import Ran
from tests.walkthrough.street_export import export_street, write_clip

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "thirty-frames.md"
SMALL = (
    "model.height=64", "model.width=160", "data.annotated.heights=[64, 80]", "data.workers=0",
    "schedule.iterations=3", "schedule.batch=1", "threads=1",
)  # fmt: skip


def commands() -> list[list[str]]:
    """The arguments of every command of the page."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [shlex.split(line)[1:] for block in blocks for line in block.splitlines()]


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Thirty labelled frames of a street, a clip of it, and three frames that stay unseen."""
    write_dataset(tmp_path / "street", 1, 30, (64, 160), seed=5, split="train")
    export = export_street(tmp_path / "street", tmp_path / "labelled")
    write_clip(sorted((tmp_path / "labelled" / "images").rglob("*.png"))[:8], tmp_path / "clip.mp4")
    write_dataset(tmp_path / "other", 1, 3, (64, 160), seed=6, split="train")
    export_street(tmp_path / "other", tmp_path / "later")
    (tmp_path / "weights").mkdir()
    shutil.copy(ROOT / "weights" / "nano-synthetic.safetensors", tmp_path / "weights")
    return export


def test_the_page_runs_from_labels_to_scores(
    mapt: Callable[..., Ran], labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert mapt("data", "convert", "later/annotations/instances.json", "unseen").code == 0
    names = []
    for arguments in commands():
        small = [part for value in SMALL for part in ("--set", value)]
        ran = mapt(*arguments, *(small if arguments[0] == "train" else []))
        assert ran.code == 0, (arguments, ran.err)
        names.append(arguments[0])
    assert names == ["data", "data", "train", "export", "track", "track", "eval"]
    config = read_config(tmp_path / "runs" / "own" / "weights.safetensors")
    assert config.class_names == ("background", "vehicle", "person", "road")
    assert config.class_set == read_class_set("data/classes.toml")
    assert "labelling tool" in (tmp_path / "runs" / "own" / "log.txt").read_text()
    assert (tmp_path / "out" / "clip" / "video.mp4").stat().st_size > 1000
    tracks = json.loads((tmp_path / "out" / "clip" / "tracks.json").read_text())
    assert "vehicle" in json.dumps(tracks)
    assert len(list((tmp_path / "scored" / "step").rglob("*.png"))) == 3


def test_the_page_shows_the_class_file_that_is_written(labelled: Path, tmp_path: Path) -> None:
    from mapt.data.tools.convert_annotations import class_file

    shown = re.findall(r"^```toml\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert shown == [class_file(read_class_set(str(labelled)))]
