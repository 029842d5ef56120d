"""The job of a conditional Gaussian network beside its rivals: densities, imputed measurements."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.experiments.cross_validated import CrossValidatedJob
from mmgraph.experiments.gaussian_network.data import Measurements, load_measurements, values_of
from mmgraph.experiments.gaussian_network.declaration import (
    GaussianNetworkDeclaration,
    read_gaussian_network,
)
from mmgraph.experiments.gaussian_network.fold import Fold, key, situations, summary_of_choices
from mmgraph.experiments.job import Answer, StepProgress
from mmgraph.learning.prediction.noise import standard_error


def job(name: str | os.PathLike[str], directory: Path | None) -> GaussianNetworkJob:
    """Return the job of a declaration."""
    declaration = read_gaussian_network(name)
    return GaussianNetworkJob(declaration, directory, load_measurements(declaration))


class GaussianNetworkJob(CrossValidatedJob):
    """Models of measurements, tested on random rows and on whole experiments.

    A row of the results has ``model``, whether the ``experiment`` is given or missing, the mean
    ``log_likelihood`` of a row (nats, of the density of logarithms; None of what has no density),
    and of columns imputed from all the others ``rmse`` (in standard deviations of each column over
    the tested rows, all columns together), ``r_squared`` and ``rmse_by_column``. Figures have
    standard errors, over rows or over experiments.
    """

    kind = "gaussian_network"
    declaration: GaussianNetworkDeclaration

    def __init__(
        self,
        declaration: GaussianNetworkDeclaration,
        directory: Path | None,
        measured: Measurements,
    ) -> None:
        validation = declaration.validation
        super().__init__(declaration, directory, measured.data, validation.folds, validation.seed)
        self.measured = measured

    def fold(
        self,
        train: MultimodalData,
        test: MultimodalData,
        is_first: bool,
        progress: StepProgress,
        scratch: Path | None,
    ) -> Answer:
        """Return what all models say of the test rows."""
        return Fold(self.declaration, self.measured, train).run(test)

    def rows(
        self, tested: MultimodalData, predicted: Mapping[str, np.ndarray]
    ) -> list[dict[str, Any]]:
        """Return a row for each model, with the experiment given and missing."""
        groups = None if tested.groups is None else tested.groups.codes
        rows = []
        for model, experiment in situations(grouped=groups is not None):
            row: dict[str, Any] = {"model": model, "experiment": experiment}
            densities = predicted.get(key("log density", model, experiment))
            row["log_likelihood"] = None if densities is None else float(densities.mean())
            if densities is not None:
                row["log_likelihood_standard_error"] = standard_error(densities, groups)
            imputed = predicted[key("imputed", model, experiment)]
            rows.append({**row, **self._imputation(values_of(tested), imputed, groups)})
        return rows

    def _imputation(
        self,
        values: Float64[np.ndarray, "rows columns"],
        imputed: Float64[np.ndarray, "rows columns"],
        groups: np.ndarray | None,
    ) -> dict[str, Any]:
        """The figures of imputed values."""
        squared = ((imputed - values) / values.std(0)) ** 2
        error = float(np.sqrt(squared.mean()))
        noise = standard_error(squared.mean(1), groups)
        by_column = np.sqrt(squared.mean(0)).tolist()
        return {
            "rmse": error,
            # That of a root, by its derivative.
            "rmse_standard_error": None if noise is None or not error else noise / (2 * error),
            "r_squared": 1 - error**2,
            "rmse_by_column": dict(zip(self.measured.columns, by_column, strict=True)),
        }

    def report(self, answers: Mapping[str, Answer]) -> dict[str, Any]:
        """Return the rows of both splits, and what was ``chosen`` in each fold of each."""
        chosen = {
            split.split: summary_of_choices(
                [answers[split.step(n)].notes for n in range(len(split.folds))]
            )
            for split in self.splits
        }
        return {**super().report(answers), "chosen": chosen}

    def draw(self, directory: Path, answers: Mapping[str, Answer]) -> list[str]:
        """Draw the graph, the log-likelihoods, and the errors of imputed columns."""
        from mmgraph.experiments.gaussian_network.pictures import (
            density_figure,
            imputation_figure,
        )
        from mmgraph.experiments.pictures import save_figures

        results = self.report(answers)["results"]
        figures = {
            "log_likelihood": density_figure(results),
            "imputation": imputation_figure(results),
        }
        return save_figures(directory, figures)
