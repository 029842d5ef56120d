"""Front-door sets: mediators through which a confounded effect can be computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from mmgraph.causal.adjustment.back_door import Effect
from mmgraph.causal.graph.causal_graph import CausalGraph, Names
from mmgraph.causal.graph.separation import bits, reached
from mmgraph.graph.errors import CausalError


def front_door_sets(
    graph: CausalGraph,
    treatments: Names,
    outcomes: Names,
    minimal: bool = True,
    latent: Names = (),
    limit: int = 100_000,
) -> list[frozenset[str]]:
    """Return the sets that satisfy Pearl's front-door criterion.

    Such a set meets all directed paths from the treatments to the outcomes, no back-door path leads
    from the treatments to it without being blocked, and the treatments block all back-door paths
    from it to the outcomes (Jeong, Tian and Bareinboim 2022; with ``minimal=False`` the delay
    between two sets is polynomial).

    Parameters
    ----------
    graph : CausalGraph
    treatments, outcomes : str or collection of str
    minimal : bool, optional
        Only sets of which no proper subset satisfies the criterion.
    latent : str or collection of str, optional
        Nodes that are not measured.
    limit : int, optional
        With more sets than these, the question is refused.

    Returns
    -------
    list of frozenset of str
        Small sets first, then in the order of the nodes; empty if there is none.

    Raises
    ------
    UnknownVariableError, CausalError
        As :func:`~mmgraph.causal.adjustment.adjustment_sets.adjustment_sets`.
    """
    criterion = _Criterion(Effect.of(graph, treatments, outcomes, latent))
    listed = list(islice(criterion.all(minimal), limit + 1))
    if len(listed) > limit:
        raise CausalError(f"there are more than {limit} front-door sets")
    return [graph.named(s) for s in sorted(listed, key=lambda s: (s.bit_count(), list(bits(s))))]


def front_door_set(
    graph: CausalGraph, treatments: Names, outcomes: Names, latent: Names = ()
) -> frozenset[str] | None:
    """Return one minimal front-door set, None if there is none.

    Parameters, and what is raised: as :func:`front_door_sets`.
    """
    criterion = _Criterion(Effect.of(graph, treatments, outcomes, latent))
    chosen = criterion.largest(criterion.candidates())
    if chosen is None:
        return None
    for i in bits(chosen):
        smaller = criterion.largest(chosen & ~(1 << i))
        chosen = chosen if smaller is None else smaller
    return graph.named(chosen)


@dataclass(frozen=True)
class _Criterion:
    effect: Effect

    def candidates(self) -> int:
        """Return the measured nodes that no open back-door path joins to the treatments."""
        effect, edges = self.effect, self.effect.graph.adjacency
        tied = edges.without_edges(effect.treatments).connected(effect.treatments, 0)
        return edges.every & ~(tied | effect.treatments | effect.outcomes | effect.latent)

    def largest(self, candidates: int) -> int | None:
        """Return the union of all front-door sets among some candidates, None if there is none.

        Sets whose back doors the treatments close are closed under union: nodes with an open one
        are dropped until none is left.
        """
        effect, edges = self.effect, self.effect.graph.adjacency
        while True:
            without = edges.without_edges(candidates)
            open_ones = candidates & without.connected(effect.outcomes, effect.treatments)
            if not open_ones:
                break
            candidates &= ~open_ones
        met = reached(edges.children, effect.treatments, ~candidates)
        return None if met & effect.outcomes else candidates

    def all(self, minimal: bool) -> Iterator[int]:
        """Yield all sets, or all minimal ones."""
        branches = [(0, self.candidates())]
        while branches:
            required, allowed = branches.pop()
            largest = self.largest(allowed)
            if largest is None or required & ~largest:
                continue
            if minimal and self.largest(required) is not None:
                # All further sets of this branch hold a smaller one.
                if all(self.largest(required & ~(1 << i)) is None for i in bits(required)):
                    yield required
                continue
            free = largest & ~required
            if not free:
                yield required
                continue
            node = free & -free
            branches += [(required, largest & ~node), (required | node, largest)]
