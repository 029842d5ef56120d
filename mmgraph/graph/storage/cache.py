"""What is derived from an object and kept with it, under the function that derives it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar, TypeVarTuple

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")
Key = TypeVar("Key")
Value = TypeVar("Value")
Cache = dict[Hashable, Any]
"""Results under the function that made them, or under that and its further arguments."""


def recalled(
    cache: Cache, owner: Any, make: Callable[[Any, *Arguments], Result], *arguments: *Arguments
) -> Result:
    """Return ``make(owner, *arguments)``, computed where the cache does not hold it."""
    key = (make, *arguments) if arguments else make
    if key not in cache:
        cache[key] = make(owner, *arguments)
    result: Result = cache[key]
    return result


class Recent(dict[Key, Value]):
    """A dictionary that forgets its oldest entries beyond a number of them."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def __setitem__(self, key: Key, value: Value) -> None:
        super().__setitem__(key, value)
        while len(self) > self.most:
            del self[next(iter(self))]


class Cached:
    """A base of objects with a cache of what :meth:`cached` derives from them."""

    def __init__(self) -> None:
        self.derived: Cache = {}

    def cached(self, make: Callable[[Any, *Arguments], Result], *arguments: *Arguments) -> Result:
        """Return ``make(self, *arguments)``, computed at the first call with these arguments.

        The function is part of the key: it belongs to a module, since a lambda would be a new one
        in every call.
        """
        return recalled(self.derived, self, make, *arguments)
