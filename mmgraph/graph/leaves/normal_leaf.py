"""The numbers that a continuous leaf is made of: normal densities, laid out by parent states."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.arrays import float_tensor
from mmgraph.graph.errors import GraphError
from mmgraph.graph.factor import Factor, LinearForm
from mmgraph.graph.leaves.gaussian_density import Covariance, Normals, check_covariance
from mmgraph.graph.variable import Variable, named_states


class NormalLeaf(Factor):
    """A continuous child, its densities normal given discrete parents, and their parameters.

    A leaf keeps one or more normal densities for each parent state (``components`` of them) in
    one :class:`Normals`, parent state by parent state.
    """

    tensor_names: ClassVar[tuple[str, ...]] = ("means", "covariances")
    setting_names = ("covariance", "weight")
    is_normal = True
    child: Variable
    components: int = 1
    normals: Normals
    weight: float

    def __init__(self, child: Variable, parents: Sequence[Variable], weight: float) -> None:
        self.scope = (*parents, child)
        self.child = child
        if child.family != "gaussian" or len(child.shape) > 1:
            raise GraphError(
                f"{self!r}: '{child.name}' must be a gaussian variable of shape () or (features,)"
            )
        names = [v.name for v in self.scope]
        if len(set(names)) != len(names):
            raise GraphError(f"{self!r}: a variable stands in the scope twice")
        for v in parents:
            if v.shape or not v.is_discrete:
                hint = "" if v.is_discrete else "; a LinearGaussian has continuous parents"
                raise GraphError(
                    f"{self!r}: the parent '{v.name}' is not scalar and discrete{hint}"
                )
        if not 0 <= weight < math.inf:
            raise GraphError(f"{self!r}: the weight must be a finite number >= 0, not {weight}")
        self.weight = float(weight)

    @property
    def parent_shape(self) -> tuple[int, ...]:
        """The number of states of each parent."""
        return tuple(v.cardinality for v in self.scope[:-1])

    @property
    def _axes(self) -> tuple[int, ...]:
        """The axes along which the densities are laid out."""
        return self.parent_shape

    @property
    def means(self) -> Float[Tensor, "*axes features"]:
        """The means, shape ``(*parent states, features)``; of a mixture components come second."""
        return self.normals.means.reshape(*self._axes, self.child.size)

    @property
    def covariances(self) -> Float[Tensor, "..."]:
        """The covariances, in the shape that they were given in."""
        covariances = self.normals.covariances
        if self.covariance == "shared":
            return covariances
        return covariances.reshape(*self._axes, *covariances.shape[1:])

    @property
    def covariance(self) -> Covariance:
        """The kind of covariance."""
        return self.normals.covariance

    @property
    def is_tabular(self) -> bool:
        """No: the child has infinitely many values."""
        return False

    def linear_form(self) -> LinearForm | None:
        """Return the densities as a regression on nothing; None of a tempered leaf, which is none.

        Those of a mixture are weighted by its components.
        """
        if self.weight != 1.0:
            return None
        means, spread = self.normals.means, self.normals.covariances
        if self.covariance == "diagonal":
            spread = torch.diag_embed(spread)
        return LinearForm(
            self.child,
            self.scope[:-1],
            (),
            means.new_empty(*means.shape, 0),
            means,
            spread.expand(len(means), -1, -1),
            self._log_weights(),
        )

    def _log_weights(self) -> Float[Tensor, "states components"] | None:
        """The logarithms of the weights of a mixture."""
        return None

    def _parameter(self, numbers: object, what: str, expected: tuple[int, ...]) -> Tensor:
        """A parameter as a tensor of the expected shape; a scalar child may leave out its axes."""
        tensor = float_tensor(numbers, f"{what} of {self!r}")
        if not self.child.shape and tensor.ndim < len(expected):
            tensor = tensor.reshape(*tensor.shape, *(1,) * (len(expected) - tensor.ndim))
        if tuple(tensor.shape) != expected:
            raise GraphError(
                f"{self!r}: the {what} have shape {tuple(tensor.shape)}, not {expected}"
            )
        return tensor

    def _normals(
        self, means: object, covariances: object, covariance: str, axes: tuple[int, ...]
    ) -> Normals:
        """Check parameters that are laid out along ``axes``, and number the densities."""
        check_covariance(covariance)
        d = self.child.size
        shapes = {"full": (*axes, d, d), "diagonal": (*axes, d), "shared": (d, d)}
        mean = self._parameter(means, "means", (*axes, d))
        spread = self._parameter(covariances, "covariances", shapes[covariance]).to(mean)
        if covariance != "shared":
            spread = spread.reshape(-1, *spread.shape[len(axes) :])
        kind: Covariance = covariance  # type: ignore[assignment]
        normals = Normals(mean.reshape(-1, d), spread, kind)
        flaw = normals.flaw()
        if flaw is not None:
            density, reason = flaw
            where = "" if density is None else self.place_of(density)
            raise GraphError(f"{self!r}: {reason}{where and f' at ({where})'}")
        return normals

    def place_of(self, density: int) -> str:
        """Return the parent states (and the component) of a density, for a message."""
        state, component = divmod(density, self.components)
        codes = map(int, np.unravel_index(state, self.parent_shape or 1))
        parts = [named_states(self.scope[:-1], codes)] if self.parent_shape else []
        return ", ".join([*parts, f"component {component}"] if self.components > 1 else parts)

    def reweighted(self, weight: float) -> Self:
        """Return the leaf with another power on its likelihood."""
        settings = {**self.settings(), "weight": weight}
        return self.restore(self.scope, self.child, self.parameters(), settings)
