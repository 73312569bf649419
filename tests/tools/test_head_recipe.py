"""A head is added in the files that ARCHITECTURE names, and in no others."""

import re
from pathlib import Path

from tests.tools.test_recipes import copy, named, run

__all__ = ["copy"]  # a fixture

HEAD = '''"""Computes a depth for every cell of P8, and a loss that draws depths to 1."""

from torch import Tensor, nn

from mapt.config import ModelConfig


class DepthHead(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(config.fpn_channels, 1, 1)

    def forward(self, p8: Tensor) -> Tensor:
        return nn.functional.relu(self.convolution(p8)).float()


def depth_loss(depth: Tensor) -> Tensor:
    return (depth - 1).square().mean()
'''
NETWORK = (
    (
        "from mapt.model.heads.instance import BOX",
        "from mapt.model.heads.depth import DepthHead, depth_loss\n"
        "from mapt.model.heads.instance import BOX",
    ),
    ('"motion", "appearance"]', '"motion", "appearance", "depth"]'),
    ('    "motion": "motion",\n', '    "motion": "motion",\n    "depth": "depth",\n'),
    (
        "        self.motion = MotionHead(config)\n",
        "        self.motion = MotionHead(config)\n        self.depth = DepthHead(config)\n",
    ),
    (
        "        losses = {}\n",
        "        losses = {}\n"
        '        if "depth" in self.heads:\n'
        '            losses["depth"] = depth_loss(self.depth(pyramid.p8))\n',
    ),
)
SUBGRAPH = """class DepthGraph(nn.Module):
    def __init__(self, network: Network) -> None:
        super().__init__()
        self.depth = network.depth

    def forward(self, p8: Tensor) -> Tensor:
        return self.depth(p8)


def build_subgraphs("""
SUBGRAPHS = (
    ("def build_subgraphs(", SUBGRAPH),
    (
        '        "motion": MotionGraph(network),\n',
        '        "motion": MotionGraph(network),\n        "depth": DepthGraph(network),\n',
    ),
)
CONTRACT = (
    ('"motion", "appearance"]', '"motion", "appearance", "depth"]'),
    (
        '        (_f32("embeddings", "N", "E"),),\n    ),\n',
        '        (_f32("embeddings", "N", "E"),),\n    ),\n'
        '    SubgraphSpec("depth", (_PYRAMID[1],), (_f32("depth", 1, 1, "H/8", "W/8"),)),\n',
    ),
)
PIPELINE = (
    (
        '    with clock.stage("instance"):\n        slots',
        '    with clock.stage("depth"):\n'
        '        run(backend, "depth", {"p8": pyramid["p8"]})\n'
        '    with clock.stage("instance"):\n        slots',
    ),
)
FLOPS = (
    (
        '        instances = _instances(network, info.sizes["D"], rows)\n',
        '        _, depth = count(graphs["depth"], pyramid.p8)\n'
        '        instances = _instances(network, info.sizes["D"], rows)\n',
    ),
    (
        '        "motion": HeadCost(',
        '        "depth": HeadCost(_parameters(network.depth), depth.total),\n'
        '        "motion": HeadCost(',
    ),
)
EDITS = {
    "mapt/model/network.py": NETWORK,
    "mapt/contract.py": CONTRACT,
    "mapt/model/subgraphs.py": SUBGRAPHS,
    "runtime/perception/pipeline.py": PIPELINE,
    "bench/report/constants.py": (
        ('"motion", "appearance")\n', '"motion", "appearance", "depth")\n'),
        (
            '    "appearance",\n    "association",\n',
            '    "appearance",\n    "depth",\n    "association",\n',
        ),
    ),
    "bench/costs/flops.py": FLOPS,
}
USE = """
import numpy as np
import onnxruntime
import torch

from mapt.bench.costs.flops import count_heads
from mapt.bench.report.constants import NETWORKS, STAGES
from mapt.config import preset
from mapt.evaluation.torch_backend import TorchBackend
from mapt.export.lowering.folded_subgraphs import list_subgraphs
from mapt.export.lowering.tracing import finish, trace
from mapt.model.network import HEADS, Network
from mapt.runtime import PanopticTracker
from mapt.runtime.perception.self_test import layout, run_golden

torch.set_num_threads(1)
assert "depth" in HEADS and "depth" in NETWORKS and "depth" in STAGES
network = Network(preset("nano", height=64, width=96)).eval()
assert count_heads(network)["depth"].flops == 64 * 8 * 12

backend = TorchBackend(network)
image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
assert "depth" in PanopticTracker(backend).step(image, 0).timings_ms
samples, given = run_golden(backend, image[None])
assert layout(backend.info).keys() == {"image", *given, *samples}

depth = next(s for s in list_subgraphs(network, backend.info) if s.spec.name == "depth")
graph = finish(trace(depth), depth, backend.info, "gridsample", "cpu").SerializeToString()
session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
p8 = np.ones((1, backend.info.sizes["F"], 8, 12), np.float32)
wanted = backend.run("depth", {"p8": p8})["depth"]
np.testing.assert_allclose(session.run(None, {"p8": p8})[0], wanted, atol=1e-5)
print("ran")
"""


def test_a_head_is_eight_files(copy: Path) -> None:
    others = named("head") - {"mapt/model/heads/<head>.py", *EDITS}
    assert len(others) == 1 and set(EDITS) < named("head")
    (copy / "mapt/model/heads/depth.py").write_text(HEAD)
    for name, edits in EDITS.items():
        text = (copy / name).read_text()
        for before, after in edits:
            assert text.count(before) == 1, (name, before)
            text = text.replace(before, after)
        (copy / name).write_text(text)
    formats = copy / others.pop()
    raised, count = re.subn(r"^FORMAT = \d+", "FORMAT = 1000", formats.read_text(), flags=re.M)
    assert count == 1
    formats.write_text(raised)
    assert run(copy, USE) == "ran"
