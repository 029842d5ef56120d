"""Factors as Pyro's distributions of their children, given values of the parents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.errors import GraphError
from mmgraph.graph.factor import Factor, LinearForm
from mmgraph.graph.variable import Variable
from mmgraph.interop.pyro.log_tables import noise_roots
from mmgraph.interop.pyro.node import PyroNode


def dense_log_table(factor: Factor) -> Float[Tensor, "*states"]:
    """Return the log-potentials of a tabular factor, an axis for each variable of its scope."""
    whole = torch.zeros((), dtype=torch.float64)
    for table in factor.tables():
        order = sorted(range(len(table.scope)), key=lambda i: factor.scope.index(table.scope[i]))
        sizes = [v.cardinality if v in table.scope else 1 for v in factor.scope]
        whole = whole + table.values.detach().double().permute(order).reshape(sizes)
    return whole


def distribution_of(factor: Factor, values: Mapping[str, Tensor]) -> Any:
    """Return the Pyro distribution of a factor's child, with the child's axes as an event.

    Raises
    ------
    GraphError
        If the factor has none: a tempered leaf, scores of an encoder, a variance of zero.
    """
    if isinstance(factor, PyroNode):
        return _of_node(factor, values)
    if factor.is_tabular:
        return _categorical(factor, values)
    form = factor.linear_form()
    if form is None:
        raise GraphError(f"{factor!r} is no distribution that Pyro has")
    return _normal(factor, form, values)


def _of_node(node: PyroNode, values: Mapping[str, Tensor]) -> Any:
    import pyro.distributions as dist

    made: Any = node.given(values)
    own = node.child.shape
    if node.child.is_discrete:
        states = torch.arange(node.child.cardinality, dtype=torch.float64)
        logs = [made.log_prob(state.expand(made.batch_shape)) for state in states]
        return dist.Categorical(logits=torch.stack(logs, -1))
    if not hasattr(made, "has_enumerate_support") or not hasattr(made, "to_event"):
        made = dist.Independent(made, 0)  # torch's own, with what Pyro adds
    if len(made.event_shape) == len(own):
        return made
    made = made.expand(torch.broadcast_shapes(made.batch_shape, own))
    return made.to_event(len(own) - len(made.event_shape))


def _categorical(factor: Factor, values: Mapping[str, Tensor]) -> Any:
    import pyro.distributions as dist
    from pyro.ops.indexing import Vindex

    assert factor.child is not None
    place = factor.scope.index(factor.child)
    table = dense_log_table(factor).movedim(place, -1)
    codes = tuple(values[v.name].long() for v in factor.parents)
    return dist.Categorical(logits=Vindex(table)[(*codes, slice(None))] if codes else table)


def _normal(factor: Factor, form: LinearForm, values: Mapping[str, Tensor]) -> Any:
    import pyro.distributions as dist

    state = _state(form.discrete, values)
    numbers = [form.coefficients, form.intercept, noise_roots(factor, form)]
    if form.log_weights is not None:  # the components of a state lie side by side
        numbers = [t.unflatten(0, (-1, form.log_weights.shape[-1])) for t in numbers]
    coefficients, loc, root = (t.detach().double()[state] for t in numbers)
    if form.continuous:
        parts = [values[v.name].double() for v in form.continuous]
        flat = [
            p if v.shape else p.unsqueeze(-1) for p, v in zip(parts, form.continuous, strict=True)
        ]
        shape = torch.broadcast_shapes(*(p.shape[:-1] for p in flat))
        regressors = torch.cat([p.expand(*shape, p.shape[-1]) for p in flat], -1)
        loc = loc + (coefficients @ regressors.unsqueeze(-1)).squeeze(-1)
    if form.child.shape:
        made = dist.MultivariateNormal(loc, scale_tril=root)
    else:
        made = dist.Normal(loc.squeeze(-1), root[..., 0, 0])
    if form.log_weights is None:
        return made
    weights = form.log_weights.detach().double()[state]
    return dist.MixtureSameFamily(dist.Categorical(logits=weights), made)


def _state(discrete: Sequence[Variable], values: Mapping[str, Tensor]) -> Int64[Tensor, "..."]:
    """The configuration of the discrete parents; the last varies fastest."""
    state = torch.zeros((), dtype=torch.int64)
    for v in discrete:
        state = state * v.cardinality + values[v.name].long()
    return state
