"""The tables of every slice of a call: what is observed cut off, densities of rows filled in."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.graph.errors import EvidenceError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor import Factor
from mmgraph.graph.leaves.continuous import ContinuousLeaf
from mmgraph.graph.state_labels import MISSING
from mmgraph.inference.exact.slices.dynamic_graph import DynamicGraph, former, present
from mmgraph.inference.exact.slices.factor_tables import is_static, static_table, table_by_energy
from mmgraph.inference.exact.slices.plan import (
    Axes,
    Program,
    SlicePlan,
    SliceTable,
    program,
    slice_plan,
)
from mmgraph.inference.exact.slices.sequences import SequenceEvidence


class Source(NamedTuple):
    """Where a table of a slice comes from.

    Attributes
    ----------
    child : str
        Whose distribution it is; whose evidence, where ``factor`` is None.
    factor : Factor or None
    observed, hidden : tuple of str
        The axes of its table, the first of which evidence cuts off.
    """

    child: str
    factor: Factor | None
    observed: Axes
    hidden: Axes

    @property
    def is_evidence(self) -> bool:
        """Whether it says what was observed of a hidden variable."""
        return self.factor is None


class SliceTables:
    """The plans of a call, and the tables that go with them.

    Parameters
    ----------
    model : DynamicGraph
    given : SequenceEvidence
    queried : iterable of str
        The variables whose marginals are asked for.
    memory_budget : int, optional
        Of the plans, in bytes.
    any_evidence : bool
        Whether the plans are to hold for any evidence, which :meth:`take` then puts in the place of
        this: all discrete variables but inputs stay hidden.

    Attributes
    ----------
    hidden : tuple of str
        The variables that messages are over, or that are summed out within a slice.
    sources : list of Source
        Of the static tables and of those of rows, by number: ``static_sources``, ``row_sources``.
    """

    def __init__(
        self,
        model: DynamicGraph,
        given: SequenceEvidence,
        queried: Iterable[str],
        memory_budget: int | None = None,
        any_evidence: bool = False,
    ) -> None:
        self.model, self.given, self.any_evidence = model, given, any_evidence
        cells, wanted = given.cells, set(queried)
        discrete = [n for n, v in model.variables.items() if v.is_discrete]
        codes = {n: c.numpy() for n in discrete if (c := cells.hard(n)) is not None}
        self.observed = {n for n, c in codes.items() if (c != MISSING).all()}
        self.told = {n for n in discrete if n in codes or n in cells.soft}
        real = {n for n in model.variables if n in cells.values and cells.tells(n)}
        self.dropped = _barren(model, self.told | real, wanted)
        self.codes = codes
        leaves = {
            n
            for n in discrete
            if not model.children(n) and n not in wanted and n in codes and n not in cells.soft
        }
        self.gathered = leaves - self.observed
        if any_evidence:
            self.observed = set(model.inputs) & set(discrete)
            self.told, self.gathered, self.dropped = set(discrete), set(), set()
        self.hidden = tuple(
            n for n in discrete if n not in self.observed | self.dropped | self.gathered
        )
        if not any_evidence:
            self._check_inputs(real)
        self.interface = self._interface()
        self.sizes = {
            former(n, lag): v.cardinality
            for n, v in model.variables.items()
            for lag in range(model.order + 1)
            if v.is_discrete
        }
        self.static_sources: list[Source] = []
        self.row_sources: list[Source] = []
        self.rows_by_slice: list[dict[int, Source]] = []
        self.statics_by_slice: list[list[int]] = []
        self._wanted, self._memory_budget = wanted, memory_budget
        self._needs = [self._needs_of(number) for number in range(len(model.slices))]
        self._lay_out()

    @functools.cached_property
    def plans(self) -> list[SlicePlan]:
        """How each of the first slices, and all later ones, are passed.

        Raises
        ------
        MemoryBudgetError
            If a table would not fit the memory budget.
        """
        return [
            slice_plan(*needs, self.sizes, memory_budget=self._memory_budget)
            for needs in self._needs
        ]

    @functools.cached_property
    def program(self) -> Program:
        """The plans, as compiled code runs them; raises as :attr:`plans`."""
        return program(self.plans, self.sizes)

    def take(self, given: SequenceEvidence) -> None:
        """Put other evidence in the place of that which the plans were made with.

        Raises
        ------
        EvidenceError
            If a real variable that others depend on, or an input, is missing at a step.
        """
        self.given = given
        hard = {n: given.cells.hard(n) for n in self.model.variables if n in given.cells.columns}
        self.codes = {n: c.numpy() for n, c in hard.items() if c is not None}
        for name in self.observed:
            if name not in self.codes or (self.codes[name] == MISSING).any():
                raise EvidenceError(f"the input '{name}' is to be observed at every step")
        self._check_inputs({n for n in self.model.variables if n in given.cells.values})

    def _check_inputs(self, real: set[str]) -> None:
        """Refuse real variables that are hidden parents, of which these messages know nothing."""
        for name, variable in self.model.variables.items():
            if variable.is_discrete or name in self.dropped or not self.model.children(name):
                continue
            values = self.given.cells.values.get(name)
            if name not in real or values is None or bool(values.isnan().any()):
                raise EvidenceError(
                    f"'{name}' is real and others depend on it: it is to be observed at every step "
                    "(LinearGaussianSystem and SwitchingLinearSystem know hidden real states)"
                )

    def _interface(self) -> dict[str, int]:
        """Of the hidden variables that later slices depend on, how far ahead."""
        ahead: dict[str, int] = {}
        for distributions in map(self.model.distributions, range(len(self.model.slices))):
            for child, factor in distributions.items():
                if child in self.dropped or child in self.model.inputs:
                    continue
                for parent in factor.parents:
                    name, lag = present(parent.name)
                    if lag and name in self.hidden:
                        ahead[name] = max(ahead.get(name, 0), lag)
        return ahead

    def layout(self, number: int) -> Axes:
        """Return the axes of the message after a slice, as that slice calls them."""
        return tuple(
            former(name, back)
            for back in range(self.model.order)
            for name in self.hidden
            if self.interface.get(name, 0) > back and back <= number
        )

    def _needs_of(self, number: int) -> tuple[Axes, Axes, dict[str, list[str]], list[SliceTable]]:
        """The interfaces, families and tables of a slice, as :func:`slice_plan` takes them."""
        tables: list[SliceTable] = []
        families: dict[str, list[str]] = {}
        here: dict[int, Source] = {}
        for child, factor in self.model.distributions(number).items():
            if child in self.dropped or child in self.model.inputs:
                continue
            names = [v.name for v in factor.scope if v.is_discrete]
            seen = tuple(n for n in names if present(n)[0] in self.observed)
            free = tuple(n for n in names if n not in seen and n not in self.gathered)
            if child in self.hidden:
                families[child] = [n for n in free if n != child and not present(n)[1]]
            elif not (
                factor.is_tabular
                or self.any_evidence
                or child in self.given.cells.values
                or child in self._wanted
            ):
                continue
            source = Source(child, factor, seen, free)
            of_rows = not is_static(factor) or child in self.gathered
            kind = self.row_sources if of_rows else self.static_sources
            kind.append(source)
            if of_rows:
                here[len(kind) - 1] = source
            tables.append(SliceTable(free, len(kind) - 1, of_rows))
        for name in self.hidden:
            if name in self.told or name in self._wanted:
                self.row_sources.append(Source(name, None, (), (name,)))
                here[len(self.row_sources) - 1] = self.row_sources[-1]
                tables.append(SliceTable((name,), len(self.row_sources) - 1, True))
        self.rows_by_slice.append(here)
        self.statics_by_slice.append([table.number for table in tables if not table.of_rows])
        before = self.layout(number - 1) if number else ()
        incoming = tuple(former(n, lag + 1) for n, lag in map(present, before))
        return incoming, self.layout(number), families, tables

    def _lay_out(self) -> None:
        """Static tables one behind the other, observed axes first; columns of those of rows."""
        tables, base = [], [0]
        for source in self.static_sources:
            assert source.factor is not None
            table = static_table(source.factor)
            names = [v.name for v in source.factor.scope]
            order = [names.index(n) for n in (*source.observed, *source.hidden)]
            tables.append(np.ascontiguousarray(table.transpose(order)).ravel())
            base.append(base[-1] + table.size)
        self.log_static = np.concatenate(tables) if tables else np.zeros(1)
        self.static = np.exp(self.log_static)
        self.base = np.array(base, np.int64)
        widths = [int(np.prod([self.sizes[n] for n in s.hidden])) for s in self.row_sources]
        ends = np.cumsum([0, *widths])
        self.column = ends.astype(np.int64)
        self.width = int(ends[-1])

    def least_product(self) -> float:
        """Return the logarithm of the least product of a step's possible static cells."""
        least = []
        for number in range(len(self.static_sources)):
            logs = self.log_static[self.base[number] : self.base[number + 1]]
            least.append(float(logs[logs > -np.inf].min(initial=0.0)))
        return min((sum(least[n] for n in step) for step in self.statics_by_slice), default=0.0)

    def which(self) -> Int64[np.ndarray, " steps"]:
        """Return which plan each step runs."""
        steps = self.given.steps
        since = np.arange(steps.total) - np.repeat(steps.first, steps.lengths)
        return np.minimum(since, len(self.model.slices) - 1)

    def of_piece(
        self, part: slice, which: Int64[np.ndarray, " steps"]
    ) -> tuple[Int64[np.ndarray, "steps tables"], Float64[np.ndarray, "steps columns"]]:
        """Return the offsets into static tables, and the logarithms of tables of rows."""
        length = part.stop - part.start
        offsets = np.zeros((length, max(len(self.static_sources), 1)), np.int64)
        logs = np.zeros((length, max(self.width, 1)))
        places = np.arange(part.start, part.stop)
        for number in range(len(self.model.slices)):
            chosen = np.flatnonzero(which[part] == number)
            if not len(chosen):
                continue
            for place in self.statics_by_slice[number]:
                offsets[chosen, place] = self._offset(self.static_sources[place], places[chosen])
            cells = self.given.of_slice(self.model.slices[number], places[chosen])
            for place, source in self.rows_by_slice[number].items():
                columns = slice(int(self.column[place]), int(self.column[place + 1]))
                table = self._row_table(source, cells, places[chosen])
                if table is not None:
                    logs[chosen, columns] = table.reshape(len(chosen), -1)
        return offsets, logs

    def codes_at(self, name: str, places: Int64[np.ndarray, " rows"]) -> Int64[np.ndarray, " rows"]:
        """Return observed states of a variable, of this slice or a former one, at some steps."""
        plain, lag = present(name)
        return self.codes[plain][np.maximum(places - lag, 0)]

    def _offset(
        self, source: Source, places: Int64[np.ndarray, " rows"]
    ) -> Int64[np.ndarray, " rows"]:
        total = np.zeros(len(places), np.int64)
        for name in source.observed:
            total = total * self.sizes[name] + self.codes_at(name, places)
        return total * int(np.prod([self.sizes[n] for n in source.hidden]))

    def _row_table(
        self, source: Source, cells: Evidence, places: Int64[np.ndarray, " rows"]
    ) -> Float64[np.ndarray, "rows *states"] | None:
        """The logarithms of a table for each of some steps; None where nothing is said."""
        if source.factor is None:
            return self._evidence_table(source.child, cells, places)
        factor = source.factor
        names = [v.name for v in factor.scope if v.is_discrete]
        if source.child in self.gathered:
            return self._gathered_table(source, names, places)
        if isinstance(factor, ContinuousLeaf):
            likelihood = factor.likelihood(cells)
            if likelihood is None:
                return None
            table = likelihood.values.detach().cpu().double().numpy()
        else:
            table = table_by_energy(factor, cells)
        return self._cut(table, names, source, places)

    def _cut(
        self,
        table: Float64[np.ndarray, "rows *states"],
        names: list[str],
        source: Source,
        places: Int64[np.ndarray, " rows"],
    ) -> Float64[np.ndarray, "rows *states"]:
        """The part of tables of rows that what is observed leaves."""
        order = [1 + names.index(n) for n in (*source.observed, *source.hidden)]
        table = table.transpose(0, *order)
        picks = tuple(self.codes_at(n, places) for n in source.observed)
        return table[(np.arange(len(places)), *picks)]

    def _gathered_table(
        self, source: Source, names: list[str], places: Int64[np.ndarray, " rows"]
    ) -> Float64[np.ndarray, "rows *states"]:
        """What a discrete variable that nothing depends on says of its parents, where observed."""
        assert source.factor is not None
        table = static_table(source.factor)
        codes = self.codes[source.child][places]
        order = [names.index(n) for n in (source.child, *source.observed, *source.hidden)]
        whole = table.transpose(order)
        nothing = np.zeros((1, *whole.shape[1:]))
        picks = tuple(self.codes_at(n, places) for n in source.observed)
        found: np.ndarray = np.concatenate([whole, nothing])[(codes, *picks)]
        return found

    def _evidence_table(
        self, name: str, cells: Evidence, places: Int64[np.ndarray, " rows"]
    ) -> Float64[np.ndarray, "rows states"]:
        count = self.sizes[name]
        logs = np.zeros((len(places), count))
        if name in cells.soft:
            logs += cells.soft[name].detach().cpu().double().numpy()
        if name in self.codes:
            codes = self.codes[name][places]
            known = codes != MISSING
            off = np.arange(count) != codes[known, None]
            logs[known] = np.where(off, -np.inf, logs[known])
        return logs


def _barren(model: DynamicGraph, told: set[str], wanted: set[str]) -> set[str]:
    """The variables of which nothing is known or asked, nor of any that depends on them."""
    dropped: set[str] = set()
    while True:
        more = {
            n
            for n in model.variables
            if n not in told | wanted | dropped and not model.children(n) - dropped - {n}
        }
        if not more:
            return dropped
        dropped |= more
