"""Graphs that repeat over time: the first slices, and one that all later ones are like."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from mmgraph.graph.errors import GraphError, UnknownVariableError, suggestion
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.variable import Variable

_FORMER = re.compile(r"(?P<name>.+)\[-(?P<lag>[1-9]\d*)\]")
MOST_LAG = 2


def former(name: str, lag: int) -> str:
    """Return what a variable of the slice ``lag`` steps before is called: ``x[-1]``."""
    return f"{name}[-{lag}]" if lag else name


def present(name: str) -> tuple[str, int]:
    """Return the name of a variable without the mark of a slice before, and how far back it is."""
    match = _FORMER.fullmatch(name)
    return (match["name"], int(match["lag"])) if match else (name, 0)


class DynamicGraph:
    """Conditional distributions of the variables of a slice, given those of slices before.

    There is no object for a slice: evidence has an axis of time, and so have answers.

    Parameters
    ----------
    slices : sequence of FactorGraph
        Of the first step, then that of the second where the order is two, and last that of all
        later ones. Variables of slices before end in ``[-1]`` or ``[-2]``; what distributions they
        have there is passed over.
    inputs : iterable of str
        Variables that are always observed, whose distributions do not count.

    Raises
    ------
    GraphError
        If slices differ in their variables, a variable has no distribution in one, or reaches
        further back than there are slices for.

    Attributes
    ----------
    variables : mapping of str to Variable
        Those of a slice.
    order : int
        How many slices back a slice depends on.
    """

    def __init__(self, slices: Sequence[FactorGraph], inputs: Iterable[str] = ()) -> None:
        self.slices = tuple(slices)
        self.variables: Mapping[str, Variable] = dict(self.slices[0].variables)
        self.inputs = tuple(inputs)
        for name in self.inputs:
            self.variable(name)
        lags = [[present(name) for name in graph.variables] for graph in self.slices]
        self.order = max((lag for _, lag in lags[-1]), default=0)
        if self.order > MOST_LAG:
            raise GraphError(f"a slice depends on at most {MOST_LAG} before it, not {self.order}")
        needed = max(self.order, 1) + 1
        if len(self.slices) != needed:
            raise GraphError(
                f"a transition that reaches {self.order} slices back needs {needed - 1} first "
                f"slices, and {len(self.slices) - 1} are given"
            )
        for number, graph in enumerate(self.slices):
            self._check(number, graph)
        self._children = [self._by_child(graph) for graph in self.slices]

    def _check(self, number: int, graph: FactorGraph) -> None:
        where = "the transition" if number == len(self.slices) - 1 else f"slice {number}"
        for name, variable in graph.variables.items():
            plain, lag = present(name)
            own = self.variables.get(plain)
            if own is None:
                hint = suggestion(plain, self.variables)
                raise GraphError(f"{where} speaks of '{name}', which is not in slice 0{hint}")
            if lag > number:
                raise GraphError(f"{where} speaks of '{name}', before the first slice")
            same = Variable(plain, variable.states, variable.shape, family=variable.family)
            if not same.describes_same_as(own):
                raise GraphError(f"'{name}' of {where} has other states or another shape")
            if variable.is_discrete and variable.shape:
                raise GraphError(f"'{name}': arrays of discrete variables are no part of slices")
        for name in self.variables:
            if name not in graph.variables:
                raise GraphError(f"{where} lacks '{name}' of slice 0")

    def _by_child(self, graph: FactorGraph) -> dict[str, Factor]:
        found: dict[str, Factor] = {}
        for factor in graph.factors:
            if factor.child is None:
                raise GraphError(f"{factor!r} is no conditional distribution")
            if not present(factor.child.name)[1]:
                found[factor.child.name] = factor
        return found

    def variable(self, name: str) -> Variable:
        """Return a variable of the slice.

        Raises
        ------
        UnknownVariableError
            If there is none of that name: with the nearest one.
        """
        if name not in self.variables:
            raise UnknownVariableError(
                f"no variable is called {name!r}{suggestion(name, self.variables)}"
            )
        return self.variables[name]

    def distributions(self, number: int) -> Mapping[str, Factor]:
        """Return the distributions of a slice by child; of the transition for all later numbers."""
        return self._children[min(number, len(self._children) - 1)]

    def children(self, name: str) -> set[str]:
        """Return the variables that depend on one, in its slice or a later one."""
        return {
            child
            for distributions in self._children
            for child, factor in distributions.items()
            if any(present(parent.name)[0] == name for parent in factor.parents)
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all parameters, under ``slice/child/name``."""
        return {
            f"{number}/{child}/{name}": tensor.detach().cpu().numpy()
            for number in range(len(self.slices))
            for child, factor in self.distributions(number).items()
            for name, tensor in factor.parameters().items()
        }
