import pytest
import torch
from torch import nn

from mapt.training.config import Schedule
from mapt.training.optimizer import MovingAverage, build_optimizer, rate_at


def test_the_schedule_of_the_paper() -> None:
    schedule = Schedule(iterations=1000, rate=0.01, warmup=200, milestones=(0.5, 0.8))
    expected = {0: 0.01 / 3, 100: 0.02 / 3, 199: 0.01 * (1 + 2 * 199 / 200) / 3, 200: 0.01}
    expected |= {499: 0.01, 500: 0.001, 799: 0.001, 800: 0.0001, 999: 0.0001}
    for iteration, rate in expected.items():
        assert rate_at(iteration, schedule) == pytest.approx(rate, rel=1e-12)


def test_no_warm_up() -> None:
    assert rate_at(0, Schedule(warmup=0)) == 0.01


def test_adamw_takes_the_same_groups() -> None:
    groups = {}
    for name in ("sgd", "adamw"):
        optimizer = build_optimizer(
            nn.Conv2d(3, 4, 3), Schedule(optimizer=name, new_rate=3.0, momentum=0.8)
        )
        groups[name] = [
            (g["factor"], g["weight_decay"], len(g["params"])) for g in optimizer.param_groups
        ]
    assert groups["sgd"] == groups["adamw"] == [(3.0, 1e-4, 1), (3.0, 0.0, 1)]
    assert isinstance(optimizer, torch.optim.AdamW) and optimizer.param_groups[0]["betas"] == (
        0.8,
        0.999,
    )


def test_decay_spares_norms_and_biases_and_frozen_weights_stay_out() -> None:
    conv = nn.Conv2d(3, 4, 3)
    norm = nn.BatchNorm2d(4)
    frozen = nn.Conv2d(4, 4, 1, bias=False)
    network = nn.Sequential(conv, norm, frozen)
    frozen.requires_grad_(False)
    optimizer = build_optimizer(network, Schedule(weight_decay=0.1))
    decay = {
        id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]
    }
    assert decay == {
        id(conv.weight): 0.1,
        id(conv.bias): 0.0,
        id(norm.weight): 0.0,
        id(norm.bias): 0.0,
    }


def test_the_average_follows_its_definition() -> None:
    linear = nn.Linear(2, 2)
    norm = nn.BatchNorm1d(2)
    assert norm.running_mean is not None and norm.num_batches_tracked is not None
    network = nn.Sequential(linear, norm)
    average = MovingAverage(network, 0.9)
    expected = linear.weight.detach().clone()
    for update in range(1, 200):
        with torch.no_grad():
            linear.weight.add_(torch.randn(2, 2))
            norm.running_mean.add_(1)
        norm.num_batches_tracked.add_(1)
        average.update(network)
        momentum = min(0.9, update / (update + 10))
        expected = momentum * expected + (1 - momentum) * linear.weight.detach()
    averaged = average.network.state_dict()
    assert torch.allclose(averaged["0.weight"], expected, atol=1e-5)
    assert 189 < float(averaged["1.running_mean"][0]) < 199  # lags behind the live statistics
    assert int(averaged["1.num_batches_tracked"]) == 199
    assert not average.network.training and not any(
        p.requires_grad for p in average.network.parameters()
    )
