"""Real variables of slices given evidence: mixtures of what their discrete parents may be."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from mmgraph.graph.errors import GraphError
from mmgraph.inference.exact.chain.pieces import padded
from mmgraph.inference.exact.slices.dynamic_graph import DynamicGraph
from mmgraph.inference.exact.slices.factor_tables import is_normal_given_states
from mmgraph.inference.exact.slices.tables import SliceTables, Source
from mmgraph.inference.gaussian.mixtures import MixtureMarginals


def check_queried(model: DynamicGraph, names: Iterable[str]) -> None:
    """Raise GraphError if a variable is real and depends on others that are."""
    for name in names:
        if model.variable(name).is_discrete:
            continue
        for number in range(len(model.slices)):
            if not is_normal_given_states(model.distributions(number)[name]):
                raise GraphError(
                    f"'{name}' is real and depends on real variables: it is not queried "
                    "(LinearGaussianSystem and SwitchingLinearSystem know hidden real states)"
                )


class _Part(NamedTuple):
    """A variable at the steps that one slice's distribution is of.

    ``joint`` is what is believed of its hidden parents, in the order of its table.
    """

    source: Source
    column: int
    number: int
    places: Int64[np.ndarray, " part_steps"]
    joint: Float64[np.ndarray, "part_steps cells"]


class SliceMixtures:
    """Marginals of real variables at every step, computed when they are first asked for.

    Parameters
    ----------
    tables : SliceTables
    names : iterable of str
    """

    def __init__(self, tables: SliceTables, names: Iterable[str]) -> None:
        self.tables = tables
        self._parts: dict[str, list[_Part]] = {name: [] for name in names}
        self._mixtures: dict[str, list[MixtureMarginals]] = {}
        which = tables.which()
        for number, sources in enumerate(tables.rows_by_slice):
            places = np.flatnonzero(which == number)
            for place, source in sources.items():
                if source.child in self._parts and not source.is_evidence and len(places):
                    begin, end = tables.column[place : place + 2].tolist()
                    part = _Part(
                        source, begin, number, places, np.empty((len(places), end - begin))
                    )
                    self._parts[source.child].append(part)

    def take(self, steps: slice, beliefs: Float64[np.ndarray, "steps columns"]) -> None:
        """Note what is believed of the tables of rows at some steps."""
        for part in (p for parts in self._parts.values() for p in parts):
            begin, end = np.searchsorted(part.places, (steps.start, steps.stop))
            columns = slice(part.column, part.column + part.joint.shape[1])
            here = beliefs[part.places[begin:end] - steps.start, columns]
            part.joint[begin:end] = here / here.sum(1, keepdims=True)

    @property
    def names(self) -> Collection[str]:
        """The variables that may be asked for."""
        return self._parts.keys()

    def mean(self, name: str) -> Float[Tensor, "rows longest *shape"]:
        """Return the expected value; of observed cells their value."""
        return self._of_steps(name, lambda m: m.mean(name))

    def variance(self, name: str) -> Float[Tensor, "rows longest *shape"]:
        """Return the variance; of observed cells none."""
        return self._of_steps(name, lambda m: m.variance(name))

    def density(
        self, name: str, points: Float[Tensor, " points"]
    ) -> Float[Tensor, "rows longest *shape points"]:
        """Return the density at some points."""
        return self._of_steps(name, lambda m: m.density(name, points))

    def quantile(
        self, name: str, levels: Float[Tensor, " levels"]
    ) -> Float[Tensor, "rows longest *shape levels"]:
        """Return quantiles."""
        return self._of_steps(name, lambda m: m.quantile(name, levels))

    def _of_steps(self, name: str, answer: Callable[[MixtureMarginals], Tensor]) -> Tensor:
        """Answers of all steps, NaN beyond the ends of shorter sequences."""
        if name not in self._mixtures:
            self._mixtures[name] = [self._made(name, part) for part in self._parts[name]]
        steps, whole = self.tables.given.steps, np.empty(0)
        for part, mixtures in zip(self._parts[name], self._mixtures[name], strict=True):
            here = answer(mixtures).detach().cpu().double().numpy()
            if not whole.size:
                whole = np.empty((steps.total, *here.shape[1:]))
            whole[part.places] = here
        return padded(steps, whole, np.nan)

    def _made(self, name: str, part: _Part) -> MixtureMarginals:
        graph = self.tables.model.slices[part.number]
        cells = self.tables.given.of_slice(graph, part.places)
        return MixtureMarginals(graph, cells, {name: None}, functools.partial(self._belief, part))

    def _belief(
        self, part: _Part, names: Sequence[str], rows: Int64[np.ndarray, " rows"]
    ) -> Float[Tensor, "rows *states"]:
        """The joint posterior of a variable's discrete parents, hidden ones and observed ones."""
        source, sizes = part.source, self.tables.sizes
        axes = (*source.observed, *source.hidden)
        whole = np.zeros((len(rows), *(sizes[n] for n in axes)))
        joint = part.joint[rows].reshape(-1, *(sizes[n] for n in source.hidden))
        picks = (self.tables.codes_at(n, part.places[rows]) for n in source.observed)
        whole[(np.arange(len(rows)), *picks)] = joint
        return torch.from_numpy(whole.transpose(0, *(1 + axes.index(n) for n in names)))
