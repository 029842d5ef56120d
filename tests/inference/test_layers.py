"""Which method answers for layers of units, and what those say that cannot."""

from __future__ import annotations

import pytest
import torch

import mmgraph as mm
from mmgraph.graph import errors
from tests.inference.unit_models import random_machine


def restricted(visible: int, hidden: int, family: str = "bernoulli") -> mm.FactorGraph:
    v = mm.Variable("v", shape=(visible,), family=family)
    h = mm.Variable("h", shape=(hidden,), family="bernoulli")
    generator = torch.Generator().manual_seed(0)
    precision = None if family == "bernoulli" else torch.ones(visible)
    return mm.FactorGraph(
        [v, h],
        [
            mm.BiasFactor(v, torch.zeros(visible), precision),
            mm.BiasFactor(h, torch.zeros(hidden)),
            mm.BilinearFactor(v, h, 0.05 * torch.randn(visible, hidden, generator=generator)),
        ],
    )


def test_auto_sums_small_machines_and_approximates_large_ones():
    small, large = restricted(6, 4), restricted(60, 50)
    assert mm.query(small).method == "layer_summation"
    assert mm.map_query(small).method == "layer_summation"
    assert mm.query(large).method == "mean_field"
    found = mm.map_query(large)
    assert found.method == "icm"
    assert not found.exact
    drawn = mm.sample(large, 3, generator=torch.Generator().manual_seed(0), burn_in=2).codes
    assert drawn["v"].shape == (3, 60)
    # What is observed need not be listed.
    assert mm.query(large, {"v": torch.zeros(2, 60).long()}).method == "layer_summation"


def test_auto_does_not_approximate_the_log_partition_function():
    with pytest.raises(errors.TreewidthError, match=r"annealed_importance_sampling.*mean_field"):
        mm.log_partition(restricted(60, 50))
    bound = mm.log_partition(restricted(60, 50), method="mean_field")
    assert torch.isfinite(bound).all()


def test_rows_together_count_as_terms():
    graph = restricted(40, 12)
    assert mm.query(graph).method == "layer_summation"
    many = {"v": torch.full((100, 40), -1).long()}
    many["v"][:, 0] = 1
    assert mm.query(graph, many).method == "mean_field"
    assert mm.query(graph, many, most_terms=2**20).method == "layer_summation"


@pytest.mark.parametrize("method", ["junction_tree", "belief_propagation", "enumeration"])
def test_methods_on_tables_refuse_layers_without_states(method):
    with pytest.raises(errors.NotTabularError, match="'v' is gaussian, which no table holds"):
        mm.query(restricted(3, 2, "gaussian"), method=method)


def test_methods_on_tables_refuse_too_many_pairs():
    with pytest.raises(errors.NotTabularError, match=r"250,000 pairs of units.*up to 200,000"):
        mm.query(restricted(500, 500), method="belief_propagation")


def test_layer_summation_is_for_layers():
    v = mm.Variable("v", 3)
    with pytest.raises(errors.MmgraphError, match="this graph has none"):
        mm.query(mm.FactorGraph([v], [mm.UnaryFactor(v, torch.zeros(3))]), method="layer_summation")


def test_unknown_names_are_named_with_the_nearest():
    graph = restricted(3, 2)
    with pytest.raises(errors.MmgraphError, match=r"layer_sumation.*layer_summation"):
        mm.query(graph, method="layer_sumation")
    for method in ("layer_summation", "mean_field", "gibbs"):
        with pytest.raises(errors.UnknownVariableError, match="hh"):
            mm.query(graph, None, ["hh"], method=method)
    with pytest.raises(errors.UnknownVariableError, match="vv"):
        mm.query(graph, {"vv": [1, 0, 0]})
    with pytest.raises(errors.MmgraphError, match=r"no option 'step'.*steps"):
        mm.query(graph, method="annealed_importance_sampling", step=3)


def test_values_out_of_range_are_refused():
    with pytest.raises(
        errors.MmgraphError, match=r"row 1, element \[2\]: .*'v' has 2 states; index 7"
    ):
        mm.query(restricted(3, 2), {"v": [[0, 1, 0], [0, 1, 7]]})
    with pytest.raises(errors.EvidenceError, match=r"'v' is infinite in row 0, element \[1\]"):
        mm.query(restricted(2, 2, "gaussian"), {"v": [0.0, float("inf")]})


def test_single_elements_are_evidence_too():
    graph = random_machine(3, ["bernoulli", "bernoulli"], joined=1.0)
    name = next(n for n, v in graph.variables.items() if v.shape)
    variable = graph.variables[name]
    element = f"{name}[{','.join('0' * len(variable.shape))}]"
    whole = torch.full((1, *variable.shape), -1)
    whole.reshape(-1)[0] = 1
    torch.testing.assert_close(mm.log_partition(graph, {element: 1}),
                               mm.log_partition(graph, {name: whole}))  # fmt: skip


@pytest.mark.parametrize("family", ["gaussian", "rectified_gaussian", "replicated_softmax"])
def test_units_without_a_base_measure_are_refused(family):
    v, h = (
        mm.Variable("v", shape=(2,), family=family),
        mm.Variable("h", shape=(2,), family="bernoulli"),
    )
    graph = mm.FactorGraph([v, h], [mm.BilinearFactor(v, h, torch.eye(2))])
    for method in ("auto", "mean_field", "gibbs"):
        with pytest.raises(errors.GraphError, match=f"'v' is {family} and has no base measure"):
            mm.query(graph, method=method)


def test_values_of_each_family_are_asked_for_by_their_name():
    graph = restricted(2, 2, "gaussian")
    posterior = mm.query(graph)
    assert set(posterior.variables) == {"v", "h"}
    with pytest.raises(
        errors.UnknownVariableError, match="gaussian, and has a mean and a variance"
    ):
        posterior.marginal("v")
    assert mm.query(graph, None, "h").variables == ("h",)
