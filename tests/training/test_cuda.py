"""Training on a simulated GPU (`tests/tools/pretend_cuda.py`).

The tests cover devices, precisions, and what the host waits for.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mapt.config import preset
from mapt.data.loader import load_batches
from mapt.errors import InputError
from mapt.evaluation.device import arithmetic, find_device
from mapt.evaluation.test_time_scales import ScaledBackend
from mapt.evaluation.torch_backend import TorchBackend, TorchTensor
from mapt.model.batch import image_generators
from mapt.model.heads.rpn import rpn_losses
from mapt.model.network import Network
from mapt.model.targets import FrameTargets, PairBatch
from mapt.model.weights import load_weights, save_weights
from mapt.ops import compiled
from mapt.runtime import PanopticTracker
from mapt.training.checkpoint import checkpoints
from mapt.training.config import TrainConfig
from mapt.training.distributed import Rank
from mapt.training.loop import train
from mapt.training.sources import build_samples
from mapt.training.state import _synchronise_norms, start_state
from mapt.training.steps import step
from tests.conftest import Ran
from tests.tools.pretend_cuda import CUDA, PretendCuda, pretend_cuda

Tiny = Callable[..., TrainConfig]
PYRAMID = [(64, 64 // s, 128 // s) for s in (4, 8, 16, 32)]  # of `nano` at 64x128
ON_GPU = ("device=cuda", "schedule.iterations=2")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[PretendCuda]:
    """A GPU, with the compiled operators where they are built for the CPU."""
    monkeypatch.setattr(compiled, "MISSING_CUDA", compiled.MISSING)
    with pretend_cuda(monkeypatch) as machine:
        yield machine


def first_batch(config: TrainConfig, folder: Path) -> PairBatch:
    return next(load_batches(build_samples(config, folder), config.schedule.batch, 0, 1, 0))


def weights_of(path: Path) -> dict[str, Tensor]:
    return dict(load_weights(path).state_dict())


def test_a_run_validates_stops_and_resumes_as_on_a_cpu(
    tiny: Tiny, step_folder: Path, tmp_path: Path, machine: PretendCuda
) -> None:
    """A run on a GPU equals a run on the CPU to the bit.

    The operations are the CPU's, so only what is done differently for a GPU could differ.
    """
    own = (
        "checkpoint_every=1",
        f"evaluation.root={step_folder}",
        "evaluation.split=train",
        "evaluation.every=2",
    )
    whole = train(tiny(*ON_GPU, *own), tmp_path / "gpu")
    log = (tmp_path / "gpu" / "log.txt").read_text()
    assert "1 x cuda:0 (pretended, float32 without TF32)" in log and "evaluation at 2: " in log
    first = weights_of(whole)
    torch.cuda.set_rng_state(torch.zeros(16, dtype=torch.uint8), CUDA)
    checkpoints(tmp_path / "gpu")[-1].unlink()  # as if the run had died in its second step
    again = train(tiny(*ON_GPU, *own), tmp_path / "gpu", resume=True)
    assert torch.cuda.get_rng_state(CUDA).tolist() == list(range(16))
    on_host = train(tiny("device=cpu", *ON_GPU[1:]), tmp_path / "cpu")
    for other in (again, on_host):
        assert all(torch.equal(tensor, first[name]) for name, tensor in weights_of(other).items())


@pytest.mark.parametrize(
    "changes",
    [
        ("bf16=true",),
        ("fp16=true", "recompute=true", "schedule.optimizer=adamw"),
        ('heads=["semantic","instance"]', "frozen_norm=true", "channels_last=false"),
        ('heads=["motion","appearance"]', "shared=false"),
        ("model.preset=base", "model.semantic_balance=0.5", "model.semantic_jaccard=0.5"),
    ],
    ids=lambda changes: changes[0],
)
def test_a_step(changes: tuple[str, ...], tiny: Tiny, tmp_path: Path, machine: PretendCuda) -> None:
    config = tiny("device=cuda", *changes)
    torch.manual_seed(0)
    init = None
    if not config.shared:
        init = tmp_path / "init.safetensors"
        save_weights(init, Network(config.model))
    state = start_state(config, init, Rank(CUDA))
    state.scaler.load_state_dict(
        {**state.scaler.state_dict(), "scale": 16.0} if config.fp16 else {}
    )
    before = {
        name: p.detach().clone() for name, p in state.network.named_parameters() if p.requires_grad
    }
    losses, norm = step(state, first_batch(config, tmp_path), config)
    assert all(np.isfinite(value) for value in (norm, *losses.values()))
    after = dict(state.network.named_parameters())
    moved = [name for name, p in before.items() if not torch.equal(p, after[name])]
    assert len(moved) > len(before) // 2 and all(p.is_cuda for p in after.values())
    assert all(t.is_cuda for t in state.averaged.state_dict().values())


def test_a_step_waits_for_its_numbers_once(
    tiny: Tiny, tmp_path: Path, machine: PretendCuda
) -> None:
    """After the losses, whose samples depend on values."""
    config = tiny("device=cuda")
    state = start_state(config, None, Rank(CUDA))
    waited = []

    class Watched(nn.Module):
        def forward(self, batch: PairBatch) -> dict[str, Tensor]:
            losses = state.network.losses(batch)
            waited.append(len(machine.waits))
            return losses

    state.module = Watched()
    step(state, first_batch(config, tmp_path), config)
    assert machine.waits[waited[0] :] == ["cpu"]


def test_how_often_a_step_waits(tiny: Tiny, tmp_path: Path, machine: PretendCuda) -> None:
    """Counts decide how many boxes are drawn: of pairs, anchors, proposals and samples."""
    config = tiny("device=cuda")
    state = start_state(config, None, Rank(CUDA))
    batch = first_batch(config, tmp_path).to(CUDA)
    machine.waits.clear()
    step(state, batch, config)
    assert machine.waits == ["cpu"] * 5, "four counts, and the losses"


def test_an_anchor_of_two_objects_goes_to_the_last_on_every_device(machine: PretendCuda) -> None:
    """Written twice, it would go to either on a GPU; the machine refuses that."""
    network = Network(preset("nano", height=64, width=128)).to("cuda")
    box = torch.tensor([[40.0, 20, 60, 40]]).repeat(2, 1)
    empty = torch.zeros(64, 128, dtype=torch.uint8)
    ids = torch.tensor([1, 2])
    target = FrameTargets(empty, empty, box, torch.tensor([13, 13]), ids, torch.zeros(0, 4)).to(
        CUDA
    )
    image = torch.zeros(1, 64, 128, 3, dtype=torch.uint8, device="cuda")
    output = network.rpn(network.features(image)[0])
    batch = PairBatch(image, image, image, [], [], ["one"], [0])
    score, _ = rpn_losses(output, [target], image_generators(batch)[:1])
    assert score.is_cuda and bool(score.isfinite())


def test_scales_and_the_tracker_run_on_a_gpu(
    machine: PretendCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    network = Network(preset("nano", height=64, width=128)).eval()
    image = np.random.default_rng(0).integers(0, 256, (64, 128, 3), np.uint8)

    def labels(backend: TorchBackend) -> np.ndarray:
        tracker = PanopticTracker(backend)
        return np.stack([tracker.step(image, stamp * 100_000_000).semantic for stamp in range(2)])

    host = [labels(kind(network)) for kind in (TorchBackend, ScaledBackend)]
    on_gpu = network.to("cuda")
    left: list[int] = []
    fetch = TorchTensor.numpy

    def noted(self: TorchTensor) -> np.ndarray:
        values = fetch(self)
        assert values.shape[1:] not in PYRAMID, "features never leave the GPU"
        left.append(values.nbytes)
        return values

    monkeypatch.setattr(TorchTensor, "numpy", noted)
    for kind, want in zip((TorchBackend, ScaledBackend), host, strict=True):
        left.clear()
        backend = kind(on_gpu)
        assert backend.device == CUDA
        np.testing.assert_array_equal(labels(backend), want)
        assert backend.traffic.down == sum(left), "only what the host reads leaves the GPU"
        assert backend.traffic.up >= 2 * image.nbytes and backend.traffic.waits == len(left)


def test_the_reference_computes_in_float32_and_training_as_configured(
    tiny: Tiny, tmp_path: Path, machine: PretendCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, set[tuple[bool, bool]]] = {"reference": set(), "training": set()}
    forward = Network.losses
    losses = TorchBackend._compute

    def flags() -> tuple[bool, bool]:
        return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32

    def of_training(self: Network, batch: PairBatch) -> dict[str, Tensor]:
        seen["training"].add(flags())
        return forward(self, batch)

    def of_reference(self: TorchBackend, *arguments: object) -> object:
        seen["reference"].add(flags())
        return losses(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Network, "losses", of_training)
    monkeypatch.setattr(TorchBackend, "_compute", of_reference)
    before = flags()
    train(tiny("device=cuda", "schedule.iterations=1", "tf32=true"), tmp_path / "run")
    assert seen == {"reference": {(False, False)}, "training": {(True, True)}} and flags() == before
    assert "(pretended, TF32)" in (tmp_path / "run" / "log.txt").read_text()
    with arithmetic():
        assert flags() == (False, False)


def test_heads_that_do_not_learn_keep_their_norms_still_on_several_gpus() -> None:
    """Synchronised norms take the places of the others, also of those that must not learn."""
    network = Network(preset("nano", height=64, width=128))
    network.learn(heads=["motion"], shared=False)
    _synchronise_norms(network)
    network.train()
    norms = {
        n: m for n, m in network.named_modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)
    }
    assert any(isinstance(norm, nn.SyncBatchNorm) for norm in norms.values())
    assert {name.partition(".")[0] for name, norm in norms.items() if norm.training} == {"motion"}


def test_batches_for_a_gpu_lie_in_pinned_memory(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = first_batch(tiny(), tmp_path)
    pinned = list[Tensor]()

    def pin(self: Tensor) -> Tensor:
        pinned.append(self)
        return self

    monkeypatch.setattr(Tensor, "pin_memory", pin)
    torch.utils.data._utils.pin_memory.pin_memory(batch)
    tensors = [t for frame in (*batch.prev, *batch.now) for t in vars(frame).values()]
    tensors += [batch.images_before, batch.images_prev, batch.images]
    assert {id(t) for t in tensors} == {id(t) for t in pinned}


def test_a_device_that_is_not_there_is_refused_in_one_line(
    mapt: Callable[..., Ran],
    config_file: Path,
    street: Path,
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    weights = bundle / "weights.safetensors"
    out = tmp_path / "out"
    why = "finds no GPU on this machine"
    for command, said in (
        (
            ("track", street, "--model", weights, "--out", out, "--device", "cuda"),
            f"--device cuda: PyTorch, .*{why}",
        ),
        (
            ("track", street, "--model", weights, "--out", out, "--device", "gpu"),
            "--device gpu: is no device; choose",
        ),
        (
            ("bench", bundle, "--device", "cuda:1"),
            f"--device cuda:1: PyTorch, .*{why}; take another device, or cpu",
        ),
        (
            ("train", config_file, "--set", "device=cuda", "--out", out),
            f"device = cuda: PyTorch, .*{why}, process 0",
        ),
    ):
        ran = mapt(*command)
        assert ran.code == 2 and len(ran.err.strip().splitlines()) == 1, command
        assert re.search(said, ran.err), command
    assert not out.exists()


def test_the_names_of_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert find_device("auto").type == find_device("cpu").type == "cpu"
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(InputError, match="--device cuda: this PyTorch is built for the CPU alone"):
        find_device("cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert find_device("auto") == find_device("cuda") == CUDA and find_device("cuda:1").index == 1
    with pytest.raises(
        InputError, match="--device cuda:2: this machine has 2 GPUs, counted from 0"
    ):
        find_device("cuda:2")
    for name in ("cpu:1", "cuda:x", "cuda:-1"):
        with pytest.raises(InputError, match="is no device; choose auto, cpu, cuda or cuda:N"):
            find_device(name)


def test_weights_are_tracked_on_the_gpu_that_is_there(
    mapt: Callable[..., Ran], bundle: Path, street: Path, tmp_path: Path, machine: PretendCuda
) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    for path in sorted(street.glob("training/image_02/*/*.png"))[:2]:
        (frames / path.name).write_bytes(path.read_bytes())
    ran = mapt(
        "track",
        frames,
        "--model",
        bundle / "weights.safetensors",
        "--out",
        tmp_path / "out",
        "--save",
        "json",
        "--size",
        "64x128",
    )
    assert ran.code == 0 and "PyTorch on cuda:0 (pretended, float32 without TF32)" in ran.out, (
        ran.err
    )


def test_a_precision_that_the_gpu_lacks_is_refused(
    tiny: Tiny, machine: PretendCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_: False)
    with pytest.raises(InputError, match="bf16 = true: this GPU has no bfloat16; use fp16"):
        start_state(tiny("bf16=true"), None, Rank(CUDA))
