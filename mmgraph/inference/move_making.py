"""Moves that change many elements at once, each the best of its kind: one minimum cut a move.

Boykov, Veksler and Zabih (2001, "Fast approximate energy minimization via graph cuts"). An
*expansion* of a state lets every element take that state or keep its own, and asks for a metric; a
*swap* of two states divides the elements that have either anew, and asks for a semimetric; a
*fusion* lets every element take its state of a proposal or keep its own (Lempitsky, Rother, Roth and
Blake 2010, "Fusion moves for Markov random field optimization"), and asks for nothing: where it is
no cut, roof duality leaves some elements undecided, and these keep their states. No move ever
raises the energy.

Most elements of a move are decided by their own and their neighbours' energies, whatever the
neighbours do; only the others go into the cut. Messages of TRW-S decide most of those.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int

from mmgraph.graph.errors import GraphError, MmgraphError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.binary_energy import Energies, Region, best_choice
from mmgraph.inference.binary_kernels import best_responses, broken_inequality, takes_state
from mmgraph.inference.feasible import feasible_labelling, infeasible
from mmgraph.inference.graph_cut import element_name
from mmgraph.inference.icm import _checked_starts, best_unary
from mmgraph.inference.min_sum_kernels import labelling_energy, with_messages
from mmgraph.inference.pairwise_graph import PairwiseGraph, pairwise_graph

Labelling = Int[np.ndarray, " nodes"]
Move = Callable[[Labelling, Region | None], Labelling]

_REACH = 4
"""Steps from a change within which :func:`improve` looks for the next."""
_CACHE_LINE = 64
"""Bytes; longer messages take more time to fetch for two states than they spare the flow."""


def expansion_move(
    energies: Energies, labelling: Labelling, state: int, region: Region | None = None
) -> Labelling:
    """Return the best labelling in which every node keeps its state or takes the one given.

    The energy is never higher. It is the best where the edges are a metric; elsewhere see
    :func:`fusion_move`. A node that does not have the state, or may not take it, keeps its own, and
    so do all outside of the region.
    """
    offsets = energies.pairwise.offsets
    proposal = takes_state(labelling, state, energies.unary, offsets)
    return fusion_move(energies, labelling, proposal, region)


def swap_move(energies: Energies, labelling: Labelling, first: int, second: int) -> Labelling:
    """Return the best labelling in which nodes of two states are divided between these anew.

    The energy is never higher. It is the best where the edges are a semimetric.
    """
    offsets, unary = energies.pairwise.offsets, energies.unary
    having = np.flatnonzero((labelling == first) | (labelling == second))
    # Only a node that may take both states can be given either.
    a, b = (takes_state(labelling, state, unary, offsets)[having] for state in (first, second))
    free = (a == first) & (b == second)
    members = having[free]
    zero, one = labelling.copy(), labelling.copy()
    zero[members], one[members] = first, second
    mixed = best_choice(energies, zero, one, energies.region(members))
    return _if_better(energies, labelling, mixed, members)


def fusion_move(
    energies: Energies, labelling: Labelling, proposal: Labelling, region: Region | None = None
) -> Labelling:
    """Return a labelling in which every node keeps its state or takes the proposal's.

    The energy is never higher than that of ``labelling``. It is the lowest possible where no edge
    is opposed, see :func:`mmgraph.inference.binary_energy.best_choice`. Outside of the region all
    nodes keep their states.
    """
    place = energies.everywhere if region is None else region
    return _if_better(
        energies, labelling, best_choice(energies, labelling, proposal, place), place.nodes
    )


def _if_better(
    energies: Energies, labelling: Labelling, mixed: Labelling, members: Int[np.ndarray, " members"]
) -> Labelling:
    rise, _ = energies.change(labelling, mixed, members)
    return mixed if rise < 0 else labelling


def broken_metric(
    energies: Energies, semimetric: bool = False
) -> tuple[int, tuple[int, int, int]] | None:
    """Return an edge that is no metric (no semimetric), and three states that show it.

    For states ``x``, ``y`` and ``z`` a metric has E(x, y) + E(z, z) <= E(x, z) + E(z, y); a
    semimetric need have it for ``x = y`` only.
    """
    edge, x, y, z = broken_inequality(semimetric, energies.tolerance, *energies.edge_arrays)
    return None if edge < 0 else (int(edge), (int(x), int(y), int(z)))


@dataclass
class MoveMaking:
    """A search by moves on one row of evidence.

    Attributes
    ----------
    energies : Energies
        The graph, its unary energies and perhaps messages.
    labelling : ndarray of int32, shape (nodes,)
        The best so far, of finite energy.
    moves : int
        How many have been tried.
    converged : bool
        Whether none of them would change the labelling any more.
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
        """Of the labelling, in double precision, without the graph's constant."""
        p = self.energies.pairwise
        arrays = (self.energies.unary, p.offsets, *p.edge_arrays)
        return float(labelling_energy(self.labelling, *arrays))

    def run(
        self, kind: str, cycles: int, deadline: float = np.inf, reach: int | None = None
    ) -> None:
        """Make all moves of a kind in turn until none changes anything.

        Parameters
        ----------
        kind : {"expansion", "swap", "fusion"}
            See the module.
        cycles : int
            At most so many times through all moves.
        deadline : float
            On the clock of ``time.perf_counter``; looked at between two moves.
        reach : int, optional
            After the first cycle, only nodes within so many edges of one that the cycle before has
            changed may change again. That is quick, but what is found last may not be the best.
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
        states = range(energies.pairwise.largest)
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
        energies, p = self.energies, self.energies.pairwise
        beliefs = energies.unary
        if energies.messages is not None:
            arrays = (*p.incidence_arrays, energies.messages)
            beliefs = with_messages(p.offsets, energies.unary, *arrays)
        liked = np.maximum(best_unary(beliefs, p.offsets, p.largest), 0).astype(np.int32)
        arrays = (energies.unary, *energies.incidences, *energies.edge_arrays)
        last = (p.cardinalities - 1).astype(np.int32)
        yield lambda labelling: liked
        yield lambda labelling: best_responses(labelling, *arrays)
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
    """Make a labelling better by the strongest moves that the edges allow.

    Parameters
    ----------
    pairwise : PairwiseGraph
        Any graph.
    unary : ndarray, shape (states,)
        Unary energies with the evidence.
    labelling : ndarray of int, shape (nodes,)
        Of finite energy, as of TRW-S.
    messages : ndarray, optional
        Of TRW-S after a backward pass, in ``pairwise.slots``: they spare most of the work.
    cycles : int, default 5
        At most so many times through all moves; after the first one only near its changes.
    deadline : float
        On the clock of ``time.perf_counter``.

    Returns
    -------
    labelling : ndarray of int32, shape (nodes,)
    energy : float
        Of that labelling, not above that of the one given; without the graph's constant.
    """
    if messages is not None and pairwise.largest * messages.itemsize > _CACHE_LINE:
        messages = None
    search = MoveMaking(Energies(pairwise, unary, messages), labelling.astype(np.int32))
    if np.isfinite(search.energy):
        search.run(search.kind, cycles, deadline, _REACH)
    return search.labelling, search.energy


def alpha_expansion(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    *,
    initial: Mapping[str, object] | None = None,
    cycles: int = 5,
    time_limit: float | None = None,
    dtype: torch.dtype | None = None,
) -> Assignment:
    """Return an assignment that no expansion of any state betters.

    For Potts edges its energy (less the constant part) is at most twice the optimum's (Boykov et al.
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
        Of the energies, see :func:`pairwise_graph`.

    Raises
    ------
    GraphError
        If an edge is no metric; the message names it and three states that show it.
    ZeroProbabilityError
        If a row of evidence leaves no assignment of positive probability.
    UnknownVariableError, MmgraphError
        If the start names no variable of the graph, or does not fit it.
    """
    options = (variables, initial, cycles, time_limit, dtype)
    return _search_all_rows(graph, evidence, "expansion", "alpha_expansion", *options)


def alpha_beta_swap(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    *,
    initial: Mapping[str, object] | None = None,
    cycles: int = 5,
    time_limit: float | None = None,
    dtype: torch.dtype | None = None,
) -> Assignment:
    """Return an assignment that no swap of two states betters.

    Parameters are those of :func:`alpha_expansion`; the edges need to be semimetrics only, such as
    the truncated quadratic.

    Raises
    ------
    GraphError
        If an edge is no semimetric; the message names it and the two states that show it.
    ZeroProbabilityError
        If a row of evidence leaves no assignment of positive probability.
    UnknownVariableError, MmgraphError
        If the start names no variable of the graph, or does not fit it.
    """
    options = (variables, initial, cycles, time_limit, dtype)
    return _search_all_rows(graph, evidence, "swap", "alpha_beta_swap", *options)


def _search_all_rows(
    graph: FactorGraph,
    evidence: Evidence,
    kind: str,
    method: str,
    variables: Sequence[str] | None,
    initial: Mapping[str, object] | None,
    cycles: int,
    time_limit: float | None,
    dtype: torch.dtype | None,
) -> Assignment:
    if cycles < 1:
        raise MmgraphError(f"cycles must be at least 1, not {cycles}")
    began = time.perf_counter()
    pairwise = pairwise_graph(graph, dtype)
    names = list(pairwise.first_node) if variables is None else [
        graph.variable(name).name for name in variables
    ]  # fmt: skip
    _refuse_unless_allowed(Energies(pairwise, pairwise.prior), kind)
    starts = _checked_starts(graph, evidence, initial)
    searches = []
    for row in range(evidence.batch):
        deadline = time.perf_counter() + (np.inf if time_limit is None else time_limit)
        energies = Energies(pairwise, pairwise.unary(evidence, row))
        given = {name: codes[row].numpy() for name, codes in starts.items()}
        search = MoveMaking(energies, _start(energies, given))
        search.run(kind, cycles, deadline)
        searches.append(search)
    found = [pairwise.states_of(search.labelling) for search in searches]
    energy = torch.tensor([s.energy for s in searches], dtype=torch.float64) + pairwise.constant
    return Assignment(
        {name: torch.cat([states[name] for states in found]) for name in names},
        {name: graph.variables[name] for name in names},
        -energy,
        method=method,
        exact=False,
        converged=all(s.converged for s in searches),
        iterations=max(s.moves for s in searches),
        seconds=time.perf_counter() - began,
    )


def _start(energies: Energies, given: Mapping[str, np.ndarray]) -> Labelling:
    """The best states by unary energies, those given, or any where these are forbidden."""
    p = energies.pairwise
    labelling = best_unary(energies.unary, p.offsets, p.largest).astype(np.int32)
    if (labelling < 0).any():
        raise infeasible()
    for name, codes in given.items():
        first = p.first_node[name]
        labelling[first : first + codes.size] = codes.reshape(-1)
    if MoveMaking(energies, labelling).energy == np.inf:
        return feasible_labelling(p, energies.unary)
    return labelling


def _refuse_unless_allowed(energies: Energies, kind: str) -> None:
    found = broken_metric(energies, semimetric=kind == "swap")
    if found is None:
        return
    p = energies.pairwise
    edge, (x, y, z) = found
    ends = " and ".join(element_name(p, int(end[edge])) for end in (p.first, p.second))
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
