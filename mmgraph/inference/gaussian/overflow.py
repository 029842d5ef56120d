"""Answers that doubles do not hold, told by the variable that they are about."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

from mmgraph.graph.errors import UnderflowError
from mmgraph.inference.gaussian.answers import Answers
from mmgraph.inference.gaussian.model import GaussianModel


def refuse_overflow(
    model: GaussianModel, answers: Answers, wanted: Int64[np.ndarray, " wanted"]
) -> None:
    """Raise UnderflowError if an equation, a mean or a variance left the range of doubles."""
    element = _lost_element(answers, wanted)
    if element >= 0:
        name = f"'{model.variable_of(element).name}'"
    elif np.isnan(answers.log_density).any():
        name = ", ".join(f"'{v.name}'" for v in model.variables[:4])
        name += ", …" if len(model.variables) > 4 else ""
    else:
        return
    raise UnderflowError(
        f"the distribution of {name} given the evidence has numbers beyond the range of doubles: "
        "choose units in which its coefficients, variances and values are moderate"
    )


def _lost_element(answers: Answers, wanted: Int64[np.ndarray, " wanted"]) -> int:
    """An element with numbers that are not finite, or -1."""
    unsolved = int(answers.repeated.min(initial=0))
    if unsolved < 0:
        return -1 - unsolved
    for axis, numbers in ((1, answers.means), (1, answers.variances), (3, answers.covariances)):
        if not np.isfinite(numbers).all():
            return int(wanted[np.argwhere(~np.isfinite(numbers))[0, axis]])
    return -1
