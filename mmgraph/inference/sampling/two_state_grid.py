"""Which programs are grids of two-state elements, and their numbers laid out as checkerboards.

Any energy of two states is a constant, a part for each end and a weight on their being different,
so that every interaction along the rows and columns of an image is an Ising model's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.inference.pairwise.graph import TABLE, PairwiseGraph
from mmgraph.inference.sampling.gibbs_program import GibbsProgram
from mmgraph.inference.sampling.two_state_kernels import GridOdds

_LARGEST_EXPONENT = 80.0  # exponentials beyond leave single precision


@dataclass(frozen=True)
class TwoStateGrid:
    """An Ising model on the rows and columns of an image."""

    boards: tuple[int, int, int]  # the shape of two boards
    place: Int64[np.ndarray, " elements"]  # where each element lies in the boards
    # What state one costs more than state zero, apart from unary energies and weights.
    difference: Float64[np.ndarray, " elements"]
    neighbours: GridOdds  # without the odds of elements by themselves

    def odds(self, unary: Float64[np.ndarray, "elements 2"]) -> GridOdds:
        """Return all factors of the odds of state zero, given the unary energies."""
        alone = np.full(self.boards, np.inf, np.float32)
        with np.errstate(over="ignore", under="ignore"):
            odds = np.exp(unary[:, 1] - unary[:, 0] + self.difference)
            alone.reshape(-1)[self.place] = odds.astype(np.float32)
        return self.neighbours._replace(alone=alone)


def two_state_grid(program: GibbsProgram) -> TwoStateGrid | None:
    """Return the grid that a program is, or None; made once and kept with the graph."""
    return program.pairwise.cached(_grid)


def _grid(pairwise: PairwiseGraph) -> TwoStateGrid | None:
    variables = [pairwise.graph.variables[n] for n in pairwise.first_node]
    if len(variables) != 1 or variables[0].cardinality != 2 or len(variables[0].shape) != 2:
        return None
    height, width = variables[0].shape
    first, step = pairwise.first.astype(np.int64), pairwise.second - pairwise.first
    in_row = (step == 1) & (first % width < width - 1)
    if pairwise.nodes != height * width or width < 2 or not (in_row | (step == width)).all():
        return None
    energies = _energies(pairwise)
    if energies is None:
        return None
    size = height * width
    lower, upper = energies[:, 1] - energies[:, 0], energies[:, 3] - energies[:, 2]
    # Of the table e00, e10, e01, e11: what state one of each end costs more, and the weight.
    weight = (lower - upper) / 2
    first_part = (lower + upper) / 2
    second_part = (energies[:, 2] + energies[:, 3] - energies[:, 0] - energies[:, 1]) / 2
    difference = np.bincount(first, first_part, size)
    difference += np.bincount(pairwise.second, second_part, size)
    across = np.bincount(first[in_row], weight[in_row], size).reshape(height, width)
    down = np.bincount(first[~in_row], weight[~in_row], size).reshape(height, width)
    rows, columns = np.divmod(np.arange(size), width)
    half = (width + 1) // 2
    place = ((rows + columns) % 2 * height + rows) * half + columns // 2
    return _laid_out((2, height, half), place, difference, across, down)


def _energies(pairwise: PairwiseGraph) -> Float64[np.ndarray, "edges 4"] | None:
    """The energies of 00, 10, 01 and 11 of each edge, or None if some pair is forbidden."""
    functions = pairwise.edge_arrays
    tables = np.zeros((len(functions.kind), 4))
    for i, kind in enumerate(functions.kind):
        if kind == TABLE:
            cells = functions.tables[functions.place[i] : functions.place[i] + 4]
            tables[i] = cells[[0, 2, 1, 3]]
        elif kind < TABLE:
            tables[i, 1:3] = min(1.0, functions.truncation[i])
        else:
            return None
    if not np.isfinite(tables).all():
        return None
    edges = pairwise.edge_arrays
    return tables[edges.function] * edges.weight[:, None].astype(np.float64)


def _laid_out(
    boards: tuple[int, int, int],
    place: np.ndarray,
    difference: np.ndarray,
    across: Float64[np.ndarray, "height width"],
    down: Float64[np.ndarray, "height width"],
) -> TwoStateGrid | None:
    height, width = across.shape
    around = np.zeros((4, height, width))
    around[0, :, 1:], around[1, :, :-1] = across[:, :-1], across[:, :-1]
    around[2, 1:], around[3, :-1] = down[:-1], down[:-1]
    if np.abs(around).sum(0).max() > _LARGEST_EXPONENT:
        return None
    alike = np.array([across[0, 0], down[0, 0]])
    uniform = bool((across[:, :-1] == alike[0]).all() and (down[:-1] == alike[1]).all())
    if uniform:
        # The kernel counts a neighbour that is not there as one in state zero.
        absent = alike[0] * _absent(width) + alike[1] * _absent(height)[:, None]
        difference = difference - absent.reshape(-1)
        weights = np.ones((2, 4, 1, 1), np.float32)
    else:
        alike = np.zeros(2)
        factors = np.ones((4, math.prod(boards)))
        factors[:, place] = np.exp(around).reshape(4, -1)
        weights = np.ascontiguousarray(factors.reshape(4, *boards).swapaxes(0, 1), np.float32)
    across, down = np.exp(alike[:, None] * [2.0, 0.0, -2.0]).astype(np.float32)
    odds = GridOdds(np.ones((2, 1, 1), np.float32), uniform, across, down, weights)
    return TwoStateGrid(boards, place, difference, odds)


def _absent(count: int) -> Int64[np.ndarray, " count"]:
    """How many of the two neighbours along a line of elements are not there."""
    place = np.arange(count)
    return (place == 0).astype(np.int64) + (place == count - 1)
