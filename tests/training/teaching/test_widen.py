"""A wider network computes what its teacher does, until it has learnt otherwise."""

import pytest
import torch

from mapt.config import preset
from mapt.errors import InputError
from mapt.model.network import Network
from mapt.training.teaching.widen import check_wider, widen

NARROW = {"fpn_channels": 8, "dpc_channels": 8, "head_channels": 8, "semantic_channels": 8}
WIDE = {**NARROW, "fpn_channels": 12, "dpc_channels": 20, "head_channels": 14}
SIZE = {"height": 64, "width": 96}


def _network(**widths: int) -> Network:
    return Network(preset("nano", **SIZE, **widths))


def _randomise(network: Network) -> None:
    """Give norms and biases values that are not those of a fresh network."""
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point() and tensor.ndim == 1:
                tensor.add_(torch.rand_like(tensor) * (0.5 if "running_var" in name else 0.2))


@torch.no_grad()
def test_a_wider_network_with_the_same_trunk_computes_the_same() -> None:
    torch.manual_seed(0)
    narrow = _network(**NARROW)
    _randomise(narrow)
    wide = _network(**WIDE)
    _randomise(wide)  # the new channels are not silent
    wide.backbone.load_state_dict(narrow.backbone.state_dict())
    widen(wide, narrow)
    narrow.eval()
    wide.eval()
    images = torch.randint(0, 256, (2, 64, 96, 3), dtype=torch.uint8)
    pyramid, semantic = narrow.features(images)
    wide_pyramid, wide_semantic = wide.features(images)
    for own, other in zip(wide_pyramid.levels(), pyramid.levels(), strict=True):
        assert own[:, 8:].abs().max() > 0
        torch.testing.assert_close(own[:, :8], other, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(wide_semantic.logits, semantic.logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(wide_semantic.s, semantic.s, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        wide.rpn(wide_pyramid).scores, narrow.rpn(pyramid).scores, rtol=1e-4, atol=1e-5
    )
    roi = torch.randn(3, 12, 14, 14)
    box = roi[:, :, :7, :7]
    mask = torch.rand(3, 7, 7)
    things = torch.tensor([0, 1, 0])
    torch.testing.assert_close(
        wide.instance.box(box), narrow.instance.box(box[:, :8]), rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(
        wide.instance.mask(roi, things), narrow.instance.mask(roi[:, :8], things)
    )
    f_p = torch.rand(3, 32, 7, 7)
    # Pooled features of new channels enter the attention of new channels alone.
    torch.testing.assert_close(
        wide.appearance(box, mask, f_p),
        narrow.appearance(box[:, :8], mask, f_p),
        rtol=1e-4,
        atol=1e-5,
    )
    fields = narrow.motion.offset_fields(semantic.s[:1], semantic.s[1:])
    torch.testing.assert_close(
        wide.motion.offset_fields(wide_semantic.s[:1], wide_semantic.s[1:]),
        fields,
        rtol=1e-4,
        atol=1e-5,
    )


def test_a_teacher_is_checked() -> None:
    nano = preset("nano")
    micro = preset("micro")
    check_wider(micro, nano, "w")
    with pytest.raises(InputError, match=r"^w: its fpn_channels is 96, the network's 64; a teach"):
        check_wider(nano, micro, "w")
    with pytest.raises(InputError, match=r"^w: its embedding is 64, the network's is 256; set mod"):
        check_wider(micro, preset("nano", embedding=64), "w")
    with pytest.raises(InputError, match=r"^w: it has 1 anchor_scales, the network 2; give model"):
        check_wider(micro, preset("nano", anchor_scales=(1.0,)), "w")
    with pytest.raises(InputError, match="class_names"):
        check_wider(micro, preset("nano", classes=2, class_names=("a", "b"), things=(1,)), "w")
