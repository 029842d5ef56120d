"""Effects through a mediator and past it: the mediation formula."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.arrays import float_array, whole_numbers
from mmgraph.graph.errors import CausalError, GraphError
from mmgraph.networks.conditional_tables import ROW_SUM_TOLERANCE


@dataclass(frozen=True, eq=False)
class MediationEffects:
    """What a change of treatment from ``control`` to ``treated`` does, by way of what.

    Attributes
    ----------
    means : ndarray, shape (2, 2)
        E[Y(x, M(x'))], axes the treatment ``x`` and that of the mediators ``x'``: control, treated.
    controlled_direct : ndarray of shape (mediator states,), or None
        E[Y(treated, m)] - E[Y(control, m)] for each ``m``; of one mediator's formula alone.

    References
    ----------
    Pearl (2001), "Direct and indirect effects", UAI.
    """

    means: Float64[np.ndarray, "treatment mediators"]
    controlled_direct: Float64[np.ndarray, " states"] | None = None

    @property
    def total_effect(self) -> float:
        """E[Y(treated)] - E[Y(control)]."""
        return float(self.means[1, 1] - self.means[0, 0])

    @property
    def natural_direct(self) -> float:
        """E[Y(treated, M(control))] - E[Y(control)]."""
        return float(self.means[1, 0] - self.means[0, 0])

    @property
    def natural_indirect(self) -> float:
        """E[Y(control, M(treated))] - E[Y(control)]."""
        return float(self.means[0, 1] - self.means[0, 0])

    @property
    def proportion_mediated(self) -> float:
        """``1 - natural_direct / total_effect``: the share that would be lost with the mediators.

        Raises
        ------
        CausalError
            If there is no total effect.
        """
        if self.total_effect == 0:
            raise CausalError("the total effect is zero, and no share of it is mediated")
        return 1.0 - self.natural_direct / self.total_effect

    def __repr__(self) -> str:
        return (
            f"MediationEffects(total {self.total_effect:.6g}, natural direct "
            f"{self.natural_direct:.6g}, natural indirect {self.natural_indirect:.6g})"
        )


def mediation(
    outcome_mean: object,
    mediator_probability: object,
    confounder: object = None,
    treatment: tuple[int, int] = (0, 1),
) -> MediationEffects:
    """Return natural direct and indirect effects by the mediation formula.

    ``E[Y(x, M(x'))] = Σ_w P(w) Σ_m E[Y | w, x, m] P(m | w, x')``: right where, given ``w``, nothing
    hidden confounds treatment, mediator and outcome, and ``w`` is no effect of the treatment.

    Parameters
    ----------
    outcome_mean : array-like, shape (w, x, m), or (x, m) without confounder
    mediator_probability : array-like, shape (w, x, m), or (w, x) of a binary mediator
        P(m | w, x); with one axis fewer, P(m = 1 | w, x). No axis ``w`` without confounder.
    confounder : array-like, shape (w,), optional
        P(w); left out where there is no axis ``w``, or one of length 1.
    treatment : (int, int), default (0, 1)
        The states of the treatment that are control and treated.

    Raises
    ------
    GraphError
        If shapes do not fit, a number is not finite, or probabilities are none.
    CausalError
        If there are several ``w`` and no distribution of them, or the treatment lacks a state.

    References
    ----------
    Pearl (2001), "Direct and indirect effects", UAI, equations 8 and 12.
    """
    mean = float_array(outcome_mean, "outcome_mean")
    mediator = float_array(mediator_probability, "mediator_probability")
    if mean.ndim not in (2, 3) or not np.isfinite(mean).all():
        raise GraphError(f"outcome_mean has finite numbers and axes [w,] x, m, not {mean.shape}")
    if mediator.ndim == mean.ndim - 1:
        _check_probabilities(mediator, "mediator_probability")
        mediator = np.stack([1 - mediator, mediator], -1)
    if mediator.shape != mean.shape:
        raise GraphError(f"mediator_probability has shape {mediator.shape}, not {mean.shape}")
    _check_probabilities(mediator, "mediator_probability", sums=True)
    if mean.ndim == 2:
        mean, mediator = mean[None], mediator[None]
    if confounder is None:
        if len(mean) > 1:
            raise CausalError(f"{len(mean)} states of the confounder need its distribution")
        confounder = [1.0]
    weights = float_array(confounder, "confounder")
    if weights.shape != (len(mean),):
        raise GraphError(f"confounder has shape {weights.shape}, not {(len(mean),)}")
    _check_probabilities(weights, "confounder", sums=True)
    levels = whole_numbers(treatment, "treatment", CausalError).tolist()
    if len(levels) != 2 or levels[0] == levels[1]:
        raise CausalError(f"the treatment changes from one state to another, not by {treatment!r}")
    for state in levels:
        if not 0 <= state < mean.shape[1]:
            raise CausalError(f"the treatment has {mean.shape[1]} states, and no state {state}")
    means = np.einsum("w,wxm,wzm->xz", weights, mean[:, levels], mediator[:, levels])
    direct = np.einsum("w,wm->m", weights, mean[:, levels[1]] - mean[:, levels[0]])
    return MediationEffects(means, direct)


def _check_probabilities(numbers: np.ndarray, name: str, sums: bool = False) -> None:
    if not ((numbers >= 0) & (numbers <= 1 + ROW_SUM_TOLERANCE)).all():
        raise GraphError(f"{name}: a number is no probability")
    if sums and not (abs(numbers.sum(-1) - 1) <= ROW_SUM_TOLERANCE).all():
        raise GraphError(f"{name}: a distribution does not sum to one")
