"""Moves against listing all mixtures; searches against bounds, PyMaxflow and their own energies."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, reject, settings

import mmgraph as mm
from mmgraph.graph import errors
from mmgraph.inference.messages.trws import Search, trws
from mmgraph.inference.minimisation.binary_energy import Energies, best_choice
from mmgraph.inference.minimisation.move_making import (
    MoveMaking,
    alpha_beta_swap,
    alpha_expansion,
    improve,
)
from mmgraph.inference.minimisation.moves import (
    broken_metric,
    expansion_move,
    fusion_move,
    swap_move,
)
from mmgraph.inference.pairwise.build import pairwise_graph
from mmgraph.inference.pairwise.energy_kernels import labelling_energy
from mmgraph.inference.pairwise.feasible import feasible_labelling
from tests.inference.mixed_models import log_weights, mixed_graph
from tests.inference.models import nothing, seeds

METRICS = (mm.Potts(), mm.TruncatedLinear(1.5), mm.TruncatedLinear())
SEMIMETRICS = (*METRICS, mm.TruncatedQuadratic(3.0), mm.TruncatedQuadratic())


def grid(shape, states, interaction, seed=0, noise=2.0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    v = mm.Variable("label", states, shape)
    unary = noise * torch.randn(*shape, states, generator=generator, dtype=dtype)
    weights = torch.rand(2, *shape, generator=generator, dtype=dtype)
    return mm.FactorGraph([v], [mm.UnaryFactor(v, unary), mm.GridFactor(v, interaction, weights)])


def energies_of(graph):
    pairwise = pairwise_graph(graph)
    return Energies(pairwise, pairwise.unary(nothing(graph), 0))


def energy(energies, labelling):
    edges = energies.pairwise.edge_arrays
    return float(labelling_energy(labelling, energies.unary, edges))


def mixtures(zero, one):
    """All labellings between two."""
    differing = np.flatnonzero(zero != one)
    for choice in itertools.product((False, True), repeat=len(differing)):
        mixed = zero.copy()
        mixed[differing] = np.where(choice, one[differing], zero[differing])
        yield mixed


def random_labelling(pairwise, seed):
    generator = np.random.default_rng(seed)
    return generator.integers(0, pairwise.cardinalities).astype(np.int32)


@pytest.mark.parametrize("interaction", METRICS, ids=repr)
@pytest.mark.parametrize("seed", range(5))
def test_an_expansion_is_the_best_of_its_kind(interaction, seed):
    energies = energies_of(grid((3, 3), 4, interaction, seed))
    labelling = random_labelling(energies.pairwise, seed)
    for state in range(4):
        moved = expansion_move(energies, labelling, state)
        proposal = np.full_like(labelling, state)
        best = min(energy(energies, m) for m in mixtures(labelling, proposal))
        assert energy(energies, moved) == pytest.approx(best, abs=1e-9)
        assert ((moved == labelling) | (moved == state)).all()


@pytest.mark.parametrize("interaction", SEMIMETRICS, ids=repr)
def test_a_swap_is_the_best_of_its_kind(interaction):
    energies = energies_of(grid((3, 4), 3, interaction, seed=1))
    labelling = random_labelling(energies.pairwise, 2)
    for first, second in itertools.combinations(range(3), 2):
        moved = swap_move(energies, labelling, first, second)
        both = (labelling == first) | (labelling == second)
        zero, one = (np.where(both, s, labelling).astype(np.int32) for s in (first, second))
        best = min(energy(energies, m) for m in mixtures(zero, one))
        assert energy(energies, moved) == pytest.approx(best, abs=1e-9)
        assert (moved[~both] == labelling[~both]).all()


@settings(max_examples=60)
@given(seed=seeds)
def test_a_fusion_lies_between_its_labellings_and_never_raises_the_energy(seed):
    graph = mixed_graph(seed, zeros=0.2, leaves=False)
    energies = energies_of(graph)
    p = energies.pairwise
    try:
        zero = feasible_labelling(p, energies.unary)
    except errors.ZeroProbabilityError:
        reject()
    one = random_labelling(p, seed)
    moved = fusion_move(energies, zero, one)
    assert ((moved == zero) | (moved == one)).all()
    assert energy(energies, moved) <= energy(energies, zero) < np.inf
    # Roof duality itself never does harm, before anything is compared.
    assert energy(energies, best_choice(energies, zero, one)) <= energy(energies, zero) + 1e-9


def test_roof_duality_decides_opposed_trees():
    """On a tree the dual is tight, whatever the edges reward."""
    v = mm.Variable("label", 2, (1, 9))
    generator = np.random.default_rng(4)
    graph = mm.FactorGraph(
        [v],
        [
            mm.UnaryFactor(v, generator.normal(size=(1, 9, 2))),
            mm.GridFactor(v, mm.Potts(), generator.normal(size=(2, 1, 9)) * 2),
        ],
    )
    energies = energies_of(graph)
    zero = np.zeros(9, np.int32)
    moved = best_choice(energies, zero, zero + np.int32(1))
    best = -float(log_weights(graph, nothing(graph), 0).max()) - energies.pairwise.constant
    assert energy(energies, moved) == pytest.approx(best, abs=1e-9)


def test_a_move_stays_in_its_region():
    energies = energies_of(grid((6, 6), 3, mm.Potts()))
    labelling = random_labelling(energies.pairwise, 0)
    inside = np.array([7, 8, 13, 14])
    region = energies.region(inside)
    proposal = np.where(np.isin(np.arange(36), inside), 2, labelling).astype(np.int32)
    for state_region in (region, energies.around(np.arange(36) == 7, 0)):
        moved = expansion_move(energies, labelling, 2, state_region)
        outside = np.setdiff1d(np.arange(36), state_region.nodes)
        assert (moved[outside] == labelling[outside]).all()
    best = min(energy(energies, m) for m in mixtures(labelling, proposal))
    assert energy(energies, expansion_move(energies, labelling, 2, region)) == pytest.approx(best)
    assert energies.around(np.arange(36) == 14, 1).nodes.tolist() == [8, 13, 14, 15, 20]


@pytest.mark.parametrize("interaction", METRICS, ids=repr)
def test_messages_change_no_move(interaction):
    graph = grid((12, 12), 4, interaction, seed=3)
    energies = energies_of(graph)
    search = Search.of_row(energies.pairwise, nothing(graph), 0)
    search.run(2)
    told = Energies(energies.pairwise, energies.unary, search.messages)
    labelling = random_labelling(energies.pairwise, 5)
    for state in range(4):
        ours = expansion_move(told, labelling, state)
        plain = expansion_move(energies, labelling, state)
        assert energy(energies, ours) == pytest.approx(energy(energies, plain), abs=1e-9)


@settings(max_examples=25)
@given(seed=seeds)
def test_improving_mixed_graphs_never_raises_the_energy(seed):
    graph = mixed_graph(seed, zeros=0.15, leaves=False)
    pairwise = pairwise_graph(graph)
    best = -float(log_weights(graph, nothing(graph), 0).max()) - pairwise.constant
    search = Search.of_row(pairwise, nothing(graph), 0)
    try:
        search.run(1)
        search.settle()
    except errors.ZeroProbabilityError:
        reject()
    given_labelling = search.labelling.copy()
    labelling, found = improve(pairwise, search.unary, search.labelling, search.messages)
    assert best - 1e-9 <= found <= search.energy + 1e-9
    assert found == pytest.approx(search.energy_of(labelling), abs=1e-9)
    assert (search.labelling == given_labelling).all()


@pytest.mark.parametrize(
    ("interaction", "kind"),
    [
        (mm.Potts(), "expansion"),
        (mm.TruncatedLinear(2.0), "expansion"),
        (mm.TruncatedQuadratic(3.0), "swap"),
        (mm.Tabulated([[1.0, 0, 1], [0, 1, 0], [1, 0, 1]]), "fusion"),
    ],
    ids=repr,
)
def test_the_strongest_moves_that_the_edges_allow_are_chosen(interaction, kind):
    v = mm.Variable("label", 3, (8, 8))
    unary = torch.randn(8, 8, 3, generator=torch.Generator().manual_seed(0)).double()
    graph = mm.FactorGraph([v], [mm.UnaryFactor(v, unary), mm.GridFactor(v, interaction, 0.6)])
    energies = energies_of(graph)
    start = random_labelling(energies.pairwise, 0)
    search = MoveMaking(energies, start)
    assert search.kind == kind
    _, found = improve(energies.pairwise, energies.unary, start)
    assert found < energy(energies, start)
    assert found >= float(trws(graph, nothing(graph)).lower_bound) - 1e-9


def test_improving_closes_the_gap_that_messages_leave():
    graph = grid((40, 40), 5, mm.Potts(), seed=2, noise=0.5)
    pairwise = pairwise_graph(graph)
    search = Search.of_row(pairwise, nothing(graph), 0)
    search.run(3)
    _, found = improve(pairwise, search.unary, search.labelling, search.messages)
    assert search.bound <= found < search.energy


def test_a_deadline_that_has_passed_stops_before_the_first_move():
    energies = energies_of(grid((5, 5), 3, mm.Potts()))
    start = random_labelling(energies.pairwise, 0)
    labelling, found = improve(energies.pairwise, energies.unary, start, deadline=0.0)
    assert (labelling == start).all()
    assert found == energy(energies, start)


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (4, 5)])
@pytest.mark.parametrize("states", [1, 2, 4])
@pytest.mark.parametrize("method", [alpha_expansion, alpha_beta_swap])
def test_searches_end_where_no_move_helps(method, shape, states):
    graph = grid(shape, states, mm.TruncatedLinear(2.0), seed=states)
    found = method(graph, nothing(graph), cycles=20)
    assert found.converged
    assert not found.exact
    torch.testing.assert_close(graph.energy(found.states), found.energy)
    again = method(graph, nothing(graph), initial=found.states)
    assert torch.equal(again["label"], found["label"])
    if states == 2:
        best = trws(graph, nothing(graph), iterations=500)
        assert float(found.energy) <= float(best.energy) + 1e-9


def test_expansion_reaches_the_energy_of_pymaxflow():
    fastmin = pytest.importorskip("maxflow.fastmin")
    v = mm.Variable("label", 6, (30, 40))
    unary = np.random.default_rng(0).random((30, 40, 6)) * 3
    for interaction in (mm.Potts(), mm.TruncatedLinear(3.0)):
        table = interaction.energies(6, 6).numpy()
        graph = mm.FactorGraph([v], [mm.UnaryFactor(v, -unary), mm.GridFactor(v, interaction)])
        theirs = fastmin.aexpansion_grid(unary, table, 5)
        ours = alpha_expansion(graph, nothing(graph))
        peer = float(graph.energy({"label": theirs}))
        assert float(ours.energy) == pytest.approx(peer, rel=0.002)


def test_all_equal_unaries_give_a_constant_labelling():
    v = mm.Variable("label", 3, (6, 6))
    graph = mm.FactorGraph([v], [mm.GridFactor(v, mm.Potts())])
    start = torch.arange(36).reshape(6, 6) % 3
    found = alpha_expansion(graph, nothing(graph), initial={"label": start})
    assert float(found.energy) == 0.0


def test_evidence_rows_differ_and_hold():
    graph = grid((4, 4), 3, mm.Potts())
    codes = np.full((2, 4, 4), -1)
    codes[0, 1, 1], codes[1, 2, 3] = 2, 0
    for method in (alpha_expansion, alpha_beta_swap):
        found = method(graph, mm.Evidence.of({"label": codes}, graph.variables))
        assert int(found["label"][0, 1, 1]) == 2
        assert int(found["label"][1, 2, 3]) == 0
        assert torch.isfinite(found.energy).all()


def test_nodes_of_different_numbers_of_states():
    generator = np.random.default_rng(0)
    few, many = mm.Variable("few", 2, (4,)), mm.Variable("many", 4, (4,))
    table = np.array([[0.0, 1, 1, 1], [1, 0, 1, 1]])
    graph = mm.FactorGraph(
        [few, many],
        [
            mm.UnaryFactor(few, generator.normal(size=(4, 2))),
            mm.UnaryFactor(many, generator.normal(size=(4, 4))),
            mm.PairwiseFactor((few, many), [(i, i) for i in range(4)], table),
            mm.GridFactor(many, mm.Potts(), 0.5),
            mm.GridFactor(few, mm.Potts(), 0.5),
        ],
    )
    best = -float(log_weights(graph, nothing(graph), 0).max())
    for method in (alpha_expansion, alpha_beta_swap):
        found = method(graph, nothing(graph))
        assert best - 1e-9 <= float(found.energy) <= best + 0.5


def test_a_forbidden_start_is_mended():
    v = mm.Variable("label", 2, (1, 2))
    unary = np.array([[[1.0, 0.0], [0.0, 1.0]]])
    graph = mm.FactorGraph(
        [v],
        [mm.UnaryFactor(v, unary), mm.GridFactor(v, mm.Tabulated([[0.0, np.inf], [1.0, 0.0]]))],
    )
    found = alpha_expansion(graph, nothing(graph))
    assert float(found.energy) == pytest.approx(-1.0)


def test_evidence_without_a_state_left_is_refused():
    v = mm.Variable("label", 2, (1, 2))
    unary = np.zeros((1, 2, 2))
    unary[0, 1] = -np.inf
    graph = mm.FactorGraph([v], [mm.UnaryFactor(v, unary), mm.GridFactor(v, mm.Potts())])
    with pytest.raises(errors.ZeroProbabilityError):
        alpha_expansion(graph, nothing(graph))


def test_edges_that_are_no_metric_are_named_with_three_states():
    graph = grid((2, 2), 3, mm.TruncatedQuadratic())
    message = (
        r"between 'label'\[0, 0\] and 'label'\[0, 1\] is no metric: E\(0, 2\) \+ E\(1, 1\) exceeds "
        r"E\(0, 1\) \+ E\(1, 2\); state 1 cannot expand"
    )
    with pytest.raises(errors.GraphError, match=message):
        alpha_expansion(graph, nothing(graph))
    repulsive = grid((2, 2), 3, mm.Tabulated(np.eye(3)))
    with pytest.raises(errors.GraphError, match=r"no semimetric: E\(1, 1\) \+ E\(0, 0\) exceeds"):
        alpha_beta_swap(repulsive, nothing(repulsive))
    assert broken_metric(energies_of(graph)) is not None
    assert broken_metric(energies_of(graph), semimetric=True) is None


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"cycles": 0}, errors.MmgraphError, "cycles must be at least 1, not 0"),
        ({"initial": {"labl": 0}}, errors.UnknownVariableError, "did you mean 'label'"),
        ({"initial": {"label": np.zeros((2, 3))}}, errors.MmgraphError, "shape"),
        ({"initial": {"label": np.full((3, 3), 7)}}, errors.MmgraphError, "outside"),
        ({"variables": ["lab"]}, errors.UnknownVariableError, "no variable"),
    ],
)
def test_bad_options_are_refused(options, error, message):
    graph = grid((3, 3), 3, mm.Potts())
    with pytest.raises(error, match=message):
        alpha_expansion(graph, nothing(graph), **options)
