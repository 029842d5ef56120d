"""Marginals and moments by variable."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.storage.copying import ReadOnlyDict

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

    marginals: dict[str, Float[Tensor, "batch *shape states"]] = _NONE
    means: dict[str, Float[Tensor, "batch *shape"]] = _NONE
    variances: dict[str, Float[Tensor, "batch *shape"]] = _NONE

    def of(self, names: Iterable[str]) -> Moments:
        """Return the moments of some of the variables."""
        wanted = list(names)
        return Moments(*({n: part[n] for n in wanted if n in part} for part in self))
