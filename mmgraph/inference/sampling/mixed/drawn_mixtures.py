"""Marginals of continuous variables as means of those given draws of the discrete ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.gaussian.draws import configuration_answers, state_numbers
from mmgraph.inference.gaussian.mixtures import Block, MixtureMarginals
from mmgraph.inference.gaussian.model import GaussianModel
from mmgraph.inference.gaussian.patterns import values_of
from mmgraph.inference.sampling.mixed.chains import MixedRecord

_NUMBERS_AT_ONCE = 1 << 22


class DrawnMixtures(MixtureMarginals):
    """Mixtures of the densities given each draw (their conditional normals, not single values)."""

    def __init__(
        self,
        graph: FactorGraph,
        model: GaussianModel,
        evidence: Evidence,
        names: Mapping[str, None],
        record: MixedRecord,
    ) -> None:
        super().__init__(graph, evidence, names, self._share)
        self.model, self.record = model, record

    def _share(
        self, names: Sequence[str], rows: Int64[np.ndarray, " rows"]
    ) -> Float[Tensor, "rows *states"]:
        """How often draws are in each joint state of some variables."""
        sizes = [self.graph.variables[n].cardinality for n in names]
        codes = [
            self.record.trace[n].swapaxes(0, 1).reshape(self.evidence.batch, -1)[rows]
            for n in names
        ]
        cells = torch.from_numpy(np.ravel_multi_index(codes, sizes))
        counts = torch.zeros(len(cells), math.prod(sizes), dtype=torch.float64)
        counts.scatter_add_(1, cells, torch.ones_like(cells, dtype=torch.float64))
        return (counts / cells.shape[1]).reshape(-1, *sizes)

    def _compute(self, name: str) -> None:
        """Compute the mixture of a variable, with a component a draw."""
        if name not in self.model.place:
            super()._compute(name)
            return
        elements = self.model.elements_of(name)
        batch, draws = self.evidence.batch, self.record.components[:, 0, :, 0].size
        step = max(1, _NUMBERS_AT_ONCE // (draws * self.model.elements))
        parts = [self._moments(slice(i, i + step), elements) for i in range(0, batch, step)]
        means, variances = (
            torch.cat(side).unflatten(0, (batch, draws)) for side in zip(*parts, strict=True)
        )
        weights = torch.full((batch, draws), 1 / draws, dtype=torch.float64)
        place = {e: i for i, e in enumerate(elements)}
        self.blocks[name] = [Block(np.arange(batch), weights, means, variances, place)]

    def draws(
        self, count: int, generator: torch.Generator | None
    ) -> Float64[np.ndarray, "rows elements"]:
        """Return draws of all continuous elements given the first draws of the discrete ones."""
        values, configurations = self._given(slice(None), count)
        noise = torch.randn(*values.shape, generator=generator, dtype=torch.float64).numpy()
        elements = np.arange(self.model.elements)
        return configuration_answers(self.model, values, configurations, elements, noise)[0]

    def _moments(self, rows: slice, elements: range) -> tuple[Tensor, Tensor]:
        """Means and variances of elements given the draws of some rows, one row after the other."""
        answers = configuration_answers(self.model, *self._given(rows), np.array(elements))
        means, variances = map(torch.from_numpy, answers)
        return means, variances

    def _given(
        self, rows: slice, count: int | None = None
    ) -> tuple[Float64[np.ndarray, "rows elements"], Int64[np.ndarray, "rows factors"]]:
        """What is observed, and configurations, one line for each of the first draws of a row."""

        def by_row(draws: np.ndarray) -> np.ndarray:
            here = draws[:, rows].swapaxes(0, 1)
            return here.reshape(len(here), -1, *draws.shape[3:])[:, :count]

        components = by_row(self.record.components)
        batch, draws, _factors = components.shape
        codes = {
            n: torch.from_numpy(by_row(t).reshape(-1).astype(np.int64))
            for n, t in self.record.trace.items()
            if t.ndim == 3
        }
        configurations = state_numbers(self.model, codes, batch * draws)
        for f, form in enumerate(self.model.forms):
            if form.log_weights is not None:
                size = form.log_weights.shape[-1]
                configurations[:, f] = configurations[:, f] * size + components[:, :, f].reshape(-1)
        observed = values_of(self.evidence, self.model.variables)[rows]
        return np.repeat(observed, draws, axis=0), configurations
