"""The manifest of a bundle.

The tests cover its content, and that nothing is loaded from a bundle that differs from what was
written.
"""

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mapt.contract import SUBGRAPHS, ModelInfo, Thresholds
from mapt.errors import InputError
from mapt.export.bundle.manifest import write_manifest
from mapt.regular_files import open_regular
from mapt.runtime import PanopticTracker
from mapt.runtime.bundle.contents import sha256
from mapt.runtime.bundle.manifest import MANIFEST, EngineFile, read_bundle, seal

Edit = Callable[[dict[str, Any]], object]


def write(folder: Path, info: ModelInfo) -> str:
    """A bundle whose graphs are a few bytes each."""
    folder.mkdir(exist_ok=True)
    graphs: dict[str, str] = {spec.name: f"{spec.name}.onnx" for spec in SUBGRAPHS}
    for name in graphs.values():
        (folder / name).write_bytes(name.encode() * 100)
    (folder / "weights.safetensors").write_bytes(b"weights")
    engine = folder / "engines" / "sm86" / "motion.engine"
    engine.parent.mkdir(parents=True, exist_ok=True)
    engine.write_bytes(b"engine")
    engines = {
        "sm86": {
            "motion": EngineFile(engine, "tensorrt_rtx 1.7", "built", {"CONVOLUTION": {"FLOAT": 3}})
        }
    }
    return write_manifest(
        folder,
        info,
        graphs,
        ["weights.safetensors"],
        lowering="standard",
        precision="fp32",
        versions={"onnx": "1.0"},
        engines=engines,
    )


@pytest.fixture
def bundle(tmp_path: Path, info: ModelInfo) -> Path:
    write(tmp_path / "bundle", info)
    return tmp_path / "bundle"


@pytest.fixture(autouse=True)
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reaching the backend is a failure."""

    def load(*_: object, **__: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("mapt.runtime.backends.ort.OrtBackend", load)


def edit(bundle: Path, change: Edit) -> None:
    """Change a manifest and seal it again, as who wants to mislead the reader would."""
    manifest = json.loads((bundle / MANIFEST).read_text())
    change(manifest)
    (bundle / MANIFEST).write_text(seal(manifest))


def refusal(bundle: Path, named: Path) -> str:
    """The message: one line that begins with the file at fault."""
    with pytest.raises(InputError) as error:
        PanopticTracker.load(bundle)
    message = str(error.value)
    assert message.startswith(f"{named}: ") and "\n" not in message and ";" in message
    return message


def test_a_manifest_reads_as_it_was_written(tmp_path: Path, info: ModelInfo) -> None:
    info = replace(info, thresholds=Thresholds(score=0.4, min_area=7, max_lost=2.25))
    identity = write(tmp_path / "b", info)
    bundle = read_bundle(tmp_path / "b")
    assert bundle.info == info and bundle.id == identity and bundle.folder == tmp_path / "b"
    assert (bundle.lowering, bundle.precision, bundle.versions) == (
        "standard",
        "fp32",
        {"onnx": "1.0"},
    )
    (engine,) = bundle.engines["sm86"].values()
    assert (engine.status, engine.layers, engine.path.read_bytes()) == (
        "built",
        {"CONVOLUTION": {"FLOAT": 3}},
        b"engine",
    )
    assert bundle.graphs == {spec.name: tmp_path / "b" / f"{spec.name}.onnx" for spec in SUBGRAPHS}


def test_a_manifest_lists_every_file_and_every_shape(bundle: Path, info: ModelInfo) -> None:
    manifest = json.loads((bundle / MANIFEST).read_text())
    entries = [
        *manifest["subgraphs"].values(),
        *(e for own in manifest["engines"].values() for e in own.values()),
    ]
    listed = {e["file"]: e["sha256"] for e in entries} | manifest["files"]
    files = [p for p in bundle.rglob("*") if p.is_file() and p.name != MANIFEST]
    assert listed == {p.relative_to(bundle).as_posix(): sha256(p) for p in files}
    for spec in SUBGRAPHS:
        for key, tensors in (("inputs", spec.inputs), ("outputs", spec.outputs)):
            want = [
                {"name": t.name, "dtype": t.dtype, "shape": list(t.resolve(info.sizes))}
                for t in tensors
            ]
            assert manifest["subgraphs"][spec.name][key] == want


def test_the_id_follows_graphs_and_configuration_only(tmp_path: Path, info: ModelInfo) -> None:
    first = write(tmp_path / "a", info)
    assert write(tmp_path / "b", info) == first
    assert (tmp_path / "a" / MANIFEST).read_bytes() == (tmp_path / "b" / MANIFEST).read_bytes()
    assert write(tmp_path / "c", replace(info, thresholds=Thresholds(score=0.45))) != first


FILES = [
    *(f"{spec.name}.onnx" for spec in SUBGRAPHS),
    "weights.safetensors",
    "engines/sm86/motion.engine",
]


@pytest.mark.parametrize("name", FILES)
def test_a_changed_or_missing_file_is_named(bundle: Path, name: str) -> None:
    content = bytearray((bundle / name).read_bytes())
    content[-1] ^= 1
    (bundle / name).write_bytes(content)
    assert "SHA-256" in refusal(bundle, bundle / name)
    (bundle / name).unlink()
    assert "missing" in refusal(bundle, bundle / name)


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "..", "/etc/hostname", "..\\x", "", "a\nb", "\0"]
)
def test_a_path_outside_the_bundle_is_refused(bundle: Path, name: str) -> None:
    (bundle.parent / "x").write_bytes(b"x")
    digest = sha256(bundle.parent / "x")
    backup = (bundle / MANIFEST).read_text()
    changes: tuple[Edit, ...] = (
        lambda m: m["files"].update({name: digest}),
        lambda m: m["subgraphs"]["motion"].update(file=name, sha256=digest),
        lambda m: m["engines"]["sm86"]["motion"].update(file=name, sha256=digest),
    )
    for change in changes:
        (bundle / MANIFEST).write_text(backup)
        edit(bundle, change)
        assert repr(name) in refusal(bundle, bundle / MANIFEST)


def linked(bundle: Path, out: Path) -> Path:
    """Copy the bundle as a hub's cache or a Kubernetes volume lays it out.

    Every file is a link, and so is the folder.
    """
    (out / "blobs").mkdir(parents=True)
    (out / "..2026").mkdir()
    for file in (p for p in bundle.rglob("*") if p.is_file()):
        link = out / "..2026" / file.relative_to(bundle)
        link.parent.mkdir(parents=True, exist_ok=True)
        blob = out / "blobs" / f"{file.stem}-{sha256(file)}"
        blob.write_bytes(file.read_bytes())
        link.symlink_to(blob)
    (out / "..data").symlink_to("..2026")
    return out / "..data"


def test_a_bundle_of_links_is_read(bundle: Path, tmp_path: Path) -> None:
    through = read_bundle(linked(bundle, tmp_path / "hub"))
    assert through.id == read_bundle(bundle).id
    for name, path in through.graphs.items():
        assert through.contents.read(path) == (bundle / f"{name}.onnx").read_bytes()


def test_the_hash_decides_where_a_link_may_lead(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    (bundle / "motion.onnx").unlink()
    (bundle / "motion.onnx").symlink_to(tmp_path / "x")
    assert "SHA-256" in refusal(bundle, bundle / "motion.onnx")
    (bundle / "motion.onnx").unlink()
    for nothing in (
        "motion.onnx",
        "/dev/zero",
        "nowhere",
    ):  # a circle, what never ends, what is not there
        (bundle / "motion.onnx").symlink_to(nothing)
        assert "missing" in refusal(bundle, bundle / "motion.onnx")
        (bundle / "motion.onnx").unlink()


def test_every_graph_is_opened_once_and_what_was_hashed_is_what_is_used(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = list[str]()
    genuine = open_regular

    def counting(path: Path) -> Any:
        opened.append(path.name)
        return genuine(path)

    monkeypatch.setattr("mapt.runtime.bundle.contents.open_regular", counting)
    read = read_bundle(bundle)
    assert sorted(n for n in opened if n.endswith(".onnx")) == sorted(
        f"{spec.name}.onnx" for spec in SUBGRAPHS
    )
    before = (bundle / "motion.onnx").read_bytes()
    (bundle / "motion.onnx").write_bytes(b"another")
    assert read.contents.read(read.graphs["motion"]) == before


def test_an_engine_that_was_changed_after_the_check_is_refused(bundle: Path) -> None:
    read = read_bundle(bundle)
    engine = read.engines["sm86"]["motion"].path
    assert read.contents.read(engine) == b"engine"
    engine.write_bytes(b"other!")
    with pytest.raises(InputError, match=re.escape(f"{engine}: its SHA-256 differs")):
        read.contents.read(engine)
    engine.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        read.contents.read(engine)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m.update(format=1), "format 1"),
        (lambda m: m.update(format=2), "format 2"),
        (lambda m: m.update(format=3), "format 3"),
        (lambda m: m.update(format=4), "format 4"),
        (lambda m: m.update(format=6), "format 6"),
        (lambda m: m.update(format=7), "format 7"),
        (
            lambda m: m.update(format=5),
            "format 5, this version reads 8, 9 and 10; convert it with `mapt export ",
        ),
        (lambda m: m.update(format=5), "bundle/weights.safetensors --out NEW`"),
        (
            lambda m: m.update(format=5, lowering=7, precision=[]),
            "bundle/weights.safetensors --out NEW`",
        ),
        (lambda m: m.update(format=11), "format 11, newer than this version's 10; update mapt"),
        (lambda m: m.pop("requires"), "'requires'"),
        (lambda m: m.update(requires={"numpy": "1"}), "'numpy'"),
        (lambda m: m.update(requires={"onnxruntime": "newest"}), "'newest'"),
        (lambda m: m.update(requires={"onnxruntime": 1.25}), "1.25"),
        (lambda m: m.update(format="1"), "format '1'"),
        (lambda m: m.pop("format"), "format None"),
        (lambda m: m.update(plugin="x.so"), "unknown key 'plugin'"),
        (lambda m: m.pop("sizes"), "'sizes'"),
        (lambda m: m.update(height="64"), "'height'"),
        (lambda m: m.update(width=True), "'width'"),
        (lambda m: m["sizes"].pop("E"), "'E'"),
        (lambda m: m.update(height=m["height"] * 2), "sizes say H"),
        (lambda m: m["classes"].append("boat"), "sizes say K"),
        (lambda m: m["operators"].update(mapt="x.so"), "x.so"),
        (lambda m: m["thresholds"].update(scroe=0.5), "scroe"),
        (lambda m: m["thresholds"].update(score="high"), "high"),
        (lambda m: m["thresholds"].pop("stuff_area"), "'stuff_area' is missing"),
        (lambda m: m["thresholds"].pop("max_jump"), "'max_jump' is missing"),
        (
            lambda m: m["thresholds"].update(score=1.5),
            "the threshold score is 1.5, not a number within 0..1",
        ),
        (lambda m: m["thresholds"].update(score=True), "the threshold score is True"),
        (lambda m: m["thresholds"].update(max_jump=-1), "the threshold max_jump is -1"),
        (lambda m: m["thresholds"].update(max_gap=math.nan), "the threshold max_gap is nan"),
        (lambda m: m["thresholds"].update(max_lost=math.inf), "the threshold max_lost is inf"),
        (
            lambda m: m["thresholds"].update(churn_window=2.5),
            "churn_window is 2.5, not a whole number within 1..1000",
        ),
        (
            lambda m: m["thresholds"].update(tracks_per_object=0),
            "the threshold tracks_per_object is 0",
        ),
        (lambda m: m["thresholds"].update(blind_range=256), "the threshold blind_range is 256"),
        (
            lambda m: m["thresholds"].update(deadline_reserve=0.9),
            "the threshold deadline_reserve is 0.9",
        ),
        (lambda m: m["sizes"].update(F=math.inf), "the size F is inf"),
        (
            lambda m: m["sizes"].update(F=1.5),
            "the size F is 1.5, not a whole number within 1..65536",
        ),
        (lambda m: m["sizes"].update(T=3), "sizes say T = 3, the things are 2"),
        (
            lambda m: m["sizes"].pop("T"),
            "is malformed (KeyError: 'T'); export the bundle again",
        ),
        (lambda m: m["sizes"].update(N=True), "the size N is True"),
        (lambda m: m["sizes"].update(N=0), "the size N is 0"),
        (lambda m: m["sizes"].update(D=-3), "the size D is -3"),
        (lambda m: m["sizes"].update(E=2**40), "the size E is 1099511627776"),
        (
            lambda m: (m.update(height=65), m["sizes"].update(H=65)),
            "the size H is 65, not a multiple of 32",
        ),
        (
            lambda m: m.update(things=[2, 4]),
            "things are [2, 4], not different train ids within 0..3",
        ),
        (lambda m: m.update(things=[2, 2]), "things are [2, 2]"),
        (lambda m: m.update(things=[-1]), "things are [-1]"),
        (lambda m: m.update(things=["2"]), "things are ['2']"),
        (
            lambda m: (m.update(classes=["c"] * 256), m["sizes"].update(K=256)),
            "256 classes, labels tell 255 apart",
        ),
        (lambda m: m.update(lowering="magic"), "'magic'"),
        (lambda m: m.update(precision="int4"), "'int4'"),
        (
            lambda m: m["subgraphs"]["motion"].update(precision="int8"),
            "the precision of motion is 'int8'",
        ),
        (lambda m: m["subgraphs"]["motion"].pop("precision"), "precision"),
        (lambda m: m["subgraphs"].pop("motion"), "'motion'"),
        (lambda m: m["subgraphs"].update(extra=m["subgraphs"]["motion"]), "'extra'"),
        (lambda m: m["subgraphs"].update(motion=3), "malformed"),
        (lambda m: m["subgraphs"]["motion"].update(file=3), "malformed"),
        (lambda m: m["subgraphs"]["motion"].pop("sha256"), "sha256"),
        (lambda m: m["engines"]["sm86"]["motion"].update(status="proven"), "'proven'"),
        (lambda m: m["engines"]["sm86"]["motion"].pop("layers"), "layers"),
        (lambda m: m["engines"].update(sm86=[]), "malformed"),
        (lambda m: m.pop("int8"), "'int8'"),
        (lambda m: m.update(int8=32640), "'int8'"),
    ],
)
def test_a_wrong_manifest_is_refused(bundle: Path, change: Edit, says: str) -> None:
    edit(bundle, change)
    assert says in refusal(bundle, bundle / MANIFEST)


BOUND = {"limit": 32767, "pair_sums": {"motion": 32640}}


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ({}, "states no bound on int8 products of 'motion'; export it"),
        ({"limit": 32767}, "states no bound"),
        ({"pair_sums": {"motion": 32640}}, "states no bound"),
        ({**BOUND, "limit": 64770}, "states no bound"),
        ({**BOUND, "pair_sums": {"backbone": 32640}}, "states no bound"),
        ({**BOUND, "pair_sums": {"motion": "32640"}}, "states no bound"),
        ({**BOUND, "pair_sums": {"motion": True}}, "states no bound"),
        ({**BOUND, "pair_sums": {"motion": -1}}, "states no bound"),
        ({**BOUND, "pair_sums": [32640]}, "malformed"),
        (
            {**BOUND, "pair_sums": {"motion": 32768}},
            "'motion' add up to 32768, more than the 32767 that every",
        ),
        ({**BOUND, "pair_sums": {"motion": 64770}}, "'motion' add up to 64770"),
    ],
)
def test_int8_that_may_saturate_is_refused(bundle: Path, stated: dict[str, Any], says: str) -> None:
    def lower(manifest: dict[str, Any]) -> None:
        manifest.update(precision="int8", int8=stated)
        for name, entry in manifest["subgraphs"].items():
            entry["precision"] = "int8" if name == "motion" else "fp32"

    edit(bundle, lower)
    assert says in refusal(bundle, bundle / MANIFEST)
    edit(bundle, lambda m: m.update(int8=BOUND))
    assert read_bundle(bundle).precisions["motion"] == "int8"


@pytest.mark.parametrize(
    ("states", "options"),
    [
        ({"lowering": "standard", "precision": "fp32"}, ""),
        ({"lowering": "custom", "precision": "int8"}, " --ops custom --precision int8"),
        ({"lowering": ["custom"], "precision": "x; rm"}, ""),
    ],
)
def test_an_older_bundle_names_the_command_that_converts_it(
    bundle: Path, states: dict[str, Any], options: str
) -> None:
    edit(bundle, lambda m: m.update(states, format=5))
    command = f"`mapt export {bundle}/weights.safetensors --out NEW{options}`"
    assert refusal(bundle, bundle / MANIFEST).endswith(
        f"format 5, this version reads 8, 9 and 10; convert it with {command}"
    )
    (bundle / "weights.safetensors").unlink()
    assert refusal(bundle, bundle / MANIFEST).endswith("; export it with this version")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b"7", b"7" * 5000]
)
def test_what_is_not_a_manifest_is_refused(bundle: Path, content: bytes) -> None:
    (bundle / MANIFEST).write_bytes(content)
    refusal(bundle, bundle / MANIFEST)


def test_a_manifest_that_was_edited_is_refused(bundle: Path) -> None:
    text = (bundle / MANIFEST).read_text()
    (bundle / MANIFEST).write_text(text.replace('"score": 0.', '"score": 0.1'))
    assert "SHA-256 that it states of itself" in refusal(bundle, bundle / MANIFEST)
    (bundle / MANIFEST).write_text(text + " ")
    assert "SHA-256 that it states of itself" in refusal(bundle, bundle / MANIFEST)


def test_what_is_not_a_bundle_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        assert "is not a bundle" in refusal(folder, folder)


def test_an_unknown_backend_is_refused_before_the_bundle_is_read(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=re.escape("backend 'trt' is unknown; choose one of auto, ort, tensorrt")
    ):
        PanopticTracker.load(tmp_path / "nowhere", "trt")  # type: ignore[arg-type]


LEAVES = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8)
)
VALUES = st.recursive(
    LEAVES, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=6), v, max_size=3)
)


def nodes(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The place of every value in a JSON document."""
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [path, *(p for k, v in inner for p in nodes(v, (*path, k)))]


def mutated(data: st.DataObject, manifest: dict[str, Any]) -> dict[str, Any]:
    """A value changed, renamed or left out, anywhere."""
    path = data.draw(st.sampled_from(nodes(manifest)[1:]))
    place: Any = manifest
    for key in path[:-1]:
        place = place[key]
    if data.draw(st.booleans()):
        place[path[-1]] = data.draw(VALUES)
    elif isinstance(place, dict):
        place[data.draw(st.text(max_size=6))] = place.pop(path[-1])
    else:
        place.pop(path[-1])
    return manifest


FUZZ = settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FUZZ
@given(data=st.data())
def test_a_manifest_with_any_value_anywhere_is_read_or_refused(
    bundle: Path, data: st.DataObject
) -> None:
    """A manifest with any value anywhere is read or refused.

    There is never another error, and never a file outside the bundle, even if the manifest was
    sealed again.
    """
    original = (bundle / MANIFEST).read_text()
    (bundle / MANIFEST).write_text(seal(mutated(data, json.loads(original))))
    try:
        read = read_bundle(bundle)
        files = [
            *read.graphs.values(),
            *(e.path for own in read.engines.values() for e in own.values()),
        ]
        assert all(p.resolve().is_relative_to(bundle.resolve()) for p in files)
        assert set(read.precisions.values()) == {"fp32"} and read.lowering in (
            "custom",
            "standard",
            "gridsample",
        )
    except InputError as error:
        assert "\n" not in str(error)
    finally:
        (bundle / MANIFEST).write_text(original)


@FUZZ
@given(data=st.data())
def test_whatever_changes_in_a_manifest_is_refused(bundle: Path, data: st.DataObject) -> None:
    """A manifest that changes and is not sealed again is refused.

    Values and single bytes change. No model is loaded.
    """
    original = (bundle / MANIFEST).read_bytes()
    if data.draw(st.booleans()):
        changed = (
            json.dumps(mutated(data, json.loads(original)), indent=1, sort_keys=True).encode()
            + b"\n"
        )
    else:
        start = data.draw(st.integers(0, len(original) - 1))
        end = data.draw(st.integers(start, min(start + 3, len(original))))
        changed = original[:start] + data.draw(st.binary(max_size=3)) + original[end:]
    assume(changed != original)
    (bundle / MANIFEST).write_bytes(changed)
    try:
        refusal(bundle, bundle / MANIFEST)
    finally:
        (bundle / MANIFEST).write_bytes(original)
