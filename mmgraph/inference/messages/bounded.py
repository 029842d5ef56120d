"""Assignments with a bound on how much better any other can be."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.assignment import Assignment, TracePoint
from mmgraph.inference.model_variables import named_variables
from mmgraph.inference.numerics.shortfall import PRACTICAL_GAP, shortfall


class BoundedStates(NamedTuple):
    """The best states of all variables in every row, as a search left them.

    With their energy, a lower bound on that of all, and whether the search of each row came to its
    end; ``trace`` says how the first row came there.
    """

    states: dict[str, Int64[Tensor, "batch *shape"]]
    energy: Float64[Tensor, " batch"]
    bound: Float64[Tensor, " batch"]
    converged: Bool[Tensor, " batch"]
    iterations: int
    trace: Sequence[TracePoint]

    def assignment(
        self,
        method: str,
        graph: FactorGraph,
        variables: Sequence[str] | None,
        tolerance: float,
        began: float,
    ) -> Assignment:
        """Return the states of some variables, exact where the relative gap is in the tolerance.

        A search that was cut off has converged, too, where its gap is of no practical importance.
        """
        names = named_variables(graph, variables)
        gap = (self.energy - self.bound).clamp(min=0.0)
        relative = gap / self.energy.abs().clamp(min=1.0)
        widest = max(relative[~self.converged].tolist(), default=0.0)
        measure, converged = "gap relative to the energy", widest <= PRACTICAL_GAP
        missed = shortfall(method, measure, widest, tolerance, self.iterations)
        return Assignment(
            {name: self.states[name] for name in names},
            {name: graph.variables[name] for name in names},
            -self.energy,
            method=method,
            exact=bool((relative <= tolerance).all()),
            bound=-self.bound,
            gap=gap,
            seconds=time.perf_counter() - began,
            converged=converged,
            shortfall="" if converged else missed,
            iterations=self.iterations,
            trace=tuple(self.trace),
        )
