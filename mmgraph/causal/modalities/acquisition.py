"""Which modality to acquire next for a row: tests whose outcomes are what modalities would say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from mmgraph.causal.modalities.belief_cells import cells_of
from mmgraph.causal.modalities.network_beliefs import NetworkBeliefs
from mmgraph.causal.modalities.predictor_beliefs import PredictorBeliefs
from mmgraph.causal.modalities.set_figures import RowSets
from mmgraph.graph.evidence import Evidence

CELLS = 8
"""Of what a modality would say, in which beliefs are gathered."""
DRAWS = 4000
_MOST_TOGETHER = 5


def network_tests(
    beliefs: NetworkBeliefs, cells: object, generator: torch.Generator
) -> tuple[np.ndarray, dict[Any, np.ndarray]]:
    """Return the belief in a row, and what each modality that it lacks would say, given the target.

    Tables are exact where they fit, and else of draws given the row, in cells of beliefs.
    """
    row = beliefs.row(cells)
    told = {name for name in row.observed() if row.tells(name)}
    lacking = [m for m, members in beliefs.groups.items() if not told.issuperset(members)]
    prior = beliefs.beliefs(row, beliefs.groups)[0]
    if not lacking:
        return prior, {}
    rest = NetworkBeliefs(
        beliefs.net,
        beliefs.target,
        {m: tuple(n for n in beliefs.groups[m] if n not in told) for m in lacking},
    )
    table = rest.table(lacking, row)
    if table is None:
        return prior, _drawn_tests(beliefs, row, lacking, generator)
    return prior, _given_target(table, lacking)


def _drawn_tests(
    beliefs: NetworkBeliefs,
    row: Evidence,
    lacking: Sequence[str],
    generator: torch.Generator,
) -> dict[Any, np.ndarray]:
    drawn = beliefs.draws(DRAWS, generator, row)
    known = [m for m in beliefs.groups if m not in lacking]
    weights = np.ones(drawn.batch)

    def cell(modality: str) -> np.ndarray:
        return cells_of(beliefs.beliefs(drawn, [*known, modality]), weights, CELLS)

    cells = [cell(modality) for modality in lacking]
    truth = beliefs.beliefs(drawn, beliefs.groups)
    if len(lacking) <= _MOST_TOGETHER:
        return _given_target(_counted(cells, truth), lacking)
    tables = (_counted([one], truth) for one in cells)
    return {m: _given_target(t, [m])[m] for m, t in zip(lacking, tables, strict=True)}


def predictor_tests(
    beliefs: PredictorBeliefs, rows: RowSets, row: Any
) -> tuple[np.ndarray, dict[Any, np.ndarray]]:
    """Return the belief in a row, and what each modality that it lacks would say, given the class.

    What a modality would say are cells of the beliefs by it alone, counted in the rows of the
    analysis with half a row more in each; given the class it is taken to be independent of others.
    """
    row = beliefs.row(row)
    lacking = [m for m in beliefs.names if beliefs.lacks(row, m)]
    had = [m for m in beliefs.names if m not in lacking]
    tests = {}
    for modality in lacking:
        alone = rows.beliefs[frozenset([modality])]
        cells = cells_of(alone, np.ones(len(alone)), CELLS)
        truth = rows.truth(frozenset([modality]))
        counts = np.stack([np.bincount(cells, c) for c in truth.T], 1).T + 0.5
        tests[modality] = counts / counts.sum(1, keepdims=True)
    return beliefs.beliefs(row, had)[0], tests


def _counted(cells: Sequence[np.ndarray], truth: np.ndarray) -> np.ndarray:
    """The joint distribution of cells and target."""
    shape = [int(c.max()) + 1 for c in cells]
    place = np.ravel_multi_index(tuple(cells), shape)
    size = int(np.prod(shape))
    table = np.stack([np.bincount(place, column, size) for column in truth.T], 1)
    return np.asarray(table.reshape(*shape, -1) / table.sum())


def _given_target(table: np.ndarray, modalities: Sequence[str]) -> dict[Any, np.ndarray]:
    """A joint distribution, the target last, as the table of dependent tests given the target."""
    given = np.moveaxis(table, -1, 0)
    total = given.reshape(len(given), -1).sum(1)
    even = np.full(given.shape, 1 / given[0].size)
    scaled = given / np.where(total > 0, total, 1).reshape(-1, *[1] * (given.ndim - 1))
    mask = (total > 0).reshape(-1, *[1] * (given.ndim - 1))
    key = modalities[0] if len(modalities) == 1 else tuple(modalities)
    return {key: np.where(mask, scaled, even)}
