"""Expectation maximisation of networks that repeat: statistics and updates, family by family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float64

from mmgraph.graph.errors import LearningError
from mmgraph.graph.factor import Factor
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.leaves.continuous import ContinuousLeaf
from mmgraph.graph.leaves.linear_gaussian import LinearGaussian
from mmgraph.inference.exact.slices.dynamic_graph import DynamicGraph, present
from mmgraph.inference.exact.slices.run import SliceRun
from mmgraph.inference.exact.slices.sequences import SequenceEvidence
from mmgraph.inference.exact.slices.tables import SliceTables, Source
from mmgraph.learning.conditionals.parameters import fitted_table
from mmgraph.learning.regression.fit import fitted_regression
from mmgraph.learning.regression.statistics import RegressionStatistics

Key = tuple[int, str]
"""The first slice that a family belongs to, and its child."""


class Expected(NamedTuple):
    """What is expected of every family, and the log-likelihood of all sequences."""

    statistics: dict[Key, Any]
    log_likelihood: float


def family_keys(model: DynamicGraph) -> list[dict[str, Key]]:
    """Return, for each slice, the family that every child belongs to.

    Families whose parents are the same in several slices, and of the same slice as the child, are
    one: what a state emits does not depend on when.
    """
    keys: list[dict[str, Key]] = []
    for number in range(len(model.slices)):
        here = {}
        for child, factor in model.distributions(number).items():
            names = [v.name for v in factor.parents]
            first = number
            for earlier in range(number):
                same = [v.name for v in model.distributions(earlier)[child].parents] == names
                if same and not any(present(n)[1] for n in names):
                    first = earlier
                    break
            here[child] = (first, child)
        keys.append(here)
    return keys


def expected_statistics(
    model: DynamicGraph, given: SequenceEvidence, keys: Sequence[Mapping[str, Key]]
) -> Expected:
    """Return the expected statistics of all families: the E-step.

    Raises
    ------
    ZeroProbabilityError
        If a sequence is impossible.
    """
    tables = SliceTables(model, given, _learned_parents(model))
    run = SliceRun(tables)
    total: dict[Key, Any] = {}

    def add(key: Key, statistics: Any) -> None:
        if statistics is not None:
            total[key] = statistics if key not in total else total[key] + statistics

    owner = _slices_of(tables)

    def visit(part: slice, beliefs: Float64[np.ndarray, "steps columns"]) -> None:
        which = run.which[part]
        for number, source in enumerate(tables.row_sources):
            if source.factor is None:
                continue
            chosen = np.flatnonzero(which == owner[number])
            if len(chosen):
                columns = slice(int(tables.column[number]), int(tables.column[number + 1]))
                places = part.start + chosen
                key = keys[owner[number]][source.child]
                add(key, _of_rows(tables, source, owner[number], places, beliefs[chosen, columns]))

    totals, counts = run.smooth(visit)
    slices = _static_slices(tables)
    for number, source in enumerate(tables.static_sources):
        assert source.factor is not None
        names = [v.name for v in source.factor.scope]
        order = [*source.observed, *source.hidden]
        shape = [tables.sizes[n] for n in order]
        table = counts[tables.base[number] : tables.base[number + 1]].reshape(shape)
        back = [order.index(n) for n in names]
        add(keys[slices[number]][source.child], torch.from_numpy(table.transpose(back).copy()))
    return Expected(total, float(totals.sum()))


def _learned_parents(model: DynamicGraph) -> list[str]:
    """Every discrete variable: none may be passed over as barren."""
    return [n for n, v in model.variables.items() if v.is_discrete]


def _slices_of(tables: SliceTables) -> list[int]:
    owner = [0] * len(tables.row_sources)
    for number, sources in enumerate(tables.rows_by_slice):
        for place in sources:
            owner[place] = number
    return owner


def _static_slices(tables: SliceTables) -> list[int]:
    owner = [0] * len(tables.static_sources)
    for number, places in enumerate(tables.statics_by_slice):
        for place in places:
            owner[place] = number
    return owner


def _of_rows(
    tables: SliceTables,
    source: Source,
    number: int,
    places: np.ndarray,
    beliefs: Float64[np.ndarray, "rows cells"],
) -> Any:
    """The statistics of a family of which every step has a table of its own."""
    factor = source.factor
    assert factor is not None
    discrete = [v for v in factor.scope if v.is_discrete]
    whole = _over_all(tables, source, [v.name for v in discrete], places, beliefs)
    cells = tables.given.of_slice(tables.model.slices[number], places)
    weights = torch.from_numpy(whole)
    if isinstance(factor, ContinuousLeaf):
        return factor.expected_statistics(cells.values[source.child], weights)
    if isinstance(factor, LinearGaussian):
        return _regression(factor, cells, weights)
    return None


def _over_all(
    tables: SliceTables,
    source: Source,
    names: list[str],
    places: np.ndarray,
    beliefs: Float64[np.ndarray, "rows cells"],
) -> Float64[np.ndarray, "rows *states"]:
    """Beliefs over all discrete variables of a family, those observed in their states."""
    shape = [tables.sizes[n] for n in names]
    out = np.zeros((len(places), *shape))
    observed = [n for n in names if n not in source.hidden]
    moved = np.moveaxis(out, [1 + names.index(n) for n in observed], range(1, 1 + len(observed)))
    picks = []
    for name in observed:
        plain, lag = present(name)
        picks.append(np.maximum(tables.codes[plain][np.maximum(places - lag, 0)], 0))
    inner = beliefs.reshape(len(places), *(tables.sizes[n] for n in source.hidden))
    order = [n for n in names if n in source.hidden]
    inner = inner.transpose(0, *(1 + source.hidden.index(n) for n in order))
    moved[(np.arange(len(places)), *picks)] = inner
    return out


def _regression(
    factor: LinearGaussian, cells: Any, weights: torch.Tensor
) -> RegressionStatistics | None:
    """Weighted least squares of the rows that are complete."""
    rows = cells.batch
    child = cells.values[factor.child.name].reshape(rows, -1).double()
    parts = [cells.values[v.name].reshape(rows, -1).double() for v in factor.continuous_parents]
    regressors = torch.cat([child.new_empty(rows, 0), *parts], 1)
    columns = torch.cat([regressors, child], 1)
    whole = ~columns.isnan().any(1)
    if not bool(whole.any()):
        return None
    flat = weights.reshape(rows, -1)[whole]
    width = columns.shape[1]
    means = columns[whole].unsqueeze(1).expand(-1, flat.shape[1], -1)
    none = torch.zeros(1, 1, width, width, dtype=torch.float64)
    return RegressionStatistics.expected(regressors.shape[1], flat, means, none)


def updated_family(factor: Factor, statistics: Any, pseudo_counts: float, floor: float) -> Factor:
    """Return the distribution that maximises what is expected of it: the M-step.

    Raises
    ------
    LearningError
        If a family of its kind does not learn.
    """
    if statistics is None:
        return factor
    if type(factor) is TableFactor:
        table = factor.values.detach().double().cpu()
        possible = torch.where(table > 0, pseudo_counts, 0.0)
        return fitted_table(factor, statistics, possible, table)[0]
    if isinstance(factor, ContinuousLeaf):
        return factor.updated(statistics, 0.0, floor)
    if isinstance(factor, LinearGaussian):
        return fitted_regression(factor, statistics, 0.0, floor)
    update = getattr(factor, "updated", None)
    if update is None:
        raise LearningError(f"{factor!r} does not learn; set_distributions sets it")
    learned: Factor = update(statistics)
    return learned


def log_prior(factor: Factor, pseudo_counts: float) -> float:
    """Return what pseudo-counts add to the objective."""
    if type(factor) is not TableFactor or not pseudo_counts:
        return 0.0
    table = factor.values.detach().double().cpu()
    return pseudo_counts * float(table[table > 0].log().sum())
