"""Searches by moves, each of which changes many elements at once: expansions, swaps and fusions.

See :mod:`mmgraph.inference.minimisation.moves` for what they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float

from mmgraph.graph.errors import GraphError, MmgraphError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.messages.trws_kernels import backward_beliefs
from mmgraph.inference.minimisation.binary_energy import Energies, Region
from mmgraph.inference.minimisation.binary_kernels import best_responses
from mmgraph.inference.minimisation.icm import checked_starts, starting_labelling
from mmgraph.inference.minimisation.moves import (
    Labelling,
    broken_metric,
    expansion_move,
    fusion_move,
    swap_move,
)
from mmgraph.inference.model_variables import named_variables
from mmgraph.inference.options import keyword_options
from mmgraph.inference.pairwise.build import pairwise_graph
from mmgraph.inference.pairwise.energy_kernels import labelling_energy, lowest_states
from mmgraph.inference.pairwise.feasible import feasible_labelling, of_row
from mmgraph.inference.pairwise.graph import PairwiseGraph
from mmgraph.inference.pairwise.labelling_energies import assignment_of_rows

Move = Callable[[Labelling, Region | None], Labelling]

_REACH = 4
"""Steps from a change within which :func:`improve` looks for the next."""
_CACHE_LINE = 64
"""Bytes; longer messages take more time to fetch for two states than they spare the flow."""


@dataclass
class MoveMaking:
    """A search by moves on one row of evidence: the best labelling so far, of finite energy.

    It has converged where none of the moves, of which so many were tried, would change it any more.
    """

    energies: Energies
    labelling: Labelling
    moves: int = 0
    converged: bool = False

    @cached_property
    def kind(self) -> str:
        """The strongest kind of move that the edges allow: expansion, swap or fusion."""
        if broken_metric(self.energies) is None:
            return "expansion"
        return "swap" if broken_metric(self.energies, semimetric=True) is None else "fusion"

    @property
    def energy(self) -> float:
        """The energy of the labelling in double precision, without the graph's constant."""
        edges = self.energies.pairwise.edge_arrays
        return float(labelling_energy(self.labelling, self.energies.unary, edges))

    def run(
        self, kind: str, cycles: int, deadline: float = np.inf, reach: int | None = None
    ) -> None:
        """Make all moves of a kind (expansions, swaps or fusions) in turn until none does anything.

        At most ``cycles`` times, and until a deadline on the clock of ``time.perf_counter``, looked
        at between two moves. With a ``reach``, after the first cycle only nodes within so many
        edges of one that the cycle before has changed may change again. That is quick, but what is
        found last may not be the best.
        """
        moves = list(self._moves(kind))
        quiet = 0  # moves in a row that found nothing
        region = None
        for _ in range(cycles):
            if region is not None and not region.nodes.size:
                break
            before = self.labelling
            for move in moves:
                if quiet == len(moves) or time.perf_counter() > deadline:
                    break
                moved = move(self.labelling, region)
                self.moves += 1
                quiet = quiet + 1 if moved is self.labelling else 0
                self.labelling = moved
            if reach is not None:
                region = self.energies.around(before != self.labelling, reach)
        self.converged = reach is None and quiet == len(moves)

    def _moves(self, kind: str) -> Iterator[Move]:
        energies = self.energies
        states = range(energies.pairwise.edge_arrays.largest)
        if kind == "swap":
            for b in states:
                for a in range(b):
                    yield lambda x, _, a=a, b=b: swap_move(energies, x, a, b)  # type: ignore[misc]
            return
        if kind == "fusion":
            for propose in self._proposals():
                yield lambda x, region, propose=propose: fusion_move(  # type: ignore[misc]
                    energies, x, propose(x), region
                )
        for a in states:
            yield lambda x, region, a=a: expansion_move(  # type: ignore[misc]
                energies, x, a, region
            )

    def _proposals(self) -> Iterator[Callable[[Labelling], Labelling]]:
        """What single nodes would like best, alone and among the others, and the next states."""
        p, beliefs = self.energies.pairwise, self.energies.unary
        at_nodes = (p.edge_arrays, p.adjacency)
        if self.energies.messages is not None:
            beliefs = backward_beliefs(beliefs, *at_nodes, p.slots, self.energies.messages)
        liked = np.maximum(lowest_states(beliefs, p.offsets), 0).astype(np.int32)
        last = (p.cardinalities - 1).astype(np.int32)
        yield lambda labelling: liked
        yield lambda labelling: best_responses(labelling, self.energies.unary, *at_nodes)
        yield lambda labelling: np.minimum(labelling + np.int32(1), last)
        yield lambda labelling: np.maximum(labelling - np.int32(1), np.int32(0))


def improve(
    pairwise: PairwiseGraph,
    unary: Float[np.ndarray, " states"],
    labelling: Labelling,
    messages: Float[np.ndarray, " slots"] | None = None,
    *,
    cycles: int = 5,
    deadline: float = np.inf,
) -> tuple[Labelling, float]:
    """Make a labelling of finite energy better by the strongest moves that the edges allow.

    Messages of TRW-S after a backward pass spare most of the work; after the first cycle moves are
    tried only near its changes. Returns the labelling, and its energy without the graph's constant,
    which is never higher than before.
    """
    if messages is not None and pairwise.edge_arrays.largest * messages.itemsize > _CACHE_LINE:
        messages = None
    search = MoveMaking(Energies(pairwise, unary, messages), labelling.astype(np.int32))
    if np.isfinite(search.energy):
        search.run(search.kind, cycles, deadline, _REACH)
    return search.labelling, search.energy


@dataclass(frozen=True)
class MoveOptions:
    """Options of :func:`alpha_expansion` and :func:`alpha_beta_swap`."""

    initial: Mapping[str, object] | None = None
    cycles: int = 5
    time_limit: float | None = None
    dtype: torch.dtype | None = None

    def __post_init__(self) -> None:
        if self.cycles < 1:
            raise MmgraphError(f"cycles must be at least 1, not {self.cycles}")


@keyword_options(MoveOptions)
def alpha_expansion(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    *,
    options: MoveOptions,
) -> Assignment:
    """Return an assignment that no expansion of any state betters.

    With Potts edges and no negative energy, its energy is at most twice the lowest (Boykov et al.
    2001, theorem 6.1).

    Parameters
    ----------
    graph : FactorGraph
        Whose edges are metrics.
    evidence : Evidence
        Each row is searched for itself.
    variables : sequence of str, optional
        The variables to report; all are maximised.
    initial : mapping of str to array-like, optional
        State indices to start from, ``(*shape,)`` or ``(batch, *shape)``; by default the best by
        the unary factors and the evidence.
    cycles : int, default 5
        At most so many expansions of every state.
    time_limit : float, optional
        In seconds, for each row.
    dtype : torch.dtype, optional
        The precision of the energies, see :func:`pairwise_graph`.

    Raises
    ------
    GraphError
        If an edge is no metric; the message names it and three states that show it.
    ZeroProbabilityError
        If a row of evidence leaves no assignment of positive probability.
    UnknownVariableError, MmgraphError
        If the start names no variable of the graph, or does not fit it.
    """
    return _search_all_rows("alpha_expansion", graph, evidence, variables, options)


@keyword_options(MoveOptions)
def alpha_beta_swap(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    *,
    options: MoveOptions,
) -> Assignment:
    """Return an assignment that no swap of two states betters.

    Parameters and errors are as for :func:`alpha_expansion`; the edges need to be semimetrics only,
    such as the truncated quadratic.
    """
    return _search_all_rows("alpha_beta_swap", graph, evidence, variables, options)


def _search_all_rows(
    method: str,
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None,
    options: MoveOptions,
) -> Assignment:
    began = time.perf_counter()
    kind = "swap" if method == "alpha_beta_swap" else "expansion"
    names = named_variables(graph, variables)
    pairwise = pairwise_graph(graph, options.dtype)
    _refuse_unless_allowed(Energies(pairwise, pairwise.prior), kind)
    starts = checked_starts(graph, evidence, options.initial)
    limit = np.inf if options.time_limit is None else options.time_limit
    searches = []
    for row in range(evidence.batch):
        deadline = time.perf_counter() + limit
        unary = pairwise.unary(evidence, row)
        start = {name: codes[row] for name, codes in starts.items()}
        labelling = starting_labelling(pairwise, unary, row, start).astype(np.int32)
        search = MoveMaking(Energies(pairwise, unary), labelling)
        if search.energy == np.inf:
            with of_row(row):
                search.labelling = feasible_labelling(pairwise, unary)
        search.run(kind, options.cycles, deadline)
        searches.append(search)
    energies = [s.energy + pairwise.constant_given(evidence, i) for i, s in enumerate(searches)]
    converged, moves = all(s.converged for s in searches), max(s.moves for s in searches)
    return assignment_of_rows(
        pairwise,
        [search.labelling for search in searches],
        energies,
        names,
        method=method,
        exact=False,
        converged=converged,
        shortfall=""
        if converged
        else f"{method}: some moves still lowered the energy when it ended "
        f"({options.cycles} cycles, {moves} moves)",
        iterations=moves,
        seconds=time.perf_counter() - began,
    )


def _refuse_unless_allowed(energies: Energies, kind: str) -> None:
    broken = broken_metric(energies, semimetric=kind == "swap")
    if broken is None:
        return
    p = energies.pairwise
    edge, (x, y, z) = broken
    ends = " and ".join(p.element_name(int(end[edge])) for end in (p.first, p.second))
    if kind == "swap":
        raise GraphError(
            f"the edge between {ends} is no semimetric: E({x}, {x}) + E({z}, {z}) exceeds "
            f"E({x}, {z}) + E({z}, {x}); a swap cannot exchange states {x} and {z}. method='trws' "
            "takes any edge"
        )
    raise GraphError(
        f"the edge between {ends} is no metric: E({x}, {y}) + E({z}, {z}) exceeds E({x}, {z}) + "
        f"E({z}, {y}); state {z} cannot expand there. method='alpha_beta_swap' takes semimetrics, "
        "'trws' any edge"
    )
