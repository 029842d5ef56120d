"""The real variables of a model: their order, what is known of them, and draws of the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import networkx as nx
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmgraph.graph.errors import GraphError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.interop.pyro.shared import shared_value


class RealVariables:
    """The real variables in the order of their edges, and which of their elements are sampled.

    A factor *speaks* in a row if its child, or a descendant, has an observed element there. What no
    speaking factor holds is left out: its density integrates to one. The distribution of a discrete
    variable also speaks if that is asked for, or stands in another factor.

    Parameters
    ----------
    asked : collection of str
        The discrete variables asked for.

    Attributes
    ----------
    order : tuple of str
        Parents before children.
    factor : dict of str to Factor
        Whose child each is.
    observed : dict of str to Tensor, shape (rows, *shape)
        NaN where missing; one row of shared variables.
    speaks : dict of Factor to Tensor, shape (rows,)
    sampled : dict of str to Tensor, shape (rows, *shape)
        One row of shared variables.
    """

    def __init__(
        self,
        graph: FactorGraph,
        evidence: Evidence,
        shared: frozenset[str],
        asked: Collection[str],
    ) -> None:
        self.shared, self.rows = shared, evidence.batch
        factors = [f for f in graph.factors if any(not v.is_discrete for v in f.scope)]
        self.factor = self._by_child(graph, factors)
        self.order = self._ordered(graph)
        self.observed = {n: self._observed(graph, evidence, n) for n in self.order}
        self.speaks = self._speaking(graph, evidence, factors, asked)
        self.speaking = [f for f in factors if bool(self.speaks[f].any())]
        speaking = {f.child.name for f in self.speaking if f.child is not None}
        self.order_of_speaking = [n for n in self.order if n in speaking]
        self.sampled = {}
        for name in self.order:
            missing = self.observed[name].isnan()
            rows = self.speaks[self.factor[name]][: len(missing)]
            self.sampled[name] = missing & rows.reshape(-1, *(1,) * (missing.ndim - 1))

    @staticmethod
    def _by_child(graph: FactorGraph, factors: Sequence[Factor]) -> dict[str, Factor]:
        by_child: dict[str, Factor] = {}
        for factor in factors:
            if factor.child is None:
                raise GraphError(
                    f"{factor!r} joins real variables without a direction; NUTS and SVI know "
                    "conditional distributions of them alone"
                )
            if factor.child.name in by_child:
                raise GraphError(f"'{factor.child.name}' has two conditional distributions")
            by_child[factor.child.name] = factor
        for name, v in graph.variables.items():
            if not v.is_discrete and name not in by_child:
                raise GraphError(f"the real variable '{name}' has no distribution")
        return {n: f for n, f in by_child.items() if not graph.variables[n].is_discrete}

    def _ordered(self, graph: FactorGraph) -> tuple[str, ...]:
        directed: nx.DiGraph[str] = nx.DiGraph()
        directed.add_nodes_from(self.factor)
        for name, factor in self.factor.items():
            directed.add_edges_from((p.name, name) for p in factor.parents if not p.is_discrete)
        if not nx.is_directed_acyclic_graph(directed):
            raise GraphError("the edges between the real variables form a cycle")
        for name in self.shared:
            if name not in self.factor:
                raise GraphError(f"'{name}' is discrete, and cannot be shared by the rows")
            for parent in self.factor[name].parents:
                if parent.name not in self.shared:
                    raise GraphError(
                        f"'{name}' is shared by the rows, and its parent '{parent.name}' is not"
                    )
        return tuple(nx.topological_sort(directed))

    def _observed(self, graph: FactorGraph, evidence: Evidence, name: str) -> Tensor:
        shape = graph.variables[name].shape
        values = evidence.values.get(name)
        if values is None:
            values = torch.full((1, *shape), torch.nan, dtype=torch.float64)
        values = values.detach().cpu().double()
        if name not in self.shared:
            return values.expand(self.rows, *shape).clone()
        return shared_value(graph.variables[name], values).clone()

    def _speaking(
        self,
        graph: FactorGraph,
        evidence: Evidence,
        factors: Sequence[Factor],
        asked: Collection[str],
    ) -> dict[Factor, Bool[Tensor, " rows"]]:
        speaks: dict[Factor, Tensor] = {}
        scopes = Counter(v.name for f in graph.factors for v in f.scope)
        children: dict[str, list[Factor]] = {name: [] for name in self.order}
        for factor in factors:
            for v in factor.parents:
                if not v.is_discrete:
                    children[v.name].append(factor)
            child = factor.child
            if child is not None and child.is_discrete:
                codes = evidence.hard(child.name)
                rows = torch.zeros(self.rows, dtype=torch.bool) if codes is None else codes >= 0
                is_alone = scopes[child.name] == 1
                if child.name in asked or child.name in evidence.soft or not is_alone:
                    rows = torch.ones_like(rows)
                speaks[factor] = rows
        for name in reversed(self.order):
            observed = ~self.observed[name].isnan()
            rows = observed.reshape(len(observed), -1).any(-1).expand(self.rows)
            for factor in children[name]:
                rows = rows | speaks[factor]
            if name in self.shared:
                rows = rows.any().expand(self.rows)
            speaks[self.factor[name]] = rows
        return {f: speaks[f] for f in factors}

    def is_shared(self, factor: Factor) -> bool:
        """Whether all rows share a factor, which then counts once."""
        return factor.child is not None and factor.child.name in self.shared

    def filled(self, drawn: Mapping[str, Tensor]) -> dict[str, Float[Tensor, "rows *shape"]]:
        """Return what is observed, and draws where nothing is; one row of shared variables."""
        filled = {}
        for name, value in drawn.items():
            observed = self.observed[name]
            filled[name] = torch.where(observed.isnan(), value[: len(observed)], observed)
        return filled

    def spread(self, values: Mapping[str, Tensor]) -> dict[str, Float[Tensor, "rows *shape"]]:
        """Return values with as many rows of shared variables as of others."""
        return {
            n: t.expand(self.rows, *t.shape[1:]) if n in self.shared else t
            for n, t in values.items()
        }

    def left_out(self, names: Sequence[str]) -> list[str]:
        """Return which variables must be drawn so that all of ``names`` have values, in order."""
        wanted: set[str] = set()
        needed = set(names)
        for name in reversed(self.order):
            open_rows = self.observed[name].isnan() & ~self.sampled[name]
            if name in needed and bool(open_rows.any()):
                wanted.add(name)
                needed.update(v.name for v in self.factor[name].parents)
        return [n for n in self.order if n in wanted]

    def drawn(
        self,
        names: Sequence[str],
        codes: Mapping[str, Int64[Tensor, " rows_and_draws"]],
        rows: int,
        generator: torch.Generator | None,
        values: Mapping[str, Tensor] | None = None,
        draws: int = 1,
    ) -> dict[str, Float[Tensor, "rows_and_draws *shape"]]:
        """Return values of some variables in their order, each drawn given its parents.

        Where ``values`` hold what is observed or sampled, that stays.
        """
        so_far = dict(values or {})
        for name in names:
            factor: Any = self.factor[name]
            parents = {v.name: (codes if v.is_discrete else so_far)[v.name] for v in factor.parents}
            made = factor.sample(parents, generator, rows=rows).double()
            if name in self.shared:
                by_row = made.reshape(self.rows, draws, *made.shape[1:])
                made = by_row[:1].expand_as(by_row).reshape(made.shape)
            missing = self.observed[name].isnan()
            if values is None:
                made = torch.where(missing, made, self.observed[name].expand(made.shape))
            elif name in values:
                held = (~missing | self.sampled[name]).expand(self.rows, *missing.shape[1:])
                made = torch.where(held.repeat_interleave(draws, 0), values[name], made)
            so_far[name] = made
        return {name: so_far[name] for name in names}
