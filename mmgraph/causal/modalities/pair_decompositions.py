"""The partial information decomposition of each pair of modalities, in cells of beliefs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
from jaxtyping import Float64

from mmgraph.causal.modalities.belief_cells import cells_of, pair_information, table_of_cells
from mmgraph.causal.modalities.information.partial_information import PartialInformation
from mmgraph.causal.modalities.set_figures import AllSets, Beliefs, Members, RowSets, TableSets

_EXACT_CELLS, _ROW_CELLS = 20, 12
"""Of each source in a decomposition."""
_ROWS_PER_STATE = 20
"""Five for each state and pair of cells, of which there are four at least."""


class Pairs(dict[tuple[str, str], PartialInformation]):
    """Decompositions by pair, which may be asked for in either order."""

    def __missing__(self, pair: tuple[str, str]) -> PartialInformation:
        if isinstance(pair, tuple) and (turned := self.get(pair[::-1])) is not None:
            return replace(turned, unique=turned.unique[::-1])
        raise KeyError(pair)


def pair_decompositions(
    sets: AllSets, names: Sequence[str]
) -> dict[tuple[str, str], PartialInformation]:
    """Return the decompositions of all pairs, those that tell most first; of few rows none."""
    if isinstance(sets, RowSets) and sets.codes is not None:
        rows, states = sets.beliefs[frozenset()].shape
        if rows < _ROWS_PER_STATE * states:
            return Pairs()
    pairs = {pair: _pair(sets, pair) for pair in combinations(names, 2)}
    return Pairs(sorted(pairs.items(), key=lambda item: -item[1].total))


def _pair(sets: AllSets, pair: tuple[str, str]) -> PartialInformation:
    """The decomposition of two modalities, in cells of beliefs where they have many."""
    singles = [frozenset([name]) for name in pair]
    told = [sets.figures[s].information.value for s in (*singles, frozenset(pair))]
    if isinstance(sets, TableSets):
        first, second = (_merged(sets.margin(single)) for single in singles)
    else:
        assert isinstance(sets, RowSets)
        truth = sets.truth(frozenset(pair))
        first, second = (_cell_table(sets, single, truth) for single in singles)
    return pair_information(first, second, told)


def _merged(table: Float64[np.ndarray, "outcomes states"]) -> np.ndarray:
    """A source's table with the target, outcomes of near beliefs as one."""
    table = table[table.any(1)]
    weights = table.sum(1)
    cells = cells_of(table / weights[:, None], weights, _EXACT_CELLS)
    return table_of_cells(cells, table)


def _cell_table(sets: RowSets, members: Members, truth: Beliefs) -> np.ndarray:
    count = len(truth)
    # Of labels that are counted each cell needs some: five rows for each state and pair of cells.
    many = _ROW_CELLS if sets.codes is None else int((count / 5 / truth.shape[1]) ** 0.5)
    many = min(max(many, 2, min(truth.shape[1], 8)), _ROW_CELLS)
    return table_of_cells(cells_of(sets.beliefs[members], np.ones(count), many), truth)
