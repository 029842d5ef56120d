"""Expectation maximisation: parameters from data in which variables or cells are missing.

Dempster, Laird & Rubin (1977); for Bayesian networks Lauritzen (1995), "The EM algorithm for
graphical association models with missing data". The E-step is exact inference.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from mmgraph.data.encoding import coded_chunks
from mmgraph.data.table import CHUNK_ROWS
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.leaves.continuous import ContinuousLeaf, continuous_leaves
from mmgraph.graph.leaves.covariance_prior import CovariancePrior
from mmgraph.graph.leaves.linear_gaussian import LinearGaussian
from mmgraph.inference.options import keyword_options
from mmgraph.learning.conditionals.checkpoint import Checkpoint, RestartState
from mmgraph.learning.conditionals.em_records import EMOptions, EMReport
from mmgraph.learning.conditionals.expectation import (
    Expectation,
    Rows,
    expectation,
)
from mmgraph.learning.conditionals.few_rows import (
    warn_of_few_rows,
    warn_of_few_rows_of_regression,
)
from mmgraph.learning.conditionals.initial_parameters import initial_factors
from mmgraph.learning.conditionals.latent_measurements import (
    latent_measurements,
    with_scale_of,
)
from mmgraph.learning.conditionals.parameters import (
    Updatable,
    check_learnable,
    fitted_table,
)
from mmgraph.learning.conditionals.priors import NO_PRIOR, LeafOptions, Prior
from mmgraph.learning.conditionals.regressions import regressions
from mmgraph.learning.regression.fit import fitted_regression
from mmgraph.learning.regression.prior import RegressionPrior

_SETTLING, _SETTLING_ROWS = 10, 5.0
"""Iterations before regressions are shrunk alike in all that follow, and the rows of their prior
until then."""

_log = logging.getLogger(__name__)


@keyword_options(EMOptions)
def expectation_maximization(
    graph: FactorGraph,
    data: object,
    *,
    prior: Prior = NO_PRIOR,
    options: LeafOptions | None = None,
    weights: object = None,
    chunk_rows: int = CHUNK_ROWS,
    **search: Any,
) -> tuple[FactorGraph, EMReport]:
    """Learn parameters where variables or cells are missing at random.

    Parameters
    ----------
    graph : FactorGraph
        Conditional distributions only: tables, parametric tables and continuous leaves, which
        learn, and other continuous factors (scores of an encoder), which stay as they are.
    data : pandas.DataFrame, mapping of str to array, path, CodedTable, CodedRows or Evidence
        A variable without a column is latent. A file is read anew in every iteration.
    prior : Prior, optional
        Pseudo-counts of the tables; the mode of the posterior is sought then.
    options : LeafOptions, optional
        For continuous leaves.
    weights : array-like, optional
        How often each row counts.
    chunk_rows : int
        How many rows are worked through at once.
    **search
        The others: see :class:`~mmgraph.learning.conditionals.em_records.EMOptions`.

    Returns
    -------
    graph : FactorGraph
        Of the class of the one given, with the learned distributions. Rows of tables that no row
        of data speaks of stay as they started.
    report : EMReport

    Raises
    ------
    LearningError
        If a factor cannot be learned, there is no such option or it is out of range, or the data
        is empty.
    ZeroProbabilityError
        If rows are impossible under the parameters started from (parametric tables, or
        ``start="current"``).
    FormatError
        If the checkpoint is damaged, or is that of another call.
    TreewidthError, UnknownVariableError, UnknownStateError, EvidenceError
        As inference, and reading the data, raise them.
    """
    began = time.perf_counter()
    how = EMOptions.of(search, ("prior", "options", "weights", "chunk_rows"))
    check_learnable(graph.factors, prior)
    rows = Rows(coded_chunks(data, graph.variables, chunk_rows, weights))
    run = _Run(graph, rows, prior, options or LeafOptions(), how)
    seeds = torch.randint(1 << 62, (how.restarts,), generator=how.generator).tolist()
    state = RestartState(seeds)
    store = None
    if how.checkpoint is not None:
        store = Checkpoint(Path(how.checkpoint), graph, run.settings())
        saved = store.load()
        if saved:
            _check_data(run, saved, store)
            _log.info(
                "going on from iteration %d, which %s keeps", _iterations(saved), how.checkpoint
            )
            state = saved
    _iterate(run, state, store)
    assert state.best is not None
    best = state.best
    run.warn_of_few_rows()
    report = EMReport(
        tuple(best.log_likelihoods),
        tuple(best.objectives),
        best.converged,
        best.number,
        tuple(state.finished),
        rows.total,
        time.perf_counter() - began,
    )
    return graph.with_factors(best.factors), report


def _iterations(state: RestartState) -> int:
    """How many iterations the restart that is running, or the best one, has behind it."""
    saved = state.current or state.best
    return len(saved.objectives) - 1 if saved and saved.objectives else 0


def _check_data(run: _Run, state: RestartState, store: Checkpoint) -> None:
    """Refuse a saved state whose likelihood is not that of these rows."""
    saved = state.current or state.best
    if saved and saved.log_likelihoods:
        log_likelihood = run.expectation(saved.factors).log_likelihood
        if not np.isclose(log_likelihood, saved.log_likelihoods[-1], rtol=1e-9):
            store.storage.refuse("the data differ")


def _iterate(run: _Run, state: RestartState, store: Checkpoint | None) -> None:
    """Bring every restart to its end; ``state`` is what the checkpoint holds at any time."""
    while state.number < len(state.seeds):
        if state.current is None:
            state.begin(run.initial_factors(state))
        current = state.current
        assert current is not None
        statistics = run.expectation(current.factors)
        if not current.objectives:
            run.hold_priors(statistics)
            _record(run, state, statistics, store)
        else:  # from a checkpoint
            run.hold_priors_of_start(state)
        while len(current.objectives) <= run.how.max_iterations and not current.converged:
            current.factors = run.maximisation(current.factors, statistics)
            statistics = run.expectation(current.factors)
            _record(run, state, statistics, store)
        state.finish()
        if store:
            store.save(state)


def _record(
    run: _Run, state: RestartState, statistics: Expectation, store: Checkpoint | None
) -> None:
    """Note what the parameters reach, and whether that has converged."""
    current = state.current
    assert current is not None
    log_likelihood = statistics.log_likelihood
    objective = log_likelihood + run.log_prior(current.factors)
    if current.objectives:
        before = current.objectives[-1]
        current.converged = abs(objective - before) <= run.how.tolerance * max(1.0, abs(before))
    current.log_likelihoods.append(log_likelihood)
    current.objectives.append(objective)
    if store:  # first: whoever interrupts in the callback finds this iteration in the checkpoint
        store.save(state)
    if run.how.progress:
        run.how.progress(len(current.objectives) - 1, log_likelihood)


@dataclass
class _Run:
    """What stays the same in all iterations."""

    graph: FactorGraph
    rows: Rows
    prior: Prior
    options: LeafOptions
    how: EMOptions
    last: Expectation | None = None
    priors: dict[str, CovariancePrior | RegressionPrior] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Its checks are few, and plans that are compiled for it serve the graphs of all iterations.
        self.plain = FactorGraph(self.graph.variables.values(), self.graph.factors)
        self.pseudo_counts = {
            f.scope: self.prior.counts(f) for f in self.graph.factors if type(f) is TableFactor
        }
        self.holds_scales = self.options.shrinkage is None
        self.latent = latent_measurements(self.graph.factors, self.rows, self.options.floor)

    def initial_factors(self, state: RestartState) -> list[Factor]:
        """Return the parameters that the restart begins with that runs or comes next.

        Regressions that are shrunk as the data asks have settled a little.
        """
        self.holds_scales = self.options.shrinkage is None
        if self.how.start == "current":
            return list(self.graph.factors)
        number, how = state.number, self.how
        source = torch.Generator().manual_seed(state.seeds[number])
        factors, statistics = initial_factors(
            self.plain,
            self.rows,
            self.options,
            source,
            number > 0,
            how.memory_budget,
            how.device,
            self.latent,
        )
        factors = self.maximisation(factors, statistics)
        if self.options.shrinkage is None and regressions(factors):
            # What the first E-step takes for noise would be held against all that come after it.
            rows = self.prior.equivalent_sample_size or _SETTLING_ROWS
            self.holds_scales = False
            for _ in range(_SETTLING):
                statistics = self.expectation(factors)
                self.hold_priors(statistics, replace(self.prior, equivalent_sample_size=rows))
                factors = self.maximisation(factors, statistics)
            self.holds_scales = True
        return factors

    def hold_priors(self, statistics: Expectation, prior: Prior | None = None) -> None:
        """Let a restart's first E-step say how parameters are shrunk in all of its iterations.

        Were they shrunk anew in each, by what that one finds, there would be nothing that all of
        them maximise.
        """
        self.priors = {}
        factors = self.graph.factors
        for factor, expected in zip(factors, statistics.by_factor(factors), strict=True):
            held: object = None
            if isinstance(factor, ContinuousLeaf) and expected is not None:
                held = self.options.prior(factor, expected)
            elif isinstance(factor, LinearGaussian) and expected is not None:
                held = self.options.of_regression(factor, expected, prior or self.prior)
                held = held.held() if isinstance(held, RegressionPrior) else None
            if isinstance(held, CovariancePrior | RegressionPrior):
                assert factor.child is not None
                self.priors[factor.child.name] = held

    def hold_priors_of_start(self, state: RestartState) -> None:
        """The same for a restart that goes on from a checkpoint: its start is found again."""
        real = any(isinstance(f, ContinuousLeaf | LinearGaussian) for f in self.graph.factors)
        if real and self.options.shrinkage is None:
            self.hold_priors(self.expectation(self.initial_factors(state)))

    def expectation(self, factors: Sequence[Factor]) -> Expectation:
        """The E-step."""
        graph = self.plain.with_factors(factors)
        return expectation(graph, self.rows, self.how.memory_budget, self.how.device)

    def maximisation(self, factors: Sequence[Factor], statistics: Expectation) -> list[Factor]:
        """The M-step."""
        self.last = statistics
        expected = statistics.by_factor(factors)
        return [
            f if e is None else self._updated(f, e) for f, e in zip(factors, expected, strict=True)
        ]

    def warn_of_few_rows(self) -> None:
        """Warn of parameters that too few rows speak of, as the last E-step shares them out."""
        if self.last is None:
            return
        shrinkage = self.options.shrinkage
        warn_of_few_rows(continuous_leaves(self.graph.factors), self.last.moments, shrinkage)
        for factor, expected in zip(
            regressions(self.graph.factors), self.last.regressions, strict=False
        ):
            if expected is not None:
                warn_of_few_rows_of_regression(factor, expected, shrinkage)

    def _updated(self, factor: Factor, statistics: Any) -> Factor:
        assert factor.child is not None
        shrinkage: Any = self.priors.get(factor.child.name, self.options.shrinkage)
        if isinstance(factor, ContinuousLeaf):
            return factor.updated(statistics, shrinkage, self.options.floor)
        if isinstance(factor, LinearGaussian):
            learned = fitted_regression(factor, statistics, shrinkage, self.options.floor)
            if factor.child.name in self.latent and self.holds_scales:
                return with_scale_of(learned, factor, statistics.weights)
            return learned
        if type(factor) is TableFactor:
            unseen = factor.values.detach().double().cpu()
            return fitted_table(factor, statistics, self.pseudo_counts[factor.scope], unseen)[0]
        return cast(Updatable, factor).updated(statistics)

    def log_prior(self, factors: Sequence[Factor]) -> float:
        """The logarithm of all priors' densities, without their constants."""
        total = 0.0
        for factor in factors:
            prior = self.priors.get(factor.child.name if factor.child else "")
            if isinstance(factor, ContinuousLeaf) and isinstance(prior, CovariancePrior):
                total += prior.log_density(factor.normals.covariances)
            elif isinstance(factor, LinearGaussian) and isinstance(prior, RegressionPrior):
                total += prior.log_density(factor)
            if type(factor) is TableFactor and bool(self.pseudo_counts[factor.scope].any()):
                table = factor.values.detach().double().cpu()
                total += float(torch.special.xlogy(self.pseudo_counts[factor.scope], table).sum())
        return total

    def settings(self) -> dict[str, Any]:
        """What else a checkpoint must agree in, as JSON values."""
        counts, how = self.prior.pseudo_counts, self.how
        if not isinstance(counts, float | int):
            counts = {name: np.asarray(part).tolist() for name, part in sorted(counts.items())}
        return {
            "start": how.start,
            "restarts": how.restarts,
            "max_iterations": how.max_iterations,
            "tolerance": how.tolerance,
            "equivalent_sample_size": self.prior.equivalent_sample_size,
            "pseudo_counts": counts,
            "shrinkage": self.options.shrinkage,
            "floor": self.options.floor,
        }
