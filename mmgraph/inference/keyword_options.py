"""Options of a function as keywords for its callers, and as one record inside."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")


def keyword_options(
    record: type[Any],
) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Return a decorator: the last parameter, a record, is spread into keywords of the function.

    The signature that callers and :func:`inspect.signature` see lists the record's fields with
    their defaults; an unknown name is a TypeError that tells it.

    Parameters
    ----------
    record : type
        A dataclass or named tuple whose fields all have defaults.
    """
    fields = inspect.signature(record).parameters

    def spread(function: Callable[..., Result]) -> Callable[..., Result]:
        whole = inspect.signature(function)
        *before, last = whole.parameters.values()
        signature = whole.replace(parameters=[*before, *fields.values()])

        @functools.wraps(function)
        def called(*arguments: Any, **keywords: Any) -> Result:
            bound = signature.bind(*arguments, **keywords).arguments
            options = {name: bound.pop(name) for name in fields if name in bound}
            return function(**bound, **{last.name: record(**options)})

        called.__signature__ = signature  # type: ignore[attr-defined]
        return called

    return spread
