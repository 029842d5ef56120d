"""Real units that lie far from zero, asked about by their distance from where they lie.

The log-weight of a unit around 1e8 is of the order of 1e16, of which a double keeps no decimals. So
a model whose Gaussian units lie far off is asked in coordinates whose zero is in their midst, and
its answers are moved back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float64
from torch import Tensor

from mmgraph.graph.bias_factor import BiasFactor
from mmgraph.graph.bilinear_factor import BilinearFactor
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.posterior import Posterior

FAR = 1e3
"""Standard deviations from zero beyond which single precision errs by a ten-thousandth of one."""


@dataclass(frozen=True)
class Centred:
    """A graph and evidence whose real units are spoken of by their distance from a shift.

    Attributes
    ----------
    graph : FactorGraph
    evidence : Evidence
    shifts : dict of str to Tensor, shape (*shape)
    constant : float
        By how much log-weights are less than they were.
    """

    graph: FactorGraph
    evidence: Evidence
    shifts: Mapping[str, Float64[Tensor, "*shape"]]
    constant: float

    @classmethod
    def of(cls, graph: FactorGraph, evidence: Evidence) -> Centred | None:
        """Return the two with units around zero; None where they are near enough as they are."""
        if not _lies_far(graph.factors):
            return None
        wide = [
            f.with_tensors(*(t.detach().to(torch.float64, copy=True) for t in f.tensors()))
            if isinstance(f, BiasFactor | BilinearFactor)
            else f
            for f in graph.factors
        ]
        shifts = {
            f.scope[0].name: f.bias / f.precision
            for f in wide
            if isinstance(f, BiasFactor) and f.precision is not None
            if f.scope[0].family == "gaussian"
        }
        constant = 0.0
        for factor in wide:
            if isinstance(factor, BiasFactor) and factor.scope[0].name in shifts:
                constant += float((factor.bias * shifts[factor.scope[0].name]).sum()) / 2
            elif isinstance(factor, BilinearFactor) and all(v.name in shifts for v in factor.scope):
                first, second = (shifts[v.name].reshape(-1) for v in factor.scope)
                constant += float(first @ factor.matrix @ second)
        reexpress(wide, shifts, {n: torch.ones_like(s) for n, s in shifts.items()})
        values = {
            n: t.double() - shifts[n].to(t.device) if n in shifts else t
            for n, t in evidence.values.items()
        }
        moved = FactorGraph(graph.variables.values(), wide)
        return cls(moved, replace(evidence, values=values), shifts, constant)

    def values(self, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return values (means, samples), ``(..., *shape)``, as they were measured."""
        return {
            n: t.double() + self.shifts[n].to(t.device) if n in self.shifts else t
            for n, t in found.items()
        }

    def posterior(self, found: Posterior) -> Posterior:
        """Move a posterior back, in place."""
        found.move(self.values, self.constant)
        return found

    def assignment(self, found: Assignment) -> Assignment:
        """Return an assignment as it was measured."""
        bound = None if found.bound is None else found.bound + self.constant
        return replace(
            found,
            states=self.values(found.states),
            log_weight=found.log_weight + self.constant,
            bound=bound,
        )


def _lies_far(factors: Iterable[Factor]) -> bool:
    return any(
        bool((f.bias.detach().abs() > FAR * f.precision.detach().sqrt()).any())
        for f in factors
        if isinstance(f, BiasFactor) and f.precision is not None
        if f.scope[0].family == "gaussian"
    )


@torch.no_grad()
def reexpress(
    factors: Iterable[Factor], shifts: dict[str, Tensor], scales: dict[str, Tensor]
) -> None:
    """Make factors that speak of ``x`` speak of ``z``, where ``x = shift + scale * z``."""
    factors = list(factors)
    biases = {f.scope[0].name: f for f in factors if isinstance(f, BiasFactor)}
    added: dict[str, Tensor] = {}
    for factor in factors:
        if not isinstance(factor, BilinearFactor):
            continue
        first, second = (v.name for v in factor.scope)
        wide = factor.matrix.double()
        # The shift of one end is felt at the other, whose own scale comes afterwards.
        if first in scales:
            added[second] = added.get(second, 0.0) + shifts[first].reshape(-1) @ wide
        if second in scales:
            added[first] = added.get(first, 0.0) + wide @ shifts[second].reshape(-1)
        if first in scales:
            wide = wide * scales[first].reshape(-1, 1)
        if second in scales:
            wide = wide * scales[second].reshape(-1)
        factor.weights.copy_(wide.reshape(factor.weights.shape))
    for name, bias in biases.items():
        wide = bias.bias.double()
        if name in added:
            wide = wide + added[name].reshape(wide.shape)
        if name in scales:
            assert bias.precision is not None
            wide = scales[name] * (wide - bias.precision.double() * shifts[name])
            bias.precision.copy_(bias.precision.double() * scales[name].square())
        bias.bias.copy_(wide)
