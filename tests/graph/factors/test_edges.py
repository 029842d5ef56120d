"""Pairwise factors: energies, fields, gradients and what they refuse."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import GraphError, NotTabularError

IMAGE = mm.Variable("image", 3, shape=(2, 3))
LIST = mm.Variable("list", 2, shape=(4,))
SCALAR = mm.Variable("scalar", 3)
EDGES = [[0, 5], [4, 1], [5, 2], [0, 1], [0, 5]]
WEIGHTS = [0.5, -1.0, 2.0, 0.0, 0.25]


def one_hot(codes: torch.Tensor, states: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(codes, states).double()


def fields_from_energies(factor, assignment, variable) -> torch.Tensor:
    """Minus the energy with one element changed to each of its states, up to a constant."""
    codes = assignment[variable.name]
    result = torch.empty(*codes.shape, variable.cardinality, dtype=torch.float64)
    for place in np.ndindex(variable.shape):
        for state in range(variable.cardinality):
            changed = codes.clone()
            changed[(slice(None), *place)] = state
            energy = factor.energy({**assignment, variable.name: changed})
            result[(slice(None), *place, state)] = -energy
    return result


def assert_field_fits_energy(factor, assignment) -> None:
    statistics = {v.name: one_hot(assignment[v.name], v.cardinality) for v in factor.scope}
    for variable in factor.scope:
        field = factor.field(variable, statistics)
        expected = fields_from_energies(factor, assignment, variable)
        torch.testing.assert_close(
            field - field[..., :1], expected - expected[..., :1], check_dtype=False
        )


@pytest.mark.parametrize(
    "interaction", [mm.Potts(), mm.TruncatedLinear(1.5), mm.Tabulated(torch.rand(3, 3))]
)
def test_energy_is_the_sum_over_edges(interaction):
    factor = mm.PairwiseFactor(IMAGE, EDGES, interaction, WEIGHTS)
    states = torch.randint(0, 3, (4, 2, 3))
    table = interaction.energies(3, 3)
    expected = [
        sum(
            w * float(table[int(row.flatten()[a]), int(row.flatten()[b])])
            for (a, b), w in zip(EDGES, WEIGHTS, strict=True)
        )
        for row in states
    ]
    energy = factor.energy({"image": states})
    torch.testing.assert_close(energy, torch.tensor(expected, dtype=torch.float64))
    assert_field_fits_energy(factor, {"image": states})


def test_between_two_variables():
    tables = torch.rand(3, 3, 2, dtype=torch.float64)
    pairs = [[0, 3], [5, 3], [5, 0]]
    factor = mm.PairwiseFactor((IMAGE, LIST), pairs, tables, 2.0)
    assert factor.scope == (IMAGE, LIST)
    x, y = torch.randint(0, 3, (4, 2, 3)), torch.randint(0, 2, (4, 4))
    expected = [
        2 * sum(float(tables[e, p.flatten()[a], q[b]]) for e, (a, b) in enumerate(pairs))
        for p, q in zip(x, y, strict=True)
    ]
    energy = factor.energy({"image": x, "list": y})
    torch.testing.assert_close(energy, torch.tensor(expected, dtype=torch.float64))
    assert_field_fits_energy(factor, {"image": x, "list": y})


def test_an_array_and_a_scalar():
    factor = mm.PairwiseFactor((SCALAR, IMAGE), [[0, i] for i in range(6)], mm.Potts(), 0.5)
    x, y = torch.randint(0, 3, (4,)), torch.randint(0, 3, (4, 2, 3))
    expected = 0.5 * (y != x[:, None, None]).flatten(1).sum(1).double()
    torch.testing.assert_close(factor.energy({"scalar": x, "image": y}), expected)
    assert_field_fits_energy(factor, {"scalar": x, "image": y})


def test_forbidden_pairs_with_weight_zero_are_allowed():
    hard = [[0.0, math.inf], [math.inf, 0.0]]
    factor = mm.PairwiseFactor(LIST, [[0, 1], [2, 3]], hard, [1.0, 0.0])
    states = torch.tensor([[0, 0, 0, 1], [0, 1, 0, 0]])
    assert factor.energy({"list": states}).tolist() == [0.0, math.inf]
    field = factor.field(LIST, {"list": one_hot(states, 2)})
    assert field[0].tolist() == [[0.0, -math.inf], [0.0, -math.inf], [0.0, 0.0], [0.0, 0.0]]
    assert not field.isnan().any()


def test_gradients_reach_weights_and_tables():
    weights = torch.tensor(WEIGHTS, dtype=torch.float64, requires_grad=True)
    table = torch.rand(3, 3, dtype=torch.float64, requires_grad=True)
    statistics = torch.rand(2, 2, 3, 3, dtype=torch.float64).softmax(-1)

    def field(weights, table):
        return mm.PairwiseFactor(IMAGE, EDGES, table, weights).field(IMAGE, {"image": statistics})

    # An edge of weight zero has no energy at all, so a difference there is no derivative.
    apart = weights.detach() + 0.1
    assert torch.autograd.gradcheck(field, (apart.requires_grad_(), table))


def test_no_tables_and_moves():
    factor = mm.PairwiseFactor(IMAGE, EDGES, torch.rand(3, 3, dtype=torch.float64), WEIGHTS)
    assert not factor.is_tabular
    with pytest.raises(NotTabularError):
        next(factor.tables())
    single = factor.to(dtype=torch.float32)
    assert single.edges().weights.dtype == torch.float32
    assert single.interaction.table.dtype == torch.float32
    assert single.edges().first.tolist() == [0, 4, 5, 0, 0]


def test_no_edges_at_all():
    factor = mm.PairwiseFactor(IMAGE, np.empty((0, 2), int), mm.Potts())
    assert factor.energy({"image": torch.zeros(3, 2, 3)}).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((IMAGE, [0, 1], mm.Potts()), r"edges of shape \(2,\)"),
        ((IMAGE, [[0, 1, 2]], mm.Potts()), r"edges of shape \(1, 3\)"),
        ((IMAGE, [[0, 6]], mm.Potts()), "edge 0 ends at element 6 of 'image', which has 6"),
        ((IMAGE, [[0, 1], [-1, 2]], mm.Potts()), "edge 1 ends at element -1"),
        ((IMAGE, [[0, 1], [2, 2]], mm.Potts()), "edge 1 joins element 2 to itself"),
        ((IMAGE, [[0, 1]], mm.Potts(), [1.0, 2.0]), r"weights of shape \(2,\) for 1 edges"),
        ((IMAGE, [[0, 1]], mm.Potts(), [math.nan]), "NaN or infinite"),
        ((IMAGE, [[0, 1]], mm.Potts(), [math.inf]), "NaN or infinite"),
        ((IMAGE, [[0, 1]], mm.Potts(), ["heavy"]), "not an array of numbers"),
        ((IMAGE, [[0, 1]], [[0.0, 1.0], [1.0, 0.0]]), "does not fit 3 and 3 states"),
        ((IMAGE, [[0, 1]], np.zeros((2, 3, 3))), "2 tables for 1 edges"),
        (((IMAGE, LIST), [[0, 1]], mm.Potts()), "only a table joins different numbers"),
        (((IMAGE, LIST, SCALAR), [[0, 1]], mm.Potts()), "an edge joins two variables, not 3"),
        ((LIST, [[0, 1]], [[0.0, math.inf], [0.0, 0.0]], [-1.0]), "negative weight on a table"),
        (
            (mm.Variable("x", shape=(2,), family="gaussian"), [[0, 1]], mm.Potts()),
            "'x' has no states",
        ),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(GraphError, match=message):
        mm.PairwiseFactor(*arguments)
