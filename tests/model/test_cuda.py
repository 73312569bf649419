"""The network on a simulated GPU.

PyTorch's fake tensors refuse to mix devices and have no values, as if they were on a real GPU.

What reads a value on the host raises here. The same places would make a host wait for a GPU, and
could not be captured in a CUDA graph.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from mapt.config import preset
from mapt.contract import BY_NAME, SUBGRAPHS
from mapt.model.heads.optical_flow import pack_grey
from mapt.model.network import Network
from mapt.model.subgraphs import build_subgraphs, model_info
from mapt.ops import compiled, greedy_nms, multiscale_roi_align, nms
from mapt.ops.roi_align import roi_levels
from tests.tools.pretend_cuda import pretend_cuda

CONFIGS = {
    "nano": preset("nano"),
    "base": preset("base"),
    "motion from the backbone": preset("nano", motion_input="backbone"),
    "appearance of boxes": preset("nano", appearance_input="box"),
    "seven classes": preset("nano", classes=7, things=[4]),
}


@pytest.fixture(params=["compiled", "torchvision"])
def operators(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What computes MAPT's operators on a GPU."""
    if request.param == "torchvision":
        monkeypatch.setattr(compiled, "MISSING_CUDA", "MAPT_OPS=torchvision")
    elif compiled.MISSING:
        pytest.skip(compiled.MISSING)
    else:
        monkeypatch.setattr(compiled, "MISSING_CUDA", "")


@contextmanager
def fake_gpu() -> Iterator[None]:
    """Every tensor made inside is without values; cuDNN has operators that have no fakes."""
    with FakeTensorMode(), torch.backends.cudnn.flags(enabled=False), torch.no_grad():
        yield


def on_fake_gpu(network: Network) -> Network:
    """Give it parameters and buffers without values on a GPU, of the same shapes and strides."""
    for module in network.modules():
        for own in (cast(dict[str, Any], module._parameters), module._buffers):
            for name, tensor in own.items():
                if tensor is not None:
                    made = torch.empty_strided(
                        tensor.shape, tensor.stride(), dtype=tensor.dtype, device="cuda"
                    )
                    own[name] = nn.Parameter(made) if isinstance(tensor, nn.Parameter) else made
    return network


def inputs_of(subgraph: str, network: Network) -> list[Tensor]:
    info = model_info(network.config, network.backbone.channels[2])
    return [
        torch.zeros(t.resolve(info.sizes), dtype=getattr(torch, t.dtype), device="cuda")
        for t in BY_NAME[subgraph].inputs
    ]


def run(graph: nn.Module, inputs: list[Tensor]) -> tuple[Tensor, ...]:
    found = graph(*inputs)
    return found if isinstance(found, tuple) else (found,)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_subgraph_stays_on_the_gpu_and_asks_the_host_nothing(
    name: str, operators: None
) -> None:
    network = Network(CONFIGS[name]).eval()
    with fake_gpu():
        graphs = build_subgraphs(on_fake_gpu(network))
        sizes = model_info(network.config, network.backbone.channels[2]).sizes
        for spec in SUBGRAPHS:
            outputs = run(graphs[spec.name], inputs_of(spec.name, network))
            assert {o.device.type for o in outputs} == {"cuda"}, spec.name
            shapes = [(tuple(o.shape), str(o.dtype).removeprefix("torch.")) for o in outputs]
            assert shapes == [(t.resolve(sizes), t.dtype) for t in spec.outputs], spec.name
        pyramid, semantic = network.features(inputs_of("backbone", network)[0])
        assert {t.device.type for t in (*pyramid.levels(), semantic.s, semantic.logits)} == {"cuda"}


def test_a_tensor_left_on_the_host_and_a_value_read_there_are_found(
    operators: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The faults that a GPU once showed, planted."""
    network = Network(CONFIGS["nano"]).eval()
    with fake_gpu():
        graphs = build_subgraphs(on_fake_gpu(network))
        graphs["semantic"].stuff = torch.tensor(network.config.stuff)
        with pytest.raises(RuntimeError, match="found at least two devices, cuda:0 and cpu"):
            graphs["semantic"](*inputs_of("semantic", network))
        monkeypatch.setattr(nms, "greedy_keep", lambda s: torch.equal(s, s) and s[0] > 0)
        with pytest.raises(DataDependentOutputException, match=r"aten\.equal"):
            graphs["instance"](*inputs_of("instance", network))


def test_nothing_goes_between_host_and_gpu_and_the_values_are_the_cpus(
    operators: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    network = Network(preset("nano", height=64, width=128)).eval()
    info = model_info(network.config, network.backbone.channels[2])
    given: dict[str, Tensor] = {"image": torch.randint(0, 256, (1, 64, 128, 3), dtype=torch.uint8)}
    given["rows"] = torch.arange(-1, info.sizes["N"] - 1, dtype=torch.int32)
    for spec in SUBGRAPHS:
        for t in spec.inputs:
            given.setdefault(
                t.name, torch.rand(t.resolve(info.sizes)) * (60 if t.name == "boxes" else 1)
            )
    with pretend_cuda(monkeypatch) as machine, torch.inference_mode():
        with compiled.disabled() if compiled.MISSING_CUDA else nullcontext():
            on_host = {
                name: run(graph, [given[t.name] for t in BY_NAME[name].inputs])
                for name, graph in build_subgraphs(network).items()
            }
        for name, graph in build_subgraphs(network.to("cuda")).items():
            inputs = [given[t.name].to("cuda") for t in BY_NAME[name].inputs]
            machine.waits.clear()
            found = run(graph, inputs)
            assert machine.waits == [], name
            for have, want in zip(found, on_host[name], strict=True):
                assert have.is_cuda and not want.is_cuda
                torch.testing.assert_close(have.cpu(), want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("count", [1, 7, 60])
def test_suppression_on_a_gpu_is_the_cpus(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also along a chain in which every box overlaps the next alone, and all rounds are needed."""
    torch.manual_seed(count)
    corner = torch.rand(count, 2) * 40
    scattered = torch.cat((corner, corner + 5 + 20 * torch.rand(count, 2)), 1)
    left = 4.0 * torch.arange(count)
    chain = torch.stack((left, left * 0, left + 10, left * 0 + 10), 1)
    groups = torch.randint(0, 2, (count,))
    valid = torch.rand(count) > 0.2
    for boxes, group, usable in ((scattered, groups, valid), (chain, groups * 0, valid | True)):
        want = greedy_nms(boxes, group, usable, 0.3)
        with pretend_cuda(monkeypatch) as machine:
            on_gpu = boxes.to("cuda"), group.to("cuda"), usable.to("cuda")
            machine.waits.clear()
            found = greedy_nms(*on_gpu, iou=0.3)
            assert machine.waits == [] and torch.equal(found.cpu(), want)


def test_torchvisions_roi_align_on_a_gpu_is_the_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Boxes of every level and none, values and gradients."""
    torch.manual_seed(1)
    features = [torch.rand(2, 3, 512 // s, 512 // s) for s in (4, 8, 16, 32)]
    side = torch.tensor([20.0, 150.0, 300.0, 500.0, 30.0])
    boxes = torch.stack(
        (torch.tensor([0.0, 1, 0, 1, 1]), side * 0, side * 0 + 3, side, side + 3), 1
    )
    assert sorted(set(roi_levels(boxes[:, 1:]).tolist())) == [0, 1, 2, 3]
    monkeypatch.setattr(compiled, "_enabled", False)

    def both(maps: list[Tensor], rows: Tensor) -> tuple[Tensor, ...]:
        leaves = [m.detach().clone().requires_grad_() for m in maps]
        out = multiscale_roi_align(leaves, rows, 7, (4, 8, 16, 32))
        return out.detach(), *torch.autograd.grad((out * out).sum(), leaves)

    want = both(features, boxes)
    with pretend_cuda(monkeypatch) as machine:
        maps = [f.to("cuda") for f in features]
        on_gpu = boxes.to("cuda")
        machine.waits.clear()
        found = both(maps, on_gpu)
        assert machine.waits == []
        for have, expected in zip(found, want, strict=True):
            torch.testing.assert_close(have.cpu(), expected)
        assert multiscale_roi_align(maps, on_gpu[:0], 7, (4, 8, 16, 32)).shape == (0, 3, 7, 7)


def test_flow_in_place_of_offsets_comes_back_to_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(preset("nano", motion_input="flow", height=64, width=128)).eval()
    images = torch.randint(0, 256, (2, 64, 128, 3), dtype=torch.uint8)
    want = network.motion.offset_fields(*(pack_grey(images[i : i + 1], 128) for i in range(2)))
    with pretend_cuda(monkeypatch):
        network.to("cuda")
        packed = [pack_grey(images[i : i + 1].to("cuda"), 128) for i in range(2)]
        found = network.motion.offset_fields(*packed)
        assert found.is_cuda and torch.equal(found.cpu(), want)
