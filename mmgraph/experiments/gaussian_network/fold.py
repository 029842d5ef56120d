"""A fold: candidates chosen within its training rows, and what all models say of its test rows."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from jaxtyping import Float64

from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.data.splits import folds_of
from mmgraph.experiments.gaussian_network.data import Codes, Measurements, Values, values_of
from mmgraph.experiments.gaussian_network.declaration import (
    AffectedColumns,
    GaussianNetworkDeclaration,
)
from mmgraph.experiments.gaussian_network.networks import (
    DiscretisedNetworkDensity,
    GaussianNetworkDensity,
    learned_network,
)
from mmgraph.experiments.gaussian_network.normals import Normals, means_imputed, ridge_imputed
from mmgraph.experiments.job import Answer

NETWORK = "Gaussian network"
DISCRETISED = "discretised network"
FULL = "full covariance"
DIAGONAL = "diagonal"
BY_EXPERIMENT = "full, by experiment"
RIDGE = "ridge"
MEAN = "mean"
GIVEN, MISSING = "given", "missing"
"""What is known of the experiment."""

Candidate = TypeVar("Candidate")
Learner = Callable[[MultimodalData, Candidate], "Density"]


class Density(Protocol):
    """A model of whole rows, with the experiment told or not."""

    def log_density(
        self, values: Values, experiment: Codes | None = None
    ) -> Float64[np.ndarray, " rows"]:
        """Return the logarithm of the density of each row."""

    def imputed(
        self, values: Values, column: int, experiment: Codes | None = None
    ) -> Float64[np.ndarray, " rows"]:
        """Return the expected values of a column given all the others."""


def situations(grouped: bool) -> Iterator[tuple[str, str]]:
    """Yield each model that is reported with what it knows of the experiment."""
    for model in (NETWORK, BY_EXPERIMENT, DISCRETISED):
        if not grouped:  # an experiment that is left out has no state to name
            yield model, GIVEN
        yield model, MISSING
    yield from ((model, MISSING) for model in (FULL, DIAGONAL))
    for model in (RIDGE, MEAN):
        if not grouped:
            yield model, GIVEN
        yield model, MISSING


def key(figure: str, model: str, experiment: str) -> str:
    """Return the name of the array of a figure."""
    return f"{figure}, {model}, experiment {experiment}"


class Fold:
    """The models of the training rows of a fold."""

    def __init__(
        self,
        declaration: GaussianNetworkDeclaration,
        measured: Measurements,
        train: MultimodalData,
    ) -> None:
        self.declaration, self.measured, self.train = declaration, measured, train
        discretised = declaration.discretised
        self.tables = list(
            itertools.product(
                declaration.affected, discretised.bins, discretised.equivalent_sample_sizes
            )
        )

    def run(self, test: MultimodalData) -> Answer:
        """Return densities and imputed values of the test rows, and what was chosen."""
        # Thousands of rows: that the choice needs no prior saves most of its time.
        affected = self._choose(
            self.declaration.affected,
            lambda rows, one: self._gaussian(rows, one, "maximum_likelihood"),
        )
        table = self._choose(self.tables, self._discretised)
        values, codes = values_of(self.train), self.train.codes
        models: dict[str, Density] = {
            NETWORK: self._gaussian(self.train, affected),
            DISCRETISED: self._discretised(self.train, table),
            BY_EXPERIMENT: Normals.learned(values, codes),
            FULL: Normals.learned(values),
            DIAGONAL: Normals.learned(values, independent=True),
        }
        chosen = {
            NETWORK: {"affected": affected.name},
            DISCRETISED: {
                "affected": table[0].name,
                "bins": table[1],
                "equivalent_sample_size": table[2],
            },
        }
        return Answer(self._answers(models, test), chosen)

    def _answers(
        self, models: Mapping[str, Density], test: MultimodalData
    ) -> dict[str, np.ndarray]:
        train, values = values_of(self.train), values_of(test)
        answers = {}
        for model, experiment in situations(grouped=self.train.groups is not None):
            told = test.codes if experiment == GIVEN else None
            if model in models:
                density = models[model]
                answers[key("log density", model, experiment)] = density.log_density(values, told)
                columns = range(values.shape[1])
                imputed = np.stack([density.imputed(values, c, told) for c in columns], axis=1)
            else:
                both = None if told is None else (self.train.codes, told)
                impute = ridge_imputed if model == RIDGE else means_imputed
                imputed = impute(train, values, both)
            answers[key("imputed", model, experiment)] = imputed
        return answers

    def _choose(self, candidates: Sequence[Candidate], learn: Learner[Candidate]) -> Candidate:
        """The candidate whose densities of training rows that it had not seen are highest.

        These are held out as the test rows are, at random or by whole experiments, and the
        experiment is missing.
        """
        if len(candidates) == 1:
            return candidates[0]
        validation = self.declaration.validation
        folds = folds_of(self.train, validation.inner_folds, validation.seed)

        def held_out(candidate: Candidate) -> float:
            return sum(
                float(
                    learn(self.train.rows(early), candidate)
                    .log_density(values_of(self.train.rows(late)))
                    .sum()
                )
                for early, late in folds
            )

        return max(candidates, key=held_out)

    def _gaussian(
        self, rows: MultimodalData, affected: AffectedColumns, method: str = "auto"
    ) -> GaussianNetworkDensity:
        columns = self.measured.columns
        network = learned_network(
            rows, columns, self.measured.edges, affected.columns, method, continuous=columns
        )
        return GaussianNetworkDensity(network, columns, rows.target.labels)

    def _discretised(
        self, rows: MultimodalData, table: tuple[AffectedColumns, int, float]
    ) -> DiscretisedNetworkDensity:
        affected, bins, size = table
        columns = self.measured.columns
        low, high = np.log(self.declaration.discretised.range)
        edges = np.linspace(low, high, bins + 1)
        network = learned_network(
            rows,
            columns,
            self.measured.edges,
            affected.columns,
            "bdeu",
            bins=dict.fromkeys(columns, edges),
            equivalent_sample_size=size,
        )
        return DiscretisedNetworkDensity(network, columns, rows.target.labels, edges)


def summary_of_choices(chosen: Sequence[Any]) -> dict[str, dict[str, list[Any]]]:
    """Return what was chosen in each fold, by model and setting."""
    return {
        model: {setting: [fold[model][setting] for fold in chosen] for setting in chosen[0][model]}
        for model in chosen[0]
    }
