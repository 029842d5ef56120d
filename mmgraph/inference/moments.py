"""Marginals and moments by variable, and tensors that are computed when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.storage.copying import DeepCopied, ReadOnlyDict

_NONE: dict[str, Tensor] = ReadOnlyDict()


class Moments(NamedTuple):
    """Marginals of discrete variables, means and variances of the others.

    Attributes
    ----------
    marginals : dict of str to Tensor
        Of discrete variables, ``(batch, *shape, states)``.
    means, variances : dict of str to Tensor
        Of the others, ``(batch, *shape)``.
    """

    marginals: dict[str, Float[Tensor, "batch *shape states"]]
    means: dict[str, Float[Tensor, "batch *shape"]] = _NONE
    variances: dict[str, Float[Tensor, "batch *shape"]] = _NONE

    def of(self, names: Iterable[str]) -> Moments:
        """Return the moments of some of the variables."""
        wanted = list(names)
        return Moments(*({n: part[n] for n in wanted if n in part} for part in self))


class FlatMarginals(DeepCopied):
    """Marginals side by side in one array, split by variable when they are first asked for.

    Parameters
    ----------
    numbers : ndarray, shape (batch, states of all variables)
    columns : mapping of str to tuple of int
        The first column of each variable, and that after its last.
    """

    __slots__ = ("_marginals", "columns", "numbers")

    means: ClassVar[dict[str, Tensor]] = _NONE
    variances: ClassVar[dict[str, Tensor]] = _NONE

    def __init__(
        self,
        numbers: Float[np.ndarray, "batch states"],
        columns: Mapping[str, tuple[int, int]],
    ) -> None:
        self.numbers = numbers
        self.columns = columns
        self._marginals: dict[str, Tensor] | None = None

    @property
    def marginals(self) -> dict[str, Float[Tensor, "batch states"]]:
        """The distribution of each variable, a view of the array."""
        if self._marginals is None:
            sizes = [stop - start for start, stop in self.columns.values()]
            parts = torch.from_numpy(self.numbers).split(sizes, 1)
            self._marginals = dict(zip(self.columns, parts, strict=True))
        return self._marginals


class Deferred(DeepCopied):
    """A tensor that is computed when it is first asked for; what computes it is then let go.

    Parameters
    ----------
    function : callable
        Returns the tensor; of a module, so that it can be pickled.
    *arguments
        Of the function.
    """

    __slots__ = ("_call", "_value")

    def __init__(self, function: Callable[..., Tensor], *arguments: object) -> None:
        self._call: tuple[Callable[..., Tensor], tuple[Any, ...]] | None = function, arguments
        self._value: Tensor | None = None

    @property
    def is_known(self) -> bool:
        """Whether it has been computed."""
        return self._call is None

    def value(self) -> Tensor:
        """Return the tensor."""
        if self._call is not None:
            function, arguments = self._call
            self._value, self._call = function(*arguments), None
        assert self._value is not None
        return self._value
