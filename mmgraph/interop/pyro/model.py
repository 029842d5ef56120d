"""Any model as a Pyro program."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from graphlib import CycleError, TopologicalSorter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmgraph.graph.errors import GraphError, needs
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.variable import Variable
from mmgraph.inference.exact.unrolling import Unrolled, unrolled
from mmgraph.interop.pyro.distributions import dense_log_table, distribution_maker
from mmgraph.interop.pyro.node import PyroNode
from mmgraph.interop.pyro.shared import check_shared, shared_value
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
        evidence a number of rows; it returns the values by variable. Tables and coefficients are
        read once: of a model that is learned further make another program.

    Raises
    ------
    MissingExtraError
        If Pyro is not installed.
    GraphError
        If a variance is zero, a leaf is tempered, a real variable has no distribution, or a shared
        one is discrete or has a parent that is not shared.

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
    sites = [_Site(v, f) for v, f in _ordered(form.graph, names)]
    tables = _undirected(form.graph)

    def program(evidence: object = None, rows: int = 1) -> dict[str, Tensor]:
        observed = Evidence.of(evidence, model.variables)
        if evidence is None and rows > 1:
            observed = observed.rows(np.zeros(rows, np.int64))
        return _Run(form, observed, names).values_at(sites, tables)

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
        if graph.variables[name].is_discrete:
            raise GraphError(f"'{name}' is discrete, and cannot be shared by the rows")
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


def _undirected(graph: FactorGraph) -> dict[str, tuple[tuple[str, ...], Tensor]]:
    """The scopes and log-tables of factors without a child, by the names of their sites."""
    tables = {}
    for i, factor in enumerate(graph.factors):
        if factor.child is None:
            if not factor.is_tabular:
                raise GraphError(f"{factor!r} joins real variables without a direction")
            scope = tuple(v.name for v in factor.scope)
            tables[f"factor {i}"] = (scope, dense_log_table(factor))
    return tables


class _Site:
    """A variable, its factor (None in a random field), and what makes its distribution."""

    def __init__(self, variable: Variable, factor: Factor | None) -> None:
        self.variable, self.factor = variable, factor
        self.maker = None if factor is None else distribution_maker(factor)

    def distribution(self, values: Mapping[str, Tensor]) -> Any:
        """Return the variable's distribution, where all states are alike without a factor."""
        import pyro.distributions as dist

        if self.maker is None:
            flat = torch.zeros(self.variable.cardinality, dtype=torch.float64)
            return dist.Categorical(logits=flat)
        return self.maker(values)

    def interval(self, made: Any) -> Interval:
        """Return where the values of a real variable lie under its distribution."""
        if isinstance(self.factor, PyroNode):
            return node_interval(self.factor, made.support)
        return Interval()


class _Run:
    """One run of the program: the values so far, and what is observed."""

    def __init__(self, form: Unrolled, evidence: Evidence, shared: Sequence[str]) -> None:
        import pyro

        self.shared = shared
        self.evidence = form.evidence(evidence)
        self.plate: Any = pyro.plate("rows", evidence.batch, dim=-1)
        self.values: dict[str, Tensor] = {}

    def values_at(
        self, sites: Sequence[_Site], tables: Mapping[str, tuple[tuple[str, ...], Tensor]]
    ) -> dict[str, Tensor]:
        """Visit all sites and factors; return the values."""
        import pyro
        from pyro.ops.indexing import Vindex

        for site in sites:
            if site.variable.is_discrete:
                self._discrete(site)
            else:
                self._real(site)
        for name, (scope, table) in tables.items():
            with self.plate:
                pyro.factor(name, Vindex(table)[tuple(self.values[n] for n in scope)])
        return self.values

    def _within(self, name: str) -> AbstractContextManager[Any]:
        """The plate, or nothing around a shared variable."""
        import contextlib

        return contextlib.nullcontext() if name in self.shared else self.plate

    def _discrete(self, site: _Site) -> None:
        import pyro
        from pyro.ops.indexing import Vindex

        name = site.variable.name
        made = site.distribution(self.values)
        codes = self.evidence.hard(name)
        with self.plate as rows:
            if codes is not None and bool((codes >= 0).all()):
                value = pyro.sample(name, made, obs=codes)
            else:
                value = pyro.sample(name, made, infer={"enumerate": "parallel"}).long()
                if codes is not None:
                    allowed = (codes < 0) | (value == codes)
                    pyro.factor(f"{name} observed", torch.where(allowed, 0.0, -math.inf).double())
            if site.factor is None:  # other factors say all, and this nothing
                log_states = math.log(site.variable.cardinality)
                pyro.factor(f"{name} base", torch.full_like(value, log_states, dtype=torch.float64))
            if name in self.evidence.soft:
                pyro.factor(f"{name} soft", Vindex(self.evidence.soft[name])[rows, value])
        self.values[name] = value.long()

    def _real(self, site: _Site) -> None:
        import pyro

        name = site.variable.name
        made = site.distribution(self.values)
        observed = self._observed(site.variable)
        missing = None if observed is None else observed.isnan()
        if observed is None or missing is None or bool(missing.all()):
            self.values[name] = self._open(site, made)
            return
        value = observed
        if bool(missing.any()):
            count = [int(missing.sum())]
            numbers = _with_density_one(f"{name} missing", site.interval(made), count)
            value = observed.masked_scatter(missing, numbers)
        self.values[name] = value
        with self._within(name):
            pyro.sample(name, made, obs=value)

    def _open(self, site: _Site, made: Any) -> Tensor:
        """A variable that is not observed: one value for all states that are enumerated."""
        import pyro

        name, shape = site.variable.name, site.variable.shape
        is_enumerated = len(made.batch_shape) > (name not in self.shared)
        with self._within(name):
            if not is_enumerated:
                value: Tensor = pyro.sample(name, made)
                return value
            value = _with_density_one(name, site.interval(made), shape)
            pyro.factor(f"{name} density", made.log_prob(value))
        return value

    def _observed(self, variable: Variable) -> Tensor | None:
        values = self.evidence.values.get(variable.name)
        if values is None:
            return None
        values = values.double()
        return shared_value(variable, values)[0] if variable.name in self.shared else values


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
