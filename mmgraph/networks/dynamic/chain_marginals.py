"""What models of several hidden chains answer about a sequence."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


class ChainMarginals(dict[str, np.ndarray]):
    """The distribution of each step's state, ``(length, states)``, by chain.

    Attributes
    ----------
    method : str
        What answered.
    exact : bool
        Whether it is exact up to rounding.
    log_likelihood : float
        Of the sequence; a lower bound where the method is structured mean field.
    """

    def __init__(
        self, marginals: Mapping[str, np.ndarray], method: str, exact: bool, log_likelihood: float
    ) -> None:
        super().__init__(marginals)
        self.method, self.exact, self.log_likelihood = method, exact, log_likelihood
