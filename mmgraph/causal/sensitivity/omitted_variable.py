"""How strong an omitted variable must be to undo a linear regression's effect, as partial R²."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64
from scipy import stats

from mmgraph.graph.errors import CausalError, UnknownVariableError, suggestion
from mmgraph.graph.state_labels import is_missing


class Benchmark(NamedTuple):
    """What a confounder as strong as an observed covariate, or several times so, would do.

    Attributes
    ----------
    covariates : tuple of str
    times : float
        How many times as strong, with treatment and outcome.
    r2_treatment, r2_outcome : float
        The most of the residual variances of both that it would explain.
    estimate, standard_error, t : float
        The effect adjusted for it.
    """

    covariates: tuple[str, ...]
    times: float
    r2_treatment: float
    r2_outcome: float
    estimate: float
    standard_error: float
    t: float


@dataclass(frozen=True)
class OmittedVariableBias:
    """How an effect estimated by linear regression depends on a variable that was left out.

    The variable's strength is two shares: of the residual variance of the treatment that it
    explains beyond the covariates, and of that of the outcome beyond covariates and treatment.

    Parameters
    ----------
    estimate, standard_error : float
        The treatment's coefficient.
    degrees_of_freedom : int
        Of the regression's residuals.
    shares : mapping, optional
        By (groups of) covariates, their partial R² with treatment and with outcome: what
        :func:`omitted_variable_bias` reads off data, and :meth:`benchmark` measures by.

    Raises
    ------
    CausalError
        If the standard error or the degrees of freedom (at least 2) are not positive.

    References
    ----------
    Cinelli & Hazlett (2020), "Making sense of sensitivity: extending omitted variable bias",
    Journal of the Royal Statistical Society B 82.
    """

    estimate: float
    standard_error: float
    degrees_of_freedom: int
    shares: Mapping[tuple[str, ...], tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.estimate) and 0 < self.standard_error < math.inf):
            raise CausalError(
                f"an estimate is finite and its standard error positive, not {self.estimate} and "
                f"{self.standard_error}"
            )
        if self.degrees_of_freedom < 2:
            raise CausalError(f"{self.degrees_of_freedom} degrees of freedom are too few")

    def __repr__(self) -> str:
        return (
            f"effect {self.estimate:.4g} (error {self.standard_error:.4g}, t {self.t:.4g}, "
            f"{self.degrees_of_freedom} degrees of freedom)\n"
            f"  robustness value {self.robustness_value():.4g}, of its significance at 0.05 "
            f"{self.robustness_value(level=0.05):.4g}"
        )

    @property
    def t(self) -> float:
        """The estimate in standard errors."""
        return self.estimate / self.standard_error

    @property
    def partial_r2(self) -> float:
        """The share of the outcome's residual variance that the treatment explains.

        A confounder that explains all the rest of the outcome must explain this share of the
        treatment to undo the effect.
        """
        return self.t**2 / (self.t**2 + self.degrees_of_freedom)

    def robustness_value(self, share: float = 1.0, level: float | None = None) -> float:
        """Return the strength, in both shares, that takes away so much of the effect.

        Parameters
        ----------
        share : float
            Of the estimate, that confounding would have to explain: 1 is all of it.
        level : float, optional
            Instead of the estimate itself, its significance at this level (0.05, two-sided).

        Raises
        ------
        CausalError
            If the share is not positive, or the level not between 0 and 1.
        """
        if not share > 0 or (level is not None and not 0 < level < 1):
            raise CausalError(f"no share {share!r} of an effect at a level of {level!r}")
        effect = share * abs(self.t) / math.sqrt(self.degrees_of_freedom)
        critical = 0.0
        if level is not None:
            rest = self.degrees_of_freedom - 1
            critical = float(stats.t.isf(level / 2, rest)) / math.sqrt(rest)
        beyond = effect - critical
        if beyond <= 0:
            return 0.0
        if effect * critical > 1:  # where the outcome's share need not be as large
            return (effect**2 - critical**2) / (1 + effect**2)
        return (math.sqrt(beyond**4 + 4 * beyond**2) - beyond**2) / 2

    def adjusted_estimate(self, r2_treatment: Any, r2_outcome: Any) -> Any:
        """Return the estimate less the bias of a confounder that works towards it.

        Parameters
        ----------
        r2_treatment, r2_outcome : float or array-like
            The confounder's shares, from 0 to 1 (of the treatment: below 1); they broadcast.

        Raises
        ------
        CausalError
            If a share is out of range.
        """
        treatment, outcome = _checked_shares(r2_treatment, r2_outcome)
        strength = np.sqrt(outcome * treatment / (1 - treatment) * self.degrees_of_freedom)
        bias = strength * self.standard_error
        return _plain(np.sign(self.estimate) * (abs(self.estimate) - bias))

    def adjusted_standard_error(self, r2_treatment: Any, r2_outcome: Any) -> Any:
        """Return the standard error with the confounder; as :meth:`adjusted_estimate`."""
        treatment, outcome = _checked_shares(r2_treatment, r2_outcome)
        freedom = self.degrees_of_freedom / (self.degrees_of_freedom - 1)
        return _plain(self.standard_error * np.sqrt((1 - outcome) / (1 - treatment) * freedom))

    def adjusted_t(self, r2_treatment: Any, r2_outcome: Any) -> Any:
        """Return the adjusted estimate in adjusted standard errors; ``inf`` has no error left."""
        estimate = np.asarray(self.adjusted_estimate(r2_treatment, r2_outcome))
        error = np.asarray(self.adjusted_standard_error(r2_treatment, r2_outcome))
        exact = np.where(estimate == 0, 0.0, np.copysign(np.inf, estimate))
        return _plain(np.divide(estimate, error, out=exact, where=error > 0))

    def benchmark(
        self,
        covariates: str | Sequence[str],
        times: float = 1.0,
        times_outcome: float | None = None,
    ) -> Benchmark:
        """Return what a confounder some times as strong as observed covariates would do.

        Parameters
        ----------
        covariates : str or sequence of str
            One, or a group that was named when the data was read.
        times : float
            As strong with the treatment, and with the outcome unless that has ``times_outcome``.

        Raises
        ------
        UnknownVariableError
            If their shares are not known.
        CausalError
            If no confounder can be as strong as that.
        """
        names = (covariates,) if isinstance(covariates, str) else tuple(covariates)
        if names not in self.shares:
            hint = suggestion(names[0], [n for group in self.shares for n in group])
            raise UnknownVariableError(f"no shares of {', '.join(names)} are known{hint}")
        with_treatment, with_outcome = self.shares[names]
        k_y = times if times_outcome is None else times_outcome
        if min(times, k_y) < 0:
            raise CausalError("a confounder is not less than nought times as strong")
        treatment = times * with_treatment / (1 - with_treatment)
        room = (1 - times * with_treatment) * (1 - with_treatment)
        tie = times * with_treatment**2 / room if room > 0 else math.inf
        if treatment >= 1 or tie >= 1:
            raise CausalError(f"no confounder is {times:g} times as strong as {', '.join(names)}")
        ratio = (math.sqrt(k_y) + math.sqrt(tie)) / math.sqrt(1 - tie)
        outcome = ratio**2 * with_outcome / (1 - with_outcome)
        if outcome > 1:
            raise CausalError(
                f"no confounder is {k_y:g} times as strong as {', '.join(names)} with the outcome: "
                f"it would explain {outcome:.3g} of a variance of 1"
            )
        return Benchmark(
            names,
            times,
            treatment,
            outcome,
            float(self.adjusted_estimate(treatment, outcome)),
            float(self.adjusted_standard_error(treatment, outcome)),
            float(self.adjusted_t(treatment, outcome)),
        )


def omitted_variable_bias(
    data: Any,
    outcome: str,
    treatment: str,
    covariates: Sequence[str] = (),
    groups: Sequence[Sequence[str]] = (),
) -> OmittedVariableBias:
    """Return how the effect in a linear regression would stand up to a confounder left out.

    Parameters
    ----------
    data : pandas.DataFrame or mapping of str to array
        Numbers and truth values; columns of texts and categories are covariates by indicators.
    outcome, treatment : str
        Columns of numbers.
    covariates : sequence of str
        What the regression adjusts for, beside its intercept.
    groups : sequence of sequences of str, optional
        Covariates that are benchmarks together, beside each by itself.

    Raises
    ------
    UnknownVariableError
        If there is no such column; with the nearest name.
    CausalError
        If a cell is missing or no number, a column is named twice, rows are too few, or the
        covariates determine the treatment.
    """
    names = [outcome, treatment, *covariates]
    for name in (*names, *(n for group in groups for n in group)):
        if name not in data or (name not in names):
            hint = suggestion(name, data if name not in data else names)
            raise UnknownVariableError(f"'{name}' is no column of the regression{hint}")
    if len(set(names)) < len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise CausalError(f"the column '{twice}' is named twice")
    y, d = (_numbers(data[name], name) for name in (outcome, treatment))
    blocks = {name: _block(data[name], name) for name in covariates}
    rows = len(y)
    for name, block in (*blocks.items(), (treatment, d)):
        if len(block) != rows:
            raise CausalError(f"the column '{name}' has {len(block)} cells, '{outcome}' has {rows}")
    full = np.column_stack([d, np.ones(rows), *blocks.values()])
    rank = int(np.linalg.matrix_rank(full))
    freedom = rows - rank
    if freedom < 2:
        raise CausalError(f"{rows} rows leave {freedom} degrees of freedom, too few")

    def rest(target: np.ndarray, without: Sequence[str] = (), treated: bool = False) -> float:
        """The residual sum of squares given the covariates but some, and maybe the treatment."""
        kept = [b for n, b in blocks.items() if n not in without]
        columns = np.column_stack([np.ones(rows), *kept, *([d] if treated else [])])
        residual = target - columns @ np.linalg.lstsq(columns, target, rcond=None)[0]
        return float(residual @ residual)

    of_treatment, of_outcome = rest(d), rest(y, treated=True)
    if of_treatment <= 1e-12 * float(d @ d):
        raise CausalError(f"the covariates determine the treatment '{treatment}'")
    if of_outcome <= 1e-12 * float(y @ y):
        raise CausalError(f"treatment and covariates determine the outcome '{outcome}'")
    estimate = float(np.linalg.lstsq(full, y, rcond=None)[0][0])
    error = math.sqrt(of_outcome / freedom / of_treatment)
    shares = {}
    for group in (*((n,) for n in covariates), *(tuple(g) for g in groups)):
        less = (rest(d, group), rest(y, group, treated=True))
        # Rounding must not make them negative.
        shares[group] = (max(0.0, 1 - of_treatment / less[0]), max(0.0, 1 - of_outcome / less[1]))
    return OmittedVariableBias(estimate, error, freedom, shares)


def _numbers(column: Any, name: str) -> Float64[np.ndarray, " rows"]:
    try:
        numbers = np.asarray(column, float)
    except (TypeError, ValueError):
        raise CausalError(f"the column '{name}' is to hold numbers") from None
    if numbers.ndim != 1 or not np.isfinite(numbers).all():
        raise CausalError(f"the column '{name}' has a cell that is missing or no finite number")
    return numbers


def _block(column: Any, name: str) -> Float64[np.ndarray, "rows columns"]:
    """A column of numbers, or the indicators of all its labels but the first."""
    array = np.asarray(column)
    if array.dtype.kind in "biuf":
        return _numbers(array, name)[:, None]
    cells = array.astype(object).tolist()
    if any(map(is_missing, cells)):
        raise CausalError(f"the column '{name}' has a missing cell")
    labels = sorted(set(map(str, cells)))
    return np.array([[str(c) == label for label in labels[1:]] for c in cells], float)


def _checked_shares(treatment: Any, outcome: Any) -> tuple[np.ndarray, np.ndarray]:
    treatment, outcome = np.asarray(treatment, float), np.asarray(outcome, float)
    if (
        not ((treatment >= 0) & (treatment < 1)).all()
        or not ((outcome >= 0) & (outcome <= 1)).all()
    ):
        raise CausalError("shares of variance lie from 0 to 1, of the treatment below 1")
    return treatment, outcome


def _plain(numbers: np.ndarray) -> Any:
    return float(numbers) if np.ndim(numbers) == 0 else numbers
