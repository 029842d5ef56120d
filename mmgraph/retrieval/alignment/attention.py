"""An alignment in which every item chooses among those of the other side by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import softmax

from mmgraph.graph.errors import MmgraphError
from mmgraph.retrieval.alignment.alignment import Alignment
from mmgraph.retrieval.alignment.scores import Scores, checked_pair


def attention(a: Any, b: Any, *, temperature: float | None = None, null: float = 0.0) -> Alignment:
    """Return how probably two items choose each other, by scaled dot products.

    Each row chooses a column or the null item in proportion to exp(product / temperature) (Vaswani
    et al. 2017, section 3.2.1), and each column a row, independently: the dual softmax of Sun et
    al. 2021, "LoFTR", section 3.3. What is not chosen back counts as no match.

    Parameters
    ----------
    a, b : array-like of float, shape (rows, features) and (columns, features)
        Taken as they are: neither standardised nor scaled.
    temperature : float, optional
        By default the square root of the number of features.
    null : float
        The product of anything with the null item; by default that of the zero vector. -inf: there
        is no such item.

    Returns
    -------
    Alignment
        ``pairs`` are each other's first choice, before the null item; ``score`` is the sum of
        their products.

    Raises
    ------
    MmgraphError
        If a side is empty, not finite or of another width, or an option is not what it must be.
    """
    first, second = checked_pair(a, b)
    heat = float(np.sqrt(first.shape[1])) if temperature is None else temperature
    if not (0 < heat < np.inf and null < np.inf):
        raise MmgraphError(
            "the temperature is above zero, the product with the null item is a number, and both "
            f"are finite: {temperature}, {null}"
        )
    products = first @ second.T
    sides = [_chosen(products, heat, null), _chosen(products.T, heat, null).T]
    best = (sides[0] == sides[0].max(1, keepdims=True)) & (sides[1] == sides[1].max(0))
    pairs = np.argwhere(best & (products > null))
    both = sides[0] * sides[1]
    score = float(products[pairs[:, 0], pairs[:, 1]].sum())
    rows, columns = (np.clip(1 - both.sum(axis), 0, 1) for axis in (1, 0))
    return Alignment("attention", both, pairs, score, rows, columns, temperature=heat)


def _chosen(products: Scores, heat: float, null: float) -> Scores:
    """How probably each row chooses each column."""
    logits = np.c_[products, np.full(len(products), null)] / heat
    return np.asarray(softmax(logits, axis=1)[:, :-1])
