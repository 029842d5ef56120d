"""What a directed network says of rows of a table: predictions, completed cells, checks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from jaxtyping import Float64

from mmgraph.graph.column_reader import is_partitioned
from mmgraph.graph.errors import NotFittedError
from mmgraph.graph.factor import Factor
from mmgraph.graph.variable import Variable
from mmgraph.learning.prediction import (
    imputation,
    partitioned,
    prediction,
    predictive_check,
    sampled_answers,
)
from mmgraph.networks.directed_network import DirectedNetwork

if TYPE_CHECKING:
    import pandas

    from mmgraph.learning.conditionals.parameter_posterior import ParameterPosterior
    from mmgraph.learning.prediction.predictive_check import PredictiveCheck
    from mmgraph.learning.prediction.sampled_answers import Intervals


class PredictingNetwork(DirectedNetwork):
    """A directed network that is asked about rows; see :class:`BayesianNetwork`."""

    def __init__(self, variables: Iterable[Variable], distributions: Iterable[Factor]) -> None:
        super().__init__(variables, distributions)
        self.parameter_posterior: ParameterPosterior | None = None

    def sample_parameters(self, generator: torch.Generator | None = None) -> Self:
        """Return the network with parameters drawn from their posterior.

        Raises
        ------
        NotFittedError
            If no posterior is kept: ``net.fit(frame, posterior=True)`` keeps one.
        """
        if self.parameter_posterior is None:
            raise NotFittedError(
                "no posterior of the parameters is kept: net.fit(frame, posterior=True) keeps one"
            )
        return self.with_factors(self.parameter_posterior.sample(generator))

    def predict(
        self,
        data: object,
        variables: str | Sequence[str] | None = None,
        impossible: str = "raise",
        parameters: str = "fitted",
        **options: Any,
    ) -> np.ndarray | pandas.DataFrame | Intervals | Any:
        """Return the most probable label of some variables, each by its marginal, in every row.

        Parameters
        ----------
        data : frame of pandas or Dask, mapping, path or Evidence
            What is known. Columns of the variables to predict are not looked at. Of a Dask data
            frame answers are one, or a series, computed when asked, errors included.
        variables : str or sequence of str, optional
            By default the discrete variables of which the data says nothing.
        impossible : {"raise", "nan"}
            What becomes of rows of probability zero: an error, or the label None.
        parameters : {"fitted", "sample"}
            ``"sample"`` asks networks with parameters drawn from their posterior
            (``fit(…, posterior=True)``), for intervals of the expected values of one continuous
            variable, or by :meth:`predict_proba` of probabilities.
        **options
            Of ``"sample"`` ``draws`` (200), ``level`` (0.9) and ``generator``; and how the data is
            read, see :func:`~mmgraph.data.tables.open_table`.

        Returns
        -------
        ndarray, shape (rows,)
            Labels, of one variable; of a continuous one its expected values, ``(rows, *shape)``.
        pandas.DataFrame
            Labels of several variables, a column each.
        Intervals
            ``mean``, ``low`` and ``high`` of expected values over parameters, each as they are.

        Raises
        ------
        EvidenceError
            If the data speaks of every variable, so that none is left to predict.
        NotFittedError
            If parameters are to be drawn, and no posterior of them is kept.
        UnknownVariableError, ZeroProbabilityError, TreewidthError
            As :func:`mmgraph.query` does.
        """
        if sampled_answers.is_asked(parameters, options):
            return sampled_answers.predict(
                self, self.sample_parameters, data, variables, impossible, **options
            )
        if is_partitioned(data):
            return partitioned.predicted_partitions(self, data, variables, impossible, **options)
        return prediction.predict(self, data, variables, impossible, **options)

    def predict_proba(
        self,
        data: object,
        variable: str,
        impossible: str = "raise",
        parameters: str = "fitted",
        **options: Any,
    ) -> Float64[np.ndarray, "rows states"] | Intervals | Any:
        """Return the posterior of a variable in every row; its own column is not looked at.

        Parameters and errors are those of :meth:`predict`; ``impossible="nan"`` fills rows of
        probability zero with NaN, ``extra="ignore"`` passes over columns that are no variables. Of
        a Dask data frame the answer is one with a column for each state, by its label.
        """
        if sampled_answers.is_asked(parameters, options):
            return sampled_answers.predict_proba(
                self, self.sample_parameters, data, variable, impossible, **options
            )
        if is_partitioned(data):
            return partitioned.partitioned_probabilities(
                self, data, variable, impossible, **options
            )
        return prediction.predict_proba(self, data, variable, impossible, **options)

    def impute(
        self,
        data: object,
        draws: int = 0,
        level: float | None = None,
        generator: torch.Generator | None = None,
        **reading: Any,
    ) -> Any:
        """Return data with its missing cells filled in, given those of their rows.

        Parameters
        ----------
        data : pandas.DataFrame, mapping, path or Evidence
            Variables without a column are filled in, too; with ``extra="ignore"`` columns that are
            no variables stay as they are.
        draws : int
            0 for the expected values of real variables and the likeliest states of others, each by
            itself; else how many completed data sets to draw, all cells of a row together.
        level : float, optional
            Between 0 and 1: also the ends of intervals that hold so much of each missing real
            value.
        generator : torch.Generator, optional
            The source of draws.
        **reading
            How the data is read, see :func:`~mmgraph.data.tables.open_table`.

        Returns
        -------
        pandas.DataFrame, or dict of str to ndarray for a mapping
            As the data, completed; with ``draws`` a list of so many (multiple imputation: Rubin
            1987); with ``level`` :class:`Intervals` of three: ``mean``, ``low`` and ``high``.

        Raises
        ------
        EvidenceError
            If the number of draws or the level is out of range.
        ZeroProbabilityError, TreewidthError, UnknownVariableError, UnknownStateError
            As :func:`mmgraph.query` does.
        """
        return imputation.impute(self, data, draws, level, generator, **reading)

    def predictive_check(
        self,
        data: object,
        draws: int = 200,
        generator: torch.Generator | None = None,
        **reading: Any,
    ) -> PredictiveCheck:
        """Return how data sets that the network replicates compare with a data set.

        Each of them has as many rows, with the same cells missing, from a network with parameters
        drawn from their posterior (or as they were fitted, where none is kept).

        Parameters
        ----------
        data : pandas.DataFrame, mapping, path or Evidence
            Columns of some variables.
        draws : int
            How many data sets.
        generator : torch.Generator, optional
            The source of randomness.
        **reading
            How the data is read, see :func:`~mmgraph.data.tables.open_table`.

        References
        ----------
        Gelman, Meng & Stern (1996), "Posterior predictive assessment of model fitness".
        """
        draw = self.sample_parameters if self.parameter_posterior is not None else lambda _: self
        return predictive_check.predictive_check(self, draw, data, draws, generator, **reading)

    def score(self, data: object, **reading: Any) -> float:
        """Return the mean log-likelihood of the rows; ``-inf`` if one of them is impossible."""
        return prediction.score(self, data, **reading)
