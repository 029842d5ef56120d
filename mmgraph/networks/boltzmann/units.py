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

from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.bias import BiasFactor
from mmgraph.graph.factors.bilinear import BilinearFactor
from mmgraph.inference.field.centring import FAR, reexpress
from mmgraph.inference.field.clamping import Clamped
from mmgraph.learning.boltzmann.training_rows import TrainingRows


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

    @property
    def are_far(self) -> bool:
        """Whether values lie so far from zero that single precision blurs how they differ."""
        return any(
            bool((shift.abs() > FAR * self.scales[name]).any())
            for name, shift in self.shifts.items()
        )

    def standardised(self, rows: TrainingRows, dtype: torch.dtype) -> TrainingRows:
        """Return rows in these units, and real values in a precision."""
        clamped = {}
        for name, (values, known) in rows.clamped.items():
            if name in self.shifts:
                values = (values.double() - self.shifts[name]) / self.scales[name]
                values = values if known is None else values.masked_fill(~known, 0.0)
            clamped[name] = Clamped(values.to(dtype), known)
        return TrainingRows(rows.count, clamped)

    def of_data(self, machine: FactorGraph, dtype: torch.dtype) -> FactorGraph:
        """Return a copy of a machine that speaks of values in these units, in a precision."""
        wide = [_copied(f, torch.float64) for f in machine.factors]
        reexpress(wide, self.shifts, self.scales)
        return FactorGraph(machine.variables.values(), [_copied(f, dtype) for f in wide])

    def write(self, graph: FactorGraph, machine: FactorGraph) -> None:
        """Write the numbers of such a copy into the machine, in the variables' own units."""
        copied = [_copied(f, torch.float64) for f in graph.factors]
        shifts = {n: -m / self.scales[n] for n, m in self.shifts.items()}
        reexpress(copied, shifts, {n: 1 / s for n, s in self.scales.items()})
        with torch.no_grad():
            for own, found in zip(_layers(machine.factors), _layers(copied), strict=True):
                for kept, tensor in zip(own.tensors(), found.tensors(), strict=True):
                    kept.copy_(tensor)
                if isinstance(own, BiasFactor) and isinstance(found, BiasFactor):
                    own.length = found.length
        machine.numbers_changed()


def _layers(factors: object) -> list[BiasFactor | BilinearFactor]:
    assert isinstance(factors, list | tuple)
    return [f for f in factors if isinstance(f, BiasFactor | BilinearFactor)]


def _copied(factor: object, dtype: torch.dtype) -> BiasFactor | BilinearFactor:
    assert isinstance(factor, BiasFactor | BilinearFactor)
    return factor.with_tensors(*(t.detach().to(dtype, copy=True) for t in factor.tensors()))
