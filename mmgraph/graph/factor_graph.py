"""The factor graph: variables and factors, and a cache of what is derived from them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any, Self

import networkx as nx
import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.arrays import float_tensor, whole_numbers
from mmgraph.graph.errors import GraphError, UnknownVariableError, suggestion
from mmgraph.graph.factor import Factor, LogTable
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.storage.cache import Arguments, Cache, Cached, Recent, Result, recalled
from mmgraph.graph.storage.copying import ReadOnlyDict
from mmgraph.graph.variable import Variable

STRUCTURES_KEPT = 8
"""How many structures graphs that are derived from one another share."""


class FactorGraph(Cached):
    """A product of factors over named variables.

    Its numbers change in two ways only, and both empty the cache: a fit puts other factors in the
    place of these (:meth:`exchange_factors`), or training writes into the tensors of the factors
    and says so (:meth:`numbers_changed`).

    Parameters
    ----------
    variables : iterable of Variable
        Names must be unique.
    factors : iterable of Factor
        Each scope must consist of these very variables.

    Raises
    ------
    GraphError
        If a name is used twice, or a factor speaks of a variable that is not among them.

    Attributes
    ----------
    variables : mapping of str to Variable
        In the order given.
    """

    def __init__(self, variables: Iterable[Variable], factors: Iterable[Factor] = ()) -> None:
        named: dict[str, Variable] = {}
        for variable in variables:
            if variable.name in named:
                raise GraphError(f"two variables are called '{variable.name}'")
            named[variable.name] = variable
        super().__init__()
        self.variables: Mapping[str, Variable] = ReadOnlyDict(named)
        self._structures: Recent[Hashable, Cache] = Recent(STRUCTURES_KEPT)
        self.exchange_factors(factors)

    def __getstate__(self) -> dict[str, Any]:
        """Return what pickles and copies hold: all but the cache, which is computed again."""
        return {
            **self.__dict__,
            "derived": {},
            "_structure": None,
            "_structures": Recent(STRUCTURES_KEPT),
        }

    @property
    def factors(self) -> tuple[Factor, ...]:
        """The factors, in the order given."""
        return self._factors

    def exchange_factors(self, factors: Iterable[Factor]) -> None:
        """Put factors over the same variables in the place of the present ones.

        Raises
        ------
        GraphError
            If a factor speaks of a variable that is not the graph's; the graph is as it was then.
        """
        factors = tuple(factors)
        for factor in factors:
            for variable in factor.scope:
                if self.variables.get(variable.name) is not variable:
                    raise GraphError(
                        f"{factor!r} speaks of '{variable.name}', which is not the graph's variable"
                        f"{suggestion(variable.name, self.variables)}"
                    )
        self._factors = factors
        self._structure: Cache | None = None
        self.numbers_changed()

    def numbers_changed(self) -> None:
        """Empty the cache, after tensors of the factors were written to in place."""
        self.derived = {}

    def with_factors(self, factors: Iterable[Factor]) -> Self:
        """Return a graph of the same class with other factors over the same variables.

        What :meth:`cached_structure` computes for one of them it need not compute for the other.
        """
        made = type(self)(self.variables.values(), factors)
        made._structures, made._structure = self._structures, None
        return made

    def cached_structure(
        self, make: Callable[[Any, *Arguments], Result], *arguments: *Arguments
    ) -> Result:
        """Return ``make(self, *arguments)``, as :meth:`cached`, where no number has a part in it.

        It is shared with the graphs of :meth:`with_factors`, where their factors are of the same
        kinds over the same scopes, and outlasts a fit.
        """
        if self._structure is None:
            key = tuple((type(f), f.scope, f.child) for f in self.factors)
            if key not in self._structures:
                self._structures[key] = {}
            self._structure = self._structures[key]
        return recalled(self._structure, self, make, *arguments)

    @property
    def is_normalised(self) -> bool:
        """Whether the weights of all assignments are known to sum to one."""
        return False

    def usual_options(self, question: str) -> Mapping[str, Any]:
        """Return the options that a question asked of this model has unless they are named.

        Parameters
        ----------
        question : {"query"}
            The others have no usual options.

        Returns
        -------
        mapping of str to object
            ``"method"``, and options of that method; empty where nothing sets this model apart.
        """
        return {}

    def variable(self, name: str) -> Variable:
        """Return a variable by name, or raise UnknownVariableError with the nearest name."""
        try:
            return self.variables[name]
        except (KeyError, TypeError):
            hint = suggestion(name, self.variables)
            raise UnknownVariableError(f"the model has no variable {name!r}{hint}") from None

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities of the variables, in order of first appearance."""
        named = (v.modality for v in self.variables.values() if v.modality is not None)
        return tuple(dict.fromkeys(named))

    def tables(self) -> Iterator[LogTable]:
        """Yield the log-tables of all factors (the table view).

        Raises
        ------
        NotTabularError
            If a factor has no finite table.
        """
        for factor in self.factors:
            yield from factor.tables()

    def energy(self, assignment: Mapping[str, object]) -> Float[Tensor, " batch"]:
        """Return minus the unnormalised log-probability of full assignments.

        Parameters
        ----------
        assignment : mapping of str to array-like
            For each variable its state indices or real values, one assignment of shape
            ``(*shape,)`` or a batch ``(batch, *shape)``, on any device.

        Raises
        ------
        UnknownVariableError
            If a variable is missing or unknown.
        GraphError
            If a shape does not fit, or a number is no index of a state.
        """
        for name in assignment:
            self.variable(name)
        rows: dict[str, Tensor] = {}
        for name, variable in self.variables.items():
            if name not in assignment:
                raise UnknownVariableError(f"the assignment does not give '{name}'")
            tensor = self._states_or_values(variable, assignment[name])
            rows[name] = tensor if tensor.ndim > len(variable.shape) else tensor.unsqueeze(0)
            if tuple(rows[name].shape[1:]) != variable.shape:
                raise GraphError(
                    f"the assignment of '{name}' has shape {tuple(tensor.shape)}; "
                    f"(batch, {', '.join(map(str, variable.shape))}) was expected"
                )
        total = torch.zeros(1, dtype=torch.float64)
        for factor in self.factors:
            device = next((t.device for t in factor.tensors()), None)
            here = {v.name: rows[v.name].to(device=device) for v in factor.scope}
            energy = factor.energy(here)
            total = total.to(energy.device) + energy
        return total

    @staticmethod
    def _states_or_values(variable: Variable, numbers: object) -> Tensor:
        owner = f"the assignment of '{variable.name}'"
        if not variable.is_discrete:
            return float_tensor(numbers, owner)
        states = whole_numbers(numbers, owner)
        outside = (states < 0) | (states >= variable.cardinality)
        if bool(outside.any()):
            place = tuple(outside.nonzero()[0].tolist())
            raise GraphError(
                f"{owner} gives the state {int(states[place])} at {place}; there are "
                f"{variable.cardinality}"
            )
        return states

    def colouring(self) -> tuple[tuple[str, ...], ...]:
        """Return groups of variables that share no factor and so can be updated at once."""
        colours = nx.greedy_color(self.markov_network(), strategy="largest_first")
        groups: dict[int, list[str]] = {}
        for name in self.variables:
            groups.setdefault(colours[name], []).append(name)
        return tuple(tuple(groups[c]) for c in sorted(groups))

    def markov_network(self) -> nx.Graph:
        """Return the undirected graph that joins variables which share a factor."""
        graph: nx.Graph[Any] = nx.Graph()
        for name, variable in self.variables.items():
            graph.add_node(name, variable=variable, modality=variable.modality)
        for factor in self.factors:
            names = [v.name for v in factor.scope]
            graph.add_edges_from((a, b) for i, a in enumerate(names) for b in names[i + 1 :])
        return graph

    def to_networkx(self) -> nx.Graph:
        """Return the bipartite graph of :meth:`to_factor_graph`.

        Of a Bayesian network this is its directed graph instead; :meth:`markov_network` is the
        undirected graph over variables alone.
        """
        return self.to_factor_graph()

    def to_factor_graph(self) -> nx.Graph:
        """Return the bipartite networkx graph of variables and factors.

        Variable nodes are their names and carry ``variable`` and ``modality``; factor nodes are
        ``("factor", i)`` and carry ``factor``. :meth:`from_networkx` reads it back.
        """
        graph: nx.Graph[Any] = nx.Graph()
        for name, variable in self.variables.items():
            graph.add_node(name, bipartite=0, variable=variable, modality=variable.modality)
        for i, factor in enumerate(self.factors):
            graph.add_node(("factor", i), bipartite=1, factor=factor)
            graph.add_edges_from((("factor", i), v.name) for v in factor.scope)
        return graph

    @classmethod
    def from_networkx(cls, graph: nx.Graph) -> FactorGraph:
        """Build from a networkx graph.

        Two forms are read: the bipartite graph of :meth:`to_factor_graph`, and a graph over
        variables whose nodes carry ``states`` (and ``modality``), whose nodes may carry
        ``log_values`` and whose edges carry a pairwise table ``values`` or ``log_values`` with axes
        ``(u, v)`` in the order of the edge's attribute ``scope`` (default: the order in which the
        edge is listed).

        Raises
        ------
        GraphError
            If a node has no states or an edge has no table.
        """
        factors = [d["factor"] for _, d in graph.nodes(data=True) if "factor" in d]
        if factors:
            return cls(
                (d["variable"] for _, d in graph.nodes(data=True) if "variable" in d), factors
            )
        variables: dict[Any, Variable] = {}
        for node, data in graph.nodes(data=True):
            if "variable" in data:
                variables[node] = data["variable"]
            elif "states" in data:
                variables[node] = Variable(str(node), data["states"], modality=data.get("modality"))
            else:
                raise GraphError(f"node {node!r} has neither 'variable' nor 'states'")
            if "log_values" in data:
                factors.append(TableFactor((variables[node],), log_values=data["log_values"]))
        for u, v, data in graph.edges(data=True):
            if "values" not in data and "log_values" not in data:
                raise GraphError(f"edge ({u!r}, {v!r}) has neither 'values' nor 'log_values'")
            scope = tuple(variables[n] for n in data.get("scope", (u, v)))
            if "values" in data:
                factors.append(TableFactor(scope, data["values"]))
            else:
                factors.append(TableFactor(scope, log_values=data["log_values"]))
        return cls(variables.values(), factors)

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Self:
        """Return the graph with every factor on another device or in another precision."""
        return self.with_factors(f.to(device, dtype) for f in self.factors)

    def __repr__(self) -> str:
        kinds = ", ".join(self.modalities)
        return (
            f"{type(self).__name__}({len(self.variables)} variables, {len(self.factors)} factors"
            f"{f'; modalities {kinds}' if kinds else ''})"
        )
