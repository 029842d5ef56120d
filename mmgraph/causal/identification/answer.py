"""The answer to the question whether an effect is identifiable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from mmgraph.causal.graph.causal_graph import CausalGraph, as_names
from mmgraph.causal.identification import evaluation
from mmgraph.causal.identification.algorithm import identified
from mmgraph.causal.identification.expression import Expression, latex_name, variables_of
from mmgraph.causal.identification.hedge import Hedge
from mmgraph.graph.errors import CausalError
from mmgraph.graph.factor_graph import FactorGraph


@dataclass(frozen=True, repr=False)
class Identification:
    """Whether and how the joint of the observed variables determines P(outcome | do(do), given).

    Attributes
    ----------
    outcome, do, given : tuple of str
        The question.
    estimand : Expression or None
        The formula in the observational joint; None where there is none.
    hedge : Hedge or None
        What forbids one.
    """

    outcome: tuple[str, ...]
    do: tuple[str, ...]
    given: tuple[str, ...]
    estimand: Expression | None
    hedge: Hedge | None
    _nodes: tuple[str, ...]
    _network: FactorGraph | None = None

    @property
    def identifiable(self) -> bool:
        """Whether the joint determines the effect."""
        return self.estimand is not None

    def __str__(self) -> str:
        query = self._query(" | ", "do({})", str)
        return f"{query} = {self.estimand}" if self.identifiable else f"{query}: not identifiable"

    __repr__ = __str__

    def latex(self) -> str:
        """Return the equation of the query and its estimand, in LaTeX for math mode."""
        query = self._query(r" \mid ", r"\mathrm{{do}}({})", latex_name)
        if self.estimand is None:
            return rf"{query} \text{{ is not identifiable}}"
        return f"{query} = {self.estimand.latex()}"

    def words(self) -> str:
        """Return the answer in words: the formula, or why there is none."""
        query = f"the probability of {' and '.join(self.outcome)}"
        if self.do:
            query += f" when {' and '.join(self.do)} is set"
        if self.given:
            query += f" given {' and '.join(self.given)}"
        if self.estimand is not None:
            return f"{query} is {self.estimand.words()}"
        assert self.hedge is not None
        return f"{query} is not identifiable: {self.hedge.words()}"

    def _query(self, mid: str, do: str, name: Callable[[str], str]) -> str:
        outcome, set_, given = (
            ", ".join(map(name, names)) for names in (self.outcome, self.do, self.given)
        )
        condition = ", ".join(c for c in (do.format(set_) if set_ else "", given) if c)
        return f"P({outcome}{mid}{condition})" if condition else f"P({outcome})"

    def evaluate(self, source: object = None) -> Float64[np.ndarray, "*states"]:
        """Return the value of the estimand, with axes ``do``, ``given``, ``outcome`` as asked.

        Parameters
        ----------
        source : array, network, table of rows or None
            The joint table, an axis a node in the order of the model's nodes; or a network, whose
            exact inference forms only the tables that the formula needs; or rows (what
            :meth:`mmgraph.BayesianNetwork.fit` takes), of which frequencies count, and the states
            are the model's network's, or else the sorted labels of a column. None is the network
            of the model.

        Notes
        -----
        Where being given comes to the same as being set, a state that never happens has the value
        of setting it, if the formula needs no rows with it.

        Raises
        ------
        CausalError
            If the effect is not identifiable (the hedge), there is nothing to evaluate on, the
            table is no joint, or the formula needs a stratum that is empty (which).
        """
        if self.estimand is None:
            raise CausalError(self.words())
        axes = (*self.do, *self.given, *self.outcome)
        return evaluation.value(self.estimand, axes, self._source(source))

    def _source(self, source: object) -> evaluation.Source:
        assert self.estimand is not None
        names = sorted({*variables_of(self.estimand), *self.do, *self.given})
        if source is None and self._network is None:
            raise CausalError("the model has no network: evaluate on a joint table or on data")
        if source is None or isinstance(source, FactorGraph):
            network = self._network if source is None else source
            assert isinstance(network, FactorGraph)
            return evaluation.of_network(network, names)
        if hasattr(source, "__array__") and not hasattr(source, "columns"):
            return evaluation.of_table(source, self._nodes)
        if isinstance(source, Sequence) and not isinstance(source, str):
            return evaluation.of_table(source, self._nodes)
        return evaluation.of_data(source, names, getattr(self._network, "variables", None))


def identify(
    graph: CausalGraph,
    outcome: Sequence[str] | str,
    do: Sequence[str] | str = (),
    given: Sequence[str] | str = (),
    network: FactorGraph | None = None,
) -> Identification:
    """Return whether and how the joint determines P(outcome | do, given) in a graph.

    ``network`` is what the answer is evaluated on by default. Errors are those of
    :meth:`mmgraph.CausalModel.identify`.
    """
    asked = {"outcome": as_names(outcome), "do": as_names(do), "given": as_names(given)}
    if not asked["outcome"]:
        raise CausalError("there is no outcome to ask about")
    place: dict[str, str] = {}
    for what, names in asked.items():
        graph.check_nodes(names, what)
        for name in names:
            if name in place:
                raise CausalError(_clash(name, place[name], what))
            place[name] = what
    answer = identified(graph, asked["outcome"], asked["do"], asked["given"])
    estimand = answer if isinstance(answer, Expression) else None
    hedge = answer if isinstance(answer, Hedge) else None
    return Identification(
        asked["outcome"], asked["do"], asked["given"], estimand, hedge, graph.nodes, network
    )


def _clash(name: str, first: str, second: str) -> str:
    if first == second:
        return f"{first} names '{name}' twice"
    if (first, second) == ("outcome", "do"):
        return f"the effect of '{name}' on itself was asked for: it is what it is set to"
    return f"'{name}' stands in {first} and in {second}: it can stand in one of them alone"
