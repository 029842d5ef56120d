"""Association as a minimum-cost flow: which pieces of tracks exist, and which belong together.

Every unit of flow is one person: it enters at a piece, runs through pieces by links, and leaves.
The costs are negative log-probabilities, so that the cheapest flow is the most probable association
(Zhang, Li and Nevatia, "Global data association for multi-object tracking using network flows",
2008). The matrix of the linear programme is totally unimodular: its solution needs no rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.optimize import linprog
from scipy.sparse import csr_array

from mmgraph.graph.errors import MmgraphError


class FlowProblem(NamedTuple):
    """Pieces of tracks, sorted by their first frames, and the links between them.

    Attributes
    ----------
    starts : (pieces,) array of int
        The first frame of each.
    costs, entries, exits : (pieces,) array
        Of each piece if it exists, of somebody who begins with it, and who ends with it.
    tails, heads : (links,) array of int
        The pieces before and after each link; a tail ends before its head starts.
    link_costs : (links,) array
    """

    starts: Int64[np.ndarray, " pieces"]
    costs: Float64[np.ndarray, " pieces"]
    entries: Float64[np.ndarray, " pieces"]
    exits: Float64[np.ndarray, " pieces"]
    tails: Int64[np.ndarray, " links"]
    heads: Int64[np.ndarray, " links"]
    link_costs: Float64[np.ndarray, " links"]

    def balance(self) -> csr_array:
        """Return the matrix that is zero on flows: what comes into, and goes out of, each piece.

        Its columns are pieces, entries, exits and links.
        """
        pieces, links = np.arange(len(self.costs)), np.arange(len(self.tails))
        n = len(pieces)
        parts = (
            (pieces, pieces, -1),
            (n + pieces, pieces, -1),
            (pieces, n + pieces, 1),
            (n + pieces, 2 * n + pieces, 1),
            (self.heads, 3 * n + links, 1),
            (n + self.tails, 3 * n + links, 1),
        )
        rows, columns = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
        signs = np.concatenate([np.full(len(part[0]), float(part[2])) for part in parts])
        return csr_array((signs, (rows, columns)), shape=(2 * n, 3 * n + len(links)))


class Flow(NamedTuple):
    """The pieces that exist, their successors (-1: none), the cost, and a bound on any cost."""

    exists: Bool[np.ndarray, " pieces"]
    successors: Int64[np.ndarray, " pieces"]
    cost: float
    bound: float


def cheapest_flow(problem: FlowProblem, window: int | None = None) -> Flow:
    """Return the cheapest flow, or a cheap one found window by window, with a certified bound.

    Parameters
    ----------
    problem : FlowProblem
    window : int, optional
        Frames that are solved at once. Windows overlap by half: what is decided in the first half
        of one holds in the next. By default all is solved at once.

    Returns
    -------
    Flow
        ``cost - bound`` is at most how far the flow is from the cheapest. The bound comes from weak
        duality: with any prices on what flows into pieces and out, every column may be chosen by
        itself, at a cost no higher. The prices are those of the windows.
    """
    count, (tails, heads) = len(problem.costs), (problem.tails, problem.heads)
    matrix = problem.balance()
    costs = np.concatenate([problem.costs, problem.entries, problem.exits, problem.link_costs])
    chosen, prices = np.zeros(len(costs), bool), np.zeros(2 * count)
    for inside, final in _windows(problem.starts, window):
        # Pieces of the windows before, which exist, end there, and may go on here.
        before = np.zeros(count, bool)
        before[tails[inside[heads]]] = True
        before[tails[chosen[3 * count :]]] = False
        before &= chosen[:count] & ~inside
        sources = inside | before
        rows = np.concatenate([inside, sources])
        columns = np.concatenate([sources, inside, sources, inside[heads] & sources[tails]])
        must = np.concatenate([before, np.zeros(len(costs) - count, bool)])[columns]
        answer = linprog(
            costs[columns],
            A_eq=matrix[rows][:, columns],
            b_eq=np.zeros(rows.sum()),
            bounds=np.stack([must, np.ones(len(must))], axis=1),
            method="highs-ds",
        )
        if answer.x is None:
            raise MmgraphError(f"{inside.sum()} pieces have no cheapest flow: {answer.message}")
        decided = np.concatenate([final, final, final, final[heads]])
        chosen[decided & columns] = (answer.x > 0.5)[decided[columns]]
        prices[rows] = answer.eqlin.marginals
    successors = np.full(count, -1)
    links = chosen[3 * count :]
    successors[tails[links]] = heads[links]
    chosen[2 * count : 3 * count] = chosen[:count] & (successors < 0)
    cost = float(costs[chosen].sum())
    bound = float(np.minimum(costs - matrix.T @ prices, 0.0).sum())
    return Flow(chosen[:count], successors, cost, min(bound, cost))


def _windows(
    starts: Int64[np.ndarray, " pieces"], window: int | None
) -> Iterator[tuple[Bool[np.ndarray, " pieces"], Bool[np.ndarray, " pieces"]]]:
    """Yield which pieces are looked at together, and which of them are decided."""
    if len(starts) and window is None:
        yield np.ones(len(starts), bool), np.ones(len(starts), bool)
    elif window is not None:
        half = (window + 1) // 2
        for begin in np.unique((starts - starts[:1]) // half) * half + starts[:1]:
            yield (
                (starts >= begin) & (starts < begin + window),
                (starts >= begin) & (starts < begin + half),
            )
