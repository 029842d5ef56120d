"""Markov random fields: undirected models of images, volumes and graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import networkx as nx
import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.arrays import log_potentials, whole_numbers
from mmgraph.graph.errors import GraphError
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.edges import PairwiseFactor
from mmgraph.graph.factors.grid import GridFactor, Offset
from mmgraph.graph.factors.unary import UnaryFactor
from mmgraph.graph.interaction import Interaction, as_interaction
from mmgraph.graph.variable import Variable
from mmgraph.inference import query
from mmgraph.inference.samples import Samples, label_array

States = int | Sequence[str | int | bool | float]


class MarkovRandomField(FactorGraph):
    """A factor graph whose factors are potentials of any scale.

    Build one from variables and factors, or with :meth:`grid`, :meth:`from_edges` and
    :meth:`from_networkx`.

    Parameters
    ----------
    variables : iterable of Variable
    factors : iterable of Factor
        Unary factors, grid and pairwise factors, tables, …

    Raises
    ------
    GraphError
        As :class:`FactorGraph`.
    """

    @classmethod
    def grid(
        cls,
        unary: object = None,
        interaction: Interaction | object | None = None,
        weights: object = 1.0,
        neighbours: int | Sequence[Offset] | None = None,
        *,
        shape: Sequence[int] | None = None,
        states: States | None = None,
        name: str = "label",
        modality: str | None = None,
    ) -> Self:
        """Build a field over the elements of an image or a volume.

        Parameters
        ----------
        unary : array-like, shape (*shape, states), optional
            Log-potentials; a masked element says nothing. Without them ``shape`` and ``states``
            are needed, and evidence speaks: ``field.predict({"label": mm.soft(scores)})``.
        interaction : Interaction or array-like, default Potts()
            The energy of two neighbours, or a table of energies.
        weights, neighbours
            See :class:`GridFactor`.
        shape : sequence of int, optional
            Of the array, where no ``unary`` gives it.
        states : int or sequence of labels, optional
            By default as many as ``unary`` has.
        name, modality : str
            Of the variable.

        Raises
        ------
        GraphError
            If the shapes do not fit together, or a number is none that can be used: which.
        """
        values = None if unary is None else log_potentials(unary, "the grid's unary factor")
        if values is None and (shape is None or states is None):
            raise GraphError("a grid needs unary log-potentials, or a shape and states")
        if values is not None:
            if values.ndim < 2:
                raise GraphError(
                    f"unary log-potentials of shape {tuple(values.shape)}; (*shape, states) was "
                    "expected"
                )
            shape = tuple(values.shape[:-1]) if shape is None else shape
            states = int(values.shape[-1]) if states is None else states
        assert shape is not None
        assert states is not None
        variable = Variable(name, _states(states), shape=tuple(shape), modality=modality)
        factors: list[Factor] = [] if values is None else [UnaryFactor(variable, values)]
        factors.append(GridFactor(variable, as_interaction(interaction), weights, neighbours))
        return cls([variable], factors)

    @classmethod
    def from_edges(
        cls,
        edges: object,
        unary: object = None,
        interaction: Interaction | object | None = None,
        weights: object = 1.0,
        *,
        nodes: int | None = None,
        states: States | None = None,
        name: str = "label",
        modality: str | None = None,
    ) -> Self:
        """Build a field over numbered nodes.

        Parameters
        ----------
        edges : array-like of int, shape (edges, 2)
        unary : array-like, shape (nodes, states), optional
            Log-potentials. Without them ``states`` is needed.
        interaction : Interaction or array-like, default Potts()
            The energy of two neighbours, or a table of energies, or one for each edge.
        weights : float or array-like, shape (edges,), default 1
        nodes : int, optional
            How many; by default as many as ``unary`` or the edges speak of.
        states, name, modality
            As for :meth:`grid`.

        Raises
        ------
        GraphError
            If the shapes do not fit together, an end of an edge is no number of a node, or another
            number is none that can be used: which.
        """
        pairs = whole_numbers(edges, "the ends of the edges")
        values = None if unary is None else log_potentials(unary, "the unary factor")
        if values is not None and values.ndim != 2:
            raise GraphError(
                f"unary log-potentials of shape {tuple(values.shape)}; (nodes, states) was expected"
            )
        if states is None:
            if values is None:
                raise GraphError("a field needs unary log-potentials, or states")
            states = int(values.shape[-1])
        if nodes is None:
            nodes = len(values) if values is not None else int(pairs.max()) + 1 if len(pairs) else 0
        variable = Variable(name, _states(states), shape=(nodes,), modality=modality)
        factors: list[Factor] = [] if values is None else [UnaryFactor(variable, values)]
        factors.append(PairwiseFactor(variable, pairs, as_interaction(interaction), weights))
        return cls([variable], factors)

    @classmethod
    def from_networkx(
        cls,
        graph: nx.Graph,
        interaction: Interaction | object | None = None,
        states: States | None = None,
        weight: str = "weight",
    ) -> Self:
        """Build from a networkx graph, also from one that is merely weighted.

        Parameters
        ----------
        graph : networkx.Graph
            Of a form that :meth:`FactorGraph.from_networkx` reads; or with edges that carry a
            number ``weight`` in place of a table.
        interaction : Interaction or array-like, default Potts()
            What the numbers multiply. For an Ising model, whose energy is ``-J s t`` for spins -1
            and 1, give ``[[-1, 1], [1, -1]]``.
        states : int or sequence of labels, optional
            Of nodes that do not carry ``states`` themselves.
        weight : str, default "weight"
            The name of the edges' attribute.

        Raises
        ------
        GraphError
            If a node has no states, or an edge neither a table nor a weight.
        """
        if any("factor" in data for _, data in graph.nodes(data=True)):
            return cls._over(FactorGraph.from_networkx(graph))
        energy = as_interaction(interaction)
        tables: nx.Graph[Any] = nx.Graph()
        for node, data in graph.nodes(data=True):
            missing = states is not None and "states" not in data and "variable" not in data
            tables.add_node(node, **data, **({"states": states} if missing else {}))
        for u, v, data in graph.edges(data=True):
            tables.add_edge(u, v, **data)
            if "values" in data or "log_values" in data:
                continue
            if weight not in data:
                raise GraphError(f"edge ({u!r}, {v!r}) has neither a table nor a '{weight}'")
            first, second = (_count(tables.nodes[n]) for n in (u, v))
            if energy.table is None and first != second:
                raise GraphError(f"edge ({u!r}, {v!r}) joins {first} states and {second}")
            log_values = -float(data[weight]) * energy.energies(first, second)
            tables.edges[u, v].update(log_values=log_values, scope=(u, v))
        return cls._over(FactorGraph.from_networkx(tables))

    @classmethod
    def _over(cls, graph: FactorGraph) -> Self:
        return cls(graph.variables.values(), graph.factors)

    def predict(
        self, evidence: object = None, variable: str | None = None, **options: Any
    ) -> np.ndarray:
        """Return the labels of the most probable assignment.

        Parameters
        ----------
        evidence : None, mapping or Evidence
        variable : str, optional
            Whose labels; may be left out where there is only one discrete variable.
        **options
            Of :func:`mmgraph.map_query`: ``method``, …

        Returns
        -------
        ndarray, shape (*shape,)
            Labels; with a first axis over the rows where the evidence has more than one.
        """
        name = self._only(variable)
        codes = query.map_query(self, evidence, **options)[name]
        return _squeezed(label_array(self.variables[name])[codes.cpu().numpy()])

    def predict_proba(
        self, evidence: object = None, variable: str | None = None, **options: Any
    ) -> Float[np.ndarray, "*shape states"]:
        """Return the marginals of every element; as :meth:`predict`, options of ``query``."""
        name = self._only(variable)
        marginal = query.query(self, evidence, name, **options).marginal(name)
        return _squeezed(marginal.detach().cpu().numpy())

    def sample(
        self,
        draws: int,
        evidence: object = None,
        generator: torch.Generator | None = None,
        **options: Any,
    ) -> Samples:
        """Draw samples of all variables, see :func:`mmgraph.sample`."""
        return query.sample(self, draws, evidence, generator, **options)

    def fit(
        self,
        labels: Mapping[str, object] | Int64[np.ndarray, "..."] | Tensor,
        strength: float = 1e-3,
        iterations: int = 50,
        rounds: int = 3,
        device: torch.device | str | None = None,
    ) -> Self:
        """Learn one scale for the weights of each edge factor, in place, by pseudo-likelihood.

        Parameters
        ----------
        labels : mapping of str to array, or array
            Labels of the variables, or indices as evidence reads them, one field ``(*shape,)`` or
            several ``(batch, *shape)``; -1 where unlabelled. An array alone is of the only
            variable.
        strength : float, default 1e-3
            Of the Gaussian prior on the scales.
        iterations, rounds
            See :func:`mmgraph.learning.random_fields.pseudo_likelihood.fit_scales`.
        device : torch.device or str, optional
            Where to compute; the field stays where it is.

        Returns
        -------
        MarkovRandomField
            The field itself.

        Raises
        ------
        LearningError
            If nothing is labelled, or there is no edge factor.
        """
        # It loads mean field and its kernels.
        from mmgraph.learning.random_fields.pseudo_likelihood import fit_scales

        data = labels if isinstance(labels, Mapping) else {self._only(None): labels}
        self.exchange_factors(fit_scales(self, data, strength, iterations, rounds, device))
        return self

    def _only(self, name: str | None) -> str:
        if name is not None:
            return self.variable(name).name
        discrete = [n for n, v in self.variables.items() if v.is_discrete]
        if len(discrete) != 1:
            raise GraphError(f"name the variable: one of {', '.join(discrete[:8])}")
        return discrete[0]


def _states(states: States) -> int | tuple[Any, ...]:
    return states if isinstance(states, int) else tuple(states)


def _count(node: Mapping[str, Any]) -> int:
    if "variable" in node:
        return int(node["variable"].cardinality)
    states = node.get("states")
    if states is None:
        raise GraphError("a node has neither 'variable' nor 'states'; give 'states' for all")
    return states if isinstance(states, int) else len(states)


def _squeezed(rows: np.ndarray) -> np.ndarray:
    return rows[0] if len(rows) == 1 else rows
