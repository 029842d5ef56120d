"""Conditional tables of functions of the parents, and logistic ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, Self

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.conditionals.parametric_table import (
    ParametricTable,
    check_family,
    real_parameter,
)
from mmgraph.graph.errors import GraphError, LearningError, UnknownStateError, suggestion
from mmgraph.graph.factor import Parts
from mmgraph.graph.variable import Variable, named_states


class Deterministic(ParametricTable):
    """A child that is a function of its parents.

    Parameters
    ----------
    child : Variable
    parents : sequence of Variable
        All scalar and discrete.
    function : callable or array-like of int
        Takes one label of each parent, in order, and returns the child's label; or the child's
        state indices, shape ``(*parent states)``.
    dtype : torch.dtype, default float64
        Of the table of zeros and ones.

    Raises
    ------
    GraphError
        If the function or the array gives something that is no state of the child (for which
        states of the parents), or the table would be too large.

    Examples
    --------
    >>> rain, sprinkler = Variable("rain", ("no", "yes")), Variable("sprinkler", ("no", "yes"))
    >>> wet = Variable("wet", ("no", "yes"))
    >>> gate = Deterministic(wet, (rain, sprinkler), lambda *x: "yes" if "yes" in x else "no")
    >>> gate.index.tolist()
    [[0, 1], [1, 1]]
    """

    kind = "deterministic"
    tensor_names = ("index",)

    def __init__(
        self,
        child: Variable,
        parents: Sequence[Variable],
        function: Callable[..., object] | object,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        check_family(type(self).__name__, child, parents)
        if callable(function):
            self.index = _index_of_function(child, parents, function)
        else:
            self.index = _checked_index(child, parents, function)
        table = torch.nn.functional.one_hot(self.index, child.cardinality).to(dtype)
        super().__init__((*parents, child), table, child=child)

    def settings(self) -> dict[str, Any]:
        """Return the table's precision."""
        return {"dtype": str(self.values.dtype).removeprefix("torch.")}

    @classmethod
    def _restored(cls, parts: Parts) -> Self:
        (child, parents), settings = parts.of_distribution(), parts.settings
        precisions = {"float64": torch.float64, "float32": torch.float32}
        dtype = precisions.get(settings.get("dtype", "float64"))
        if dtype is None:
            raise GraphError(
                f"Deterministic({child.name}): unknown dtype {settings['dtype']!r}"
                f"{suggestion(settings['dtype'], precisions)}"
            )
        return cls(child, parents, parts.parameter("index"), dtype)

    def updated(self, counts: Float[Tensor, "*parents child"]) -> Self:
        """Return the distribution itself: a function has nothing to learn."""
        self._checked_counts(counts)
        return self

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Self:
        """As :meth:`Factor.to`."""
        dtype = dtype or self.values.dtype
        return type(self)(self.child, self.parents, self.index.to(device), dtype)


def _index_of_function(
    child: Variable, parents: Sequence[Variable], function: Callable[..., object]
) -> Int64[Tensor, "*parents"]:
    codes = []
    for labels in itertools.product(*(v.labels for v in parents)):
        try:
            codes.append(child.code(function(*labels)))
        except UnknownStateError as error:
            states = ", ".join(f"{v.name}={x}" for v, x in zip(parents, labels, strict=True))
            raise GraphError(f"the function of '{child.name}' at ({states}): {error}") from None
    return torch.tensor(codes, dtype=torch.int64).reshape([v.cardinality for v in parents])


def _checked_index(
    child: Variable, parents: Sequence[Variable], codes: object
) -> Int64[Tensor, "*parents"]:
    owner = f"the index table of '{child.name}'"
    shape = tuple(v.cardinality for v in parents)
    # Floats would hold larger integers inexactly, but a state index is never that large.
    index = real_parameter(owner, codes, shape)
    bad = (index != index.floor()) | (index < 0) | (index >= child.cardinality)
    if bool(bad.any()):
        where = [int(i) for i in bad.nonzero()[0]]
        raise GraphError(
            f"{owner}: {float(index[tuple(where)]):g} at ({named_states(parents, where)}) is not "
            f"one of {child.cardinality} states"
        )
    return index.long()


class Softmax(ParametricTable):
    """A child whose log-odds are sums of effects of its parents (multinomial logistic model).

    ``P(child = k | x) ∝ exp(bias[k] + Σ_i weights[i][x_i, k])``: every parent is coded one-hot,
    and there are no interactions. With two states of the child this is logistic regression. The
    number of parameters grows with the sum of the parents' states, not with their product.

    Parameters
    ----------
    child : Variable
    parents : sequence of Variable
        All scalar and discrete.
    weights : sequence of array-like
        One for each parent, shape ``(parent states, child states)``.
    bias : array-like, optional
        Shape ``(child states,)``; zero by default.

    Raises
    ------
    GraphError
        If a shape does not fit (whose), a number is not finite, or the table would be too large.

    Notes
    -----
    Adding a constant to all numbers of one state of the parents, or moving one from a parent's
    effects to the bias, changes nothing: the parameters are not unique, the table is. McCullagh &
    Nelder, *Generalized Linear Models*, section 5.2.
    """

    kind = "softmax"

    def __init__(
        self,
        child: Variable,
        parents: Sequence[Variable],
        weights: Sequence[object],
        bias: object = None,
    ) -> None:
        check_family(type(self).__name__, child, parents)
        owner = f"{type(self).__name__} of '{child.name}'"
        if len(weights) != len(parents):
            raise GraphError(f"{owner}: {len(weights)} arrays of weights, {len(parents)} parents")
        states = child.cardinality
        self.weights: tuple[Float[Tensor, "parent child"], ...] = tuple(
            real_parameter(f"{owner}, weights of '{v.name}'", w, (v.cardinality, states))
            for v, w in zip(parents, weights, strict=True)
        )
        if bias is None:
            like = self.weights[0] if self.weights else torch.zeros((), dtype=torch.float64)
            bias = like.new_zeros(states)
        self.bias = real_parameter(f"{owner}, bias", bias, (states,))
        logits = self.bias
        for i, effect in enumerate(self.weights):
            shape = [1] * len(parents) + [states]
            shape[i] = len(effect)
            logits = logits + effect.reshape(shape)
        log_values = torch.log_softmax(logits, -1)
        super().__init__((*parents, child), log_values=log_values, child=child)

    def parameters(self) -> dict[str, Tensor]:
        """Return the bias and one array of weights for each parent."""
        return {"bias": self.bias, **{f"weights_{i}": w for i, w in enumerate(self.weights)}}

    @classmethod
    def _restored(cls, parts: Parts) -> Self:
        child, parents = parts.of_distribution()
        weights = [parts.parameter(f"weights_{i}") for i in range(len(parents))]
        return cls(child, parents, weights, parts.parameter("bias"))

    def updated(
        self,
        counts: Float[Tensor, "*parents child"],
        l2: float = 0.0,
        max_iterations: int = 200,
    ) -> Self:
        """Return the distribution that fits expected family counts best, by L-BFGS.

        Parameters
        ----------
        counts : Tensor, shape (*parent states, child states)
            Non-negative and finite.
        l2 : float, default 0
            Maximised is ``Σ counts · log table - l2/2 · Σ weights²``; the bias is free. Without a
            penalty, weights grow until the iterations end where a state never occurs.
        max_iterations : int, default 200
            Of L-BFGS; the objective is concave.

        Returns
        -------
        Softmax
            With an objective no lower than this one's; this one itself if it cannot be raised.

        Raises
        ------
        LearningError
            If the counts have another shape, or are negative or not finite, or ``l2`` is.
        """
        counts = self._checked_counts(counts)
        if not 0 <= l2 < math.inf:
            raise LearningError(f"{self!r}: l2 is a finite number >= 0, not {l2}")
        total = counts.sum()
        if not bool(total > 0):
            return self
        observed = counts.sum(-1).nonzero()
        rows = counts[tuple(observed.T)] / total

        def loss(bias: Tensor, weights: Sequence[Tensor]) -> Tensor:
            logits = bias.expand(len(rows), -1)
            for i, effect in enumerate(weights):
                logits = logits + effect[observed[:, i]]
            penalty = sum((w.square().sum() for w in weights), bias.new_zeros(()))
            return -(rows * torch.log_softmax(logits, -1)).sum() + 0.5 * l2 / total * penalty

        first = [t.detach().double() for t in (self.bias, *self.weights)]
        fitted = _minimised(lambda p: loss(p[0], p[1:]), first, max_iterations)
        if fitted is None:
            return self
        fitted = [t.to(self.bias.dtype) for t in fitted]
        return type(self)(self.child, self.parents, fitted[1:], fitted[0])


def _minimised(
    loss: Callable[[Sequence[Tensor]], Tensor], first: Sequence[Tensor], max_iterations: int
) -> list[Tensor] | None:
    """Return the lowest parameters that L-BFGS visits, or None if none are lower than the first."""
    moving = [t.clone().requires_grad_() for t in first]
    with torch.no_grad():
        lowest, best = float(loss(first)), None
    optimiser = torch.optim.LBFGS(
        moving,
        max_iter=max_iterations,
        tolerance_grad=1e-10,
        tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        nonlocal lowest, best
        optimiser.zero_grad()
        value = loss(moving)
        value.backward()
        if float(value.detach()) < lowest:
            lowest, best = float(value.detach()), [t.detach().clone() for t in moving]
        return value.detach()

    with torch.enable_grad():
        optimiser.step(closure)
    return best
