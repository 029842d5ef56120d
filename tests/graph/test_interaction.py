"""Interactions: tables, pairs and means agree with each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import GraphError

TABLE = torch.tensor([[0.0, 2.0, -1.0], [3.0, 0.5, 1.0], [0.25, 0.0, 4.0]], dtype=torch.float64)
CASES = [
    (mm.Potts(), lambda x, y: float(x != y)),
    (mm.TruncatedLinear(), lambda x, y: float(abs(x - y))),
    (mm.TruncatedLinear(1.5), lambda x, y: min(1.5, abs(x - y))),
    (mm.TruncatedQuadratic(), lambda x, y: float((x - y) ** 2)),
    (mm.TruncatedQuadratic(2.5), lambda x, y: min(2.5, (x - y) ** 2)),
    (mm.Tabulated(TABLE), lambda x, y: float(TABLE[x, y])),
]
NAMES = [repr(interaction) for interaction, _ in CASES]


@pytest.mark.parametrize(("interaction", "energy"), CASES, ids=NAMES)
def test_tables_and_pairs_are_the_definition(interaction, energy):
    expected = torch.tensor([[energy(x, y) for y in range(3)] for x in range(3)])
    torch.testing.assert_close(interaction.energies(3, 3), expected, check_dtype=False)
    x, y = torch.meshgrid(torch.arange(3), torch.arange(3), indexing="ij")
    pairs = interaction.pair_energy(x, y, 3)
    torch.testing.assert_close(pairs, expected, check_dtype=False)


@pytest.mark.parametrize(("interaction", "energy"), CASES, ids=NAMES)
def test_means_are_tables_times_distributions(interaction, energy):
    statistics = torch.rand(2, 4, 3, dtype=torch.float64)
    statistics /= statistics.sum(-1, keepdim=True)
    expected = statistics @ interaction.energies(3, 3).mT
    torch.testing.assert_close(interaction.expected(statistics), expected)


def test_a_table_has_two_sides():
    statistics = torch.rand(4, 2, dtype=torch.float64)
    wide = mm.Tabulated(TABLE[:2])
    torch.testing.assert_close(wide.expected(statistics, transposed=True), statistics @ TABLE[:2])
    with pytest.raises(GraphError, match="does not fit 3 and 3 states"):
        wide.energies(3, 3)


def test_a_table_for_each_edge():
    tables = torch.rand(5, 2, 3, dtype=torch.float64)
    interaction = mm.Tabulated(tables)
    assert not interaction.is_shared
    first, second = torch.tensor([[0, 1, 0, 1, 1]]), torch.tensor([[2, 2, 0, 1, 0]])
    found = interaction.pair_energy(first, second, 2)
    assert found[0].tolist() == [float(tables[e, first[0, e], second[0, e]]) for e in range(5)]
    statistics = torch.rand(7, 5, 3, dtype=torch.float64)
    expected = torch.einsum("exy,bey->bex", tables, statistics)
    torch.testing.assert_close(interaction.expected(statistics), expected)


def test_zero_times_infinity_is_zero():
    interaction = mm.Tabulated([[0.0, math.inf], [1.0, 2.0]])
    found = interaction.expected(torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]))
    assert found.tolist() == [[0.0, 1.0], [math.inf, 1.5], [math.inf, 2.0]]


def test_equal_interactions_are_equal():
    assert mm.TruncatedLinear(2.0) == mm.TruncatedLinear(2.0) != mm.TruncatedLinear(3.0)
    assert mm.Potts() == mm.Potts()


def test_lists_become_doubles_and_tensors_keep_their_precision():
    assert mm.Tabulated([[0, 1], [1, 0]]).table.dtype == torch.float64
    assert mm.Tabulated([[0.0, 0.1], [0.1, 0.0]]).table.dtype == torch.float64
    assert mm.Tabulated(np.zeros((2, 2), np.float32)).table.dtype == torch.float32


@pytest.mark.parametrize("kind", [mm.TruncatedLinear, mm.TruncatedQuadratic])
@pytest.mark.parametrize("truncation", [0, -1.0, math.nan, -math.inf])
def test_truncations_are_positive(kind, truncation):
    with pytest.raises(GraphError, match="truncation must be positive"):
        kind(truncation)


@pytest.mark.parametrize(
    ("energies", "message"),
    [
        ([0.0, 1.0], r"shape \(2,\)"),
        (np.zeros((2, 0)), r"shape \(2, 0\)"),
        (np.zeros((1, 1, 1, 1)), "was expected"),
        ([[0.0, math.nan]], r"energy at \(0, 1\) is nan"),
        ([[0.0], [-math.inf]], r"energy at \(1, 0\) is -inf"),
        ([["a"]], "not an array of numbers"),
        ([[0.0, 1.0], [1.0]], "not an array of numbers"),
    ],
)
def test_bad_tables(energies, message):
    with pytest.raises(GraphError, match=message):
        mm.Tabulated(energies)
