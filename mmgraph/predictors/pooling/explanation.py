"""What each modality and each leaf said for and against each class of a row."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import needs
from mmgraph.predictors.pooling.pooled_leaves import PooledLeaves


@dataclass(frozen=True, eq=False)
class Explanation:
    """How posteriors came about, in nats.

    What a leaf gives a class is its power times its log-likelihood, less the mean over classes: the
    logarithm of a posterior is that of the prior, plus what all leaves give, up to a constant a
    row.

    Attributes
    ----------
    classes : tuple
        The labels.
    leaves : tuple of (modality, leaf)
        Leaves of several modalities are of ``joint``.
    nats : ndarray, shape (leaves, rows, classes)
        What each leaf gives for (above zero) and against (below) each class.
    prior : ndarray, shape (classes,)
        The probabilities without any leaf.
    posterior : ndarray, shape (rows, classes)
        The probabilities.
    without : dict of str to ndarray
        The probabilities if one more modality were missing, ``(rows, classes)`` each.
    """

    classes: tuple[Any, ...]
    leaves: tuple[tuple[str, str], ...]
    nats: Float64[np.ndarray, "leaves rows classes"]
    prior: Float64[np.ndarray, " classes"]
    posterior: Float64[np.ndarray, "rows classes"]
    without: dict[str, Float64[np.ndarray, "rows classes"]]

    def to_frame(self) -> Any:
        """Return a line for each row and leaf, with the nats for and against each class.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        with needs("data", "pandas", "a data frame"):
            import pandas
        lines = [
            {"row": row, "modality": modality, "leaf": leaf}
            | dict(zip(self.classes, self.nats[place, row].tolist(), strict=True))
            for row in range(self.nats.shape[1])
            for place, (modality, leaf) in enumerate(self.leaves)
        ]
        return pandas.DataFrame(lines)


def explained(
    model: PooledLeaves, data: MultimodalData, given: Collection[str] | None
) -> Explanation:
    """Return how the posteriors of rows came about, as of :meth:`PooledLeaves.predict_proba`."""
    asked = list(model.modalities if given is None else given)
    nats = model.contributions(data, asked)
    places = [leaf.place for leaf in model.leaves]
    return Explanation(
        model.target.labels,
        tuple((p.modalities[0] if len(p.modalities) == 1 else "joint", p.name) for p in places),
        nats - nats.mean(2, keepdims=True),
        np.exp(model.log_prior),
        model.predict_proba(data, asked),
        {m: model.predict_proba(data, [other for other in asked if other != m]) for m in asked},
    )
