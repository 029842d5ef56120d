"""Association as a minimum-cost flow: which pieces of tracks exist, and which belong together.

Every unit of flow is one person: it enters at a piece, runs through pieces by links, and leaves. The
costs are negative log-probabilities, so that the cheapest flow is the most probable association
(Zhang, Li and Nevatia, "Global data association for multi-object tracking using network flows", 2008).
The matrix of the linear programme is totally unimodular: its solution needs no rounding.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.optimize import linprog
from scipy.sparse import csr_array

from mmgraph.graph.errors import MmgraphError


class FlowProblem(NamedTuple):
    """Pieces, sorted by their first frame, and the links between them.

    Attributes
    ----------
    starts : (pieces,) array of int
        The first frame of each, rising.
    costs : (pieces,) array
        Of each piece, if it exists.
    entries, exits : (pieces,) array
        Costs of a person who begins, or ends, with a piece.
    tails, heads : (links,) array of int
        The pieces before and after each link.
    link_costs : (links,) array
    """

    starts: Int64[np.ndarray, " pieces"]
    costs: Float64[np.ndarray, " pieces"]
    entries: Float64[np.ndarray, " pieces"]
    exits: Float64[np.ndarray, " pieces"]
    tails: Int64[np.ndarray, " links"]
    heads: Int64[np.ndarray, " links"]
    link_costs: Float64[np.ndarray, " links"]


class Flow(NamedTuple):
    """The pieces that exist, their successors (-1: none), the cost, and a bound on any flow's cost."""

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
        Frames that are solved at once. Windows overlap by half: what is decided in the first half of one
        holds in the next. By default all is solved at once.

    Returns
    -------
    Flow
        ``cost - bound`` is at most how far the flow is from the cheapest. The bound comes from weak duality:
        any prices of the pieces' ends give one, and those of the windows' solutions are taken.
    """
    count, links = len(problem.costs), len(problem.tails)
    decided = np.full(count, -1)  # whether flow comes in: 1 or 0
    by_link, from_entry = np.zeros(links, bool), np.zeros(count, bool)
    prices_in, prices_out = np.zeros(count), np.zeros(count)
    if count:
        first, last = int(problem.starts[0]), int(problem.starts[-1])
        length = last - first + 1 if window is None else window
        for begin in range(first, last + 1, length if window is None else max(1, length // 2)):
            inside = (problem.starts >= begin) & (problem.starts < begin + length)
            final = inside & (problem.starts < begin + (length + 1) // 2)
            if window is None or begin + length > last:
                final = inside
            if not inside.any():
                continue
            heads = inside[problem.heads]
            # Pieces of the windows before, that might go on here.
            before = np.zeros(count, bool)
            before[problem.tails[heads]] = True
            before &= ~inside & (decided == 1)
            solved = _solve(problem, inside, before, heads & (inside | before)[problem.tails])
            flows_in, through, price_in, price_out = solved
            from_entry[final] = flows_in[final]
            settled = final[problem.heads]
            by_link[settled] = through[settled]
            arrives = np.bincount(problem.heads[by_link], minlength=count) > 0
            decided[final] = (from_entry | arrives)[final]
            prices_in[inside], prices_out[inside] = price_in[inside], price_out[inside]
            if final is inside:
                break
    exists = decided == 1
    successors = np.full(count, -1)
    successors[problem.tails[by_link]] = problem.heads[by_link]
    cost = (
        problem.costs[exists].sum()
        + problem.entries[from_entry].sum()
        + problem.exits[exists & (successors < 0)].sum()
        + problem.link_costs[by_link].sum()
    )
    bound = dual_bound(problem, prices_in, prices_out)
    return Flow(exists, successors, float(cost), min(bound, float(cost)))


def dual_bound(
    problem: FlowProblem,
    prices_in: Float64[np.ndarray, " pieces"],
    prices_out: Float64[np.ndarray, " pieces"],
) -> float:
    """Return a lower bound on the cost of any flow, which any prices give.

    What flows into a piece must flow through it, and out again. With a price on each of the two
    conditions instead, every part may be chosen by itself, at a cost no higher.
    """
    reduced = (
        problem.costs + prices_in + prices_out,
        problem.entries - prices_in,
        problem.exits - prices_out,
        problem.link_costs - prices_out[problem.tails] - prices_in[problem.heads],
    )
    return float(sum(np.minimum(part, 0.0).sum() for part in reduced))


def _solve(problem, inside, before, links):
    """Solve the linear programme of the pieces inside; those ``before`` exist, and may go on here."""
    count = len(problem.costs)
    pieces, tails, edges = np.flatnonzero(inside), np.flatnonzero(inside | before), np.flatnonzero(links)
    n, m, e = len(pieces), len(tails), len(edges)
    row_in = np.full(count, -1)
    row_in[pieces] = np.arange(n)
    row_out = np.full(count, -1)
    row_out[tails] = n + np.arange(m)
    # Columns: existence, entries of those inside; exits of tails; links.
    flows = [
        (row_in[pieces], np.arange(n), -1.0),
        (row_out[pieces], np.arange(n), -1.0),
        (row_in[pieces], n + np.arange(n), 1.0),
        (row_out[tails], 2 * n + np.arange(m), 1.0),
        (row_in[problem.heads[edges]], 2 * n + m + np.arange(e), 1.0),
        (row_out[problem.tails[edges]], 2 * n + m + np.arange(e), 1.0),
    ]
    rows, columns = (np.concatenate([flow[i] for flow in flows]) for i in (0, 1))
    values = np.concatenate([np.full(len(flow[0]), flow[2]) for flow in flows])
    right = np.concatenate([np.zeros(n), before[tails].astype(float)])
    costs = np.concatenate(
        [problem.costs[pieces], problem.entries[pieces], problem.exits[tails], problem.link_costs[edges]]
    )
    answer = linprog(
        costs,
        A_eq=csr_array((values, (rows, columns)), shape=(n + m, len(costs))),
        b_eq=right,
        bounds=(0, 1),
        method="highs-ds",
    )
    if answer.x is None:
        raise MmgraphError(f"the flow of {n} pieces was not found: {answer.message}")
    chosen = answer.x > 0.5
    price_in, price_out = np.zeros(count), np.zeros(count)
    price_in[pieces] = answer.eqlin.marginals[:n]
    price_out[tails] = answer.eqlin.marginals[n:]
    from_entry, through = np.zeros(count, bool), np.zeros(len(links), bool)
    from_entry[pieces] = chosen[n : 2 * n]
    through[edges] = chosen[2 * n + m :]
    return from_entry, through, price_in, price_out
