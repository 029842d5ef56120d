"""Rows of data as estimators use them: distinct rows, how often each occurs, and their groups."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from mmgraph.data.encoding import encode
from mmgraph.data.groups import coded_groups
from mmgraph.data.inferred_states import measured_columns, states_in
from mmgraph.data.reading import check_weights
from mmgraph.data.table import Table
from mmgraph.data.tables import open_table
from mmgraph.graph.column_reader import plain_array, spelling, spellings
from mmgraph.graph.errors import CausalError, LearningError
from mmgraph.graph.state_labels import MISSING, is_missing
from mmgraph.graph.variable import Variable

_LARGEST = 1e100


@dataclass(frozen=True, eq=False)
class Sample:
    """The distinct rows of a table; where a column is continuous, simply its rows.

    Attributes
    ----------
    variables : mapping of str to Variable
    columns : dict of str to Tensor
        States ``int64 (cells,)`` or real values ``float64 (cells,)`` of each distinct row.
    counts : Tensor
        How many rows are so.
    row_weights : Tensor
        What each of them weighs.
    groups : Tensor, optional
        The group of those rows: like rows of several groups are told apart.
    set_rows : int
        How many rows of the table were left out, as something was set in them.
    """

    variables: Mapping[str, Variable]
    columns: dict[str, Tensor]
    counts: Float64[Tensor, " cells"]
    row_weights: Float64[Tensor, " cells"]
    groups: Int64[Tensor, " cells"] | None = None
    set_rows: int = 0

    @property
    def weights(self) -> Float64[Tensor, " cells"]:
        """The weight of all rows of each kind together."""
        return self.counts * self.row_weights

    @cached_property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self.counts.sum())

    def effective_size(self, balance: Float64[Tensor, " cells"]) -> float:
        """Return Kish's size, (sum of weights)^2 / sum of squares, of rows weighted once more."""
        each = balance * self.row_weights
        return float((self.counts * each).sum() ** 2 / (self.counts * each**2).sum())

    def is_discrete(self, names: Collection[str]) -> bool:
        """Return whether all of some columns have states."""
        return all(self.variables[name].is_discrete for name in names)

    def agrees(self, states: Mapping[str, object]) -> Bool[Tensor, " cells"]:
        """Return which distinct rows have all of some states."""
        same = torch.ones(len(self.counts), dtype=torch.bool)
        for name, state in states.items():
            if not self.variables[name].is_discrete:
                raise CausalError(
                    f"'{name}' is continuous: no row has exactly {state!r}; put it into bins"
                )
            same &= self.columns[name] == self.variables[name].code(state)
        return same

    def check_varies(self, name: str) -> None:
        """Raise LearningError if a treatment is the same in every row."""
        values = self.columns[name][self.weights > 0]
        if len(values) and bool((values == values[0]).all()):
            variable = self.variables[name]
            value = variable.labels[int(values[0])] if variable.is_discrete else float(values[0])
            raise LearningError(
                f"the treatment '{name}' is constant ({value!r} in every row): the rows say "
                "nothing of its effect"
            )

    def where(self, rows: Bool[Tensor, " cells"]) -> Sample:
        """Return the sample of some of the distinct rows."""
        return replace(
            self,
            columns={name: column[rows] for name, column in self.columns.items()},
            counts=self.counts[rows],
            row_weights=self.row_weights[rows],
            groups=None if self.groups is None else self.groups[rows],
        )

    def strata(self, names: Sequence[str]) -> tuple[Int64[Tensor, " cells"], list[dict[str, Any]]]:
        """Return the stratum of each distinct row by some discrete columns, and their states."""
        if not names:
            return torch.zeros(len(self.counts), dtype=torch.int64), [{}]
        codes = torch.stack([self.columns[name] for name in names], 1)
        distinct, place = torch.unique(codes, dim=0, return_inverse=True)
        labels = [self.variables[name].labels for name in names]
        return place, [
            {n: which[c] for n, which, c in zip(names, labels, row, strict=True)}
            for row in distinct.tolist()
        ]


def standardised(column: Float64[Tensor, " cells"]) -> tuple[Float64[Tensor, " cells"], float]:
    """Return numbers less their mean, in their standard deviation, and that (1 if they are one)."""
    spread = float(column.std()) if len(column) > 1 else 0.0
    centred = column - column.mean()
    scale = spread if spread > 0 else 1.0
    return centred / scale, scale


def variables_in(
    table: Table, names: Sequence[str], known: Mapping[str, Variable]
) -> dict[str, Variable]:
    """Return a variable for each column: those of a network, and else as the cells are."""
    table = table.select(names)
    unknown = [name for name in names if name not in known]
    measured = measured_columns(table, unknown)
    states = states_in(table, [n for n in unknown if n not in measured], constant=True)
    variables = {}
    for name in names:
        if name in known:
            variables[name] = known[name]
        elif name in measured:
            variables[name] = Variable(name, family="gaussian")
        elif not states[name]:
            raise LearningError(f"the column '{name}' of {table.origin} is empty in every row")
        else:
            variables[name] = Variable(name, states[name])
    return variables


def read_sample(
    data: object,
    names: Sequence[str],
    known: Mapping[str, Variable] | None = None,
    weights: object = None,
    groups: object = None,
    distinct: bool = True,
    interventions: str | None = None,
) -> Sample:
    """Return some columns of a table as distinct rows, or unless ``distinct`` as its rows.

    ``weights`` and ``groups`` are columns of the table by name, or a value a row. Rows in which the
    column ``interventions`` names something are left out.

    Raises
    ------
    UnknownVariableError, UnknownStateError, LearningError
        If a column or a cell is missing (which), a cell is no state, weights are negative, or
        there are none for some row.
    """
    table = open_table(data)
    variables = variables_in(table, names, known or {})
    rows = encode(table.select(names), variables)
    untouched = _untouched(table, interventions, len(rows))
    columns = {}
    for name in names:
        if variables[name].is_discrete:
            columns[name] = torch.from_numpy(rows.column(name).astype(np.int64)[untouched])
            missing = columns[name] == MISSING
        else:
            columns[name] = rows.values[name][torch.from_numpy(untouched)]
            missing = columns[name].isnan()
            if float(columns[name].nan_to_num().abs().max()) > _LARGEST:
                raise LearningError(
                    f"'{name}' has numbers beyond {_LARGEST:g}, whose squares overflow: scale it"
                )
        if bool(missing.any()):
            where = table.place(int(untouched[int(missing.double().argmax())]))
            raise LearningError(
                f"{where}: '{name}' is missing. A network learns from such rows "
                "(BayesianNetwork.from_data(rows, edges)), CausalModel.from_network(net).effect "
                "needs no data; mm.recoverable says whether the rows determine the effect"
            )
    row_weights = _weights(table, weights, len(rows))[untouched]
    grouped = None if groups is None else _groups(table, groups, len(rows))[untouched]
    distinct = distinct and all(variables[name].is_discrete for name in names)
    made = _gathered(variables, columns, row_weights, grouped, distinct)
    return replace(made, set_rows=len(rows) - len(untouched))


def _untouched(table: Table, interventions: str | None, rows: int) -> Int64[np.ndarray, " rows"]:
    """The rows in which nothing was set: their cell is missing, or holds but separators."""
    if interventions is None:
        return np.arange(rows)
    hidden = spellings(table.missing_cells())
    cells = np.asarray(_column(table, interventions), object).tolist()
    untouched = [
        row
        for row, cell in enumerate(cells)
        if is_missing(cell) or spelling(cell) in hidden or not str(cell).strip(",;+ \t")
    ]
    if not untouched:
        raise LearningError(f"'{interventions}' says that something was set in every row")
    return np.array(untouched)


def _column(table: Table, what: object) -> Any:
    """A column by its name, of all rows; or what is one already."""
    if not isinstance(what, str):
        return plain_array(what)
    parts = [chunk[what] for chunk in table.select([what]).chunks(100_000)]
    return np.concatenate([np.asarray(plain_array(part)) for part in parts])


def _weights(table: Table, weights: object, rows: int) -> Float64[np.ndarray, " rows"]:
    if weights is None:
        return np.ones(rows)
    try:
        array = np.asarray(_column(table, weights)).astype(np.float64)
    except (TypeError, ValueError):
        called = f"the column '{weights}'" if isinstance(weights, str) else "weights"
        raise LearningError(f"{called} is to hold numbers, which weigh rows") from None
    if array.shape != (rows,):
        raise LearningError(f"weights of shape {array.shape} for {rows} rows")
    check_weights(array, lambda row: f"{table.place(row)}: the weight")
    if not array.any():
        raise LearningError("all rows weigh nothing")
    return array


def _groups(table: Table, groups: object, rows: int) -> Int64[np.ndarray, " rows"]:
    name = groups if isinstance(groups, str) else "group"
    codes = coded_groups(name, _column(table, groups)).codes
    if codes.shape != (rows,):
        raise LearningError(f"groups of shape {codes.shape} for {rows} rows")
    if codes.max() == 0:
        raise LearningError(f"all rows have one '{name}': at least two groups say how they differ")
    return codes


def _gathered(
    variables: Mapping[str, Variable],
    columns: dict[str, Tensor],
    weights: Float64[np.ndarray, " rows"],
    groups: Int64[np.ndarray, " rows"] | None,
    distinct: bool,
) -> Sample:
    """Put like rows of a group together, where rows are to be distinct."""
    rows = len(weights)
    first = np.arange(rows)
    counts = np.ones(rows)
    if distinct:
        key = np.unique(weights, return_inverse=True)[1].astype(np.int64)
        keyed = [(variables[name].cardinality, column.numpy()) for name, column in columns.items()]
        if groups is not None:
            keyed.append((int(groups.max()) + 1, groups))
        for states, codes in keyed:
            key = np.unique(key * states + codes, return_inverse=True)[1]
        _, first, repeats = np.unique(key, return_index=True, return_counts=True)
        counts = repeats.astype(np.float64)
    return Sample(
        variables,
        {name: column[first] for name, column in columns.items()},
        torch.from_numpy(counts),
        torch.from_numpy(weights[first]),
        None if groups is None else torch.from_numpy(groups[first]),
    )
