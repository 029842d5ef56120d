"""What learning a structure has found: a graph, its equivalence class, and how sure it is."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np

from mmgraph.graph.errors import needs
from mmgraph.learning.structure.bootstrap import Frequencies, consensus
from mmgraph.learning.structure.constraints import Constraints, Edge
from mmgraph.learning.structure.graphs.equivalence import Adjacency, cpdag

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class LearnedStructure:
    """A graph learned from a table.

    Attributes
    ----------
    names : tuple of str
        The variables.
    edges : list of (cause, effect)
        A directed acyclic graph: the best one that was found. After FCI it is what its PAG says
        is a cause, and nothing else.
    score : float or None
        Of the graph; higher is better. None where the method has none.
    method : str
        What was done, in words.
    cpdag : (list of (cause, effect), list of (str, str))
        The edges that run this way in every equivalent graph (with the constraints kept, and the
        experiments that were made), and those that may run either way. After FCI it is the edges of
        the PAG without circles.
    pag : list of (str, str, str), optional
        The partial ancestral graph of FCI: triples such as ``("x", "o->", "y")``.
    confidence : dict of (cause, effect) to float, optional
        The share of bootstrap replicates whose graph has the arc; an edge that may run either way
        in a replicate's class counts half for either direction. After FCI an edge of a replicate's
        PAG runs towards its only arrowhead, and either way where it has none or two.
    threshold : float, optional
        The share from which on an edge is in the consensus.
    consensus : list of (cause, effect), optional
        The averaged graph, which is acyclic.
    seconds : float
        Wall-clock time.
    trace : list of (str, float)
        The steps of the search, and the score after each.
    modalities : dict of str to str or None
        The modality of each variable.
    """

    names: tuple[str, ...]
    edges: list[Edge]
    score: float | None
    method: str
    cpdag: tuple[list[Edge], list[Edge]]
    pag: list[tuple[str, str, str]] | None = None
    confidence: dict[Edge, float] | None = None
    threshold: float | None = None
    consensus: list[Edge] | None = None
    seconds: float = 0.0
    trace: list[tuple[str, float]] = field(default_factory=list)
    modalities: dict[str, str | None] = field(default_factory=dict)

    @classmethod
    def of_graph(
        cls,
        constraints: Constraints,
        adjacency: Adjacency,
        targets: Iterable[Collection[int]] = (),
        **attributes: Any,
    ) -> LearnedStructure:
        """Return the structure of a directed acyclic graph, as an array, and of its class.

        ``targets`` are the numbers of the variables that each experiment has set; the attributes
        are those of the record beside names, edges and CPDAG.
        """
        names = constraints.names
        directed, undirected = cpdag(adjacency, constraints, targets)
        classes = (named(names, directed), named(names, np.triu(undirected)))
        return cls(names=names, edges=named(names, adjacency), cpdag=classes, **attributes)

    def with_frequencies(
        self,
        frequencies: Frequencies,
        threshold: float | None = None,
        *,
        max_parents: int | None = None,
    ) -> LearnedStructure:
        """Return the structure with the confidence of a bootstrap and its consensus graph.

        ``threshold`` is the least share of an edge there; by default it is chosen, see
        :meth:`mmgraph.learning.structure.bootstrap.Frequencies.chosen_threshold`.
        ``max_parents`` is the most parents of a variable there.
        """
        graph, threshold = consensus(frequencies, threshold, max_parents)
        return replace(
            self,
            confidence=frequencies.confidence(self.names),
            threshold=threshold,
            consensus=named(self.names, graph),
        )

    @property
    def adjacency(self) -> Adjacency:
        """The graph as an array [parent, child], in the order of the names."""
        return self._array(self.edges)

    @property
    def marks(self) -> Adjacency:
        """Which way each edge may run in equivalent graphs, as an array; both where either way.

        An edge of a PAG runs towards its only arrowhead, and both ways where it has none or two.
        """
        if self.pag is not None:
            ways = [(a, b) for a, mark, b in self.pag if mark[-1] == ">" or mark[0] != "<"]
            ways += [(b, a) for a, mark, b in self.pag if mark[0] == "<" or mark[-1] != ">"]
            return self._array(ways)
        directed, undirected = self.cpdag
        return self._array((*directed, *undirected, *((b, a) for a, b in undirected)))

    def _array(self, edges: Iterable[Edge]) -> Adjacency:
        places = {name: i for i, name in enumerate(self.names)}
        array = np.zeros((len(self.names),) * 2, bool)
        for cause, effect in edges:
            array[places[cause], places[effect]] = True
        return array

    @cached_property
    def edge_confidence(self) -> dict[frozenset[str], float] | None:
        """The share of replicates with an edge between two variables, whichever way it runs."""
        if self.confidence is None:
            return None
        shares: dict[frozenset[str], float] = {}
        for (a, b), share in self.confidence.items():
            pair = frozenset((a, b))
            shares[pair] = shares.get(pair, 0.0) + share
        return shares

    def __repr__(self) -> str:
        directed, undirected = self.cpdag
        lines = [
            f"LearnedStructure: {len(self.names)} variables, {len(self.edges)} edges"
            + ("" if self.score is None else f", score {self.score:.7g}"),
            f"  {self.method} ({self.seconds:.2f} s)",
            f"  equivalent graphs: {len(directed)} edges directed in all, "
            f"{len(undirected)} either way",
        ]
        if self.consensus is not None:
            lines.append(
                f"  consensus: {len(self.consensus)} edges with a confidence of "
                f"{self.threshold:.3g} or more"
            )
        shown = [f"{a} -> {b}" for a, b in self.edges[:12]]
        more = len(self.edges) - len(shown)
        lines.append("  " + ", ".join(shown) + (f" and {more} more" if more else ""))
        return "\n".join(line for line in lines if line.strip())

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each pair that an edge joins in the graph or in a replicate.

        Returns
        -------
        pandas.DataFrame
            Columns ``cause``, ``effect`` (in the direction of the graph, of the consensus, or else
            the more frequent one), their modalities (empty where none), ``in_graph``,
            ``directed`` (the edge runs this way in every equivalent graph) and, after a bootstrap,
            ``in_consensus`` and ``confidence`` (of the arc), ``edge_confidence`` (of the edge).
            After FCI also ``mark``: the edge of the PAG, such as ``"o->"``, from the first to the
            second (which need not be cause and effect), empty where a replicate alone has it.
        """
        with needs("data", "pandas", "a frame of edges"):
            import pandas as pd
        confidence, either_way = self.confidence or {}, self.edge_confidence or {}
        pairs: dict[frozenset[str], Edge] = {}
        marks = {(a, b): mark for a, mark, b in self.pag or ()}
        for edge in (*marks, *self.edges, *(self.consensus or ()), *confidence):
            pairs.setdefault(frozenset(edge), edge)
        rows = []
        for pair, (cause, effect) in pairs.items():
            row: dict[str, Any] = {
                "cause": cause,
                "effect": effect,
                "cause_modality": self.modalities.get(cause) or "",
                "effect_modality": self.modalities.get(effect) or "",
                "in_graph": (cause, effect) in self.edges,
                "directed": (cause, effect) in self.cpdag[0],
            }
            if self.pag is not None:
                row["mark"] = marks.get((cause, effect), "")
            if self.confidence is not None:
                row["in_consensus"] = (cause, effect) in (self.consensus or ())
                row["confidence"] = confidence.get((cause, effect), 0.0)
                row["edge_confidence"] = either_way.get(pair, 0.0)
            rows.append(row)
        columns = ["cause", "effect", "cause_modality", "effect_modality", "in_graph", "directed"]
        if self.pag is not None:
            columns.append("mark")
        if self.confidence is not None:
            columns += ["in_consensus", "confidence", "edge_confidence"]
        return pd.DataFrame(rows, columns=columns)

    def to_networkx(self) -> nx.DiGraph:
        """Return the graph; nodes have a ``modality``, edges ``directed`` and ``confidence``.

        ``directed`` says whether an edge runs this way in every equivalent graph; the confidence is
        the arc's, and there after a bootstrap only. After FCI it has the edges that the PAG says
        run from cause to effect, and none that ends in a circle or in two arrowheads.
        """
        graph: nx.DiGraph = nx.DiGraph()
        for name in self.names:
            graph.add_node(name, modality=self.modalities.get(name))
        for edge in self.edges:
            graph.add_edge(*edge, directed=edge in self.cpdag[0])
            if self.confidence is not None:
                graph.edges[edge]["confidence"] = self.confidence.get(edge, 0.0)
        return graph


def named(names: tuple[str, ...], adjacency: Adjacency) -> list[Edge]:
    """Return the edges of an array as pairs of names, by parent and child."""
    return [(names[a], names[b]) for a, b in np.argwhere(adjacency)]
