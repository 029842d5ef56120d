"""One value for all rows: of the rows that have observed it, and of no others."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.graph.errors import EvidenceError
from mmgraph.interop.pyro.shared import shared_value
from tests.interop.pyro.mixed_networks import chain, real, seeded

NAN = float("nan")


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=4),
    st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=5),
)
def test_each_element_is_that_of_the_rows_that_have_it(numbers, masks):
    truth = torch.tensor(numbers).double()
    mask = torch.tensor(masks)[:, : len(numbers)]
    value = shared_value(real("w", len(numbers)), torch.where(mask, truth, NAN))
    expected = torch.where(mask.any(0), truth, NAN).unsqueeze(0)
    torch.testing.assert_close(value, expected, rtol=0, atol=0, equal_nan=True)


def test_values_that_differ_at_all_are_named_with_their_rows():
    with pytest.raises(EvidenceError, match=r"'w' .* 1.0 in row 1, 1.000001 in row 2"):
        shared_value(real("w"), torch.tensor([NAN, 1.0, 1.000001], dtype=torch.float64))
    rows = torch.tensor([[1.0, NAN], [1.0, 2.0], [1.0, 3.0]]).double()
    with pytest.raises(EvidenceError, match=r"2.0 in row 1, element \[1\], 3.0 in row 2, element"):
        shared_value(real("w", 2), rows)


def test_sampling_takes_the_value_of_the_row_that_has_it():
    net = chain()
    leaf = mm.LinearGaussian(net.variables["x"], [], [], 0.0, 1.0)
    below = mm.LinearGaussian(real("y"), [net.variables["x"]], [2.0], 0.0, 1.0)
    pair = mm.BayesianNetwork([net.variables["x"], below.child], [leaf, below])
    rows = {"x": [None, 1.5, None], "y": [None, 2.0, None]}
    options = {"draws": 2000, "chains": 1, "burn_in": 0, "generator": seeded()}
    post = mm.query(pair, rows, ["x", "y"], "nuts", shared=["x"], **options)
    assert post.mean("x").tolist() == [1.5] * 3
    assert post.mean("y").tolist() == pytest.approx([3.0, 2.0, 3.0], abs=0.1)
    with pytest.raises(EvidenceError, match=r"1.5 in row 0, 1.500001 in row 1"):
        mm.query(pair, {"x": [1.5, 1.500001]}, ["y"], "nuts", shared=["x"], **options)
