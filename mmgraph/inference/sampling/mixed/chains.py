"""Chains of mixed networks: discrete variables by the join tree, continuous ones by elimination.

Given all continuous variables each of their distributions is a table over its own discrete parents,
however many of these the same variables join where they are not observed. Clusters with few
configurations are summed out once and for all; no chain waits for their variables.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64, Shaped
from torch import Tensor

from mmgraph.graph.errors import GraphError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor import LogTable
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.variable import Variable
from mmgraph.inference.exact import exact
from mmgraph.inference.field.discrete_part import DiscretePart, with_row_tables
from mmgraph.inference.gaussian.clusters import cluster_of
from mmgraph.inference.gaussian.draws import configuration_answers, state_numbers
from mmgraph.inference.gaussian.model import GaussianModel
from mmgraph.inference.gaussian.patterns import patterns_of, values_of
from mmgraph.inference.gaussian.tables import add_table, configuration_count, pattern_groups
from mmgraph.inference.gaussian.tensors import answered
from mmgraph.inference.sampling.mixed.family_densities import family_log_densities
from mmgraph.inference.sampling.schedule import Schedule

MOST_CONFIGURATIONS = 256
"""Clusters with no more are summed out; the continuous variables of others are drawn."""

NUMBERS_AT_ONCE = 1 << 20
"""Of tables whose marginals are computed together."""

SWEEPS_AT_ONCE = 64

APART = 5.0
"""Nats by which the start of each chain prefers other states than those of the other chains."""

_CERTAIN = 1 - 1e-14
"""A probability that rounding alone keeps from one."""


class MixedRecord(NamedTuple):
    """What the chains of all rows of evidence went through.

    Attributes
    ----------
    trace : dict of str to array of shape (draws, batch, chains, *shape)
        States of the discrete variables.
    components : array of shape (draws, batch, chains, factors)
        Those of mixtures, 0 of other distributions.
    marginals : dict of str to Tensor, shape (batch, *shape, states)
        Means of those given the continuous variables, over all draws.
    settled : dict of str to array of shape (batch, *shape)
        Whether a variable that is always in one state is not stuck there: chains started from
        different ones, or it has no other.
    independent : bool
        Whether all draws are independent, since nothing continuous is drawn.
    """

    trace: dict[str, Shaped[np.ndarray, "draws batch chains *shape"]]
    components: Int64[np.ndarray, "draws batch chains factors"]
    marginals: dict[str, Float[Tensor, "batch *shape states"]]
    settled: dict[str, Bool[np.ndarray, "batch *shape"]]
    independent: bool


class MixedChains:
    """Some chains for each row of evidence, all side by side: chains of a row are neighbours."""

    def __init__(
        self,
        graph: FactorGraph,
        model: GaussianModel,
        evidence: Evidence,
        chains: int,
        generator: torch.Generator | None,
    ) -> None:
        self.graph, self.model, self.chains, self.generator = graph, model, chains, generator
        self.batch, self.rows = evidence.batch, evidence.batch * chains
        self.discrete = [n for n, v in graph.variables.items() if v.is_discrete]
        values = values_of(evidence, model.variables)
        self.drawn = np.zeros((evidence.batch, len(model.forms)), np.bool_)
        fixed = self._summed_out(evidence, values)
        self._refuse_what_freezes()
        each = np.repeat(np.arange(evidence.batch), chains)
        self.is_drawn = torch.from_numpy(self.drawn[each])
        self.observed = values[each]
        self.factors = np.flatnonzero(self.drawn.any(0))
        self.fixed = {scope: table[torch.from_numpy(each)] for scope, table in fixed.items()}
        for f in self.factors.tolist():
            scope = model.forms[f].discrete
            if scope and scope not in self.fixed:
                states = [v.cardinality for v in scope]
                self.fixed[scope] = torch.zeros(self.rows, *states, dtype=torch.float64)
        cells = self.rows * sum(math.prod(t.shape[1:]) for t in self.fixed.values())
        self.slots = min(SWEEPS_AT_ONCE, max(1, NUMBERS_AT_ONCE // max(cells, 1)))
        slots = self.slots if self.factors.size else 1
        self.tables = {s: t.repeat(slots, *(1,) * (t.ndim - 1)) for s, t in self.fixed.items()}
        logs = (LogTable(scope, table) for scope, table in self.tables.items())
        self.part = with_row_tables(graph, evidence.rows(np.tile(each, slots)), logs)
        self.once = with_row_tables(graph, evidence, (LogTable(*f) for f in fixed.items()))
        self.codes: dict[str, Tensor] = {}
        self.configurations = np.zeros((self.rows, len(model.forms)), np.int64)

    def _summed_out(
        self, evidence: Evidence, values: Float64[np.ndarray, "batch elements"]
    ) -> dict[tuple[Variable, ...], Tensor]:
        """Tables of clusters with few configurations; others are marked to be drawn."""
        tables: dict[tuple[Variable, ...], Tensor] = {}
        forms = self.model.forms
        for rows, parts in pattern_groups(self.model, patterns_of(values)):
            for part in parts:
                is_mixture = any(forms[f].log_weights is not None for f in part)
                if is_mixture or configuration_count(self.model, part) > MOST_CONFIGURATIONS:
                    self.drawn[np.ix_(rows.order, part)] = True
                else:
                    cluster = cluster_of(self.model, part, None)
                    logs = answered(cluster, rows, evidence).log_weights
                    add_table(tables, cluster, rows, logs, evidence.batch)
        return tables

    def _refuse_what_freezes(self) -> None:
        equations = self.model.equations
        drawn = np.flatnonzero(self.drawn.any(0))
        exact_ones = equations.factor[equations.may_be_exact]
        frozen = exact_ones[np.isin(exact_ones, drawn)]
        if frozen.size:
            name = self.model.forms[frozen[0]].child.name
            raise GraphError(
                f"gibbs: '{name}' is a function of its parents without noise, in some states at "
                "least, and unobserved continuous variables join so many discrete ones that they "
                "have to be drawn: no chain would leave the states that it starts from. Give it a "
                "positive variance, or observe more of the continuous variables"
            )

    def run(self, schedule: Schedule, names: Sequence[str]) -> MixedRecord:
        """Return what chains go through; marginals of some discrete variables.

        Raises
        ------
        TreewidthError
            If the join tree of the discrete variables does not fit the memory budget.
        ZeroProbabilityError
            If a row of evidence is impossible.
        """
        alone = exact.marginals(*self.once, self.discrete, "junction_tree").marginals
        settled = {n: (t.amax(-1) > _CERTAIN).numpy() for n, t in alone.items()}
        if not self.factors.size:
            return self._independent(schedule, {n: alone[n] for n in names})
        for n, apart in self._start().items():
            settled[n] |= apart
        traced: list[dict[str, np.ndarray]] = []
        components: list[np.ndarray] = []
        sums = {name: torch.zeros_like(table) for name, table in alone.items() if name in names}
        slot = 0
        for sweep in range(-schedule.burn_in, schedule.draws * schedule.thinning):
            self.sweep(slot)
            draw, rest = divmod(sweep + 1, schedule.thinning)
            if sweep < 0 or rest:
                continue
            if (draw - 1) % schedule.interval == 0:
                traced.append({n: t.numpy().astype(np.int16) for n, t in self.codes.items()})
                components.append(self._components())
            slot += 1
            if slot == self.slots or draw == schedule.draws:
                self._add_marginals(sums, slot)
                slot = 0
        shape = (len(traced), self.batch, self.chains)
        trace = {n: np.stack([t[n] for t in traced]) for n in self.discrete}
        return MixedRecord(
            {n: t.reshape(*shape, *t.shape[2:]) for n, t in trace.items()},
            np.stack(components).reshape(*shape, -1),
            {n: total / (schedule.draws * self.chains) for n, total in sums.items()},
            settled,
            False,
        )

    def _independent(self, schedule: Schedule, marginals: dict[str, Tensor]) -> MixedRecord:
        """Independent draws: everything continuous is summed out."""
        draws = schedule.traced * self.chains
        codes = exact.samples(*self.once, draws, self.generator)
        trace = {
            n: t.reshape(self.batch, schedule.traced, self.chains, *t.shape[2:])
            for n, t in codes.items()
        }
        shape = (schedule.traced, self.batch, self.chains, len(self.model.forms))
        return MixedRecord(
            {n: t.transpose(0, 1).numpy().astype(np.int16) for n, t in trace.items()},
            np.zeros(shape, np.int64),
            marginals,
            {n: np.ones((self.batch, *t.shape[3:]), np.bool_) for n, t in trace.items()},
            True,
        )

    def _start(self) -> dict[str, Bool[np.ndarray, "batch *shape"]]:
        """Draw starts that are possible, each chain's with a liking for states of its own."""
        evidence = self.part.evidence.rows(slice(0, self.rows))
        soft = dict(evidence.soft)
        chain = torch.arange(self.chains).repeat(self.batch)
        for name in self.discrete:
            v = self.graph.variables[name]
            first = torch.randint(v.cardinality, v.shape, generator=self.generator)
            liked = (first + chain.reshape(-1, *(1,) * len(v.shape))) % v.cardinality
            likes = APART * torch.nn.functional.one_hot(liked, v.cardinality).double()
            soft[name] = likes + soft[name] if name in soft else likes
        self._draw_states(self.part._replace(evidence=replace(evidence, soft=soft)))
        self._configure({})
        by_row = {
            n: t.numpy().reshape(self.batch, self.chains, *t.shape[1:])
            for n, t in self.codes.items()
        }
        return {n: (t != t[:, :1]).any(1) for n, t in by_row.items()}

    def sweep(self, slot: int = 0) -> None:
        """Draw all continuous variables, then all discrete ones from the tables of a slot."""
        tables = self._family_tables()
        rows = slice(slot * self.rows, (slot + 1) * self.rows)
        for scope, table in self.tables.items():
            table[rows] = self.fixed[scope]
        for f, logs in tables.items():
            scope = self.model.forms[f].discrete
            if scope:
                target = self.tables[scope][rows]
                told = torch.where(self.is_drawn[:, f, None], logs.logsumexp(-1), 0.0)
                target += told.reshape(target.shape)
        self._draw_states(self.part._replace(evidence=self.part.evidence.rows(rows)))
        self._configure(tables)

    def _family_tables(self) -> dict[int, Float[Tensor, "rows states components"]]:
        """What new draws of the continuous variables say, by factor."""
        values = self.values()
        tables = family_log_densities(self.model, self.factors, values)
        pairs = zip(self.factors.tolist(), tables, strict=True)
        return {f: torch.from_numpy(table) for f, table in pairs}

    def values(self) -> Float64[np.ndarray, "rows elements"]:
        """Return draws of all continuous elements given the discrete variables."""
        elements = self.model.elements
        noise = torch.randn(self.rows, elements, generator=self.generator, dtype=torch.float64)
        return configuration_answers(
            self.model, self.observed, self.configurations, np.arange(elements), noise.numpy()
        )[0]

    def _draw_states(self, part: DiscretePart) -> None:
        drawn = exact.samples(part.graph, part.evidence, 1, self.generator)
        self.codes = {n: drawn[n][:, 0] for n in self.discrete}

    def _configure(self, tables: dict[int, Tensor]) -> None:
        """Number the configurations of all factors, components of mixtures drawn anew."""
        scalars = {n: t for n, t in self.codes.items() if t.ndim == 1}
        states = state_numbers(self.model, scalars, self.rows)
        for f, form in enumerate(self.model.forms):
            if form.log_weights is None:
                continue
            number = torch.from_numpy(states[:, f].copy())
            logs = form.log_weights.detach().cpu().double()[number]
            if f in tables:
                told = tables[f][torch.arange(self.rows), number]
                logs = torch.where(self.is_drawn[:, f, None], told, logs)
            chosen = torch.multinomial(logs.softmax(-1), 1, generator=self.generator)
            states[:, f] = states[:, f] * logs.shape[-1] + chosen[:, 0].numpy()
        self.configurations = states

    def _components(self) -> Int64[np.ndarray, "rows factors"]:
        sizes = [1 if f.log_weights is None else f.log_weights.shape[-1] for f in self.model.forms]
        return self.configurations % np.array(sizes)

    def _add_marginals(self, sums: dict[str, Tensor], slots: int) -> None:
        """Add the marginals given the continuous variables of some sweeps."""
        evidence = self.part.evidence.rows(slice(0, slots * self.rows))
        made = exact.marginals(self.part.graph, evidence, list(sums), "junction_tree").marginals
        for name, total in sums.items():
            total += (
                made[name].reshape(slots, self.batch, self.chains, *total.shape[1:]).sum((0, 2))
            )
