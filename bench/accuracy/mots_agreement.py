"""Compares `mapt eval --dataset kitti-mots` with TrackEval on spoilt KITTI-MOTS ground truth.

    python -m mapt.bench.accuracy.mots_agreement TEXTS [--seed 20] [--json FILE]

TEXTS is a folder of KITTI-MOTS texts. Their masks are dropped, shifted and invented, their ids and
classes changed. Both programs score the result, and the largest difference of any number is
printed. The program fails if it is more than 1e-9.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mapt.bench.accuracy.mots_perturbation import perturb, write_mots_text
from mapt.bench.cli_errors import told_in_one_line
from mapt.docstrings import text_of
from mapt.errors import InputError
from mapt.io.atomic_files import write_json
from mapt.labels.mots_text import mots_texts, read_mots_text

TOLERANCE = 1e-9
INSTALL = "pip install --no-deps trackeval  # its own requirements overwrite opencv-python-headless"
NAMES = {"car": "car", "pedestrian": "person"}  # TrackEval's classes and ours
FIELDS = {  # our name -> TrackEval's family and name
    **{name: ("HOTA", name) for name in ("HOTA", "DetA", "AssA", "LocA")},
    **{name: ("Identity", name) for name in ("IDF1", "IDP", "IDR")},
    **{name: ("CLEAR", name) for name in ("MOTA", "MOTP", "IDSW", "Frag")},
    "MOTSA": ("CLEAR", "MOTA"),
    "sMOTSA": ("CLEAR", "sMOTA"),
    "MOTSP": ("CLEAR", "MOTP"),
    "FP": ("CLEAR", "CLR_FP"),
    "FN": ("CLEAR", "CLR_FN"),
}

Scores = dict[str, dict[str, Any]]  # a class, a sequence or "all" -> our name -> value


@dataclass(frozen=True)
class TrackEvalAgreement:
    """How far two sets of scores are apart.

    Attributes:
        compared: numbers that both have.
        undefined: numbers that we call undefined. TrackEval gives 0 or 1 in their place.
        difference: the largest one.
        where: the name of the number with this difference.
    """

    compared: int
    undefined: int
    difference: float
    where: str


def compare(ours: Scores, theirs: Scores) -> TrackEvalAgreement:
    """Compare every number of every class, sequence and of all.

    Raises:
        InputError: one of both lacks a class or sequence that the other has.
    """
    if set(ours) != set(theirs):
        raise InputError(f"only one side has {sorted(set(ours) ^ set(theirs))}; score the same")
    pairs = [
        (f"{name} {field}", ours[name][field], float(theirs[name][field]))
        for name in ours
        for field in FIELDS
    ]
    both = [(abs(own - other), where) for where, own, other in pairs if own is not None]
    difference, where = max(both, default=(0.0, ""))
    return TrackEvalAgreement(len(both), len(pairs) - len(both), difference, where)


def spoil(texts: dict[str, Path], out: Path, seed: int) -> None:
    """Write predictions `out/<sequence>.txt` that resemble the ground truth `texts`."""
    out.mkdir(parents=True)
    for number, (name, text) in enumerate(sorted(texts.items())):
        write_mots_text(out / f"{name}.txt", perturb(read_mots_text(text), seed + number))


def score_with_mapt(gt: Path, pred: Path) -> Scores:
    """Run `mapt eval` in a process of its own.

    Raises:
        InputError: it failed; the message is its own.
    """
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "scores.json"
        command = (sys.executable, "-m", "mapt.cli", "eval", gt, pred, "--dataset", "kitti-mots")
        ran = subprocess.run(
            [*command, "--json", written], capture_output=True, text=True, check=False
        )
        if ran.returncode:
            raise InputError(ran.stderr.strip().removeprefix("mapt: "))
        results = json.loads(written.read_text())
    classes = {name: scores for name, scores in results["classes"].items() if "HOTA" in scores}
    return {**classes, **results["sequences"], "all": results["dataset"]}


def score_with_trackeval(texts: dict[str, Path], pred: Path) -> Scores:
    """Run TrackEval's evaluator on the same texts.

    The scores of a sequence, and of all, are what it calls averaged over detections.

    Raises:
        InputError: it is not installed.
    """
    if importlib.util.find_spec("trackeval") is None:
        raise InputError(f"this needs the package trackeval: {INSTALL}")
    with contextlib.redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory() as folder:
        from trackeval import Evaluator
        from trackeval.datasets import KittiMOTS
        from trackeval.metrics import CLEAR, HOTA, Identity

        frames = {
            name: 1 + max(*read_mots_text(text), *read_mots_text(pred / text.name), 0, 0)
            for name, text in texts.items()
        }
        (Path(folder) / "pred").mkdir()
        (Path(folder) / "pred" / "data").symlink_to(pred.resolve())
        (Path(folder) / "gt").mkdir()
        for name, text in texts.items():
            (Path(folder) / "gt" / f"{name}.txt").symlink_to(text.resolve())
        quiet = {"PRINT_CONFIG": False}
        dataset = KittiMOTS(
            {
                **quiet,
                "GT_FOLDER": str(Path(folder) / "gt"),
                "GT_LOC_FORMAT": "{gt_folder}/{seq}.txt",
                "TRACKERS_FOLDER": folder,
                "TRACKERS_TO_EVAL": ["pred"],
                "SEQ_INFO": frames,
            }
        )
        nothing_written = dict.fromkeys(
            ("OUTPUT_SUMMARY", "OUTPUT_DETAILED", "PLOT_CURVES", "PRINT_RESULTS"), False
        )
        metrics = [HOTA(), CLEAR(quiet), Identity(quiet)]
        results, _ = Evaluator({**quiet, **nothing_written, "LOG_ON_ERROR": None}).evaluate(
            [dataset], metrics
        )
        found = results["KittiMOTS"]["pred"]

        def pooled(classes: dict[str, Any]) -> dict[str, Any]:
            return {
                metric.get_name(): metric.combine_classes_det_averaged(
                    {name: families[metric.get_name()] for name, families in classes.items()}
                )
                for metric in metrics
            }

        by_class = found.pop("COMBINED_SEQ")
        scores = {NAMES[name]: _flat(families) for name, families in by_class.items()}
        scores |= {name: _flat(pooled(classes)) for name, classes in found.items()}
        scores["all"] = _flat(pooled(by_class))
    return scores


def _flat(families: dict[str, Any]) -> dict[str, float]:
    """Our names; what depends on alpha is averaged over it."""
    return {own: float(np.mean(families[family][name])) for own, (family, name) in FIELDS.items()}


@told_in_one_line()
def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m mapt.bench.accuracy.mots_agreement",
        description=text_of(__name__).splitlines()[0],
    )
    parser.add_argument("texts", type=Path, help="folder of KITTI-MOTS texts")
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--json", type=Path, help="write both sides' scores here")
    given = parser.parse_args(arguments)
    texts = mots_texts(given.texts)
    if not texts:
        raise InputError(f"{given.texts}: holds no KITTI-MOTS text; name instances_txt")
    with tempfile.TemporaryDirectory() as folder:
        pred = Path(folder) / "pred"
        spoil(texts, pred, given.seed)
        theirs = score_with_trackeval(texts, pred)
        ours = score_with_mapt(given.texts, pred)
    agreement = compare(ours, theirs)
    if given.json:
        write_json(given.json, {"mapt": ours, "trackeval": theirs})
    print(
        f"{len(texts)} sequences, {agreement.compared} numbers compared,"
        f" {agreement.undefined} undefined; largest difference {agreement.difference:.1e}"
        f" ({agreement.where})"
    )
    if agreement.difference > TOLERANCE:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
