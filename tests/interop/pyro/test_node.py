"""Nodes of any distribution: likelihoods beside exact parts, draws, and what is refused."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from scipy import stats
from torch.distributions import Bernoulli, Categorical, Gamma, Normal, StudentT

import mmgraph as mm
from mmgraph.graph.errors import EvidenceError, FormatError, GraphError, NotConjugateError
from tests.interop.pyro.mixed_networks import RATES, counts, real, seeded


def test_an_observed_node_is_an_exact_likelihood_of_its_discrete_parents():
    net = counts()
    post = mm.query(net, {"x": [0.2, 0.1, 0.2], "n": [3.0, None, 0.0]})
    assert (post.method, post.exact) == ("junction_tree", True)
    joint = np.array([0.3, 0.7])[:, None] * np.array([[0.9, 0.1], [0.2, 0.8]])
    for row, (x, n) in enumerate([(0.2, 3), (0.1, None), (0.2, 0)]):
        weight = joint * stats.norm.pdf(x, [-1, 1], np.sqrt([1, 0.5]))[:, None]
        if n is not None:
            weight = weight * stats.poisson.pmf(n, RATES.numpy() * np.exp(x))
        np.testing.assert_allclose(post.marginal("k")[row], weight.sum(1) / weight.sum(), 1e-10)
        np.testing.assert_allclose(post.marginal("r")[row], weight.sum(0) / weight.sum(), 1e-10)
        np.testing.assert_allclose(post.log_evidence[row], np.log(weight.sum()), 1e-10)


@pytest.mark.parametrize("method", ["torch", "enumeration", "belief_propagation", "gibbs"])
def test_other_methods_take_the_same_tables(method):
    rows = {"x": [0.2, 0.1], "n": [3.0, None]}
    options = {"draws": 2000, "generator": seeded()} if method == "gibbs" else {}
    post, truth = mm.query(counts(), rows, method=method, **options), mm.query(counts(), rows)
    for name in ("k", "r"):
        off = (post.marginal(name) - truth.marginal(name)).abs().max().item()
        assert off <= (0.05 if method == "gibbs" else 1e-9)
    with pytest.raises(NotConjugateError, match="'x' is not observed"):
        mm.query(counts(), {"n": 3.0}, method=method, **options)


def test_a_discrete_child_of_observed_real_parents_is_exact():
    c, x = mm.Variable("c", 3), real("x", 2)
    weights = torch.tensor([[0.0, 1.0, -1.0], [0.5, 0.0, 2.0]], dtype=torch.float64)
    net = mm.BayesianNetwork(
        [x, c],
        [
            mm.LinearGaussian(x, [], torch.zeros(2, 0), [0.0, 0.0], [1.0, 1.0]),
            mm.PyroNode(c, [x], lambda x: Categorical(logits=x @ weights)),
        ],
    )
    values = torch.tensor([[0.3, -1.0], [2.0, 0.1]], dtype=torch.float64)
    node = net.distribution("c")
    table = node.likelihood(mm.Evidence.of({"x": values}, net.variables))
    torch.testing.assert_close(table.values, (values @ weights).log_softmax(1))
    assert [v.name for v in table.scope] == ["c"]
    energies = net.energy({"x": values, "c": [2, 0]}) - net.distribution("x").energy({"x": values})
    torch.testing.assert_close(energies, -table.values[[0, 1], [2, 0]])


def test_energies_are_infinite_outside_of_the_support():
    node = counts().distribution("n")
    assignment = {
        "r": torch.tensor([1, 0, 1]),
        "x": torch.zeros(3),
        "n": torch.tensor([2.0, -1.0, 1.5]),
    }
    energies = node.energy(assignment)
    assert energies[0].item() == pytest.approx(-stats.poisson.logpmf(2, 4))
    assert torch.isinf(energies[1:]).all()


@pytest.mark.parametrize("value", [-1.0, 1.5])
@pytest.mark.parametrize("options", [{}, {"method": "nuts", "draws": 10}])
def test_data_outside_of_the_support_is_an_error_by_name(value, options):
    message = r"'n' lies outside the support .* row 1: .* under Poisson"
    with pytest.raises(EvidenceError, match=message):
        mm.query(counts(), {"x": [0.2, 0.3], "n": [3.0, value]}, **options)


def test_exact_methods_say_which_parent_is_not_observed():
    with pytest.raises(NotConjugateError, match=r"'x' is not observed in row 1.*nuts"):
        mm.query(counts(), {"x": [0.2, None], "n": [3.0, 1.0]}, method="junction_tree")
    with pytest.raises(NotConjugateError, match="'x' is not observed"):
        mm.map_query(counts(), {"n": 3.0})


def test_draws_follow_the_distribution_and_the_seed():
    x, y = real("x"), real("y", 2)
    node = mm.PyroNode(y, [x], lambda x: StudentT(30.0, x, torch.tensor([1.0, 3.0]).double()))
    parents = {"x": torch.linspace(0, 1, 4000).double()}
    first, same = (node.sample(parents, seeded(4)) for _ in range(2))
    assert first.shape == (4000, 2)
    assert torch.equal(first, same)
    spread = (first - parents["x"].unsqueeze(1)).std(0)
    np.testing.assert_allclose(spread, np.array([1, 3]) * (30 / 28) ** 0.5, rtol=0.06)
    alone = mm.PyroNode(x, [], lambda: Gamma(2.0, 1.0)).sample({}, seeded(), rows=5000)
    assert alone.mean().item() == pytest.approx(2.0, abs=0.1)
    state = mm.PyroNode(mm.Variable("c", 2), [x], lambda x: Bernoulli(logits=x))
    assert state.sample({"x": torch.full((3,), 50.0)}, seeded()).tolist() == [1, 1, 1]


def test_modules_are_distributions_and_move_to_other_precisions():
    class Mean(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(2, 1).double()

        def forward(self, x):
            return Normal(self.layer(x).squeeze(-1), 1.0)

    x, y = real("x", 2), real("y")
    module = Mean()
    node = mm.PyroNode(y, [x], module)
    values = {"x": torch.ones(3, 2).double(), "y": torch.zeros(3).double()}
    mean = module.layer(torch.ones(2).double()).item()
    assert node.energy(values)[0].item() == pytest.approx(-stats.norm.logpdf(0, mean))
    moved = node.to(dtype=torch.float32)
    assert moved.distribution.layer.weight.dtype == torch.float32
    assert module.layer.weight.dtype == torch.float64


def test_nodes_are_copied_but_neither_pickled_nor_written(tmp_path):
    net = counts()
    values = {"k": [0], "r": [1], "x": [0.2], "n": [3.0]}
    torch.testing.assert_close(copy.deepcopy(net).energy(values), net.energy(values))
    with pytest.raises(GraphError, match="holds a function"):
        pickle.dumps(net)
    with pytest.raises((FormatError, GraphError), match="PyroNode"):
        mm.write(net, tmp_path / "net.mmgraph")


def test_nodes_that_do_not_fit_are_refused():
    x, y, grid = real("x"), real("y"), mm.Variable("grid", 2, shape=(2,))
    with pytest.raises(GraphError, match=r"takes x by name, and \(z\) does not"):
        mm.PyroNode(y, [x], lambda z: Normal(z, 1.0))
    with pytest.raises(GraphError, match="'grid' is discrete, and not scalar"):
        mm.PyroNode(y, [grid], lambda grid: Normal(0.0, 1.0))
    with pytest.raises(GraphError, match="scope twice"):
        mm.PyroNode(y, [x, x], lambda x: Normal(x, 1.0))
    with pytest.raises(GraphError, match="a function of the parents' values"):
        mm.PyroNode(y, [x], Normal(0.0, 1.0))
    values = {"x": torch.zeros(3), "y": torch.zeros(3)}
    with pytest.raises(GraphError, match="cannot be made"):
        mm.PyroNode(y, [x], lambda x: Normal(x, -1.0)).energy(values)
    with pytest.raises(GraphError, match="expected, not float"):
        mm.PyroNode(y, [x], lambda x: 3.0).energy(values)
    with pytest.raises(GraphError, match=r"log-densities have shape \(3, 3\)"):
        mm.PyroNode(y, [x], lambda x: Normal(x.unsqueeze(-1), 1.0)).energy(values)
    c = mm.Variable("c", 3)
    few = mm.PyroNode(c, [x], lambda x: Bernoulli(logits=x))
    with pytest.raises(GraphError, match="lacks some of the 3 states"):
        few.likelihood(mm.Evidence.of({"x": [1.0]}, {"x": x, "c": c}))
