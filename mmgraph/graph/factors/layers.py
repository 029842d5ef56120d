"""What factors between layers of units have in common: biases and matrices of weights."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping
from copy import copy
from typing import Self

from torch import Tensor

from mmgraph.graph.errors import GraphError
from mmgraph.graph.factor import Factor


class LayerFactor(Factor):
    """A factor whose log-potential is linear in the statistics of whole layers, of any family."""

    compact = True

    @property
    def is_tabular(self) -> bool:
        """Layers are no tables; :meth:`over_states` gives factors that have some."""
        return False

    def tensors(self) -> tuple[Tensor, ...]:
        """As :meth:`Factor.tensors`, which training asks for in every step."""
        tensors = [getattr(self, name) for name in self.tensor_names]
        return tuple(tensor for tensor in tensors if tensor is not None)

    def with_tensors(self, *tensors: Tensor) -> Self:
        """As :meth:`Factor.with_tensors`."""
        made = copy(self)
        vars(made).update(zip(self.tensor_names, tensors, strict=False))
        return made

    @abc.abstractmethod
    def expected_statistics(self, statistics: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """Return the mean log-potential's derivatives by :meth:`tensors`, averaged over rows."""

    def _check_states(self) -> None:
        for v in self.scope:
            if not v.is_discrete:
                raise GraphError(f"{self!r}: '{v.name}' is {v.family} and has no states")


def layer_factors(factors: Iterable[Factor]) -> list[LayerFactor]:
    """Return the factors of whole layers: biases and matrices of weights."""
    return [f for f in factors if isinstance(f, LayerFactor)]
