"""A row of multivariate normal densities, and what they say where features are missing.

Tensors only, no variables: the leaves of :mod:`mmgraph.graph.leaves.gaussian` and
:mod:`gaussian_mixture` number their parent states (and components) from zero and
keep one :class:`Normals` for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmgraph.graph.errors import GraphError, suggestion
from mmgraph.graph.storage.copying import DeepCopied

Covariance = Literal["full", "diagonal", "shared"]
COVARIANCES: tuple[Covariance, ...] = ("full", "diagonal", "shared")

BLOCK_ELEMENTS = 1 << 22
"""How many numbers an intermediate tensor may hold; more rows are worked through in blocks."""

_LOG_TWO_PI = math.log(2 * math.pi)


class Pattern(NamedTuple):
    """The rows in which exactly the same features are observed."""

    rows: Int64[Tensor, " rows"]
    observed: Int64[Tensor, " observed"]
    missing: Int64[Tensor, " missing"]


class Completion(NamedTuple):
    """Some rows with their missing features filled in by conditional means under each density.

    All lack the same features; their conditional covariance is ``(densities or 1, missing,
    missing)``.
    """

    rows: Int64[Tensor, " rows"]
    filled: Float[Tensor, "rows densities features"]
    missing: Int64[Tensor, " missing"]
    covariance: Float[Tensor, "..."]


def missing_patterns(observed: Bool[Tensor, "rows features"]) -> Iterator[Pattern]:
    """Group rows by which of their features are observed."""
    if bool(observed.all()):
        everything = torch.arange(observed.shape[1], device=observed.device)
        yield Pattern(
            torch.arange(len(observed), device=observed.device), everything, everything[:0]
        )
        return
    kinds, kind = torch.unique(observed, dim=0, return_inverse=True)
    order = kind.argsort(stable=True)
    sizes = kind.bincount(minlength=len(kinds)).tolist()
    for pattern, rows in zip(kinds, order.split(sizes), strict=True):
        yield Pattern(rows, pattern.nonzero().squeeze(1), (~pattern).nonzero().squeeze(1))


def rows_per_block(numbers_per_row: int) -> int:
    """Return how many rows of so many numbers an intermediate tensor may hold."""
    return max(1, BLOCK_ELEMENTS // max(1, numbers_per_row))


def check_covariance(covariance: str) -> None:
    """Raise GraphError unless the word names a kind of covariance."""
    if covariance not in COVARIANCES:
        raise GraphError(
            f"unknown kind of covariance {covariance!r}{suggestion(covariance, COVARIANCES)}; "
            f"it is one of {', '.join(COVARIANCES)}"
        )


@dataclass(frozen=True, eq=False)
class Normals(DeepCopied):
    """Several multivariate normal densities over the same features.

    Attributes
    ----------
    means : Tensor, shape (densities, features)
    covariances : Tensor
        ``(densities, features, features)`` if full, ``(densities, features)`` if diagonal,
        ``(features, features)`` if one covariance is shared by all densities.
    covariance : {"full", "diagonal", "shared"}
    """

    means: Float[Tensor, "densities features"]
    covariances: Float[Tensor, "..."]
    covariance: Covariance

    def __getstate__(self) -> dict[str, Any]:
        """Return what pickles and copies hold: all but the factors, which are computed again."""
        return {name: getattr(self, name) for name in ("means", "covariances", "covariance")}

    @property
    def densities(self) -> int:
        """The number of densities."""
        return self.means.shape[0]

    @property
    def features(self) -> int:
        """The number of features."""
        return self.means.shape[1]

    def flaw(self) -> tuple[int | None, str] | None:
        """Return the first density that is none (None: all of them) and why, or None if all are."""
        means, whole = self.means.detach(), self._whole.detach()
        checks = [
            (~means.isfinite().all(-1), "the mean is not finite"),
            (~whole.isfinite().flatten(1).all(-1), "the covariance is not finite"),
        ]
        if self.covariance == "diagonal":
            checks.append((~(whole > 0).all(-1), "a variance is not positive"))
        else:
            tolerance = 1e-8 if whole.dtype == torch.float64 else 1e-4
            size = whole.abs().flatten(1).amax(-1)
            skew = (whole - whole.mT).abs().flatten(1).amax(-1)
            checks.append((skew > tolerance * size, "the covariance is not symmetric"))
            checks.append((self._factorised[1] != 0, "the covariance is not positive definite"))
        for bad, reason in checks:
            if bool(bad.any()):
                return None if len(bad) < self.densities else int(bad.nonzero()[0]), reason
        return None

    @property
    def _whole(self) -> Float[Tensor, "densities ..."]:
        """The covariances, with an axis of length one where they are shared."""
        return self.covariances.unsqueeze(0) if self.covariance == "shared" else self.covariances

    @cached_property
    def _factorised(self) -> tuple[Tensor, Tensor]:
        """Cholesky factors of the whole covariances, and which of them failed."""
        return torch.linalg.cholesky_ex(self._whole.detach())

    def _cholesky(self, observed: Int64[Tensor, " observed"]) -> Float[Tensor, "densities o o"]:
        """Cholesky factors over some features: one a density, or a single one if it is shared."""
        complete = len(observed) == self.features
        if complete and not self.covariances.requires_grad:
            return self._factorised[0]
        matrices = self._covariance_between(observed, observed)
        return torch.linalg.cholesky(matrices)

    def _covariance_between(self, rows: Tensor, columns: Tensor) -> Float[Tensor, "densities r c"]:
        return self._whole[:, rows.unsqueeze(1), columns]

    def log_density(
        self, values: Float[Tensor, "rows features"]
    ) -> Float[Tensor, "rows densities"]:
        """Return the log-density of each row under each density.

        Missing features (NaN) are integrated out exactly: what remains of a normal density is the
        normal density of the observed features. A row with none has log-density 0.
        """
        if self.covariance == "diagonal":
            return self._log_density_diagonal(values)
        parts, order = [], []
        for rows, observed, _ in missing_patterns(~values.isnan()):
            order.append(rows)
            if len(observed):
                parts.append(self._log_density_observed(values[rows][:, observed], observed))
            else:
                parts.append(self.means.new_zeros(len(rows), self.densities))
        return torch.cat(parts)[torch.cat(order).argsort()]

    def _log_density_diagonal(self, values: Tensor) -> Float[Tensor, "rows densities"]:
        blocks = []
        log_variance = self.covariances.log() + _LOG_TWO_PI
        for block in values.split(rows_per_block(self.means.numel())):
            missing = block.isnan().unsqueeze(1)
            centred = block.nan_to_num().unsqueeze(1) - self.means
            terms = centred.square() / self.covariances + log_variance
            blocks.append(-0.5 * terms.masked_fill(missing, 0.0).sum(-1))
        return torch.cat(blocks)

    def _log_density_observed(
        self, values: Float[Tensor, "rows observed"], observed: Int64[Tensor, " observed"]
    ) -> Float[Tensor, "rows densities"]:
        factor = self._cholesky(observed)
        means = self.means[:, observed].unsqueeze(-1)
        constant = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        constant = constant + 0.5 * len(observed) * _LOG_TWO_PI
        blocks = []
        for block in values.split(rows_per_block(means.numel())):
            centred = block.T - means
            if len(factor) < len(centred):  # one covariance: one solve with all right-hand sides
                centred = centred.transpose(0, 1).reshape(1, len(observed), -1)
            white = torch.linalg.solve_triangular(factor, centred, upper=False)
            squared = white.square().sum(-2).reshape(self.densities, len(block))
            blocks.append(-(0.5 * squared + constant.unsqueeze(1)).T)
        return torch.cat(blocks)

    def completions(self, values: Float[Tensor, "rows features"]) -> Iterator[Completion]:
        """Yield all rows with missing features filled in, a block of one pattern at a time.

        Given the observed features ``o``, the missing ones ``m`` are normal with mean
        ``μ_m + Σ_mo Σ_oo⁻¹ (x_o - μ_o)`` and covariance ``Σ_mm - Σ_mo Σ_oo⁻¹ Σ_om``
        (Anderson, *An Introduction to Multivariate Statistical Analysis*, section 2.5). Not for
        diagonal covariances, under which a missing feature just has its mean.
        """
        for rows, observed, missing in missing_patterns(~values.isnan()):
            gain, covariance = self._regression(observed, missing)
            for block in rows.split(rows_per_block(self.means.numel())):
                filled = values[block].unsqueeze(1).expand(-1, self.densities, -1)
                if len(missing):
                    expected = self.means[:, missing].expand(len(block), -1, -1)
                    if gain is not None:
                        centred = values[block][:, observed].unsqueeze(1) - self.means[:, observed]
                        expected = expected + (gain @ centred.unsqueeze(-1)).squeeze(-1)
                    filled = filled.index_copy(2, missing, expected)
                yield Completion(block, filled, missing, covariance)

    def _regression(self, observed: Tensor, missing: Tensor) -> tuple[Tensor | None, Tensor]:
        """Coefficients of the missing features on the observed ones, and what is left over."""
        covariance = self._covariance_between(missing, missing)
        if not len(observed) or not len(missing):
            return None, covariance
        factor = self._cholesky(observed)
        cross = self._covariance_between(observed, missing)
        white = torch.linalg.solve_triangular(factor, cross, upper=False)
        gain = torch.linalg.solve_triangular(factor.mT, white, upper=True).mT
        return gain, covariance - white.mT @ white

    def conditional_means(
        self, values: Float[Tensor, "rows features"]
    ) -> Float[Tensor, "rows densities features"]:
        """Return each row with its missing features replaced by their conditional means."""
        if self.covariance == "diagonal":
            rows = values.unsqueeze(1)
            return torch.where(rows.isnan(), self.means, rows.nan_to_num())
        completions = list(self.completions(values))
        order = torch.cat([c.rows for c in completions])
        return torch.cat([c.filled for c in completions])[order.argsort()]

    def draw(
        self, densities: Int64[Tensor, " rows"], generator: torch.Generator | None
    ) -> Float[Tensor, "rows features"]:
        """Return one sample a row, each from the density that the row names."""
        noise = torch.randn(
            len(densities),
            self.features,
            generator=generator,
            dtype=self.means.dtype,
            device=generator.device if generator is not None else self.means.device,
        ).to(self.means.device)
        means = self.means[densities]
        if self.covariance == "diagonal":
            return means + noise * self.covariances[densities].sqrt()
        factor = self._cholesky(torch.arange(self.features, device=self.means.device))
        if self.covariance == "shared":
            return means + noise @ factor[0].T
        drawn = torch.empty_like(noise)
        for density in densities.unique():
            rows = densities == density
            drawn[rows] = noise[rows] @ factor[density].T
        return means + drawn
