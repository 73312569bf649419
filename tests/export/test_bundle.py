import json
import shutil
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from mapt.contract import SUBGRAPHS
from mapt.errors import InputError
from mapt.export.bundle import export_bundle
from mapt.export.check import compare
from mapt.runtime.bundle import read_bundle
from mapt.runtime.ort import OrtBackend
from mapt.shipped import shipped_weights
from mapt.training.backend import TorchBackend


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
        assert b"/home/" not in content and str(Path(__file__).parents[2]).encode() not in content


def test_another_process_exports_the_same_bytes(bundle: Path, tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from mapt.export.bundle import export_bundle as e; "
    code += "e(Path(sys.argv[1]), Path(sys.argv[2]))"
    subprocess.run([sys.executable, "-c", code, str(shipped_weights()), str(tmp_path / "again")], check=True)
    first, second = (sorted(p.name for p in folder.iterdir()) for folder in (bundle, tmp_path / "again"))
    assert first == second
    for name in first:
        assert (bundle / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_an_exported_bundle_can_be_exported_from_again(bundle: Path) -> None:
    """The bundle's own weights are the trained ones, tensor by tensor."""
    from safetensors.torch import load_file

    left, right = load_file(shipped_weights()), load_file(bundle / "weights.safetensors")
    assert left.keys() == right.keys()
    assert all(left[name].equal(right[name]) for name in left)


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
        export_bundle(path, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ([] if damage == "missing" else ["bad.safetensors"])


def test_an_older_bundle_is_replaced_whole(bundle: Path, tmp_path: Path) -> None:
    old = tmp_path / "bundle"
    shutil.copytree(bundle, old)
    (old / "engines").mkdir()
    with pytest.raises(InputError):
        export_bundle(tmp_path / "none.safetensors", old)
    assert (old / "engines").is_dir() and read_bundle(old).id == read_bundle(bundle).id
