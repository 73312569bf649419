import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from numpy.typing import NDArray

from mapt.contract import SUBGRAPHS
from mapt.errors import InputError
from mapt.evaluation.torch_backend import TorchBackend
from mapt.export.bundle.compare_outputs import compare
from mapt.export.bundle.writer import Request, export_bundle
from mapt.io.pretrained import shipped_weights
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.backends.protocol import Tensors
from mapt.runtime.bundle.manifest import read_bundle
from mapt.runtime.bundle.requirements import runnable_here
from mapt.runtime.bundle.signature import check_signature
from mapt.runtime.perception.self_test import difference, self_test


def make_keys(folder: Path) -> tuple[Path, Path]:
    """A private and a public Ed25519 key as PEM files; always the same."""
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    encoded = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "key.pem").write_bytes(encoded)
    (folder / "trusted.pem").write_bytes(public)
    return folder / "key.pem", folder / "trusted.pem"


def test_a_signed_bundle_is_trusted_until_a_byte_changes(gridsample: Path, tmp_path: Path) -> None:
    bundle = shutil.copytree(
        gridsample, tmp_path / "bundle", ignore=shutil.ignore_patterns("engines")
    )
    manifest = json.loads((bundle / "manifest.json").read_text())
    key, trusted = make_keys(tmp_path)
    check_signature(
        (bundle / "manifest.json").read_bytes(),
        bundle / "manifest.json",
        trusted,
        bundle / "manifest.sig",
    )
    read_bundle(gridsample, trusted)
    manifest["thresholds"]["score"] = 0.1  # no file's hash changes
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(
        InputError, match=r"manifest\.json: was not signed by the owner of .*trusted\.pem"
    ):
        read_bundle(bundle, trusted)
    (bundle / "manifest.sig").unlink()
    with pytest.raises(InputError, match=r"manifest\.sig: is missing, the bundle is not signed"):
        read_bundle(bundle, trusted)
    with pytest.raises(InputError, match=r"key\.pem: is not a public key"):
        read_bundle(bundle, key)
    with pytest.raises(InputError, match=r"trusted\.pem: is not a private key"):
        export_bundle(shipped_weights(), tmp_path / "out", Request(sign=trusted))
    assert not (tmp_path / "out").exists()


def test_the_golden_picture_proves_the_bundle(gridsample: Path) -> None:
    bundle = read_bundle(gridsample)
    assert bundle.golden == gridsample / "golden.npz"
    self_test(OrtBackend(bundle, threads=1), bundle)


@pytest.mark.parametrize(
    ("name", "tensor"), [("backbone", "p4"), ("semantic", "s"), ("appearance", "embeddings")]
)
def test_a_network_that_computes_otherwise_is_refused(
    gridsample: Path, name: str, tensor: str
) -> None:
    bundle = read_bundle(gridsample)
    backend = OrtBackend(bundle)

    class Skewed:
        info = backend.info
        name = "skewed"
        providers = backend.providers

        def run(self, subgraph: str, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
            out = backend.run(subgraph, inputs)
            return {k: v * 1.01 if (subgraph, k) == (name, tensor) else v for k, v in out.items()}

    with pytest.raises(InputError, match=r"golden\.npz: .* differs by .*; update ONNX Runtime"):
        self_test(Skewed(), bundle)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_not_finite_differs_infinitely(wrong: float) -> None:
    """NaN is above no limit: compared as it is, it would pass."""
    good = np.ones((2, 3), np.float32)
    bad = good.copy()
    bad[1, 1] = wrong
    assert difference(good, bad) == difference(bad, good) == difference(bad, bad) == np.inf
    assert difference(good, good) == 0


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY"])
def test_a_damaged_golden_file_is_named(gridsample: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "golden.npz").write_bytes(content)
    bundle = read_bundle(gridsample)
    with pytest.raises(InputError, match=r"golden\.npz: cannot be compared"):
        self_test(OrtBackend(bundle, threads=1), replace(bundle, golden=tmp_path / "golden.npz"))


def test_every_subgraph_equals_pytorch(bundle: Path) -> None:
    reference = TorchBackend.load(bundle / "weights.safetensors")
    deviations = compare(reference, OrtBackend(read_bundle(bundle), threads=1))
    assert [d.subgraph for d in deviations] == [s.name for s in SUBGRAPHS]
    assert {d.subgraph: d.tensor for d in deviations if d.relative > 2e-4} == {}


def test_graphs_are_standard_static_and_carry_nothing_of_the_machine(bundle: Path) -> None:
    for spec in SUBGRAPHS:
        path = bundle / f"{spec.name}.onnx"
        model = onnx.load(path)
        assert {opset.domain for opset in model.opset_import} <= {"", "ai.onnx"}
        assert not [n.name for n in model.graph.node if n.op_type == "BatchNormalization"]
        for value in (*model.graph.input, *model.graph.output):
            assert all(d.dim_value > 0 for d in value.type.tensor_type.shape.dim), value.name
        content = path.read_bytes()
        assert b"/home/" not in content and str(Path(__file__).parents[3]).encode() not in content


def test_another_process_exports_the_same_bytes(bundle: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from mapt.export.bundle.writer import Request,"
        " export_bundle as e; "
    )
    code += "e(Path(sys.argv[1]), Path(sys.argv[2]), Request(lowering=sys.argv[3]))"
    arguments = (str(shipped_weights()), str(tmp_path / "again"), runnable_here())
    subprocess.run([sys.executable, "-c", code, *arguments], check=True)
    first, second = (
        sorted(p.name for p in folder.iterdir()) for folder in (bundle, tmp_path / "again")
    )
    assert first == second
    for name in first:
        assert (bundle / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_an_exported_bundle_can_be_exported_from_again(bundle: Path) -> None:
    """The bundle's own weights are the trained ones, tensor by tensor."""
    from safetensors.torch import load_file

    left = load_file(shipped_weights())
    right = load_file(bundle / "weights.safetensors")
    assert left.keys() == right.keys()
    assert all(left[name].equal(right[name]) for name in left)


def test_an_older_bundle_is_converted_by_the_command_that_its_refusal_names(
    bundle: Path, tmp_path: Path, mapt: Callable[..., Any]
) -> None:
    old = shutil.copytree(bundle, tmp_path / "old bundle")
    manifest = json.loads((old / "manifest.json").read_text())
    (old / "manifest.json").write_text(json.dumps({**manifest, "format": 5}))
    refused = mapt("bench", old)
    assert refused.code == 2 and refused.err.count("\n") == 1
    ((command, options),) = re.findall(r"convert it with `(.*) --out NEW(.*)`", refused.err)
    assert (
        mapt(*shlex.split(command + options)[1:], "--out", tmp_path / "new", "--no-check").code == 0
    )
    assert read_bundle(tmp_path / "new").id == read_bundle(bundle).id


def test_a_folder_that_is_no_bundle_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match=r"is not a bundle; choose another --out"):
        export_bundle(shipped_weights(), tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "precious"


@pytest.mark.parametrize("damage", ["truncated", "text", "missing", "other preset"])
def test_bad_weights_are_refused_and_leave_nothing(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "bad.safetensors"
    content = shipped_weights().read_bytes()
    length = int.from_bytes(content[:8], "little")
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "text":
        path.write_text("not weights at all")
    elif damage == "other preset":
        header = json.loads(content[8 : 8 + length])
        config = json.loads(header["__metadata__"]["config"])
        config["fpn_channels"] *= 2
        header["__metadata__"]["config"] = json.dumps(config)
        text = json.dumps(header).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
    with pytest.raises(InputError, match=r"bad\.safetensors"):
        export_bundle(path, tmp_path / "out", Request(lowering=runnable_here()))
    assert [p.name for p in tmp_path.iterdir()] == (
        [] if damage == "missing" else ["bad.safetensors"]
    )


def test_an_older_bundle_is_replaced_whole(bundle: Path, tmp_path: Path) -> None:
    old = tmp_path / "bundle"
    shutil.copytree(bundle, old)
    (old / "engines").mkdir()
    with pytest.raises(InputError):
        export_bundle(tmp_path / "none.safetensors", old)
    assert (old / "engines").is_dir() and read_bundle(old).id == read_bundle(bundle).id
