"""The units that real variables are measured in, and what a change of them does to a machine.

With ``x = m + s z`` the log-potential ``b x - p x^2 / 2 + x^T W h`` of ``x`` is one of ``z`` with
the bias ``s (b - p m)``, the precision ``s^2 p`` and the weights ``s W``, but for a constant and
for ``m^T W h``, which the biases of ``h`` take up. So a machine may be trained on standardised
values and speak of others: natural parameters lose nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from mmgraph.graph.bias_factor import BiasFactor
from mmgraph.graph.bilinear_factor import BilinearFactor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.clamping import Clamped
from mmgraph.learning.training_rows import TrainingRows


@dataclass(frozen=True)
class Units:
    """Where real variables have their zero, and their one.

    Attributes
    ----------
    shifts, scales : dict of str to Tensor
        ``(*shape)``, in double precision; the scales are positive.
    """

    shifts: dict[str, Float64[Tensor, "*shape"]]
    scales: dict[str, Float64[Tensor, "*shape"]]

    @classmethod
    def of(cls, graph: FactorGraph, rows: TrainingRows) -> Units:
        """Return means and standard deviations of Gaussian variables.

        Rectified ones keep their zero, and have the root of their mean square for their one.
        """
        shifts, scales = {}, {}
        for name, (values, known) in rows.clamped.items():
            variable = graph.variables[name]
            if not variable.is_real or rows.count < 2:
                continue
            wide = values.double()
            here = torch.ones_like(wide) if known is None else known.double()
            count = here.sum(0).clamp_min(1.0)
            mean = (wide * here).sum(0) / count
            shifts[name] = mean if variable.family == "gaussian" else torch.zeros_like(mean)
            squares = ((wide - shifts[name]).square() * here).sum(0) / count
            scales[name] = torch.where(squares > 0, squares.sqrt(), 1.0)
        return cls(shifts, scales)

    def standardised(self, rows: TrainingRows) -> TrainingRows:
        """Return rows in these units."""
        clamped = dict(rows.clamped)
        for name, shift in self.shifts.items():
            if name not in clamped:
                continue
            values, known = clamped[name]
            moved = ((values.double() - shift) / self.scales[name]).to(values.dtype)
            if known is not None:
                moved = moved.masked_fill(~known, 0.0)
            clamped[name] = Clamped(moved, known)
        return TrainingRows(rows.count, clamped)

    def of_data(self, machine: FactorGraph) -> FactorGraph:
        """Return a copy of a machine that speaks of values in these units."""
        copied = [_copied(f) for f in machine.factors]
        graph = FactorGraph(machine.variables.values(), copied)
        _reexpress(copied, self.shifts, self.scales)
        return graph

    def write(self, graph: FactorGraph, machine: FactorGraph) -> None:
        """Write the numbers of such a copy into the machine, in the variables' own units."""
        copied = [_copied(f) for f in graph.factors]
        shifts = {n: -m / self.scales[n] for n, m in self.shifts.items()}
        _reexpress(copied, shifts, {n: 1 / s for n, s in self.scales.items()})
        with torch.no_grad():
            for own, found in zip(_layers(machine.factors), _layers(copied), strict=True):
                for kept, tensor in zip(own.tensors(), found.tensors(), strict=True):
                    kept.copy_(tensor)
                if isinstance(own, BiasFactor) and isinstance(found, BiasFactor):
                    own.length = found.length
        machine.plans.clear()


def _layers(factors: object) -> list[BiasFactor | BilinearFactor]:
    assert isinstance(factors, list | tuple)
    return [f for f in factors if isinstance(f, BiasFactor | BilinearFactor)]


def _copied(factor: object) -> BiasFactor | BilinearFactor:
    assert isinstance(factor, BiasFactor | BilinearFactor)
    return factor.with_tensors(*(t.detach().clone() for t in factor.tensors()))


@torch.no_grad()
def _reexpress(
    factors: list[BiasFactor | BilinearFactor], shifts: dict[str, Tensor], scales: dict[str, Tensor]
) -> None:
    """Make factors that speak of ``x`` speak of ``z``, where ``x = shift + scale * z``."""
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
