"""What continuous leaves have in common: features that are normal given a few discrete parents."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.errors import EvidenceError, GraphError, LearningError, UnknownVariableError
from mmgraph.graph.factor import Factor, LogTable
from mmgraph.graph.leaves.continuous_data import (
    flat_responsibilities,
    row_count,
    rows_of,
    state_indices,
)
from mmgraph.graph.leaves.covariance_prior import CovariancePrior
from mmgraph.graph.leaves.gaussian_density import Normals, rows_per_block
from mmgraph.graph.leaves.gaussian_moments import (
    GaussianStatistics,
    expected_moments,
    fitted_normals,
)
from mmgraph.graph.leaves.normal_leaf import NormalLeaf
from mmgraph.graph.variable import Variable

if TYPE_CHECKING:
    from mmgraph.graph.evidence import Evidence


class ContinuousLeaf(NormalLeaf):
    """What the leaves have in common: densities of rows, draws, and learning from moments.

    The methods below are those of one density for each parent state; mixtures have others.
    """

    def _log_density(self, rows: Float[Tensor, "rows features"]) -> Float[Tensor, "rows states"]:
        """The untempered log-density of each row under each parent state; NaN is missing."""
        return self.normals.log_density(rows)

    def _conditional(
        self, rows: Float[Tensor, "rows features"]
    ) -> Float[Tensor, "rows states features"]:
        """Each row with its missing features replaced by their means given the parent state."""
        return self.normals.conditional_means(rows)

    def _rows(self, values: Tensor) -> Float[Tensor, "rows features"]:
        return rows_of(self.child, values).to(self.normals.means)

    def _states(self, codes: Mapping[str, Tensor], rows: int) -> Int64[Tensor, " rows"]:
        return state_indices(self.scope[:-1], codes, rows).to(self.normals.means.device)

    def energy(self, assignment: Mapping[str, Tensor]) -> Float[Tensor, " batch"]:
        """Return minus the log-density of each row, times ``weight``.

        Parameters
        ----------
        assignment : mapping of str to Tensor
            Parent codes ``(batch,)`` and the child's values ``(batch, *shape)``; missing features
            (NaN) are integrated out.
        """
        if self.child.name not in assignment:
            raise UnknownVariableError(f"{self!r} needs the values of '{self.child.name}'")
        rows = self._rows(assignment[self.child.name])
        states = self._states(assignment, len(rows))
        return -self.weight * self._log_density(rows).gather(1, states.unsqueeze(1)).squeeze(1)

    def likelihood(self, evidence: Evidence) -> LogTable | None:
        """Return the log-density of the observed features for every parent state.

        Missing features are integrated out exactly; a row without any observed feature has log 1.

        Returns
        -------
        LogTable or None
            Scope: the parents; values ``(batch, *parent states)``, times ``weight``. None if the
            evidence does not speak of the child.
        """
        values = evidence.values.get(self.child.name)
        if values is None:
            return None
        table = self.weight * self._log_density(self._rows(values))
        return LogTable(self.scope[:-1], table.reshape(len(table), *self.parent_shape))

    def conditional_mean(
        self, values: Float[Tensor, "rows *shape"]
    ) -> Float[Tensor, "rows *parents_and_shape"]:
        """Return rows with missing features replaced by their means given the rest and the parents.

        Shape ``(rows, *parent states, *shape)``.
        """
        filled = self._conditional(self._rows(values))
        return filled.reshape(len(filled), *self.parent_shape, *self.child.shape)

    def mean(
        self,
        distribution: Float[Tensor, "batch *parents"],
        values: Float[Tensor, "batch *shape"] | None = None,
    ) -> Float[Tensor, "batch *shape"]:
        """Return the posterior-predictive mean of the child.

        Parameters
        ----------
        distribution : Tensor, shape (batch, *parent states)
            What is believed of the parents; all ones ``(batch,)`` without parents. Where
            ``values`` are given, the belief should take them into account.
        values : Tensor, shape (batch, *shape), optional
            What is observed of the child; observed features are returned as they are, missing
            ones (NaN) get their mean given the observed ones.
        """
        if tuple(distribution.shape[1:]) != self.parent_shape or not distribution.ndim:
            raise EvidenceError(
                f"{self!r}: the distribution over the parents has shape "
                f"{tuple(distribution.shape)}, not {('batch', *self.parent_shape)}"
            )
        belief = distribution.reshape(len(distribution), -1).to(self.normals.means)
        if values is None:
            nothing = self.normals.means.new_full((1, self.child.size), math.nan)
            mean = belief @ self._conditional(nothing)[0]
            return mean.reshape(len(mean), *self.child.shape)
        rows = self._rows(values)
        if len(rows) != len(belief):
            raise EvidenceError(f"{self!r}: {len(rows)} rows of values, {len(belief)} of parents")
        size = rows_per_block(self.normals.means.numel())
        blocks = [
            torch.where(r.isnan(), (b.unsqueeze(1) @ self._conditional(r)).squeeze(1), r)
            for r, b in zip(rows.split(size), belief.split(size), strict=True)
        ]
        return torch.cat(blocks).reshape(len(rows), *self.child.shape)

    @torch.no_grad()
    def sample(
        self,
        parent_codes: Mapping[str, Int64[Tensor, " rows"]],
        generator: torch.Generator | None = None,
        rows: int | None = None,
    ) -> Float[Tensor, "rows *shape"]:
        """Draw values of the child (from the density itself: ``weight`` plays no part).

        Parameters
        ----------
        parent_codes : mapping of str to Tensor
            State indices of every parent, ``(rows,)``.
        generator : torch.Generator, optional
            The source of randomness.
        rows : int, optional
            How many to draw; needed only where there are no parents to say so (default 1).
        """
        if rows is None:
            rows = row_count(self.scope[:-1], parent_codes)
        drawn = self._draw(self._states(parent_codes, rows), generator)
        return drawn.reshape(rows, *self.child.shape)

    @torch.no_grad()
    def sample_given(
        self,
        parent_codes: Mapping[str, Int64[Tensor, " rows"]],
        values: Float[Tensor, "rows *shape"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "rows *shape"]:
        """Draw the missing features of rows given those that are there.

        A draw of all features is moved by the difference that the regression on the observed ones
        makes, which gives an exact draw from the conditional density (Doucet 2010, "A note on
        efficient conditional simulation of Gaussian distributions").

        Parameters
        ----------
        parent_codes : mapping of str to Tensor
            State indices of every parent, ``(rows,)``.
        values : Tensor, shape (rows, *shape)
            NaN where a feature is to be drawn; the others are returned as they are.
        generator : torch.Generator, optional
            The source of randomness.
        """
        rows = self._rows(values)
        states = self._states(parent_codes, len(rows))
        place = torch.arange(len(rows), device=rows.device)
        shares = self._component_shares(rows)
        shares = shares.expand(-1, math.prod(self.parent_shape), -1)[place, states]
        component = torch.multinomial(shares, 1, generator=generator).squeeze(1)
        density = states * shares.shape[1] + component
        drawn = self.normals.draw(density, generator)
        missing = rows.isnan()
        expected = self.normals.conditional_means(rows)[place, density]
        expected_of_draw = self.normals.conditional_means(drawn.masked_fill(missing, torch.nan))[
            place, density
        ]
        filled = torch.where(missing, drawn + expected - expected_of_draw, rows)
        return filled.reshape(len(rows), *self.child.shape)

    def _draw(
        self, states: Int64[Tensor, " rows"], generator: torch.Generator | None
    ) -> Float[Tensor, "rows features"]:
        return self.normals.draw(states, generator)

    def _component_shares(
        self, rows: Float[Tensor, "rows features"]
    ) -> Float[Tensor, "rows states components"]:
        """How probable each component is given the row and the parent state."""
        return rows.new_ones(len(rows), 1, 1)

    @torch.no_grad()
    def expected_statistics(
        self,
        values: Float[Tensor, "rows *shape"],
        responsibilities: Float[Tensor, "rows *parents"] | Mapping[str, Tensor],
    ) -> GaussianStatistics:
        """Return the expected sufficient statistics of rows: the E-step of EM.

        Parameters
        ----------
        values : Tensor, shape (rows, *shape)
            NaN where missing; what is missing counts with its conditional mean and covariance.
        responsibilities : Tensor or mapping of str to Tensor
            Probability of each parent state in each row, ``(rows, *parent states)``; or the codes
            ``(rows,)`` of every parent where they are known.

        Returns
        -------
        GaussianStatistics
            Add (``+``) those of several chunks of rows, then call :meth:`updated`.
        """
        rows, parents = self._rows(values), self.scope[:-1]
        by_state = flat_responsibilities(self.child, parents, responsibilities, len(rows)).to(rows)
        shares = by_state.unsqueeze(-1) * self._component_shares(rows)
        return expected_moments(self.normals, rows, shares.flatten(1))

    @classmethod
    def _learned(
        cls, child: Variable, parents: Sequence[Variable], normals: Normals, **settings: Any
    ) -> Self:
        """Build a leaf from densities that were just fitted."""
        components = settings["weights"].shape[-1:] if "weights" in settings else ()
        axes = (*(v.cardinality for v in parents), *components)
        covariances = normals.covariances
        if normals.covariance != "shared":
            covariances = covariances.reshape(*axes, *covariances.shape[1:])
        build: Any = cls  # each class has parameters of its own
        try:
            leaf: Self = build(
                child,
                parents,
                means=normals.means.reshape(*axes, child.size),
                covariances=covariances,
                covariance=normals.covariance,
                **settings,
            )
        except GraphError as error:
            raise LearningError(
                f"{error}: too few rows or features that determine each other; raise the variance "
                "floor or the shrinkage, or choose diagonal or shared covariances"
            ) from None
        return leaf

    def updated(
        self,
        statistics: GaussianStatistics,
        shrinkage: float | CovariancePrior | None = None,
        floor: float = 1e-6,
    ) -> Self:
        """Return the leaf that fits the statistics best: the M-step of EM.

        With ``shrinkage`` 0, and by default where rows are ample, this maximises the expected
        log-likelihood among covariances that respect the floor, so that EM never lowers the
        observed-data log-likelihood.

        Parameters
        ----------
        statistics : GaussianStatistics
            From :meth:`expected_statistics`, summed over all rows.
        shrinkage : float or CovariancePrior, optional
            Between 0 and 1: each covariance moves so far towards the one pooled within parent
            states (not within components). A shared covariance is the pooled one already. By
            default the data decides: a full or shared covariance of fewer than ten rows a feature
            moves towards independent features by the intensity of Ledoit and Wolf (2004), "A
            well-conditioned estimator for large-dimensional covariance matrices", and a parent
            state of fewer than two rows has the pooled covariance. A prior holds targets and
            strengths fixed, as EM needs them.
        floor : float, default 1e-6
            The least variance in any direction, as a share of the features' overall variance.
            A feature that is constant is an error with a floor of 0; otherwise the largest
            variance of any feature stands in for its own. Such a feature then says the same of
            every parent state.

        Returns
        -------
        ContinuousLeaf
            Parent states without weight have the overall mean and the pooled covariance;
            components without weight the mean of their parent state.

        Raises
        ------
        LearningError
            If a feature is constant or never observed (which one), or a covariance does not come
            out positive definite.
        """
        fitted = fitted_normals(statistics, 1, shrinkage, floor, self.child.name)
        return self._learned(self.child, self.scope[:-1], fitted, weight=self.weight)

    def restarted(
        self,
        values: Float[Tensor, "rows *shape"],
        responsibilities: Float[Tensor, "rows *parents"] | Mapping[str, Tensor],
        generator: torch.Generator | None = None,
        shrinkage: float | None = None,
        floor: float = 1e-6,
    ) -> Self:
        """Return a leaf of the same kind that is ``initialised`` from data with these options."""
        kind: Any = type(self)
        made: Self = kind.initialised(
            self.child,
            self.parents,
            values,
            responsibilities,
            generator,
            covariance=self.covariance,
            shrinkage=shrinkage,
            floor=floor,
            **self._structure(),
        )
        return made.reweighted(self.weight)

    def _structure(self) -> dict[str, Any]:
        """What ``initialised`` must know of a leaf of this class beside its covariances."""
        return {}


def continuous_leaves(factors: Iterable[Factor]) -> list[ContinuousLeaf]:
    """Return the factors that learn from moments of a continuous variable."""
    return [f for f in factors if isinstance(f, ContinuousLeaf)]
