"""Methods that know discrete variables alone, asked about mixed networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import EvidenceError, MmgraphError, TreewidthError
from mmgraph.inference import dispatch
from mmgraph.inference.field.discrete_part import check_joint_beliefs
from mmgraph.inference.gaussian import clusters
from mmgraph.inference.methods import METHODS
from tests.inference.gaussian.mixed_networks import as_evidence, random_mixed, rows_with_gaps

SUMMED_OUT = [m for m in METHODS.values() if not (m.exact or m.takes_real or m.view == "layers")]
"""The methods before which continuous variables are summed out."""
OF_FEW_ENERGIES = ("graph_cut", "alpha_expansion")
FEW = {
    "parallel_tempering": {"draws": 400},
    "annealed_importance_sampling": {"steps": 100, "chains": 400},
}


def asking(question):
    return [pytest.param(m, id=m.name) for m in SUMMED_OUT if question in m.functions]


def options_of(method):
    seed = {"generator": torch.Generator().manual_seed(0)} if method.seeded else {}
    return {**method.options, **FEW.get(method.name, {}), **seed}


def mixed(seed, degenerate=0.0, missing=0.5):
    rng = np.random.default_rng(seed)
    net, roots = random_mixed(rng, 3, 4, degenerate)
    return net, as_evidence(net, rows_with_gaps(net, roots, rng, 2, missing))


def chain_of_two():
    """A network in which messages are exact: a -> x -> y, and b -> y, with x not observed."""
    a, b = mm.Variable("a", 2), mm.Variable("b", 3)
    x, y = mm.Variable("x", family="gaussian"), mm.Variable("y", family="gaussian")
    tables = [
        mm.TableFactor([a], [0.3, 0.7], child=a),
        mm.TableFactor([b], [0.2, 0.3, 0.5], child=b),
    ]
    real = [
        mm.LinearGaussian(x, [a], [[], []], [0.0, 2.0], [1.0, 0.5]),
        mm.LinearGaussian(y, [b, x], [[1.0], [0.5], [-1.0]], [0.0, 1.0, 2.0], [0.5, 1.0, 0.2]),
    ]
    return mm.BayesianNetwork([a, b, x, y], [*tables, *real])


@pytest.mark.parametrize("method", asking("query"))
@pytest.mark.parametrize("seed", [0, 3, 6])
def test_marginals_beside_the_exact_ones(method, seed):
    net, evidence = mixed(seed, 0.3 if seed == 3 else 0.0)
    truth = mm.query(net, evidence)
    found = mm.query(net, evidence, method=method.variant_of or method.name, **options_of(method))
    assert (found.method, found.exact, found.batch) == (method.name, False, 2)
    loose = "mean_field" in method.name or method.name == "tree_reweighted"
    for name, marginal in found.marginals.items():
        torch.testing.assert_close(
            marginal, truth.marginal(name), rtol=0, atol=0.5 if loose else 0.16
        )
    if found.has_log_partition:
        away = found.log_partition - truth.log_partition
        assert float(away.abs().max()) < (1.5 if loose else 0.1)
        if found.log_partition_kind == "lower bound":
            assert bool((away < 1e-6).all())
        if found.log_partition_kind == "upper bound":
            assert bool((away > -1e-6).all())


@pytest.mark.parametrize("method", [m for m in asking("map_query") if m.id not in OF_FEW_ENERGIES])
@pytest.mark.parametrize("seed", [0, 3])
def test_best_states_beside_the_exact_ones(method, seed):
    if method.name == "branch_and_bound":
        pytest.importorskip("pytoulbar2")
    net, evidence = mixed(seed)
    names = [n for n, v in net.variables.items() if v.is_discrete]
    truth = mm.map_query(net, evidence, names)
    found = mm.map_query(net, evidence, names, method=method.name)
    assert bool((found.log_weight <= truth.log_weight + 1e-9).all())
    at_optimum = mm.log_partition(net, {**evidence, **{n: mm.index(found[n]) for n in names}})
    torch.testing.assert_close(found.log_weight, at_optimum)
    with pytest.raises(EvidenceError, match="is continuous and not observed in every row"):
        mm.map_query(net, evidence, method=method.name)


@pytest.mark.parametrize("method", OF_FEW_ENERGIES)
def test_minimum_cuts_decide_what_a_cluster_says_of_one_variable(method):
    a = mm.Variable("a", 2)
    x, y = mm.Variable("x", family="gaussian"), mm.Variable("y", family="gaussian")
    net = mm.BayesianNetwork(
        [a, x, y],
        [
            mm.TableFactor([a], [0.4, 0.6], child=a),
            mm.LinearGaussian(x, [a], [[], []], [0.0, 2.0], [1.0, 0.5]),
            mm.LinearGaussian(y, [x], [0.5], 1.0, 0.5),
        ],
    )
    found = mm.map_query(net, {"y": [-1.0, 3.0]}, method="junction_tree", variables=["a"])
    assert found["a"].tolist() == [0, 1]
    cut = mm.map_query(net, {"y": [-1.0, 3.0]}, ["a"], method=method)
    assert cut["a"].tolist() == [0, 1]
    torch.testing.assert_close(cut.log_weight, found.log_weight)


def test_messages_are_exact_on_trees_of_clusters():
    net = chain_of_two()
    evidence = {"y": [0.3, 1.5, None], "b": [None, mm.index(2), mm.index(0)]}
    truth = mm.query(net, evidence, method="junction_tree")
    found = mm.query(net, evidence, method="belief_propagation")
    for name in ("a", "b"):
        torch.testing.assert_close(found.marginal(name), truth.marginal(name))
    torch.testing.assert_close(found.log_evidence, truth.log_evidence)
    with pytest.raises(MmgraphError, match="knows no joint distribution of a, b"):
        found.mean("x")
    with pytest.raises(MmgraphError, match="knows no joint distribution of a, b"):
        mm.query(net, evidence, ["x"], method="belief_propagation")
    known = {"y": [0.3, 1.5], "b": [mm.index(1), mm.index(2)]}
    truth = mm.query(net, known, ["x"], method="junction_tree")
    found = mm.query(net, known, ["x", "a"], method="belief_propagation")
    assert set(found.variables) == {"x", "a"}
    torch.testing.assert_close(found.mean("x"), truth.mean("x"))
    torch.testing.assert_close(found.quantile("x", 0.9), truth.quantile("x", 0.9))


def test_densities_that_need_joint_beliefs_are_refused_before_the_method_runs(monkeypatch):
    net, evidence = chain_of_two(), {"y": [0.3, 1.5], "b": [mm.index(1), None]}
    monkeypatch.setattr(dispatch, "_called", lambda *_: pytest.fail("the method was called"))
    with pytest.raises(MmgraphError, match=r"of a, b,.*; 'junction_tree' and 'gibbs' do$"):
        mm.query(net, evidence, ["x"], method="mean_field")
    rows = mm.Evidence.of(evidence, net.variables)
    with pytest.raises(MmgraphError, match=r"'gibbs' knows no joint.*; 'junction_tree' does$"):
        check_joint_beliefs(net, rows, ["x"], "gibbs")
    check_joint_beliefs(net, rows.rows(slice(0, 1)), ["x"], "gibbs")


def test_gradients_go_through_what_is_summed_out():
    net = chain_of_two()
    grads = []
    for method in ("torch", "belief_propagation"):
        y = torch.tensor([0.3, 1.5], dtype=torch.float64, requires_grad=True)
        mm.query(net, {"y": y}, method=method).log_partition.sum().backward()
        grads.append(y.grad)
    torch.testing.assert_close(*grads)


def test_samples_by_tempering_have_continuous_values():
    net = chain_of_two()
    seed = torch.Generator().manual_seed(1)
    drawn = mm.sample(net, 4000, {"y": 1.5, "b": mm.index(1)}, seed, method="gibbs", thinning=1)
    truth = mm.query(net, {"y": 1.5, "b": mm.index(1)})
    assert abs(drawn["x"].mean() - float(truth.mean("x"))) < 0.08
    assert (drawn["y"] == 1.5).all()


def test_what_does_not_fit_is_refused_before_it_is_listed(monkeypatch):
    parents = [mm.Variable(f"d{i}", 2) for i in range(40)]
    xs = [mm.Variable(f"x{i}", family="gaussian") for i in range(40)]
    factors = [mm.TableFactor([d], [0.5, 0.5], child=d) for d in parents]
    for i, (d, x) in enumerate(zip(parents, xs, strict=True)):
        before = xs[i - 1 : i] if i else []
        slopes = [[0.9]] * 2 if i else [[], []]
        factors.append(mm.LinearGaussian(x, [d, *before], slopes, [0.0, 1.0], [1.0, 1.0]))
    net = mm.BayesianNetwork([*parents, *xs], factors)
    with pytest.raises(TreewidthError, match="join 40 discrete parents"):
        mm.query(net, {"x39": 3.0}, method="belief_propagation")
    with pytest.raises(TreewidthError, match="join 40 discrete parents"):
        mm.log_partition(net, {"x39": 3.0})
    observed = {f"x{i}": float(i % 3) for i in range(40)}
    rows = {n: [value, value] for n, value in observed.items()}
    rows["x7"] = [None, 1.0]  # patterns apart have small clusters
    monkeypatch.setattr(clusters, "FEW_CONFIGURATIONS", 1)
    mm.query(net, rows)


@pytest.mark.parametrize("method", ["belief_propagation", "mean_field", "gibbs"])
def test_mixed_networks_on_a_device(cuda, method):
    net, evidence = chain_of_two(), {"y": [0.3, 1.5]}
    options = {"draws": 100, "generator": torch.Generator().manual_seed(0)}
    options = options if method == "gibbs" else {}
    found = mm.query(net, evidence, method=method, device=cuda, **options)
    truth = mm.query(net, evidence, method="junction_tree")
    for name in ("a", "b"):
        torch.testing.assert_close(
            found.marginal(name).cpu(), truth.marginal(name), rtol=0, atol=0.1
        )
