"""The native reader of bundles refuses what Python's refuses, with the same line."""

import ctypes
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mapt.errors import InputError
from mapt.runtime.bundle.manifest import read_bundle, seal
from mapt.runtime.bundle.signature import sign_file
from mapt.runtime.native import interface
from mapt.runtime.native.library import find_onnxruntime
from tests.export.bundle.test_writer import make_keys

Values = dict[str, Any]
Change = Callable[[Values], object]


def entry(values: Values) -> Values:
    """What a manifest of several sizes says of the size that is opened."""
    return next(e for e in values["inputs"] if e["name"] == "192x352")


def graph(values: Values) -> Values:
    """What it says of one subgraph of that size."""
    found: Values = entry(values)["subgraphs"]["motion"]
    return found


def resize(one: Values, height: int) -> None:
    """Change the height of a size, wherever it is stated."""
    one["sizes"]["H"] = height
    one.update(height=height, name=f"{height}x352")


def append(path: Path) -> None:
    """Add a space to a file."""
    path.write_text(path.read_text() + " ")


def replace_by_others(path: Path) -> None:
    """Put another file in place of one."""
    path.unlink()
    path.write_bytes(b"weights")


def replace_by_folder(path: Path) -> None:
    """Put a folder in place of a file."""
    path.unlink()
    path.mkdir()


def refusal(library: ctypes.CDLL, folder: Path, trust: Path | None = None) -> str:
    """The line with which the native core refuses a bundle."""
    options = interface.options_of(library)
    options.bundle = bytes(folder)
    options.trust = None if trust is None else bytes(trust)
    options.onnxruntime = bytes(find_onnxruntime())
    options.device = 1
    handle = ctypes.c_void_p()
    error = interface.MaptError()
    code = library.mapt_open(ctypes.byref(options), ctypes.byref(handle), ctypes.byref(error))
    assert code == interface.Code.INPUT and not handle.value, "the bundle was opened"
    return bytes(error.text).decode()


def python_refusal(folder: Path, trust: Path | None = None) -> str:
    """The line with which Python refuses it."""
    with pytest.raises(InputError) as error:
        read_bundle(folder, trust)
    return str(error.value)


@pytest.fixture
def copied(small_bundle: Path, tmp_path: Path) -> Path:
    """A bundle of one size among several whose manifest may be changed."""
    root = tmp_path / "bundle"
    shutil.copytree(small_bundle.parent, root, copy_function=copy_or_link)
    return root


def copy_or_link(source: str, target: str) -> str:
    """Copy a file; the parameters are large, so they are linked."""
    if Path(source).name != "parameters.bin":
        return shutil.copy(source, target)
    Path(target).symlink_to(Path(source).resolve())
    return target


def rewrite(root: Path, change: Change) -> None:
    """Change a manifest, and seal it again."""
    path = root / "manifest.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(seal(values))


def take_batches(values: dict[str, Any]) -> None:
    """Make it the manifest of one size for several images at a time."""
    one = {key: value for key, value in entry(values).items() if key != "name"}
    values.clear()
    values.update(one, format=10, batch=4)


CHANGES: dict[str, Change] = {
    "batches": take_batches,
    "newer": lambda v: v.update(format=99),
    "older": lambda v: v.update(format=3),
    "no format": lambda v: v.pop("format"),
    "format as text": lambda v: v.update(format="7"),
    "unknown key": lambda v: v.update(more=1),
    "unknown inner key": lambda v: entry(v).update(more={}),
    "missing key": lambda v: entry(v).pop("classes"),
    "missing list": lambda v: v.pop("files"),
    "text for a number": lambda v: entry(v).update(height="192"),
    "number for a text": lambda v: entry(v).update(preset=1.5),
    "boolean for a number": lambda v: entry(v).update(width=True),
    "too high": lambda v: entry(v).update(height=70000),
    "no side": lambda v: entry(v).update(width=0),
    "list for an object": lambda v: entry(v).update(sizes=[]),
    "object for a list": lambda v: entry(v).update(things={}),
    "unknown lowering": lambda v: entry(v).update(lowering="plugin"),
    "unknown precision": lambda v: entry(v).update(precision="fp8"),
    "wrong name": lambda v: entry(v).update(name="1x1"),
    "same name": lambda v: v["inputs"].append(entry(v)),
    "no inputs": lambda v: v.update(inputs=[]),
    "too many inputs": lambda v: v.update(inputs=v["inputs"] * 20),
    "missing symbol": lambda v: entry(v)["sizes"].pop("D"),
    "symbol as text": lambda v: entry(v)["sizes"].update(F="64"),
    "fraction": lambda v: entry(v)["sizes"].update(N=16.5),
    "another height": lambda v: entry(v)["sizes"].update(H=224),
    "no multiple": lambda v: resize(entry(v), 208),
    "thing beyond": lambda v: entry(v)["things"].append(19),
    "thing twice": lambda v: entry(v)["things"].append(11),
    "fewer things": lambda v: entry(v)["things"].pop(),
    "class that steers": lambda v: entry(v)["classes"].__setitem__(0, "ro\x1bad"),
    "class as number": lambda v: entry(v)["classes"].__setitem__(2, 7),
    "missing threshold": lambda v: entry(v)["thresholds"].pop("score"),
    "unknown threshold": lambda v: entry(v)["thresholds"].update(more=1),
    "threshold beyond": lambda v: entry(v)["thresholds"].update(score=1.5),
    "threshold as text": lambda v: entry(v)["thresholds"].update(overlap="much"),
    "fraction of pixels": lambda v: entry(v)["thresholds"].update(min_area=3.25),
    "climbing graph": lambda v: graph(v).update(file="../motion.onnx"),
    "absolute graph": lambda v: graph(v).update(file="/etc/passwd"),
    "graph without name": lambda v: graph(v).update(file=""),
    "graph that steers": lambda v: graph(v).update(file="a\x07.onnx"),
    "missing graph": lambda v: graph(v).update(file="192x352/none.onnx"),
    "missing subgraph": lambda v: entry(v)["subgraphs"].pop("motion"),
    "unknown subgraph": lambda v: entry(v)["subgraphs"].update(more=graph(v)),
    "another precision": lambda v: graph(v).update(precision="int8"),
    "shape as text": lambda v: graph(v)["inputs"][0].update(shape=["1"]),
    "no parameters": lambda v: v["files"].pop("parameters.bin"),
    "unknown library": lambda v: entry(v).update(requires={"python": "3"}),
    "no version": lambda v: entry(v).update(requires={"onnxruntime": "new"}),
    "another hash": lambda v: graph(v).update(sha256="0" * 64),
    "another hash of all": lambda v: v["files"].update({"parameters.bin": "0" * 64}),
    "number beyond floats": lambda v: v.update(id=10**400),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_manifest_is_refused_alike(library: ctypes.CDLL, copied: Path, name: str) -> None:
    rewrite(copied, CHANGES[name])
    size = copied / ("208x352" if name == "no multiple" else "192x352")
    said = refusal(library, size)
    wanted = python_refusal(size)
    if name == "number beyond floats":  # a double cannot hold it
        assert said.startswith(str(copied / "manifest.json")) and "\n" not in said
    else:
        assert said == wanted


DAMAGES: dict[str, Callable[[Path], object]] = {
    "no folder": shutil.rmtree,
    "no JSON": lambda root: (root / "manifest.json").write_text("{"),
    "a list": lambda root: (root / "manifest.json").write_text("[]\n"),
    "one byte": lambda root: append(root / "manifest.json"),
    "a changed graph": lambda root: (root / "192x352" / "motion.onnx").write_bytes(b"\x08\x08"),
    "no graph": lambda root: (root / "192x352" / "motion.onnx").write_bytes(b"what is this"),
    "a missing graph": lambda root: (root / "192x352" / "motion.onnx").unlink(),
    "a folder for a graph": lambda root: replace_by_folder(root / "192x352" / "motion.onnx"),
    "a cut golden file": lambda root: (root / "192x352" / "golden.npz").write_bytes(b"PK"),
    "other parameters": lambda root: replace_by_others(root / "parameters.bin"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_bundle_is_refused_alike(library: ctypes.CDLL, copied: Path, name: str) -> None:
    DAMAGES[name](copied)
    said = refusal(library, copied / "192x352")
    wanted = python_refusal(copied / "192x352")
    if name == "no JSON":  # the reason is each parser's own
        said = said.partition("(")[0]
        wanted = wanted.partition("(")[0]
    assert said == wanted


def test_an_unknown_size_is_refused_alike(library: ctypes.CDLL, copied: Path) -> None:
    assert refusal(library, copied / "64x64") == python_refusal(copied / "64x64")


def test_keys_and_signatures_are_refused_alike(
    library: ctypes.CDLL, copied: Path, tmp_path: Path
) -> None:
    key, trusted = make_keys(tmp_path)
    public = Ed25519PrivateKey.generate().public_key()
    other = tmp_path / "other.pem"
    other.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    size = copied / "192x352"
    cases: list[Path] = [tmp_path / "none.pem", Path(""), tmp_path, trusted]
    for trust in cases:
        assert refusal(library, size, trust) == python_refusal(size, trust)
    (tmp_path / "text.pem").write_text("no key")
    assert "is not a public key" in refusal(library, size, tmp_path / "text.pem")
    sign_file(copied / "manifest.json", key, copied / "manifest.sig")
    assert refusal(library, size, other) == python_refusal(size, other)
    rewrite(copied, lambda v: v.update(id="another"))
    assert refusal(library, size, trusted) == python_refusal(size, trusted)
    assert "was not signed by the owner" in refusal(library, size, trusted)
