"""Factors as Pyro's distributions of their children, given values of the parents."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.errors import GraphError
from mmgraph.graph.factor import Factor, LinearForm
from mmgraph.graph.variable import Variable
from mmgraph.interop.pyro.log_tables import noise_roots
from mmgraph.interop.pyro.node import PyroNode

Maker = Callable[[Mapping[str, Tensor]], Any]
"""A function from the values of parents to a Pyro distribution of the child."""


def dense_log_table(factor: Factor) -> Float[Tensor, "*states"]:
    """Return the log-potentials of a tabular factor, an axis for each variable of its scope."""
    whole = torch.zeros((), dtype=torch.float64)
    for table in factor.tables():
        order = sorted(range(len(table.scope)), key=lambda i: factor.scope.index(table.scope[i]))
        sizes = [v.cardinality if v in table.scope else 1 for v in factor.scope]
        whole = whole + table.values.detach().double().permute(order).reshape(sizes)
    return whole


def distribution_maker(factor: Factor) -> Maker:
    """Return the function from the parents' values to the Pyro distribution of a factor's child.

    The child's axes are an event. Tables and matrices are prepared once, a node's function is
    called each time.

    Raises
    ------
    GraphError
        If the factor has none: a tempered leaf, scores of an encoder, a variance of zero.
    """
    if isinstance(factor, PyroNode):
        return functools.partial(_of_node, factor)
    if factor.is_tabular:
        return _Categorical(factor)
    form = factor.linear_form()
    if form is None:
        raise GraphError(f"{factor!r} is no distribution that Pyro has")
    return _Normal(factor, form)


def _of_node(node: PyroNode, values: Mapping[str, Tensor]) -> Any:
    import pyro.distributions as dist

    made: Any = node.conditional(values)
    shape = node.child.shape
    if node.child.is_discrete:
        states = torch.arange(node.child.cardinality, dtype=torch.float64)
        logs = [made.log_prob(state.expand(made.batch_shape)) for state in states]
        return dist.Categorical(logits=torch.stack(logs, -1))
    if not hasattr(made, "has_enumerate_support") or not hasattr(made, "to_event"):
        made = dist.Independent(made, 0)  # torch's class, with what Pyro adds
    if len(made.event_shape) == len(shape):
        return made
    made = made.expand(torch.broadcast_shapes(made.batch_shape, shape))
    return made.to_event(len(shape) - len(made.event_shape))


class _Categorical:
    """The states of a child given those of its parents."""

    def __init__(self, factor: Factor) -> None:
        assert factor.child is not None
        self.parents = [v.name for v in factor.parents]
        self.table = dense_log_table(factor).movedim(factor.scope.index(factor.child), -1)

    def __call__(self, values: Mapping[str, Tensor]) -> Any:
        import pyro.distributions as dist
        from pyro.ops.indexing import Vindex

        codes = tuple(values[name].long() for name in self.parents)
        logits = Vindex(self.table)[(*codes, slice(None))] if codes else self.table
        return dist.Categorical(logits=logits)


class _Normal:
    """A normal child, or a mixture of normal ones, linear in its continuous parents."""

    def __init__(self, factor: Factor, form: LinearForm) -> None:
        self.form = form
        numbers = [form.coefficients, form.intercept, noise_roots(factor, form)]
        self.log_weights = None if form.log_weights is None else form.log_weights.detach().double()
        if self.log_weights is not None:  # the components of a state lie side by side
            numbers = [t.unflatten(0, (-1, self.log_weights.shape[-1])) for t in numbers]
        self.numbers = [t.detach().double() for t in numbers]

    def __call__(self, values: Mapping[str, Tensor]) -> Any:
        import pyro.distributions as dist

        state = _state(self.form.discrete, values)
        coefficients, loc, root = (t[state] for t in self.numbers)
        if self.form.continuous:
            parts = [(values[v.name].double(), v.shape) for v in self.form.continuous]
            flat = [part if shape else part.unsqueeze(-1) for part, shape in parts]
            rows = torch.broadcast_shapes(*(p.shape[:-1] for p in flat))
            regressors = torch.cat([p.expand(*rows, p.shape[-1]) for p in flat], -1)
            loc = loc + (coefficients @ regressors.unsqueeze(-1)).squeeze(-1)
        if self.form.child.shape:
            made = dist.MultivariateNormal(loc, scale_tril=root)
        else:
            made = dist.Normal(loc.squeeze(-1), root[..., 0, 0])
        if self.log_weights is None:
            return made
        return dist.MixtureSameFamily(dist.Categorical(logits=self.log_weights[state]), made)


def _state(discrete: Sequence[Variable], values: Mapping[str, Tensor]) -> Int64[Tensor, "..."]:
    """The configuration of the discrete parents; the last varies fastest."""
    state = torch.zeros((), dtype=torch.int64)
    for v in discrete:
        state = state * v.cardinality + values[v.name].long()
    return state
