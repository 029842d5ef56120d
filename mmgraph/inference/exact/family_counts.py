"""Expected counts of families: what maximum likelihood needs of rows with missing cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import MmgraphError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.exact import junction_tree, torch_contraction
from mmgraph.inference.options import (
    check_device,
    check_known,
    check_model,
    check_type,
    is_elsewhere,
)


def expected_family_counts(
    model: FactorGraph,
    evidence: object = None,
    weights: object = None,
    device: str = "auto",
    **options: Any,
) -> dict[str, Float[Tensor, "*states"]]:
    """Return each conditional table's posterior, summed over the rows of evidence.

    The expected sufficient statistics of maximum likelihood with missing cells (Lauritzen 1995,
    "The EM algorithm for graphical association models with missing data").

    Parameters
    ----------
    weights : array-like, shape (batch,), optional
        How often each row counts.
    device : str
        Where exact inference runs: the compiled tree on the CPU (the default), torch elsewhere.

    Returns
    -------
    dict of str to Tensor
        By child; axes as in the scope of the child's distribution, ``(*parents, child)``.

    Raises
    ------
    MmgraphError
        If a table is no conditional distribution, or the weights do not fit the rows.
    """
    check_model(model, "expected_family_counts")
    check_known(options, ("memory_budget",), "the method 'junction_tree'")
    check_type("memory_budget", options.get("memory_budget"), "int | None")
    rows = Evidence.of(evidence, model.variables)
    shares = None if weights is None else np.asarray(weights, np.float64)
    if shares is not None and shares.shape != (rows.batch,):
        raise MmgraphError(f"weights of shape {shares.shape} for {rows.batch} rows")
    tabular = [f for f in model.factors if f.is_tabular]
    for factor in tabular:
        if factor.child is None:
            raise MmgraphError(f"{factor!r} is not a conditional distribution and has no family")
    place = check_device(device)
    counts: list[Tensor]
    if is_elsewhere(place):
        counts, _ = torch_contraction.factor_beliefs(model, rows, shares, place, **options)
    else:
        arrays, _ = junction_tree.factor_beliefs(model, rows, shares, **options)
        counts = [torch.from_numpy(array) for array in arrays]
    families = zip(tabular, counts, strict=False)
    return {f.child.name: table for f, table in families if f.child is not None}
