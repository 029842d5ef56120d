"""The density of the real variables that evidence leaves open, the discrete ones summed out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.exact import torch_contraction
from mmgraph.inference.exact.unrolling import unrolled
from mmgraph.interop.pyro.log_tables import log_table_of
from mmgraph.interop.pyro.node import PyroNode
from mmgraph.interop.pyro.real_variables import RealVariables
from mmgraph.interop.pyro.summation import DiscreteSum
from mmgraph.interop.pyro.supports import Interval, interval_of


@dataclass
class Segment:
    """The elements of a variable that are sampled, and where they stand in a vector of all.

    Attributes
    ----------
    mask : Tensor, shape (rows, *shape)
        One row of a shared variable.
    interval : Interval
        The values that they can have.
    row : Tensor, shape (elements,)
        Whose row each is; the first of shared ones.
    base : Tensor, shape (rows, *shape)
        What is observed; elsewhere values that no factor looks at.
    """

    name: str
    begin: int
    mask: Bool[Tensor, "rows *shape"]
    interval: Interval
    row: Int64[Tensor, " elements"]
    base: Float[Tensor, "rows *shape"]

    @property
    def end(self) -> int:
        """The place after its last element."""
        return self.begin + len(self.row)

    def filled(self, numbers: Float[Tensor, " elements"]) -> Float[Tensor, "rows *shape"]:
        """Return the variable's values, of these of the elements that are sampled."""
        if numbers.numel() == self.mask.numel():
            return numbers.reshape(self.mask.shape)
        return self.base.masked_scatter(self.mask, numbers)


class RealDensity:
    """The log-density of all real numbers that are missing and that some observation depends on.

    Discrete variables are summed out by a join tree. Real variables of which nothing observed is a
    descendant are left out: :meth:`completed` draws them from their parents.

    Parameters
    ----------
    asked : sequence of str
        The discrete variables whose marginals are wanted.
    shared : sequence of str
        Real variables that have one value for all rows: parameters. Their own distributions count
        once.

    Raises
    ------
    GraphError
        If real variables are joined without direction, or one is a function of its parents.
    EvidenceError, ZeroProbabilityError
        If a value lies outside of its support, or the discrete evidence is impossible.
    """

    def __init__(
        self,
        graph: FactorGraph,
        evidence: Evidence,
        asked: Sequence[str],
        shared: Sequence[str] = (),
        generator: torch.Generator | None = None,
    ) -> None:
        self.form = unrolled(graph)
        self.evidence = self.form.evidence(evidence)
        self.rows = evidence.batch
        self.shared = frozenset(shared)
        elements = frozenset(self.form.names(asked) or ())
        self.real = RealVariables(self.form.graph, self.evidence, self.shared, elements)
        self._generator = generator
        self.segments = self._segments()
        self.size = self.segments[-1].end if self.segments else 0
        self._sampled = {s.name: s for s in self.segments}
        self._split_factors()

    def _segments(self) -> list[Segment]:
        """The elements that are sampled, from two draws of all: supports must be the same."""
        starts = [self.real.filled(self._prior_draw()) for _ in range(2)]
        begin, segments = 0, []
        for name in self.real.order:
            mask = self.real.sampled[name]
            if not bool(mask.any()):
                continue
            factor = self.real.factor[name]
            interval = interval_of(factor, [self.real.spread(start) for start in starts], self.rows)
            row = mask.nonzero()[:, 0]
            base = starts[0][name]
            segments.append(Segment(name, begin, mask, interval, row, base))
            begin += len(row)
        self._fixed = {n: v for n, v in starts[0].items() if not bool(self.real.sampled[n].any())}
        for node in self.real.speaking:
            if isinstance(node, PyroNode):
                self._check(node, self.real.spread(starts[0]))
        return segments

    def _check(self, node: PyroNode, values: Mapping[str, Tensor]) -> None:
        """Raise EvidenceError if the support of a node does not hold what rows have observed."""
        rows = self.real.speaks[node].nonzero().squeeze(1)
        here = {v.name: values[v.name][rows] for v in node.scope if not v.is_discrete}
        node.log_table(here, len(rows), rows)

    def _split_factors(self) -> None:
        """Compute what no sampled number changes once, and keep functions for the rest."""
        names = self._sampled.keys()
        still: list[tuple[Any, Tensor]] = []
        self._common = torch.zeros((), dtype=torch.float64)
        self._once: list[Any] = []
        self._each: list[tuple[Any, Tensor | None]] = []
        self._scopes = []
        fixed = self.real.spread(self._fixed)
        for factor in self.real.speaking:
            table = log_table_of(factor)
            once = self.real.is_shared(factor)
            if any(v.name in names for v in factor.scope):
                if once:
                    self._once.append(table)
                    continue
                speaks = self.real.speaks[factor]
                self._each.append((table, None if bool(speaks.all()) else speaks))
                self._scopes.append(tuple(v for v in factor.scope if v.is_discrete))
            elif once:
                one = {n: t[:1] for n, t in fixed.items()}
                self._common = self._common + table(one, 1).sum()
            else:
                scope = tuple(v for v in factor.scope if v.is_discrete)
                still.append((scope, _masked(table(fixed, self.rows), self.real.speaks[factor])))
        self.sum = DiscreteSum(self.form.graph, self.evidence, self._scopes, still)

    @property
    def moves_states(self) -> bool:
        """Whether numbers that are sampled say something of discrete variables."""
        return any(self._scopes)

    def _prior_draw(self) -> dict[str, Tensor]:
        """Values of the real variables that speak, each drawn given its parents."""
        codes: dict[str, Tensor] = {}
        if any(v.is_discrete for f in self.real.speaking for v in f.parents):
            discrete = [v for v in self.form.graph.variables.values() if v.is_discrete]
            tabular = [f for f in self.form.graph.factors if f.is_tabular]
            graph = FactorGraph(discrete, tabular)
            drawn = torch_contraction.exact_samples(graph, self.evidence, 1, self._generator)
            codes = {name: states[:, 0] for name, states in drawn.items()}
        return self.real.drawn(self.real.order_of_speaking, codes, self.rows, self._generator)

    def start(self) -> Float[Tensor, " size"]:
        """Return a draw of all sampled numbers from their parents, without bounds."""
        values = self.real.filled(self._prior_draw())
        parts = [s.interval.to_line(values[s.name][s.mask]) for s in self.segments]
        return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64)

    def values(
        self, point: Float[Tensor, " size"]
    ) -> tuple[dict[str, Float[Tensor, "rows *shape"]], list[Float[Tensor, " elements"]]]:
        """Return all values at a point, and the logarithms of the slopes towards them."""
        values, slopes = dict(self._fixed), []
        for s in self.segments:
            part = point[s.begin : s.end]
            numbers, slope = s.interval.from_line(part)
            values[s.name] = s.filled(numbers)
            slopes.append(slope)
        return values, slopes

    def log_density(
        self, point: Float[Tensor, " size"]
    ) -> tuple[Float[Tensor, " rows"], Float[Tensor, ""]]:
        """Return the log-density at a point without bounds: of each row, and what counts once."""
        values, slopes = self.values(point)
        common = self._common
        for table in self._once:
            common = common + table({n: t[:1] for n, t in values.items()}, 1).sum()
        weight = self.sum.log_weight(self._tables(self.real.spread(values), self.rows))
        for s, slope in zip(self.segments, slopes, strict=True):
            if s.name in self.shared:
                common = common + slope.sum()
            else:
                weight = weight.index_add(0, s.row, slope.expand(len(s.row)))
        return weight, common

    def potential(self, parameters: Mapping[str, Tensor]) -> Float[Tensor, ""]:
        """Return minus the log-density of all rows at ``parameters["point"]``."""
        weight, common = self.log_density(parameters["point"])
        return -(weight.sum() + common)

    def _tables(
        self, values: Mapping[str, Tensor], rows: int, repeats: int = 1
    ) -> list[Float[Tensor, "rows *states"]]:
        tables = []
        for table, speaks in self._each:
            values_of_rows = table(values, rows)
            if speaks is not None:
                values_of_rows = _masked(values_of_rows, speaks.repeat_interleave(repeats))
            tables.append(values_of_rows)
        return tables

    def at_draws(
        self, points: Float[Tensor, "draws size"]
    ) -> tuple[dict[str, Float[Tensor, "rows_and_draws *shape"]], list[Tensor]]:
        """Return all values at many points, row by row, and the tables that they make."""
        draws = len(points)
        values: dict[str, Tensor] = {}
        for name, value in self._fixed.items():
            whole = value.expand(self.rows, *value.shape[1:])
            values[name] = whole.repeat_interleave(draws, 0)
        for s in self.segments:
            numbers, _ = s.interval.from_line(points[:, s.begin : s.end])
            whole = s.base.unsqueeze(1).repeat(1, draws, *(1,) * (s.base.ndim - 1))
            whole.transpose(0, 1)[:, s.mask] = numbers
            whole = whole.expand(self.rows, *whole.shape[1:])
            values[s.name] = whole.reshape(self.rows * draws, *whole.shape[2:])
        return values, self._tables(values, self.rows * draws, draws)

    def observed_values(
        self, name: str, points: Float[Tensor, "draws size"]
    ) -> Float[Tensor, "rows_and_draws *shape"]:
        """Return a variable that is observed throughout, once for each draw."""
        observed = self.real.observed[name]
        return observed.expand(self.rows, *observed.shape[1:]).repeat_interleave(len(points), 0)

    def completed(
        self,
        values: dict[str, Tensor],
        tables: list[Tensor],
        draws: int,
        names: Sequence[str],
    ) -> dict[str, Float[Tensor, "rows_and_draws *shape"]]:
        """Return values with those of ``names`` that were left out, drawn given their parents."""
        wanted = self.real.left_out(names)
        if not wanted:
            return values
        codes: dict[str, Tensor] = {}
        if any(v.is_discrete for n in wanted for v in self.real.factor[n].parents):
            codes = self.sum.samples(tables, draws, self._generator)
        total = self.rows * draws
        drawn = self.real.drawn(wanted, codes, total, self._generator, values, draws)
        return {**values, **drawn}


def _masked(table: Float[Tensor, "rows *states"], rows: Bool[Tensor, " rows"]) -> Tensor:
    """A table that says nothing of rows without a mark."""
    return torch.where(rows.reshape(-1, *(1,) * (table.ndim - 1)), table, 0.0)
