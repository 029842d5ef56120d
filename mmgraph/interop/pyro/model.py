"""Any model as a Pyro program."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from graphlib import CycleError, TopologicalSorter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmgraph.graph.errors import EvidenceError, GraphError, needs
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.variable import Variable
from mmgraph.inference.exact.unrolling import Unrolled, unrolled
from mmgraph.interop.pyro.density import check_shared
from mmgraph.interop.pyro.distributions import dense_log_table, distribution_of
from mmgraph.interop.pyro.node import PyroNode
from mmgraph.interop.pyro.supports import Interval, node_interval


def to_pyro(model: FactorGraph, shared: Sequence[str] = ()) -> Callable[..., dict[str, Tensor]]:
    """Return a network or random field as a Pyro program ``program(evidence=None, rows=1)``.

    The program has a plate ``"rows"``, on the last axis, and a site for each variable (an element
    of a discrete array) under its name. Discrete sites are marked to be enumerated in parallel, so
    that ``NUTS(program)`` and ``TraceEnum_ELBO(max_plate_nesting=1)`` sum them out. A factor
    without a child is a ``pyro.factor``.

    A row may observe what others do not. A discrete variable that some rows observe is enumerated
    in all, and a factor forbids the other states. Real values that some rows lack are the vector of
    a site ``"x missing"`` whose density is one; with what is observed they are scored at ``x``. So
    is a real variable with a parent that is enumerated, by the factor ``"x density"``: it has one
    value for all states of the parent.

    Parameters
    ----------
    model : FactorGraph
        Of moderate size: Pyro gives each enumerated variable an axis of its own, of which torch has
        64. (``mm.query(model, evidence, method="nuts")`` needs none, since it sums along a join
        tree.)
    shared : sequence of str
        Variables outside of the plate: one value for all rows.

    Returns
    -------
    callable
        ``program(evidence, rows)`` takes evidence as :func:`mmgraph.query` does, and without
        evidence a number of rows; it returns the values by variable.

    Raises
    ------
    MissingExtraError
        If Pyro is not installed.
    GraphError
        If a variance is zero, a leaf is tempered, or a real variable has no distribution.

    Examples
    --------
    >>> import mmgraph as mm
    >>> program = mm.to_pyro(mm.read("asia"))
    >>> from pyro.infer import TraceEnum_ELBO
    >>> log_evidence = -TraceEnum_ELBO(max_plate_nesting=1).loss(
    ...     program, lambda evidence: None, {"dysp": "yes"})
    """
    with needs("interop", "pyro-ppl", "a model as a Pyro program"):
        import pyro  # noqa: F401
    form = unrolled(model)
    names = check_shared(model, shared)
    order = _ordered(form.graph, names)
    for factor in form.graph.factors:
        if factor.child is None and not factor.is_tabular:
            raise GraphError(f"{factor!r} joins real variables without a direction")

    def program(evidence: object = None, rows: int = 1) -> dict[str, Tensor]:
        observed = Evidence.of(evidence, model.variables)
        if evidence is None and rows > 1:
            observed = observed.rows(np.zeros(rows, np.int64))
        return _Run(form, observed, names).values_at(order)

    return program


def _ordered(graph: FactorGraph, shared: Sequence[str]) -> list[tuple[Variable, Factor | None]]:
    """The variables after their parents, each with its distribution; None in a random field."""
    by_child = {f.child.name: f for f in graph.factors if f.child is not None}
    parents = {n: [v.name for v in by_child[n].parents] for n in by_child}
    for name, variable in graph.variables.items():
        if not variable.is_discrete and name not in by_child:
            raise GraphError(f"the real variable '{name}' has no distribution")
        parents.setdefault(name, [])
    for name in shared:
        for parent in parents[name]:
            if parent not in shared:
                raise GraphError(
                    f"'{name}' is shared by the rows, and its parent '{parent}' is not"
                )
    try:
        order = list(TopologicalSorter(parents).static_order())
    except CycleError:
        raise GraphError("the edges form a cycle") from None
    return [(graph.variables[n], by_child.get(n)) for n in order]


class _Run:
    """One run of the program: the values so far, and what is observed."""

    def __init__(self, form: Unrolled, evidence: Evidence, shared: Sequence[str]) -> None:
        import pyro

        self.graph = form.graph
        self.shared = shared
        self.evidence = form.evidence(evidence)
        self.plate: Any = pyro.plate("rows", evidence.batch, dim=-1)
        self.values: dict[str, Tensor] = {}

    def values_at(self, order: Sequence[tuple[Variable, Factor | None]]) -> dict[str, Tensor]:
        """Visit all sites and factors; return the values."""
        import pyro
        from pyro.ops.indexing import Vindex

        for variable, factor in order:
            if variable.is_discrete:
                self._discrete(variable, factor)
            else:
                assert factor is not None
                self._real(variable, factor)
        for i, factor in enumerate(self.graph.factors):
            if factor.child is None:
                codes = tuple(self.values[v.name] for v in factor.scope)
                with self.plate:
                    pyro.factor(f"factor {i}", Vindex(dense_log_table(factor))[codes])
        return self.values

    def _within(self, name: str) -> AbstractContextManager[Any]:
        """The plate, or nothing around a shared variable."""
        import contextlib

        return contextlib.nullcontext() if name in self.shared else self.plate

    def _discrete(self, variable: Variable, factor: Factor | None) -> None:
        import pyro
        import pyro.distributions as dist
        from pyro.ops.indexing import Vindex

        name = variable.name
        if name in self.shared:
            raise GraphError(f"'{name}' is discrete, and cannot be shared by the rows")
        flat = torch.zeros(variable.cardinality, dtype=torch.float64)
        made = distribution_of(factor, self.values) if factor else dist.Categorical(logits=flat)
        codes = self.evidence.hard(name)
        with self.plate as rows:
            if codes is not None and bool((codes >= 0).all()):
                value = pyro.sample(name, made, obs=codes)
            else:
                value = pyro.sample(name, made, infer={"enumerate": "parallel"}).long()
                if codes is not None:
                    allowed = (codes < 0) | (value == codes)
                    pyro.factor(f"{name} observed", torch.where(allowed, 0.0, -math.inf).double())
            if factor is None:  # other factors say all, and this nothing
                pyro.factor(
                    f"{name} base", torch.full_like(value, math.log(len(flat)), dtype=flat.dtype)
                )
            if name in self.evidence.soft:
                pyro.factor(f"{name} soft", Vindex(self.evidence.soft[name])[rows, value])
        self.values[name] = value.long()

    def _real(self, variable: Variable, factor: Factor) -> None:
        import pyro

        name = variable.name
        made = distribution_of(factor, self.values)
        observed = self._observed(name)
        missing = None if observed is None else observed.isnan()
        if observed is None or missing is None or bool(missing.all()):
            self.values[name] = self._open(variable, factor, made)
            return
        value = observed
        if bool(missing.any()):
            count = [int(missing.sum())]
            numbers = _with_density_one(f"{name} missing", _interval(factor, made), count)
            value = observed.masked_scatter(missing, numbers)
        self.values[name] = value
        with self._within(name):
            pyro.sample(name, made, obs=value)

    def _open(self, variable: Variable, factor: Factor, made: Any) -> Tensor:
        """A variable that is not observed: one value for all states that are enumerated."""
        import pyro

        name, shape = variable.name, variable.shape
        is_enumerated = len(made.batch_shape) > (name not in self.shared)
        with self._within(name):
            if not is_enumerated:
                value: Tensor = pyro.sample(name, made)
                return value
            value = _with_density_one(name, _interval(factor, made), shape)
            pyro.factor(f"{name} density", made.log_prob(value))
        return value

    def _observed(self, name: str) -> Tensor | None:
        values = self.evidence.values.get(name)
        if values is None:
            return None
        values = values.double()
        if name not in self.shared:
            return values
        if not bool(torch.isclose(values, values[:1], equal_nan=True).all()):
            raise EvidenceError(f"'{name}' is shared by the rows, and observed at several values")
        return values[0]


def _interval(factor: Factor, made: Any) -> Interval:
    return node_interval(factor, made.support) if isinstance(factor, PyroNode) else Interval()


def _with_density_one(name: str, interval: Interval, shape: Sequence[int]) -> Tensor:
    """A site with values in an interval, whose density a factor takes back."""
    import pyro

    base = _within(interval).expand(shape).to_event(len(shape))
    value: Tensor = pyro.sample(name, base).double()
    pyro.factor(f"{name} base", -base.log_prob(value))
    return value


def _within(interval: Interval) -> Any:
    """A distribution over an interval."""
    import pyro.distributions as dist

    low, high = (torch.tensor(end, dtype=torch.float64) for end in interval)
    one = torch.ones((), dtype=torch.float64)
    if interval == Interval():
        return dist.Normal(torch.zeros_like(one), one)
    if math.isfinite(interval.low) and math.isfinite(interval.high):
        return dist.Uniform(low, high)
    end, sign = (low, one) if math.isfinite(interval.low) else (high, -one)
    shift = torch.distributions.AffineTransform(end, sign)
    return dist.TransformedDistribution(dist.Exponential(one), [shift])
