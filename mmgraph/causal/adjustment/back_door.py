"""The generalised back-door criterion of an effect, as a task of separation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from mmgraph.causal.graph.causal_graph import CausalGraph, Names, as_names
from mmgraph.causal.graph.separation import reached
from mmgraph.causal.graph.separators import Separation
from mmgraph.graph.errors import CausalError


@dataclass(frozen=True)
class Effect:
    """The effect of treatments on outcomes in a graph some of whose nodes are not measured."""

    graph: CausalGraph
    treatments: int
    outcomes: int
    latent: int = 0

    @classmethod
    def of(
        cls, graph: CausalGraph, treatments: Names, outcomes: Names, latent: Names = ()
    ) -> Effect:
        """Return the effect between nodes by name, checked."""
        causes, ends = as_names(treatments), as_names(outcomes)
        for names, what in ((causes, "treatments"), (ends, "outcomes")):
            if not names:
                raise CausalError(f"no {what} are named")
        x, y = graph.mask(causes, "treatments"), graph.mask(ends, "outcomes")
        hidden = graph.mask(as_names(latent), "latent")
        if x & y:
            raise CausalError(f"{_listed(graph, x & y)} is treatment and outcome at once")
        if hidden & (x | y):
            raise CausalError(
                f"{_listed(graph, hidden & (x | y))} is latent: no data tell its effect"
            )
        return cls(graph, x, y, hidden)

    @cached_property
    def causal(self) -> int:
        """The nodes of the proper causal paths, without the treatments."""
        edges = self.graph.adjacency
        behind = reached(edges.children, self.treatments, ~self.treatments) & ~self.treatments
        return behind & reached(edges.parents, self.outcomes, ~self.treatments)

    @cached_property
    def forbidden(self) -> int:
        """Treatments, outcomes, and what the nodes of causal paths lead to: never adjusted for."""
        behind = self.graph.adjacency.descendants(self.causal)
        return behind | self.treatments | self.outcomes

    @cached_property
    def allowed(self) -> int:
        """The nodes that may be adjusted for."""
        return self.graph.adjacency.every & ~self.forbidden & ~self.latent

    def separation(self, required: int = 0) -> Separation:
        """Return the task that adjustment sets are the separators of.

        The graph is the proper back-door graph, without the edges on which causal paths leave the
        treatments (van der Zander, Liśkiewicz and Textor 2019).
        """
        edges = self.graph.adjacency.without_edges(self.treatments, self.causal)
        return Separation(edges, self.treatments, self.outcomes, self.allowed, required)


def _listed(graph: CausalGraph, mask: int) -> str:
    return ", ".join(f"'{n}'" for n in sorted(graph.named(mask)))
