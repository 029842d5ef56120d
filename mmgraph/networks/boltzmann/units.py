"""The units that real variables are measured in, and what a change of them does to a machine.

With ``x = m + s z`` the log-potential ``b x - p x^2 / 2 + x^T W h`` of ``x`` is one of ``z`` with
the bias ``s (b - p m)``, the precision ``s^2 p`` and the weights ``s W``, but for a constant and
for ``m^T W h``, which the biases of ``h`` take up. So a machine may be trained on standardised
values and speak of others: natural parameters lose nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.field.centring import FAR, reexpress
from mmgraph.inference.field.clamping import Clamped
from mmgraph.learning.boltzmann.parameters import (
    copied,
    natural_of,
    with_natural,
    write_natural,
)
from mmgraph.learning.boltzmann.training_rows import TrainingRows, moments


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
            _, mean, _ = moments(Clamped(values, known))
            shifts[name] = mean if variable.family == "gaussian" else torch.zeros_like(mean)
            _, _, squares = moments(Clamped(values.double() - shifts[name], known))
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
        wide = with_natural(machine, copied(natural_of(machine), torch.float64))
        reexpress(wide, self.shifts, self.scales)
        narrow = copied([factor.tensors() for factor in wide], dtype)
        return FactorGraph(machine.variables.values(), with_natural(machine, narrow))

    def write(self, graph: FactorGraph, machine: FactorGraph) -> None:
        """Write the numbers of such a copy into the machine, in the variables' own units."""
        wide = with_natural(graph, copied(natural_of(graph), torch.float64))
        shifts = {n: -m / self.scales[n] for n, m in self.shifts.items()}
        reexpress(wide, shifts, {n: 1 / s for n, s in self.scales.items()})
        write_natural(machine, [factor.tensors() for factor in wide])
        lengths = {f.scope[0].name: f.document_length for f in wide if f.document_length}
        exchange_lengths(machine, lengths)


def exchange_lengths(graph: FactorGraph, lengths: Mapping[str, int]) -> None:
    """Put biases with these words of documents that are not observed in the place of others."""
    if lengths:
        graph.exchange_factors(
            f.restore(f.scope, None, f.parameters(), {"length": lengths[f.scope[0].name]})
            if f.document_length is not None and f.scope[0].name in lengths
            else f
            for f in graph.factors
        )
