"""A continuous variable that is linear in continuous parents, with normal noise."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.arrays import float_tensor
from mmgraph.graph.errors import GraphError, UnknownVariableError
from mmgraph.graph.factor import Factor, LinearForm
from mmgraph.graph.leaves.continuous_data import row_count, rows_of, state_indices
from mmgraph.graph.leaves.unit_factors import AGREEMENT, unit_factors
from mmgraph.graph.variable import Variable, named_states

_LOG_TWO_PI = math.log(2 * math.pi)


class LinearGaussian(Factor):
    """A continuous variable, linear in its continuous parents with normal noise.

    Given the states of its discrete parents it is normal with mean ``intercept + coefficients @
    continuous parents``; each configuration of the discrete parents has numbers of its own.

    Parameters
    ----------
    child : Variable
        Of family ``"gaussian"`` and shape ``()`` or ``(features,)``.
    parents : sequence of Variable
        Discrete ones (scalar) and continuous ones (as the child) in any order; may be empty. Below,
        ``states`` is one axis for each discrete parent, and ``regressors`` the elements of the
        continuous parents side by side, both in this order.
    coefficients : array-like
        Shape ``(*states, features, regressors)``, of a scalar child ``(*states, regressors)``.
    intercept : array-like
        Shape ``(*states, features)``, of a scalar child ``(*states,)``.
    variance : array-like
        That of the noise, not its standard deviation: a scalar child's ``(*states,)``; covariances
        ``(*states, features, features)`` or independent variances ``(*states, features)`` of a
        vector. Zero, or a singular covariance, makes (a part of) the child a function of the
        parents.

    Raises
    ------
    GraphError
        If a shape does not fit, a number is not finite, a variance is negative, or a covariance is
        not symmetric and positive semi-definite (at which parent states).

    References
    ----------
    Lauritzen (1992), "Propagation of probabilities, means and variances in mixed graphical
    association models".
    """

    kind = "linear Gaussian"
    is_normal = True
    tensor_names: ClassVar[tuple[str, ...]] = ("coefficients", "intercept", "variance")
    child: Variable

    def __init__(
        self,
        child: Variable,
        parents: Sequence[Variable],
        coefficients: object,
        intercept: object,
        variance: object,
    ) -> None:
        self.scope = (*parents, child)
        self.child = child
        self._check_variables()
        d, q = child.size, sum(v.size for v in self.continuous_parents)
        shape = child.shape
        states = tuple(v.cardinality for v in self.discrete_parents)
        self.coefficients = self._checked(coefficients, "coefficients", (*states, *shape, q))
        self.intercept = self._checked(intercept, "intercept", (*states, *shape))
        noise = float_tensor(variance, f"the variance of {self!r}")
        is_matrix = noise.ndim > len(states) + len(shape)
        noise_shape = (*states, *shape, *shape) if is_matrix else (*states, *shape)
        self.variance = self._checked(noise, "variance", noise_shape)
        numbers = (self.coefficients, self.intercept, self.variance)
        device = self.coefficients.device
        precision = functools.reduce(torch.promote_types, (t.dtype for t in numbers))
        self.coefficients, self.intercept, self.variance = (
            tensor.to(device, precision) for tensor in numbers
        )
        self._check_covariances(d)

    @property
    def discrete_parents(self) -> tuple[Variable, ...]:
        """The discrete parents, whose configurations have numbers of their own."""
        return tuple(v for v in self.scope[:-1] if v.is_discrete)

    @property
    def continuous_parents(self) -> tuple[Variable, ...]:
        """The continuous parents, in which the child is linear."""
        return tuple(v for v in self.scope[:-1] if not v.is_discrete)

    @property
    def is_tabular(self) -> bool:
        """No: the child has infinitely many values."""
        return False

    def _check_variables(self) -> None:
        names = [v.name for v in self.scope]
        if len(set(names)) != len(names):
            raise GraphError(f"{self!r}: a variable stands in the scope twice")
        if self.child.is_discrete:
            raise GraphError(
                f"{self!r}: '{self.child.name}' is discrete; a linear Gaussian child is a real "
                "number"
            )
        for v in self.scope:
            if v.is_discrete and v.shape:
                raise GraphError(f"{self!r}: the parent '{v.name}' is not scalar")
            if not v.is_discrete and (v.family != "gaussian" or len(v.shape) > 1):
                raise GraphError(
                    f"{self!r}: '{v.name}' must be a gaussian variable of shape () or (features,)"
                )

    def _checked(self, numbers: object, what: str, expected: tuple[int, ...]) -> Tensor:
        tensor = float_tensor(numbers, f"{what} of {self!r}")
        if tuple(tensor.shape) != expected:
            if tensor.numel() or 0 not in expected or math.prod(expected):
                raise GraphError(
                    f"{self!r}: the {what} has shape {tuple(tensor.shape)}, not {expected}"
                )
            tensor = tensor.reshape(expected)  # without regressors an empty list will do
        bad = ~tensor.detach().isfinite()
        if bool(bad.any()):
            raise GraphError(f"{self!r}: the {what} is not finite{self._at(bad)}")
        return tensor

    def _at(self, bad: Tensor) -> str:
        """Where the first of some marked numbers stands, for a message."""
        states = bad.nonzero()[0].tolist()[: len(self.discrete_parents)]
        return f" at ({named_states(self.discrete_parents, states)})" if states else ""

    def place_of(self, configuration: int) -> str:
        """Return the states of the discrete parents in a configuration, for a message."""
        shape = [v.cardinality for v in self.discrete_parents]
        states = map(int, np.unravel_index(configuration, shape or 1))
        return named_states(self.discrete_parents, states) if shape else ""

    def _check_covariances(self, features: int) -> None:
        noise = self.variance.detach()
        states = len(self.discrete_parents)
        if noise.ndim == states + 2 * len(self.child.shape) and self.child.shape:
            size = noise.abs().amax((-2, -1))
            skew = (noise - noise.mT).abs().amax((-2, -1)) > 1e-8 * size
            if bool(skew.any()):
                raise GraphError(f"{self!r}: the covariance is not symmetric{self._at(skew)}")
            low = torch.linalg.eigvalsh(noise)[..., 0] < -1e-10 * features * size
        else:
            low = noise < 0
        if bool(low.any()):
            what = (
                "a variance is negative"
                if noise.ndim == states + len(self.child.shape)
                else ("the covariance has a negative eigenvalue")
            )
            raise GraphError(f"{self!r}: {what}{self._at(low)}")

    def linear_form(self) -> LinearForm:
        """Return the regression of every configuration of the discrete parents."""
        d = self.child.size
        count = math.prod(v.cardinality for v in self.discrete_parents)
        matrices = self.child.shape and self.variance.ndim > self.intercept.ndim
        noise = self.variance.reshape(count, d, -1)
        return LinearForm(
            self.child,
            self.discrete_parents,
            self.continuous_parents,
            self.coefficients.reshape(count, d, self.coefficients.shape[-1]),
            self.intercept.reshape(count, d),
            noise if matrices else torch.diag_embed(noise.squeeze(-1)),
        )

    def energy(self, assignment: Mapping[str, Tensor]) -> Float[Tensor, " batch"]:
        """Return minus the log-density of each row, see :meth:`Factor.energy`.

        Elements of the child that are functions of its parents and of those before them add 0
        where they are as the functions say, and an infinite energy elsewhere.
        """
        for v in self.scope:
            if v.name not in assignment:
                raise UnknownVariableError(f"{self!r} needs the values of '{v.name}'")
        rows = rows_of(self.child, assignment[self.child.name]).to(self.coefficients)
        form, state, regressors = self._parent_values(assignment, len(rows))
        inverse, variances = (t.to(rows) for t in unit_factors(form.covariance.double()))
        matrices = (inverse, inverse @ form.coefficients, inverse @ form.intercept.unsqueeze(-1))
        columns = (rows, regressors, torch.ones_like(rows[:, :1]))
        terms = [
            matrix[state].abs() @ column.detach().abs().unsqueeze(-1)
            for matrix, column in zip(matrices, columns, strict=True)
        ]
        size = torch.cat(terms, -1).sum(-1)
        away = (rows - _means(form, state, regressors)).unsqueeze(-1)
        residual, variance = (inverse[state] @ away).squeeze(-1), variances[state]
        exact = variance == 0
        spread = torch.where(exact, 1.0, variance)
        normal = 0.5 * (residual.square() / spread + spread.log() + _LOG_TWO_PI)
        holds = torch.where(residual.abs() <= AGREEMENT * size, 0.0, torch.inf)
        return torch.where(exact, holds, normal).sum(-1)

    def _parent_values(
        self, values: Mapping[str, Tensor], rows: int
    ) -> tuple[LinearForm, Int64[Tensor, " rows"], Float[Tensor, "rows regressors"]]:
        """The regressions, which of them each row is about, and its continuous parents."""
        form = self.linear_form()
        state = state_indices(form.discrete, values, rows).to(self.coefficients.device)
        parts = [rows_of(v, values[v.name]).to(self.coefficients) for v in form.continuous]
        empty = self.coefficients.new_empty(rows, 0)
        return form, state, torch.cat([empty, *(p.expand(rows, -1) for p in parts)], 1)

    @torch.no_grad()
    def sample(
        self,
        parent_values: Mapping[str, Int64[Tensor, " rows"] | Float[Tensor, "rows *shape"]],
        generator: torch.Generator | None = None,
        rows: int | None = None,
    ) -> Float[Tensor, "rows *shape"]:
        """Draw values of the child given those of its parents.

        Parameters
        ----------
        parent_values : mapping of str to Tensor
            State indices ``(rows,)`` of the discrete parents, values ``(rows, *shape)`` of the
            continuous ones.
        generator : torch.Generator, optional
            The source of randomness.
        rows : int, optional
            How many to draw; needed only where there are no parents to say so (default 1).
        """
        if rows is None:
            rows = row_count(self.parents, parent_values)
        form, state, regressors = self._parent_values(parent_values, rows)
        means = _means(form, state, regressors)
        inverse, variances = (t.to(means) for t in unit_factors(form.covariance.double()))
        noise = torch.randn(means.shape, generator=generator, dtype=means.dtype).to(means)
        spread = (variances[state].sqrt() * noise).unsqueeze(-1)
        steps = torch.linalg.solve_triangular(
            inverse[state], spread, upper=False, unitriangular=True
        )
        drawn = means + steps.squeeze(-1)
        return drawn.reshape(rows, *self.child.shape)


def _means(
    form: LinearForm, state: Int64[Tensor, " rows"], regressors: Float[Tensor, "rows regressors"]
) -> Float[Tensor, "rows features"]:
    """The mean of each row, in whose configuration the regression of its parents is."""
    slopes = form.coefficients[state]
    return form.intercept[state] + (slopes @ regressors.unsqueeze(-1)).squeeze(-1)
