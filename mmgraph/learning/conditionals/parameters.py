"""Parameters from complete data: maximum likelihood, and its smoothed forms."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from mmgraph.data.encoding import CodedRows, coded_chunks
from mmgraph.data.table import CHUNK_ROWS
from mmgraph.graph.arrays import float_tensor
from mmgraph.graph.errors import LearningError, suggestion, warn_caller
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.leaves.continuous import ContinuousLeaf, continuous_leaves
from mmgraph.graph.leaves.continuous_data import flat_responsibilities
from mmgraph.graph.leaves.covariance_prior import CovariancePrior
from mmgraph.graph.leaves.gaussian_moments import GaussianStatistics, covariance_prior
from mmgraph.learning.conditionals.few_rows import warn_of_few_rows
from mmgraph.learning.counts import IncompleteDataError, family_counts

_SHOWN = 8


class UnseenConfigurationWarning(UserWarning):
    """Parent configurations that no row has; their distributions are uniform."""


@runtime_checkable
class Updatable(Protocol):
    """A conditional distribution that fits itself to expected family counts."""

    def updated(self, counts: Float[Tensor, "*states"]) -> Factor:
        """Return the distribution of the same kind that fits the counts best."""


@dataclass(frozen=True)
class Prior:
    """Pseudo-counts: what conditional tables are taken to have seen before the data.

    A cell's pseudo-count ``a`` is that of a Dirichlet prior with parameter ``a`` where tables are
    posterior means, and with ``1 + a`` where they are posterior modes, as in EM: the table is the
    same.

    Parameters
    ----------
    equivalent_sample_size : float, default 0
        Rows, spread evenly over the cells of every table (BDeu: Buntine 1991, "Theory refinement
        on Bayesian networks"; Heckerman, Geiger & Chickering 1995).
    pseudo_counts : float or mapping of str to array-like, default 0
        Added to every cell of every table; or of the tables of some children, a number or an array
        with the table's axes.

    Raises
    ------
    LearningError
        If a number is negative or not finite.
    """

    equivalent_sample_size: float = 0.0
    pseudo_counts: float | Mapping[str, Any] = 0.0

    def __post_init__(self) -> None:
        for what, rows in (
            ("equivalent sample size", self.equivalent_sample_size),
            ("pseudo-count", self.pseudo_counts),
        ):
            if not isinstance(rows, Mapping) and not 0 <= rows < math.inf:
                raise LearningError(f"the {what} is a finite number >= 0, not {rows}")

    def check_names(self, names: Sequence[str]) -> None:
        """Raise LearningError if pseudo-counts are given for a child that has no table."""
        if isinstance(self.pseudo_counts, Mapping):
            for name in self.pseudo_counts:
                if name not in names:
                    hint = suggestion(name, names)
                    raise LearningError(f"pseudo-counts given for '{name}', without a table{hint}")

    def counts(self, factor: Factor) -> Float64[Tensor, "*states"]:
        """Return the pseudo-counts of a table, with its axes.

        Raises
        ------
        LearningError
            If an array given for it has another shape, or a number in it is negative.
        """
        shape = tuple(v.cardinality for v in factor.scope)
        counts = torch.full(
            shape, self.equivalent_sample_size / math.prod(shape), dtype=torch.float64
        )
        added = self.pseudo_counts
        if isinstance(added, Mapping):
            added = added.get(factor.child.name if factor.child else "", 0.0)
        extra = float_tensor(added, f"the pseudo-counts of {factor!r}", LearningError).double()
        if extra.ndim and tuple(extra.shape) != shape:
            raise LearningError(
                f"the pseudo-counts of {factor!r} have shape {tuple(extra.shape)}, not {shape}"
            )
        if not bool(((extra >= 0) & (extra < math.inf)).all()):
            raise LearningError(f"a pseudo-count of {factor!r} is negative or not finite")
        return counts + extra


NO_PRIOR = Prior()
"""Plain maximum likelihood."""


@dataclass(frozen=True)
class LeafOptions:
    """How covariances of continuous leaves are kept in bounds.

    Parameters
    ----------
    shrinkage : float, optional
        Each covariance moves so far (0 to 1) towards the one pooled within parent states. By
        default the data decides, see
        :meth:`GaussianLeaf.updated <updated>`; expectation
        maximisation lets the first E-step of each restart decide for all of its iterations.
    floor : float, default 1e-6
        The least variance in any direction, as a share of the features' overall variance.
    """

    shrinkage: float | None = None
    floor: float = 1e-6

    def prior(self, leaf: ContinuousLeaf, statistics: GaussianStatistics) -> CovariancePrior | None:
        """Return how far the data shrinks a leaf's covariances; None where a number says so."""
        if self.shrinkage is not None:
            return None
        return covariance_prior(statistics, leaf.components, self.floor, leaf.child.name)


def check_learnable(factors: Sequence[Factor]) -> None:
    """Refuse factors that counts or moments cannot fit, by name.

    A factor over a continuous variable that is no leaf that learns, as the scores of a trained
    encoder, is let pass: learning leaves it as it is.
    """
    for factor in factors:
        if factor.child is None:
            raise LearningError(
                f"{factor!r} is no conditional distribution: family counts do not fit it"
            )
        learns = type(factor) is TableFactor or isinstance(factor, Updatable)
        if factor.is_tabular and not learns:
            raise LearningError(f"{factor!r} does not learn: it has no method 'updated'")


def fitted_table(
    factor: TableFactor,
    counts: Float[Tensor, "*states"],
    pseudo_counts: Float64[Tensor, "*states"] | float = 0.0,
    unseen: Float[Tensor, "*states"] | None = None,
) -> tuple[TableFactor, int]:
    """Return the table that fits (expected) family counts best, in double precision.

    Second is how many parent configurations have no count; for those stand the rows of ``unseen``,
    uniform ones by default.
    """
    axis = next(i for i, v in enumerate(factor.scope) if v is factor.child)
    total = counts.to("cpu", torch.float64) + pseudo_counts
    mass = total.sum(axis, keepdim=True)
    # A mass as small as this is the rounding of zero, and its ratios no distribution.
    counted = mass > 1e-200
    default = torch.full_like(total, 1.0 / total.shape[axis]) if unseen is None else unseen
    table = torch.where(counted, total / torch.where(counted, mass, 1.0), default)
    return TableFactor(factor.scope, table, child=factor.child), int((~counted).sum())


def warn_of_unseen(unseen: Mapping[str, tuple[int, int]]) -> None:
    """Warn of parent configurations without data: how many, of how many, for each variable."""
    named = [f"{few} of {all_} for '{n}'" for n, (few, all_) in unseen.items() if few]
    if named:
        more = f" and for {len(named) - _SHOWN} more variables" if len(named) > _SHOWN else ""
        warn_caller(
            "no row has some of the parent configurations, whose distributions are now uniform: "
            f"{', '.join(named[:_SHOWN])}{more}; a prior (bdeu, dirichlet) would smooth the rest",
            UnseenConfigurationWarning,
        )


def learn_parameters(
    graph: FactorGraph,
    data: object,
    prior: Prior = NO_PRIOR,
    options: LeafOptions | None = None,
    weights: object = None,
    chunk_rows: int = CHUNK_ROWS,
    device: torch.device | str | None = None,
) -> list[Factor]:
    """Return the graph's conditional distributions, fitted to complete data in one pass.

    Tables become posterior means (of greatest likelihood without a prior); noisy-OR, softmax and
    other parametric tables fit themselves to the counts, without pseudo-counts; Gaussian leaves
    have the likeliest means and covariances; other continuous factors stay as they are.

    Parameters
    ----------
    graph : FactorGraph
        Conditional distributions only.
    data : pandas.DataFrame, mapping of str to array, path, CodedTable, CodedRows or Evidence
    prior : Prior, optional
        Pseudo-counts of the tables.
    options : LeafOptions, optional
        For continuous leaves.
    weights : array-like, optional
        How often each row counts.
    chunk_rows : int
        How many rows are worked through at once.
    device : torch.device or str, optional
        Where to count.

    Returns
    -------
    list of Factor
        In the graph's order.

    Warns
    -----
    UnseenConfigurationWarning
        If parent configurations have neither rows nor pseudo-counts: which, and how many.
    FewRowsWarning
        If a covariance has no more rows than features: where, and both numbers.

    Raises
    ------
    IncompleteDataError
        If a column or a cell is missing, or a leaf is a mixture.
    LearningError, UnknownVariableError, UnknownStateError, EvidenceError, FormatError
        If the data does not fit the graph, or cannot be read.
    """
    options = options or LeafOptions()
    bounds = (options.shrinkage, options.floor)
    check_learnable(graph.factors)
    tabular = [f for f in graph.factors if f.is_tabular]
    leaves = continuous_leaves(graph.factors)
    prior.check_names([f.child.name for f in tabular if f.child is not None])
    scopes = [f.scope for f in tabular]
    counts: list[Tensor] | None = None
    moments: list[GaussianStatistics] | None = None
    started: list[ContinuousLeaf] = []
    for chunk in coded_chunks(data, graph.variables, chunk_rows, weights):
        here = family_counts(scopes, chunk, device=device)
        counts = here if counts is None else [a + b for a, b in zip(counts, here, strict=True)]
        shares = [_known_parents(leaf, chunk) for leaf in leaves]
        if not started:
            started = [
                leaf.restarted(chunk.values[leaf.child.name], share, None, *bounds)
                for leaf, share in zip(leaves, shares, strict=True)
            ]
        parts = [
            leaf.expected_statistics(chunk.values[leaf.child.name], share)
            for leaf, share in zip(started, shares, strict=True)
        ]
        moments = parts if moments is None else [a + b for a, b in zip(moments, parts, strict=True)]
    assert counts is not None
    fitted = fitted_factors(tabular, counts, prior)
    fitted_leaves = [f.updated(m, *bounds) for f, m in zip(started, moments or (), strict=True)]
    warn_of_few_rows(started, moments or (), options.shrinkage)
    learned = dict(zip(map(id, (*tabular, *leaves)), (*fitted, *fitted_leaves), strict=True))
    return [learned.get(id(f), f) for f in graph.factors]


def fitted_factors(
    factors: Sequence[Factor], counts: Sequence[Tensor], prior: Prior = NO_PRIOR
) -> list[Factor]:
    """Return tabular distributions fitted to counts, and warn of what no row speaks of."""
    fitted: list[Factor] = []
    unseen: dict[str, tuple[int, int]] = {}
    for factor, count in zip(factors, counts, strict=True):
        if type(factor) is not TableFactor:
            fitted.append(cast(Updatable, factor).updated(count.to("cpu", torch.float64)))
            continue
        table, few = fitted_table(factor, count, prior.counts(factor))
        fitted.append(table)
        assert factor.child is not None
        unseen[factor.child.name] = few, count.numel() // factor.child.cardinality
    warn_of_unseen(unseen)
    return fitted


def _known_parents(leaf: ContinuousLeaf, chunk: CodedRows) -> Float64[Tensor, "rows *parents"]:
    """One-hot responsibilities, times the weights of the rows."""
    name = leaf.child.name
    if leaf.components > 1:
        raise IncompleteDataError(
            f"which component of '{name}' a row belongs to is never observed; learn by expectation "
            "maximisation (method='em')"
        )
    if name not in chunk.values:
        raise IncompleteDataError(
            f"the data has no column '{name}'; learn by expectation maximisation (method='em')"
        )
    missing = chunk.values[name].reshape(len(chunk), -1).isnan().any(1)
    if bool(missing.any()):
        raise IncompleteDataError(
            f"'{name}' is missing in row {chunk.first_row + int(missing.nonzero()[0])}; complete "
            "data is needed here: learn by expectation maximisation (method='em')"
        )
    for parent in leaf.parents:  # says which cell is missing
        family_counts([(parent,)], chunk)
    states = {v.name: torch.from_numpy(chunk.column(v.name)) for v in leaf.parents}
    share = flat_responsibilities(leaf.child, leaf.parents, states, len(chunk))
    if chunk.weights is not None:
        share = share * torch.from_numpy(np.ascontiguousarray(chunk.weights)).unsqueeze(1)
    return share.reshape(len(chunk), *leaf.parent_shape)
