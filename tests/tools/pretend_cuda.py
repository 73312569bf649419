"""A simulated CUDA device, whose tensors hold their values on the CPU.

The tensors report that they are on the device.

PyTorch's fake tensors have no values, so what depends on values (drawing boxes, a loss that is
looked at) ends there. These have values and keep the same rule: tensors of two devices do not meet
in one operation. They also note what a host would have to wait for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
import torchvision  # noqa: F401  (its operators)
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.nn.utils import clip_grad
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

CUDA = torch.device("cuda", 0)
CPU = torch.device("cpu")
aten = torch.ops.aten

# The host reads a value, or must know it for the size of the result.
WAITS = (
    aten._local_scalar_dense.default,
    aten.equal.default,
    aten.is_nonzero.default,
    aten.nonzero.default,
    aten.masked_select.default,
    aten._unique2.default,
    aten.bincount.default,
    torch.ops.torchvision.nms.default,
)
INDEXING = (
    aten.index.Tensor,
    aten.index_put_.default,
    aten.index_put.default,
    aten._index_put_impl_.default,
)
MISPLACED = "tensors of two devices"


class PretendTensor(Tensor):
    """Values on the CPU that say they are on a GPU.

    Only Python is told so: PyTorch's engine of gradients would look for the GPU's streams.
    """

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> PretendTensor:
        """A tensor of the shape, type and strides of `held`."""
        made: PretendTensor = Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=CPU,
        )
        made.held = held
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        """Where it says it lies."""
        return CUDA

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        """Does it lie on a GPU?"""
        return True

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        """As that of a tensor on a GPU."""
        named = [
            a for a in (*args, kwargs.pop("device", None)) if isinstance(a, (str, torch.device))
        ]
        rest: Any = [
            a.dtype if isinstance(a, Tensor) else a
            for a in args
            if not isinstance(a, (str, torch.device))
        ]
        named += [a.device for a in args if isinstance(a, Tensor)]
        if any(torch.device(name).type == "cpu" for name in named):
            return self.cpu().to(*rest, **kwargs)
        return super().to(*rest, **kwargs) if rest or kwargs else self

    def cpu(self) -> Tensor:  # type: ignore[override]
        """The values, which the host waits for."""
        PretendCuda.current.waits.append("cpu")
        return self.held.clone()

    def tolist(self) -> Any:
        """The values as numbers."""
        return self.cpu().tolist()

    def numpy(self, *, force: bool = False) -> Any:
        """As on a GPU."""
        raise TypeError("a tensor on a GPU is no array; use .cpu() first")

    def __deepcopy__(self, memo: dict[int, object]) -> Tensor:
        """As that of a tensor, whose own would look for memory."""
        copied = self.detach().clone()
        made = (
            torch.nn.Parameter(copied, self.requires_grad)
            if isinstance(self, torch.nn.Parameter)
            else copied
        )
        memo[id(self)] = made
        return made

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Stored like its values."""
        return self.held.__reduce_ex__(protocol)

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        """Its values and where they are said to be."""
        return f"PretendTensor({self.held!r})"

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Outside of the machine there is nothing to run on."""
        raise RuntimeError(f"{func}: outside of pretend_cuda()")


class PinnedTensor(Tensor):
    """Values in memory from which a GPU copies while the host goes on."""

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, held: Tensor) -> PinnedTensor:
        """The same values."""
        return Tensor._make_subclass(cls, held)


class PretendCuda(TorchDispatchMode):
    """Runs every operation on the CPU, and keeps account of devices.

    Attributes:
        waits: the operations for which a host would have waited, in order.
    """

    current: PretendCuda

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.waits: list[str] = []
        PretendCuda.current = self

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """See `TorchDispatchMode`."""
        grad = torch.is_grad_enabled()
        # Tensors made in inference mode cannot be changed or saved outside of it.
        with torch.inference_mode(False), torch.set_grad_enabled(grad):
            if torch._C._dispatch_has_kernel_for_dispatch_key(
                func.name(), "CompositeImplicitAutograd"
            ):
                with self:  # comes undivided in inference mode
                    return func.decompose(*args, **(kwargs or {}))
            return self._dispatch(func, args, dict(kwargs or {}))

    def _dispatch(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        tensors = [a for a in tree_flatten((args, kwargs))[0] if isinstance(a, Tensor)]
        device = _result_device(func, args, kwargs, tensors)
        if (
            func in INDEXING[1:]
            and isinstance(args[0], PretendTensor)
            and not (args[3:] and args[3])
        ):
            _written_once(func, args[0], args[1])
        if func is aten._pin_memory.default:
            return PinnedTensor(args[0])
        ahead = kwargs.get("non_blocking") and isinstance(args[0], PinnedTensor)
        if not ahead and _waits(func, args, device, tensors):
            self.waits.append(str(func))
        if kwargs.get("device") is not None:
            kwargs["device"] = CPU
        with unset_fake_temporarily(), torch._C._AutoDispatchBelowAutograd():
            out = _run(func, *tree_map(_held, (args, kwargs)))
        if device.type != "cuda":
            return out
        # What is changed in place stays what it was.
        known = {id(t.held): t for t in tensors if isinstance(t, PretendTensor)}

        def lay(value: object) -> object:
            if not isinstance(value, Tensor):
                return value
            return known[id(value)] if id(value) in known else PretendTensor(value)

        return tree_map(lay, out)


def _held(value: object) -> object:
    return value.held if isinstance(value, PretendTensor) else value


def _result_device(
    func: Any, args: Any, kwargs: dict[str, Any], tensors: list[Tensor]
) -> torch.device:
    """Where the result lies; the operation's tensors must be together.

    Raises:
        RuntimeError: they are not.
    """
    if kwargs.get("device") is not None and not any(isinstance(t, PretendTensor) for t in tensors):
        return torch.device(
            kwargs["device"]
        )  # with a tensor, PyTorch's own code names the one it believes in
    if func is aten.copy_.default:
        return CUDA if isinstance(args[0], PretendTensor) else CPU
    gpu, host = (
        [t for t in tensors if isinstance(t, PretendTensor) is here] for here in (True, False)
    )
    if gpu and any(t.dim() or func in INDEXING for t in host):  # a number may be the host's
        raise RuntimeError(
            f"{func}: {MISPLACED}: {[(t.device.type, tuple(t.shape)) for t in tensors]}"
        )
    return CUDA if gpu else CPU


def _written_once(func: Any, target: Tensor, indices: Any) -> None:
    """Of values that are written to the same place, a GPU keeps any.

    Raises:
        RuntimeError: there are such.
    """
    with unset_fake_temporarily():
        count = torch.zeros(target.shape)
        places: Any = tuple(_held(i) for i in indices)
        count.index_put_(places, torch.ones(()), accumulate=True)
        if count.max() > 1:
            raise RuntimeError(f"{func}: {int(count.max())} values for one place")


def _waits(func: Any, args: Any, device: torch.device, tensors: list[Tensor]) -> bool:
    """Does the host wait for the GPU, or copy to it?"""
    on_gpu = [isinstance(t, PretendTensor) for t in tensors]
    if func in INDEXING:
        return any(on_gpu) and any(
            index is not None and index.dtype == torch.bool for index in args[1]
        )
    if func is aten._to_copy.default:
        return (device.type == "cuda") != on_gpu[0]
    if func is aten.copy_.default:
        return on_gpu[0] != on_gpu[1]
    return any(on_gpu) and func in WAITS


def _run(func: Any, args: Any, kwargs: Any) -> Any:
    # Some gradients in half precision are wrong on a CPU (`mapt.model.layers.DepthwiseConv`), some
    # are missing.
    half = next(
        (t.dtype for t in tree_flatten(args)[0] if isinstance(t, Tensor) and _is_half(t)), None
    )
    if half is None or func is not aten.convolution_backward.default:
        try:
            return func(*args, **kwargs)
        except (NotImplementedError, RuntimeError) as error:
            narrow = ("not implemented for", "float32 or float64 tensors")  # ours compute on a GPU
            if half is None or not any(said in str(error) for said in narrow):
                raise
    wide, keywords = tree_map(
        lambda v: v.float() if isinstance(v, Tensor) and _is_half(v) else v, (args, kwargs)
    )
    out = func(*wide, **keywords)
    return tree_map(
        lambda v: v.to(half) if isinstance(v, Tensor) and v.dtype == torch.float32 else v, out
    )


def _is_half(tensor: Tensor) -> bool:
    return tensor.dtype in (torch.float16, torch.bfloat16)


@contextmanager
def pretend_cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[PretendCuda]:
    """Inside, "cuda" is a device, and `monkeypatch` makes PyTorch believe it where it looks."""
    _believe(monkeypatch)
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(
        True
    )  # a module's `to` makes new parameters
    try:
        # In the fake mode "cuda" may be named without a driver; the machine above it takes every
        # operation first.
        with FakeTensorMode(), PretendCuda() as machine:
            yield machine
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(before)


def _believe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers of a machine with one GPU; autocast is the CPU's, with the same types."""
    generator = {"state": torch.arange(16, dtype=torch.uint8)}
    name = "_group_tensors_by_device_and_dtype"
    autocast = torch.autocast
    load = torch.load
    group = getattr(clip_grad, name)

    def autocast_on_cpu(_: str, *args: Any, **kwargs: Any) -> Any:
        return autocast("cpu", *args, **kwargs)

    def load_values(*args: Any, **kwargs: Any) -> Any:
        with unset_fake_temporarily():
            return load(*args, **kwargs)

    def group_where_they_say(lists: Any) -> Any:
        return {(lists[0][0].device, dtype): found for (_, dtype), found in group(lists).items()}

    monkeypatch.setattr(torch, "autocast", autocast_on_cpu)
    monkeypatch.setattr(torch, "load", load_values)
    monkeypatch.setattr(clip_grad, name, group_where_they_say)
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "pretended")
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda _: generator["state"])
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, _: generator.update(state=state))
