"""Networks over measurements and the experiment: conditional Gaussian, and with tables of bins."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.experiments.gaussian_network.data import EXPERIMENT, Codes, Edge, Values, values_of
from mmgraph.inference.query import log_partition, query
from mmgraph.networks.bayesian_network import BayesianNetwork


def learned_network(
    train: MultimodalData,
    columns: Sequence[str],
    edges: Collection[Edge],
    affected: Collection[str],
    method: str = "auto",
    **options: Any,
) -> BayesianNetwork:
    """Return a network learned from rows, the experiment a parent of the columns affected.

    Its states are the experiments of these rows.
    """
    labels = train.target.labels
    table = {
        **dict(zip(columns, values_of(train).T, strict=True)),
        EXPERIMENT: np.asarray(labels)[train.codes],
    }
    states = {EXPERIMENT: [labels[code] for code in np.unique(train.codes)]}
    drawn = [*edges, *((EXPERIMENT, name) for name in affected)]
    return BayesianNetwork.from_data(table, drawn, method, states=states, **options)


@dataclass(frozen=True, eq=False)
class NetworkDensity(ABC):
    """The density of measurements by a network, with the experiment given or missing.

    Attributes
    ----------
    network : BayesianNetwork
        Over the columns and the experiment. One that it does not know can only be missing.
    columns, experiments : tuple of str
        The measurements, and what the codes of experiments mean.
    """

    network: BayesianNetwork
    columns: tuple[str, ...]
    experiments: tuple[Any, ...]

    def evidence(
        self, values: Values, experiment: Codes | None, without: int | None = None
    ) -> dict[str, Any]:
        """Return what the network is told of rows, but for one of their columns."""
        cells: dict[str, Any] = dict(zip(self.columns, values.T, strict=True))
        if without is not None:
            del cells[self.columns[without]]
        if experiment is not None:
            cells[EXPERIMENT] = np.asarray(self.experiments)[experiment]
        return cells

    def log_density(
        self, values: Values, experiment: Codes | None = None
    ) -> Float64[np.ndarray, " rows"]:
        """Return the logarithm of the density of each row, given its experiment if that is told."""
        told = self.evidence(values, experiment)
        logarithms: np.ndarray = log_partition(self.network, told).numpy() - self.log_volume
        if experiment is not None:
            prior = {EXPERIMENT: told[EXPERIMENT]}
            logarithms = logarithms - log_partition(self.network, prior).numpy()
        return logarithms

    @property
    def log_volume(self) -> float:
        """What makes a logarithm of the network's that of a density."""
        return 0.0

    @abstractmethod
    def imputed(
        self, values: Values, column: int, experiment: Codes | None = None
    ) -> Float64[np.ndarray, " rows"]:
        """Return the expected values of a column given all the others."""


class GaussianNetworkDensity(NetworkDensity):
    """Measurements that are linear in their parents, with numbers of each experiment."""

    def imputed(
        self, values: Values, column: int, experiment: Codes | None = None
    ) -> Float64[np.ndarray, " rows"]:
        """Return the expected values of a column given all the others."""
        name = self.columns[column]
        evidence = self.evidence(values, experiment, without=column)
        expected: np.ndarray = query(self.network, evidence, [name]).mean(name).numpy()
        return expected


@dataclass(frozen=True, eq=False)
class DiscretisedNetworkDensity(NetworkDensity):
    """Measurements in equal bins, within which the density is even.

    Attributes
    ----------
    bin_edges : ndarray, shape (bins + 1,)
    """

    bin_edges: Float64[np.ndarray, " edges"]

    @property
    def log_volume(self) -> float:
        """The logarithm of the volume of a cell of bins, over which its probability is spread."""
        return len(self.columns) * float(np.log(self.bin_edges[1] - self.bin_edges[0]))

    def imputed(
        self, values: Values, column: int, experiment: Codes | None = None
    ) -> Float64[np.ndarray, " rows"]:
        """Return the expected values of a column given the bins of all the others."""
        name = self.columns[column]
        evidence = self.evidence(values, experiment, without=column)
        chances: np.ndarray = query(self.network, evidence, [name]).marginal(name).numpy()
        return chances @ ((self.bin_edges[1:] + self.bin_edges[:-1]) / 2)
