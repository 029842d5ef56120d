"""Grid factors against a double loop over elements and offsets."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import GraphError
from mmgraph.graph.factors.grid import neighbourhood, offset_slices
from tests.graph.factors.test_edges import assert_field_fits_energy, one_hot

SHAPES = [((5,), 2), ((3, 4), 4), ((3, 4), 8), ((2, 3, 2), 6), ((2, 3, 2), 26), ((1, 4), 4)]


def brute_force(factor: mm.GridFactor, states: torch.Tensor) -> list[float]:
    """Every element, every offset, every row."""
    variable = factor.ends[0]
    table = factor.interaction.energies(variable.cardinality, variable.cardinality)
    energies = []
    for row in states:
        total = 0.0
        for place in np.ndindex(variable.shape):
            for number, offset in enumerate(factor.offsets):
                far = tuple(int(p + step) for p, step in zip(place, offset, strict=True))
                if not all(0 <= i < n for i, n in zip(far, variable.shape, strict=True)):
                    continue
                weight = factor.weights
                weight = weight if weight.ndim == 0 else weight[number]
                weight = weight if weight.ndim == 0 else weight[place]
                total += float(weight) * float(table[int(row[place]), int(row[far])])
        energies.append(total)
    return energies


@pytest.mark.parametrize(
    "interaction",
    [mm.Potts(), mm.TruncatedLinear(1.2), mm.TruncatedQuadratic(3.0),
     mm.Tabulated(torch.arange(9.0).reshape(3, 3))],
)  # fmt: skip
@pytest.mark.parametrize(("shape", "neighbours"), SHAPES)
def test_energies_and_fields(shape, neighbours, interaction):
    generator = torch.Generator().manual_seed(0)
    v = mm.Variable("v", 3, shape=shape)
    states = torch.randint(0, 3, (3, *shape), generator=generator)
    count = len(neighbourhood(len(shape), neighbours))
    for weights in (
        0.7,
        torch.randn(count, generator=generator, dtype=torch.float64),
        torch.randn(count, *shape, generator=generator, dtype=torch.float64),
    ):
        factor = mm.GridFactor(v, interaction, weights, neighbours)
        expected = torch.tensor(brute_force(factor, states), dtype=torch.float64)
        torch.testing.assert_close(factor.energy({"v": states}), expected, check_dtype=False)
        assert_field_fits_energy(factor, {"v": states})
        edges = factor.edges()
        flat = states.reshape(3, -1)
        pairs = interaction.pair_energy(flat[:, edges.first], flat[:, edges.second], 3)
        torch.testing.assert_close((edges.weights * pairs).sum(1), expected, check_dtype=False)


def test_the_number_of_edges():
    v = mm.Variable("v", 2, shape=(3, 4))
    assert len(mm.GridFactor(v, mm.Potts()).edges().first) == 3 * 3 + 2 * 4
    assert len(mm.GridFactor(v, mm.Potts(), neighbours=8).edges().first) == 17 + 2 * 2 * 3
    assert len(mm.GridFactor(v, mm.Potts(), neighbours=[(2, 0), (0, 5)]).edges().first) == 4


@pytest.mark.parametrize(
    ("dimensions", "neighbours", "offsets"),
    [(1, 2, 1), (2, 4, 2), (2, 8, 4), (3, 6, 3), (3, 26, 13), (4, 8, 4)],
)
def test_neighbourhoods_hold_one_of_two_opposites(dimensions, neighbours, offsets):
    found = neighbourhood(dimensions, neighbours)
    assert len(found) == len(set(found)) == offsets
    assert all(tuple(-s for s in offset) not in found for offset in found)


@pytest.mark.parametrize(("dimensions", "neighbours"), [(1, 4), (2, 6), (3, 4), (0, 0), (2, 0)])
def test_unknown_neighbourhoods(dimensions, neighbours):
    with pytest.raises(GraphError, match=f"{neighbours} neighbours in {dimensions} dimensions"):
        neighbourhood(dimensions, neighbours)


def test_forbidden_pairs_with_weight_zero_are_allowed():
    v = mm.Variable("v", 2, shape=(1, 3))
    hard = [[0.0, math.inf], [math.inf, 0.0]]
    weights = torch.zeros(2, 1, 3)
    weights[0, 0, 1] = 1.0
    factor = mm.GridFactor(v, hard, weights)
    states = torch.tensor([[[0, 1, 1]], [[0, 0, 1]]])
    assert factor.energy({"v": states}).tolist() == [0.0, math.inf]
    field = factor.field(v, {"v": one_hot(states, 2)})
    assert not field.isnan().any()
    assert field[0, 0].tolist() == [[0.0, 0.0], [-math.inf, 0.0], [-math.inf, 0.0]]


def test_weights_beyond_the_border_are_not_used():
    v = mm.Variable("v", 2, shape=(2, 2))
    weights = torch.ones(2, 2, 2)
    states = torch.tensor([[[0, 1], [1, 0]]])
    inside = mm.GridFactor(v, mm.Potts(), weights).energy({"v": states})
    weights[0, :, 1] = weights[1, 1, :] = 100.0
    assert torch.equal(mm.GridFactor(v, mm.Potts(), weights).energy({"v": states}), inside)


def test_gradients_reach_the_weights():
    v = mm.Variable("v", 3, shape=(2, 3))
    statistics = torch.rand(2, 2, 3, 3, dtype=torch.float64).softmax(-1)
    weights = torch.rand(4, 2, 3, dtype=torch.float64) + 0.1
    table = torch.rand(3, 3, dtype=torch.float64)

    def field(weights, table):
        return mm.GridFactor(v, table, weights, 8).field(v, {"v": statistics})

    assert torch.autograd.gradcheck(field, (weights.requires_grad_(), table.requires_grad_()))


def test_moves_keep_offsets():
    v = mm.Variable("v", 2, shape=(2, 3))
    factor = mm.GridFactor(v, [[0.0, 1.0], [2.0, 0.0]], 0.5, [(1, -1)]).to(dtype=torch.float32)
    assert factor.offsets == ((1, -1),)
    assert factor.weights.dtype == factor.interaction.table.dtype == torch.float32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": [1.0, 2.0, 3.0]}, r"weights of shape \(3,\)"),
        ({"weights": np.ones((2, 3, 2))}, r"one number, \(2,\) or \(2, 2, 3\) was expected"),
        ({"weights": math.nan}, "NaN or infinite"),
        ({"weights": "heavy"}, "not an array of numbers"),
        ({"neighbours": 6}, "6 neighbours in 2 dimensions"),
        ({"neighbours": [(0, 1), (0, 1)]}, "joined twice"),
        ({"neighbours": [(0, 1), (0, -1)]}, "joined twice"),
        ({"neighbours": [(0, 0)]}, "no offset in 2 dimensions"),
        ({"neighbours": [(0, 1, 0)]}, "no offset in 2 dimensions"),
        ({"interaction": np.zeros((3, 3))}, "does not fit 2 and 2 states"),
        ({"interaction": np.zeros((2, 2, 2))}, "asks for a PairwiseFactor"),
        ({"interaction": [[0.0, math.inf], [0.0, 0.0]], "weights": -1.0}, "negative weight"),
    ],
)
def test_bad_input(options, message):
    v = mm.Variable("v", 2, shape=(2, 3))
    with pytest.raises(GraphError, match=message):
        mm.GridFactor(v, **{"interaction": mm.Potts(), **options})


def test_a_scalar_has_no_neighbours():
    with pytest.raises(GraphError, match="0 dimensions"):
        mm.GridFactor(mm.Variable("v", 2), mm.Potts())
    with pytest.raises(GraphError, match="'x' has no states"):
        mm.GridFactor(mm.Variable("x", shape=(3, 3), family="gaussian"), mm.Potts())


@pytest.mark.parametrize("offset", [(1, 0), (-1, 2), (0, -1), (3, 1), (5, 0)])
def test_slices_of_an_offset_hold_both_ends_of_its_edges(offset):
    places = np.argwhere(np.ones((3, 4), bool)).reshape(3, 4, 2)
    starts, stops = offset_slices((3, 4), offset)
    inside = [
        p for p in np.ndindex(3, 4) if 0 <= p[0] + offset[0] < 3 and 0 <= p[1] + offset[1] < 4
    ]
    assert places[starts].reshape(-1, 2).tolist() == [list(p) for p in inside]
    assert (places[stops] - places[starts] == offset).all()
