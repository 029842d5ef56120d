"""Whether a learned graph makes data like those it was learned from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float64

from mmgraph.data.encoding import CodedRows, encode, read_with
from mmgraph.graph.errors import LearningError, needs
from mmgraph.graph.evidence import MISSING
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.variable import Variable, element_names
from mmgraph.inference.options import check_count, check_type
from mmgraph.inference.query import sample

if TYPE_CHECKING:
    import pandas

_LEVELS = (0.05, 0.5, 0.95)
"""Of the quantiles that are compared."""


class Comparison(NamedTuple):
    """A statistic of a data set, and of those that were replicated.

    Attributes
    ----------
    variable, statistic : str
        ``mean``, ``standard deviation`` and quantiles of real values (of each element of a vector),
        the share of each state of the others.
    observed : float
    replicated : ndarray, shape (draws,)
    """

    variable: str
    statistic: str
    observed: float
    replicated: Float64[np.ndarray, " draws"]

    @property
    def p_value(self) -> float:
        """How probable it is that a replicated one lies as far out, on either side.

        Where the network fits, that is rarely small, and more often large than small: the data
        have been seen.
        """
        above = float(np.mean(self.replicated >= self.observed))
        below = float(np.mean(self.replicated <= self.observed))
        return min(1.0, 2 * min(above, below))

    def interval(self, level: float = 0.9) -> tuple[float, float]:
        """Return what holds the statistic of so many of the replicated data sets."""
        low, high = np.quantile(self.replicated, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)


@dataclass(frozen=True, eq=False)
class PredictiveCheck:
    """Statistics of a data set beside those of data sets that a network replicates.

    Attributes
    ----------
    comparisons : tuple of Comparison
        Variable by variable.
    draws : int
        How many data sets were replicated.
    """

    comparisons: tuple[Comparison, ...]
    draws: int

    def __iter__(self) -> Iterator[Comparison]:
        return iter(self.comparisons)

    def __len__(self) -> int:
        return len(self.comparisons)

    def to_frame(self, level: float = 0.9) -> pandas.DataFrame:
        """Return a line a comparison: variable, statistic, observed, mean, low, high, p_value.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        with needs("data", "pandas", "a data frame of a predictive check"):
            import pandas
        lines = [
            (
                c.variable,
                c.statistic,
                c.observed,
                c.replicated.mean(),
                *c.interval(level),
                c.p_value,
            )
            for c in self
        ]
        columns = ["variable", "statistic", "observed", "mean", "low", "high", "p_value"]
        return pandas.DataFrame(lines, columns=columns)

    def __repr__(self) -> str:
        low = sum(c.p_value < 0.05 for c in self)
        return f"PredictiveCheck({len(self)} statistics, {self.draws} draws, {low} with p < 0.05)"


def predictive_check(
    graph: FactorGraph,
    draw: Callable[[torch.Generator | None], FactorGraph],
    data: object,
    draws: int = 200,
    generator: torch.Generator | None = None,
    **reading: Any,
) -> PredictiveCheck:
    """Return a check as ``BayesianNetwork.predictive_check``; ``draw`` draws a graph's parameters.

    Raises
    ------
    LearningError
        If no variable has a cell.
    UnknownVariableError, UnknownStateError, EvidenceError, FormatError
        If the data does not fit the graph, or cannot be read.
    """
    check_count(draws, "draws")
    check_type("generator", generator, "torch.Generator | None")
    rows = encode(read_with(data, reading), graph.variables)
    observed = {name: table for name, table in _columns(rows).items() if _is_observed(table)}
    if not observed:
        raise LearningError("the data have no cell of any variable: there is nothing to compare")
    drawn: list[list[float]] = []
    for _ in range(draws):
        codes = sample(draw(generator), len(rows), generator=generator).codes
        values = []
        for name, table in observed.items():
            made = codes[name].double().numpy().reshape(table.shape)
            made = np.where(np.isnan(table), np.nan, made)
            values += [v for _, _, v in _statistics(graph.variables[name], made)]
        drawn.append(values)
    statistics = [
        s for n, table in observed.items() for s in _statistics(graph.variables[n], table)
    ]
    replicated = np.array(drawn).T
    return PredictiveCheck(
        tuple(Comparison(*s, part) for s, part in zip(statistics, replicated, strict=True)), draws
    )


def _columns(rows: CodedRows) -> dict[str, Float64[np.ndarray, "rows *shape"]]:
    """Codes and values of each variable that has a column, NaN where missing."""
    columns = {}
    for name in rows.columns:
        codes = rows.column(name).astype(np.float64)
        columns[name] = np.where(codes == MISSING, np.nan, codes)
    return columns | {n: v.double().cpu().numpy() for n, v in rows.values.items()}


def _is_observed(table: np.ndarray) -> bool:
    return not bool(np.isnan(table).all(0).any())


def _statistics(
    variable: Variable, table: Float64[np.ndarray, "rows *shape"]
) -> Iterator[tuple[str, str, float]]:
    """Names and values of the statistics of a variable, over the cells that are there."""
    if variable.is_discrete:
        cells = table[~np.isnan(table)]
        for code, label in enumerate(variable.labels):
            yield variable.name, f"share of {label}", float(np.mean(cells == code))
        return
    for name, column in zip(element_names(variable), table.reshape(len(table), -1).T, strict=True):
        cells = column[~np.isnan(column)]
        yield name, "mean", float(cells.mean())
        yield name, "standard deviation", float(cells.std())
        for level, quantile in zip(_LEVELS, np.quantile(cells, _LEVELS), strict=True):
            yield name, f"{level:.0%} quantile", float(quantile)
