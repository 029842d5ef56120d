"""Impossible evidence says where it is impossible, whichever method notices."""

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.graph.errors import ZeroProbabilityError

MARGINALS = ["auto", "enumeration", "mean_field", "belief_propagation", "gibbs", "tree_reweighted"]
ASSIGNMENTS = ["auto", "trws", "icm", "alpha_expansion", "graph_cut", "max_product"]


@pytest.mark.parametrize("method", MARGINALS + ASSIGNMENTS[1:])
@pytest.mark.parametrize("said", ["unary", "soft", "hard"])
def test_the_element_that_is_barred_is_named(method, said):
    """One pixel without a state is found by every method, and named by all of them."""
    unary, scores = np.zeros((3, 4, 2)), np.zeros((2, 3, 4, 2))
    evidence = None
    if said == "unary":
        unary[1, 2] = -np.inf
    elif said == "soft":
        scores[1, 1, 2] = -np.inf
        evidence = {"label": mm.soft(scores)}
    else:
        unary[1, 2, 1] = -np.inf
        known = np.full((2, 3, 4), -1)
        known[1, 1, 2] = 1
        evidence = {"label": known}
    row = 0 if said == "unary" else 1
    field = mm.MarkovRandomField.grid(unary)
    ask = mm.map_query if method in ASSIGNMENTS[1:] else mm.query
    with pytest.raises(
        ZeroProbabilityError, match=rf"'label', row {row}, element \[1, 2\], is left without"
    ):
        ask(field, evidence, method=method)
