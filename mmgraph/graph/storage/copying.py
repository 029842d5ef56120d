"""What copies share: a mapping that refuses changes, and deep copies that keep gradients."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn, TypeVar

from torch import Tensor

Key = TypeVar("Key")
Value = TypeVar("Value")


class ReadOnlyDict(dict[Key, Value]):
    """A dictionary that refuses changes, and unlike a mappingproxy can be pickled and copied."""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} cannot be changed")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)


class DeepCopied:
    """A base of what holds tensors, so that ``copy.deepcopy`` takes those with gradients as well.

    A tensor that was computed from others is cloned: the copy has its own memory, and gradients
    flow on to where the tensor came from. torch by itself refuses such a copy.
    """

    __slots__ = ()

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        make, arguments, state = (*self.__reduce_ex__(4), None)[:3]
        for tensor in _computed((arguments, state)):
            memo.setdefault(id(tensor), tensor.clone())
        copied = make(*copy.deepcopy(arguments, memo))
        memo[id(self)] = copied
        in_slots = state[1] if isinstance(state, tuple) else {}
        in_dict = state[0] if isinstance(state, tuple) else state
        for name, value in copy.deepcopy({**(in_dict or {}), **in_slots}, memo).items():
            object.__setattr__(copied, name, value)  # also where the class is frozen
        return copied


def _computed(content: object) -> Iterator[Tensor]:
    """Yield the tensors in nested containers that are no leaves of a graph of gradients."""
    if isinstance(content, Tensor):
        if not content.is_leaf:
            yield content
    elif isinstance(content, Mapping):
        yield from _computed(tuple(content.values()))
    elif isinstance(content, tuple | list):
        for part in content:
            yield from _computed(part)
