"""Family counts: how often each combination of states occurs, for many small scopes in one pass.

Scopes that share variables are counted together in one table while that table stays small enough
for the fastest cache, and read off from it by summation: the pass over the rows then costs a few
increments a row and not one for each scope. That is the old idea of the data cube (Gray et al.
1997, "Data cube: a relational aggregation operator generalizing group-by, cross-tab, and
sub-totals"), with the cells that a cache can hold as its bound.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import torch
from jaxtyping import Float64, Int64, Integer
from torch import Tensor

from mmgraph.data.column_codes import code_type
from mmgraph.data.encoding import CodedRows
from mmgraph.graph.errors import LearningError
from mmgraph.graph.evidence import MISSING
from mmgraph.graph.variable import Variable
from mmgraph.inference.options import device_of_data

CELLS_IN_CACHE = 4096
"""Scopes are joined while their common table has no more cells than this (32 KiB of counts)."""

TABLE_BUDGET_BYTES = 4 << 30
"""What all tables of counts together may take; more is refused before anything is allocated."""

_TABLES_TRIED = 16

_BLOCK_ROWS = 4096
"""Rows that are worked through at once: their codes and their cell numbers stay in cache."""

_jit = numba.njit(cache=True, nogil=True, error_model="numpy")


class IncompleteDataError(LearningError):
    """Cells are missing where complete data is needed; expectation maximisation can go on."""


def family_counts(
    scopes: Sequence[Sequence[Variable]],
    rows: CodedRows | Iterable[CodedRows],
    weights: Float64[np.ndarray, " rows"] | None = None,
    device: torch.device | str | None = None,
) -> list[Tensor]:
    """Count the states of several scopes over all rows, in one pass.

    Each scope is a table of its own: int64, or float64 where rows are weighted. Chunks have all
    columns of all scopes; the weights run over all chunks, which may have weights of their own
    instead (``CodedRows.weights``). Where to count: in a compiled loop on the CPU (the default), by
    ``torch.bincount`` elsewhere.

    Raises
    ------
    IncompleteDataError
        If a column or a cell is missing (column and row).
    LearningError
        If there are no rows, the weights are negative or do not fit, or the tables would exceed
        ``TABLE_BUDGET_BYTES``.
    """
    chunks = (rows,) if isinstance(rows, CodedRows) else rows
    names = [[v.name for v in scope] for scope in scopes]
    totals: list[Tensor] | None = None
    counted_rows = 0
    for chunk in chunks:
        _check_columns(names, chunk)
        index = {name: i for i, name in enumerate(chunk.columns)}
        here = chunk.weights
        if weights is not None:
            here = np.asarray(weights, np.float64)[counted_rows : counted_rows + len(chunk)]
        first_row = counted_rows + (chunk.first_row if weights is None else 0)
        _check_weights(here, len(chunk), first_row)
        counted_rows += len(chunk)
        numbered = [[index[name] for name in scope] for scope in names]
        cardinalities = [chunk.variables[name].cardinality for name in chunk.columns]
        try:
            counted = count_cells(chunk.codes, numbered, cardinalities, here, device)
        except _OutsideError as error:
            raise _explained(error, chunk) from None
        if totals is None:
            totals = counted
        else:
            totals = [a + b for a, b in zip(totals, counted, strict=True)]
    if totals is None or not counted_rows:
        raise LearningError("there are no rows to count")
    if weights is not None and len(weights) != counted_rows:
        raise LearningError(f"{len(weights)} weights for {counted_rows} rows")
    return totals


class _OutsideError(ValueError):
    """A code that is no state: which column, and in which row."""

    def __init__(self, column: int, row: int) -> None:
        super().__init__(f"the code in column {column}, row {row} is not one of its states")
        self.column, self.row = column, row


def count_cells(
    codes: Integer[np.ndarray, "rows columns"] | Integer[Tensor, "rows columns"],
    scopes: Sequence[Sequence[int]],
    cardinalities: Sequence[int],
    weights: Float64[np.ndarray, " rows"] | None = None,
    device: torch.device | str | None = None,
) -> list[Tensor]:
    """Count the states of several scopes, given by the numbers of their columns.

    What :func:`family_counts` does with one chunk; codes on a GPU are counted there by default, and
    a code that is no state of its column is a ValueError. Fastest with codes whose columns are
    contiguous and of a small integer type, as :func:`mmgraph.data.encoding.encode` makes them.
    """
    cells = sum(math.prod(cardinalities[c] for c in scope) for scope in scopes)
    if 8 * cells > TABLE_BUDGET_BYTES:
        raise LearningError(
            f"the counts would have {cells:,} cells, {8 * cells / 2**30:.3g} GiB; "
            f"{TABLE_BUDGET_BYTES / 2**30:.3g} GiB are allowed"
        )
    groups = joined_tables(scopes, cardinalities, len(codes))
    on = device_of_data(device, codes)
    if on.type == "cpu":
        here = codes.cpu() if isinstance(codes, Tensor) else codes
        tables = _counted_by_loop(np.asarray(here), groups, cardinalities, weights)
    else:
        tables = counted_by_bincount(torch.as_tensor(codes).to(on), groups, cardinalities, weights)
    return read_off(scopes, groups, tables)


@dataclass
class _Group:
    """Scopes that are counted in one table."""

    columns: list[int]
    cells: int
    members: list[int]


def joined_tables(scopes: Sequence[Sequence[int]], cards: Sequence[int], rows: int) -> list[_Group]:
    """Put scopes together, each into the table that it enlarges least."""
    # With few rows the sums over a large table would cost more than they save.
    bound = max(1, min(CELLS_IN_CACHE, rows // 4))
    sizes = [math.prod(cards[c] for c in scope) for scope in scopes]
    groups: list[_Group] = []
    having: dict[int, list[_Group]] = {}
    for i in sorted(range(len(scopes)), key=lambda i: -sizes[i]):
        best, growth = None, math.inf
        # Where no column is shared, only the last few tables may still have room.
        related = [g for c in scopes[i] for g in having.get(c, ())]
        for group in (*related, *groups[-_TABLES_TRIED:]):
            new = math.prod(cards[c] for c in scopes[i] if c not in group.columns)
            if new < growth and (new == 1 or group.cells * new <= bound):
                best, growth = group, new
        if best is None:
            best, growth = _Group([], 1, []), sizes[i]
            groups.append(best)
        for c in scopes[i]:
            if c not in best.columns:
                best.columns.append(c)
                having.setdefault(c, []).append(best)
        best.cells *= int(growth)
        best.members.append(i)
    return groups


def read_off(
    scopes: Sequence[Sequence[int]], groups: Sequence[_Group], tables: Sequence[Tensor]
) -> list[Tensor]:
    """Each scope's counts, summed out of the table of its group."""
    counts: dict[int, Tensor] = {}
    for group, table in zip(groups, tables, strict=True):
        place = {c: axis for axis, c in enumerate(group.columns)}
        for i in group.members:
            rest = [axis for c, axis in place.items() if c not in scopes[i]]
            axes = [c for c in group.columns if c in scopes[i]]
            summed = table.sum(rest) if rest else table
            counts[i] = summed.permute([axes.index(c) for c in scopes[i]]).contiguous()
    return [counts[i] for i in range(len(scopes))]


def _counted_by_loop(
    codes: Integer[np.ndarray, "rows columns"],
    groups: Sequence[_Group],
    cards: Sequence[int],
    weights: Float64[np.ndarray, " rows"] | None,
) -> list[Tensor]:
    sizes = np.array([g.cells for g in groups], np.int64)
    starts = np.concatenate(([0], np.cumsum(sizes)))
    columns = np.array([c for g in groups for c in g.columns], np.int64)
    firsts = np.concatenate(([0], np.cumsum([len(g.columns) for g in groups]))).astype(np.int64)
    if codes.dtype.itemsize == 8 or codes.dtype.kind == "u":
        codes = _narrowed(codes, max(cards, default=1))
    by_column = np.ascontiguousarray(codes.T)
    used = np.unique(columns)
    plan = (by_column, used, np.asarray(cards, np.int64), firsts, columns, starts)
    flat = np.zeros(starts[-1], np.int64 if weights is None else np.float64)
    heavy = None if weights is None else np.ascontiguousarray(weights, np.float64)
    column, row = _count(*plan, flat, heavy)
    if column >= 0:
        raise _OutsideError(int(column), int(row))
    return [
        torch.from_numpy(flat[start : start + g.cells].reshape([cards[c] for c in g.columns]))
        for g, start in zip(groups, starts, strict=False)
    ]


def _narrowed(codes: np.ndarray, cardinality: int) -> np.ndarray:
    """Codes in the smallest type that holds the states; what is none becomes ``MISSING``."""
    outside = (codes < 0) | (codes >= cardinality)
    return np.where(outside, MISSING, codes).astype(code_type(cardinality), "F")


@_jit
def _first_outside(codes, used, cards, begin, end):
    """The first column and row in a block whose code is no state, or (-1, -1)."""
    for column in used:
        some = codes[column, begin:end]
        card = cards[column]
        bad = 0
        for i in range(len(some)):
            bad |= (some[i] < 0) | (some[i] >= card)
        if bad:
            for i in range(len(some)):
                if some[i] < 0 or some[i] >= card:
                    return column, begin + i
    return -1, -1


@_jit
def _number_cells(codes, columns, cards, begin, rows, cell):
    """The cell of each row in the table over a few columns, the last one moving fastest."""
    first = codes[columns[0], begin : begin + rows]
    for i in range(rows):
        cell[i] = first[i]
    for column in columns[1:]:
        card = np.int32(cards[column])
        some = codes[column, begin : begin + rows]
        for i in range(rows):
            cell[i] = cell[i] * card + some[i]


@_jit
def _count(codes, used, cards, firsts, columns, starts, flat, weights):
    """Add the rows to the tables that lie one after the other in ``flat``, one each or weighted."""
    total = codes.shape[1]
    narrow, wide = np.empty(_BLOCK_ROWS, np.int32), np.empty(_BLOCK_ROWS, np.int64)
    for begin in range(0, total, _BLOCK_ROWS):
        rows = min(_BLOCK_ROWS, total - begin)
        column, row = _first_outside(codes, used, cards, begin, begin + rows)
        if column >= 0:
            return column, row
        for g in range(len(firsts) - 1):
            scope = columns[firsts[g] : firsts[g + 1]]
            table = flat[starts[g] : starts[g + 1]]
            if len(scope) == 0:
                narrow[:rows] = 0
                _add(table, narrow, begin, rows, weights)
            elif len(table) < 2**31:
                _number_cells(codes, scope, cards, begin, rows, narrow)
                _add(table, narrow, begin, rows, weights)
            else:
                _number_cells(codes, scope, cards, begin, rows, wide)
                _add(table, wide, begin, rows, weights)
    return -1, -1


@_jit
def _add(table, cell, begin, rows, weights):
    """Add some rows to the cells they are in; without weights the compiler drops the first loop."""
    if weights is not None:
        for i in range(rows):
            table[cell[i]] += weights[begin + i]
    else:
        for i in range(rows):
            table[cell[i]] += 1


def counted_by_bincount(
    codes: Integer[Tensor, "rows columns"],
    groups: Sequence[_Group],
    cards: Sequence[int],
    weights: Float64[np.ndarray, " rows"] | None,
) -> list[Tensor]:
    """Count each group in its table by ``torch.bincount``, where the codes are."""
    used = sorted({c for g in groups for c in g.columns})
    bound = torch.tensor([cards[c] for c in used], device=codes.device)
    outside = (codes[:, used] < 0) | (codes[:, used] >= bound)
    if bool(outside.any()):
        row, at = (int(i) for i in outside.nonzero()[0])
        raise _OutsideError(used[at], row)
    heavy = None if weights is None else torch.as_tensor(weights).to(codes.device, torch.float64)
    tables = []
    for group in groups:
        cell: Int64[Tensor, " rows"] = torch.zeros(len(codes), dtype=torch.int64).to(codes.device)
        for c in group.columns:
            cell = cell * cards[c] + codes[:, c]
        table = torch.bincount(cell, heavy, minlength=group.cells)
        tables.append(table.reshape([cards[c] for c in group.columns]))
    return tables


def _check_columns(names: Sequence[Sequence[str]], chunk: CodedRows) -> None:
    for name in dict.fromkeys(n for scope in names for n in scope):
        if name not in chunk.columns:
            raise IncompleteDataError(
                f"the data has no column '{name}'; where a variable is never observed, "
                "learn by expectation maximisation (method='em')"
            )


def _check_weights(weights: np.ndarray | None, rows: int, first_row: int) -> None:
    if weights is None:
        return
    if weights.shape != (rows,):
        raise LearningError(f"weights of shape {weights.shape} for {rows} rows")
    bad = ~((weights >= 0) & (weights < np.inf))
    if bad.any():
        row = int(bad.argmax())
        raise LearningError(
            f"the weight {weights[row]} of row {first_row + row} is negative or not finite"
        )


def _explained(error: _OutsideError, chunk: CodedRows) -> LearningError:
    name, row = chunk.columns[error.column], error.row
    code: Any = chunk.codes[row, error.column]
    if int(code) == MISSING:
        return IncompleteDataError(
            f"'{name}' is missing in row {chunk.first_row + row}; complete data is needed here: "
            "learn by expectation maximisation (method='em'), or leave such rows out"
        )
    return LearningError(
        f"'{name}' has {chunk.variables[name].cardinality} states; the code {int(code)} in row "
        f"{chunk.first_row + row} is not one of them"
    )
