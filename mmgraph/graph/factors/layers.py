"""What factors between layers of units have in common: biases and matrices of weights."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping
from copy import copy
from typing import Any, ClassVar, Self

from torch import Tensor

from mmgraph.graph.errors import GraphError
from mmgraph.graph.factor import Factor, Parts


class LayerFactor(Factor):
    """A factor whose log-potential is linear in the statistics of whole layers, of any family.

    Attributes
    ----------
    names : tuple of str
        Of the tensors that the factor may be made of, which are its attributes; the first is
        always there.
    layers : int
        How many it joins.
    """

    compact = True
    names: ClassVar[tuple[str, ...]]
    layers: ClassVar[int]

    @property
    def is_tabular(self) -> bool:
        """Layers are no tables; :meth:`over_states` gives factors that have some."""
        return False

    def parameters(self) -> dict[str, Tensor]:
        """As :meth:`Factor.parameters`."""
        return dict(zip(self.names, self.tensors(), strict=False))

    @classmethod
    def _restored(cls, parts: Parts) -> Self:
        scope = parts.without_child((cls.layers,), cls.names[:1], cls.names[1:])
        build: Any = cls  # each class has parameters of its own
        made: Self = build(*scope, **parts.parameters, **parts.settings)
        return made

    def with_tensors(self, *tensors: Tensor) -> Self:
        """As :meth:`Factor.with_tensors`."""
        made = copy(self)
        vars(made).update(zip(self.names, tensors, strict=False))
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
