"""The kinds of outputs that `--save` names, and which files of a folder are theirs."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from mapt.app.outputs.frames import StepOutput, VideoOutput
from mapt.app.outputs.json_files import CocoOutput, JsonOutput
from mapt.app.outputs.mcap_file import McapOutput, check_mcap
from mapt.app.outputs.output import Labelled, Output, OutputSequence
from mapt.app.outputs.tables import CsvOutput, ParquetOutput, check_pyarrow
from mapt.app.outputs.texts import (
    MotOutput,
    MotsOutput,
    YoloOutput,
    check_mots_classes,
    is_yolo_file,
)
from mapt.errors import InputError, suggest
from mapt.io.image_files import is_written_here
from mapt.labels.class_sets import ClassSet


@dataclass(frozen=True)
class OutputKind:
    """A kind of output.

    Attributes:
        open: makes the output in a folder.
        files: what it writes there, in a sequence's folder.
        check: refuses to begin where a package is missing, or the network's classes do not fit.
        may_refuse: its format cannot hold every frame, so it is asked before others write one.
        ours: tells whether a file of another name, relative to the folder, is one of its own.
    """

    open: Callable[[Path, OutputSequence], Output]
    files: tuple[str, ...] = ()
    check: Callable[[ClassSet], None] = lambda _: None
    may_refuse: bool = False
    ours: Callable[[Path, str], bool] = lambda _folder, _name: False


KINDS = {
    "step": OutputKind(StepOutput, may_refuse=True),  # in a folder of its own
    "video": OutputKind(VideoOutput, ("video.mp4",)),
    "json": OutputKind(JsonOutput, ("tracks.json", "decisions.jsonl")),
    "coco": OutputKind(CocoOutput, ("coco.json",)),
    "mot": OutputKind(MotOutput, ("mot.txt",)),
    "mots": OutputKind(MotsOutput, ("mots.txt",), check=check_mots_classes, may_refuse=True),
    "yolo": OutputKind(YoloOutput, may_refuse=True, ours=is_yolo_file),
    "csv": OutputKind(CsvOutput, ("tracks.csv",)),
    "parquet": OutputKind(ParquetOutput, ("tracks.parquet",), check=lambda _: check_pyarrow()),
    "mcap": OutputKind(McapOutput, ("tracks.mcap",), check=lambda _: check_mcap()),
}
LIFE = re.compile(r"track_\d+\.png")
DEFAULT = ("step", "video", "json")


def parse_kinds(text: str) -> tuple[str, ...]:
    """Parse the option `--save`, names separated by commas.

    Raises:
        InputError: an unknown name, or none.
    """
    kinds = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    wrong = next((kind for kind in kinds if kind not in KINDS), None)
    if wrong or not kinds:
        near = suggest(wrong or "", KINDS)
        raise InputError(f"--save {text}: {wrong or 'nothing'} is unknown; {near}")
    return kinds


def check_kinds(kinds: Collection[str], labels: ClassSet) -> None:
    """Refuse to begin where a kind cannot be written.

    Raises:
        InputError: a package is missing, or the network's classes do not fit.
    """
    for kind in kinds:
        KINDS[kind].check(labels)


def is_of_a_run(folder: Path, name: str) -> bool:
    """Tell whether a file, by its path below a sequence's folder, is one that outputs have."""
    return _is_a_life(folder, name) or any(
        name in kind.files or kind.ours(folder, name) for kind in KINDS.values()
    )


def _is_a_life(folder: Path, name: str) -> bool:
    """Tell whether a file is a picture by `mapt explain`, which goes with the run that it shows."""
    return bool(LIFE.fullmatch(name)) and is_written_here(folder / name)


def stays(folder: Path, name: str, kinds: Collection[str]) -> bool:
    """Tell whether an older file of ours stays beside new outputs of these kinds.

    A kind of several files, which may be fewer now, is replaced as a whole.
    """
    return is_of_a_run(folder, name) and not (
        _is_a_life(folder, name) or any(KINDS[kind].ours(folder, name) for kind in kinds)
    )


class Outputs:
    """The outputs of a sequence together.

    Args:
        step: folder of the label images.
        run: folder of everything else.
        kinds: what to write.
        sequence: what it is of.
    """

    def __init__(
        self, step: Path, run: Path, kinds: Collection[str], sequence: OutputSequence
    ) -> None:
        self._outputs = list[Output]()
        try:
            for kind in sorted(kinds, key=lambda kind: not KINDS[kind].may_refuse):
                folder = step if kind == "step" else run
                self._outputs.append(KINDS[kind].open(folder, sequence))
        except BaseException:
            self.close()
            raise

    def write(self, labelled: Labelled) -> None:
        """Add the next frame to each."""
        for output in self._outputs:
            output.write(labelled)

    def finish(self) -> None:
        """Complete each."""
        for output in self._outputs:
            output.finish()

    def close(self) -> None:
        """Release what is open; what was not finished is thrown away."""
        with ExitStack() as stack:
            for output in self._outputs:
                stack.callback(output.abort)
