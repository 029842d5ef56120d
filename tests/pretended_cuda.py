"""A CUDA device that is pretended, so that code for GPUs is tested where there is none.

Inside ``with pretended_cuda():`` a tensor made on, or moved to, ``"cuda"`` is kept on the CPU but
says that it is on ``cuda:0``. What a real device refuses is refused: an operation that mixes it
with a CPU tensor, ``.numpy()``, a generator of the other device. The answer of an operation stays
on the device. It costs some 50 microseconds an operation.

A tensor is a wrapper subclass whose C++ device is "meta" (so that no CUDA guard is needed) with the
real numbers beside it. A function mode sees moves and factories; a dispatch mode sees the tensors
that torch's composite functions make on their way.

Not pretended: streams, asynchronous errors, kernels that round differently, memory; and threads
other than the one that entered, in which "cuda" is what it is without.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

CUDA, CPU = torch.device("cuda:0"), torch.device("cpu")
_COPIES = ("aten._to_copy", "aten.copy_", "aten.copy")
"""Operations that may mix devices."""
_BY_INDEX = ("aten.index", "aten.index_put", "aten.index_put_", "aten._index_put_impl_")
"""Operations on a tensor of a device whose indices may be on the CPU."""
_JOINS = ("aten.cat", "aten.stack")
"""Operations that take not even numbers (tensors without axes) from elsewhere."""
_Dispatched = Callable[..., Any]
_TAIL = 16
"""By how many bytes the state of a pretended generator is longer."""


class PretendedTensor(Tensor):
    """A tensor that keeps its numbers on the CPU and says that it is on ``cuda:0``.

    Parameters
    ----------
    numbers : Tensor
        On the CPU; shared, not copied.
    """

    numbers: Tensor

    @staticmethod
    def __new__(cls, numbers: Tensor) -> PretendedTensor:
        made: PretendedTensor = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, numbers.shape, dtype=numbers.dtype, device="meta", strides=numbers.stride(),
            storage_offset=numbers.storage_offset(),
        )  # fmt: skip
        made.numbers = numbers
        return made

    device = property(lambda self: CUDA)
    is_cuda = property(lambda self: True)
    is_cpu = property(lambda self: False)
    is_meta = property(lambda self: False)

    def get_device(self) -> int:
        """Return the number of the device."""
        return 0

    def data_ptr(self) -> int:
        """Return where the numbers lie: of tensors that share them, the same."""
        return self.numbers.data_ptr()

    def cpu(self) -> Tensor:
        """Return a copy on the CPU."""
        return self.to("cpu")

    def tolist(self) -> Any:
        """Return the numbers as Python's, which a device allows."""
        return self.to("cpu").tolist()

    def numpy(self, *_: object, **__: object) -> Any:
        """Refuse, as a device does."""
        raise TypeError(
            "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor "
            "to host memory first."
        )

    __array__ = numpy

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        copied = PretendedTensor(self.numbers.detach().clone())
        memo[id(self)] = copied.requires_grad_(self.requires_grad)
        return copied

    def __repr__(self, **_: object) -> str:
        return f"PretendedTensor({self.numbers})"

    @classmethod
    def __torch_dispatch__(
        cls,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run an operation on the numbers, unless a device would refuse it."""
        options = dict(kwargs or {})
        _refuse_mixtures(func, args, options)
        device = options.get("device")
        if device is not None:
            options["device"] = CPU
        numbers, named = tree_map_only(cls, lambda t: t.numbers, (tuple(args), options))
        answer = func(*numbers, **named)
        if _writes_to_first(func):
            return args[0] if isinstance(args[0], Tensor) else answer
        if options.get("out") is not None:
            return options["out"]
        if device is not None and torch.device(device).type == "cpu":
            return answer
        return tree_map_only(Tensor, lambda t: t if isinstance(t, cls) else cls(t), answer)


def _refuse_mixtures(func: Any, args: Sequence[Any], options: Mapping[str, Any]) -> None:
    """Raise RuntimeError where an operation meets tensors of two devices."""
    name = func._schema.name.replace("::", ".")
    here: list[Tensor] = []
    there: list[Tensor] = []
    looked_at = args
    if name in _BY_INDEX and isinstance(args[0], PretendedTensor):
        looked_at = (args[0], *args[2:])
    tree_map_only(
        Tensor,
        lambda t: (here if isinstance(t, PretendedTensor) else there).append(t),
        (tuple(looked_at), dict(options)),
    )
    alien = there if name in _JOINS else [t for t in there if t.dim()]
    if here and alien and name not in _COPIES:
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, cuda:0 "
            f"and cpu! ({name})"
        )


def _writes_to_first(func: Any) -> bool:
    arguments = func._schema.arguments
    written = arguments[0].alias_info if arguments else None
    return written is not None and written.is_write


class PretendedGenerator(torch.Generator):
    """A generator that draws on the CPU and says for which device it was made.

    States of the two devices are of different sizes, as those of a CPU and a card are, and one of
    the other device is refused.
    """

    def __new__(cls, device: object = "cpu") -> PretendedGenerator:
        """Make one; torch itself sees no device but the CPU."""
        made = super().__new__(cls)
        made.place = torch.device(str(device))
        return made

    place: torch.device
    device = property(lambda self: CUDA if self.place.type == "cuda" else self.place)

    def get_state(self) -> Tensor:
        """Return the state, with a tail if it is that of the pretended device."""
        state = super().get_state()
        return torch.cat([state, state.new_zeros(_TAIL)]) if self.place.type == "cuda" else state

    def set_state(self, new_state: Tensor) -> torch.Generator:
        """Take up a state of the same device."""
        if new_state.numel() != self.get_state().numel():
            raise RuntimeError("RNG state is wrong size")
        tail = _TAIL if self.place.type == "cuda" else 0
        super().set_state(new_state[: new_state.numel() - tail].clone())
        return self


class _Intermediates(TorchDispatchMode):
    """Tensors that torch itself makes beside a pretended one are pretended as well."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        options = dict(kwargs or {})
        if any(issubclass(t, PretendedTensor) for t in types):
            return PretendedTensor.__torch_dispatch__(func, types, args, options)
        device = options.get("device")
        if device is not None and torch.device(device).type == "meta":
            return PretendedTensor(func(*args, **{**options, "device": CPU}))
        return func(*args, **options)


class _ToDevice(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return PretendedTensor(x.detach().clone())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (gradient,) = gradients
        if isinstance(gradient, PretendedTensor):
            back: Tensor = _ToHost.apply(gradient)
            return back
        return gradient


class _ToHost(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: PretendedTensor) -> Tensor:
        return x.numbers.detach().clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        back: Tensor = _ToDevice.apply(gradients[0])
        return back


def _is_cuda(device: object) -> bool:
    return isinstance(device, str | torch.device) and torch.device(device).type == "cuda"


def _with_tensors(index: object) -> object:
    """Lists and arrays in an index as tensors: torch would lose their numbers on "meta"."""
    if isinstance(index, tuple):
        return tuple(_with_tensors(part) for part in index)
    is_array = isinstance(index, list | range) or type(index).__module__ == "numpy"
    return torch.as_tensor(index) if is_array else index


class _Moves(TorchFunctionMode):
    """Moves to the device and factories on it, before torch's own guard sees them."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        options = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if name in ("to", "cuda", "type_as") and args and isinstance(args[0], Tensor):
            return _moved(name, args[0], list(args[1:]), options)
        if name in ("__getitem__", "__setitem__") and isinstance(args[0], PretendedTensor):
            args = (args[0], _with_tensors(args[1]), *args[2:])
        _refuse_generator(args, options)
        if _is_cuda(options.get("device")):
            return _made(func, args, options)
        return func(*args, **options)


def _refuse_generator(args: Sequence[Any], options: Mapping[str, Any]) -> None:
    """Raise RuntimeError where numbers are drawn by a generator of another device."""
    generator = options.get("generator")
    if generator is None:
        return
    here = isinstance(args[0], PretendedTensor) if args else False
    wanted = "cuda" if here or _is_cuda(options.get("device")) else "cpu"
    if generator.device.type != wanted:
        raise RuntimeError(
            f"Expected a '{wanted}' device type for generator but found '{generator.device.type}'"
        )


def _made(func: _Dispatched, args: Any, options: dict[str, Any]) -> Tensor:
    """What a factory makes on the device."""
    options["device"] = CPU
    if args and isinstance(args[0], PretendedTensor):
        args = (args[0].detach().to("cpu"), *args[1:])
    leaf = bool(options.pop("requires_grad", False))
    made: Tensor = _ToDevice.apply(func(*args, **options))
    return made.detach().requires_grad_() if leaf else made


def _moved(name: str, x: Tensor, rest: list[Any], options: dict[str, Any]) -> Tensor:
    """What ``x.to(…)``, ``x.cuda()`` or ``x.type_as(…)`` returns."""
    device = "cuda" if name == "cuda" else options.pop("device", None)
    for i, argument in enumerate(rest):
        if isinstance(argument, str | torch.device):
            device = rest.pop(i)
            break
        if isinstance(argument, Tensor):
            device, rest[i] = argument.device, argument.dtype
            break
    options.pop("non_blocking", None)
    if rest[:1] == [None]:
        rest = rest[2:]  # modules pass no precision, and whether to wait
    if device is not None and _is_cuda(device) != isinstance(x, PretendedTensor):
        x = _ToDevice.apply(x) if _is_cuda(device) else _ToHost.apply(x)
    return Tensor.to(x, *rest, **options) if rest or options else x


@contextlib.contextmanager
def pretended_cuda() -> Iterator[None]:
    """Let torch believe in one CUDA device, in this thread."""
    fakes: dict[str, Callable[..., Any]] = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "mem_get_info": lambda *_: (8 << 30, 16 << 30),
        "synchronize": lambda *_: None,
        "_lazy_init": lambda: None,
    }
    with contextlib.ExitStack() as stack:
        for name, fake in fakes.items():
            stack.enter_context(mock.patch.object(torch.cuda, name, fake))
        stack.enter_context(mock.patch.object(torch, "Generator", PretendedGenerator))
        stack.enter_context(_Moves())
        stack.enter_context(_Intermediates())
        yield
