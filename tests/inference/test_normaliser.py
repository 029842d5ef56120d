"""log P(evidence) is a probability's logarithm: the weight that evidence leaves, less log Z."""

from __future__ import annotations

import copy
import gc
import itertools
import pickle
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.graph.errors import TreewidthError, UnknownVariableError
from mmgraph.inference import normaliser

APPROXIMATE = {
    "mean_field": "lower bound",
    "tree_reweighted": "upper bound",
    "belief_propagation": "Bethe approximation",
    "annealed_importance_sampling": "estimate",
}


def random_field(seed: int) -> mm.FactorGraph:
    """Three variables in a ring, whose weights sum to anything but one."""
    generator = torch.Generator().manual_seed(seed)
    variables = [mm.Variable(name, 2 + i % 2) for i, name in enumerate("abc")]
    factors = []
    for first, second in itertools.combinations(variables, 2):
        shape = first.cardinality, second.cardinality
        values = 2 * torch.randn(shape, generator=generator, dtype=torch.float64) + 3
        factors.append(mm.TableFactor([first, second], log_values=values))
    return mm.MarkovRandomField(variables, factors)


def log_probabilities(graph: mm.FactorGraph) -> dict[tuple[int, ...], float]:
    """Of all assignments, by listing them."""
    states = list(itertools.product(*(range(v.cardinality) for v in graph.variables.values())))
    columns = torch.tensor(states).T
    weights = -graph.energy(dict(zip(graph.variables, columns, strict=True)))
    return dict(zip(states, (weights - weights.logsumexp(0)).tolist(), strict=True))


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), method=st.sampled_from(["auto", "enumeration", "torch"]))
def test_exact_answers_tell_the_probability_of_evidence(seed, method):
    graph = random_field(seed)
    listed = log_probabilities(graph)
    post = mm.query(graph, {"a": mm.index([0, 1]), "c": mm.index([1, 1])}, method=method)
    expected = [
        np.logaddexp.reduce([p for (a, _, c), p in listed.items() if (a, c) == row])
        for row in ((0, 1), (1, 1))
    ]
    np.testing.assert_allclose(post.log_evidence, expected, atol=1e-9)
    assert not post.is_normalised
    assert post.log_partition_kind == "exact"
    total = mm.log_partition(graph, {"a": mm.index(0), "c": mm.index(1)})
    np.testing.assert_allclose(post.log_partition[:1], total)
    np.testing.assert_allclose(mm.query(graph, method=method).log_evidence, 0, atol=1e-9)
    again = pickle.loads(pickle.dumps(post))
    np.testing.assert_allclose(again.log_evidence, expected, atol=1e-9)


def test_one_plain_row_and_its_second_asking():
    graph = random_field(3)
    expected = np.logaddexp.reduce([p for s, p in log_probabilities(graph).items() if s[0] == 1])
    for _ in range(2):  # the second is answered by the plan that the first one has left
        assert float(mm.query(graph, {"a": 1}).log_evidence) == pytest.approx(expected)


@pytest.mark.parametrize("method", APPROXIMATE)
def test_an_approximate_weight_is_never_called_a_probability(method):
    post = mm.query(random_field(1), {"a": 0}, method=method)
    assert post.log_partition_kind == APPROXIMATE[method]
    assert post.has_log_partition
    assert not post.has_log_evidence
    with pytest.raises(UnknownVariableError, match=r"not normalised.*log_partition"):
        _ = post.log_evidence


@pytest.mark.parametrize("method", APPROXIMATE)
def test_of_a_network_an_approximate_weight_is_one_of_a_probability(method):
    net = mm.read("asia")
    if method in ("tree_reweighted", "belief_propagation"):
        net = net.do(either="no")  # factors over two variables
    post = mm.query(net, {"smoke": "yes"}, method=method)
    assert post.is_normalised
    torch.testing.assert_close(post.log_evidence, post.log_partition)


def test_documents_are_normalised_for_their_own_length():
    words = mm.Variable("words", shape=(4,), family="replicated_softmax")
    generator = torch.Generator().manual_seed(0)
    machine = mm.RestrictedBoltzmannMachine(words, 3, generator=generator, dtype=torch.float64)
    for factor in machine.factors:
        for tensor in factor.tensors():
            tensor.copy_(torch.randn(tensor.shape, generator=generator, dtype=torch.float64))
    rows = {"words": [[3, 0, 1, 0], [0, 9, 0, 2], [1, 1, 1, 1]]}
    post = mm.query(machine, rows, method="layer_summation")
    np.testing.assert_allclose(post.log_evidence, machine.log_likelihood(rows).value)
    short = [c for c in itertools.product(range(3), repeat=4) if sum(c) == 2]
    chances = mm.query(machine, {"words": short}, method="layer_summation").log_evidence.exp()
    assert float(chances.sum()) == pytest.approx(1)


@pytest.mark.parametrize("method", ["auto", "enumeration", "torch"])
def test_the_normaliser_is_computed_once_and_then_the_model_is_let_go(method, monkeypatch):
    graph = random_field(5)
    post = mm.query(graph, {"a": mm.index([0, 1])}, method=method)
    calls = []
    real = normaliser.of_lengths

    def counted(*given):
        calls.append(given)
        return real(*given)

    monkeypatch.setattr(normaliser, "of_lengths", counted)
    before = pickle.dumps(post)
    assert not calls  # to copy a posterior asks for no more than it says
    first = post.log_evidence
    torch.testing.assert_close(post.log_evidence, first)
    assert len(calls) == 1
    alive = weakref.ref(graph.factors[0])
    pickled = pickle.dumps(post)
    assert b"TableFactor" in before
    assert b"TableFactor" not in pickled
    torch.testing.assert_close(pickle.loads(before).log_evidence, first)
    assert len(calls) == 2
    torch.testing.assert_close(pickle.loads(pickled).log_evidence, first)
    torch.testing.assert_close(copy.deepcopy(post).log_evidence, first)
    assert len(calls) == 2
    if method != "torch":
        torch.testing.assert_close(pickle.loads(pickled).entropy(), pickle.loads(before).entropy())
    calls.clear()
    del graph
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize("method", APPROXIMATE)
def test_what_tells_no_probability_does_not_keep_the_model(method):
    graph = random_field(5)
    post = mm.query(graph, {"a": 0}, method=method)
    _ = post.log_partition
    alive = weakref.ref(graph.factors[0])
    del graph
    gc.collect()
    assert alive() is None
    assert not post.is_normalised
    assert not pickle.loads(pickle.dumps(post)).is_normalised


def test_a_posterior_whose_model_cannot_be_summed_is_copied_all_the_same():
    def join(first: mm.Variable, second: mm.Variable) -> mm.TableFactor:
        values = torch.randn(2, 2, generator=generator, dtype=torch.float64)
        return mm.TableFactor([first, second], log_values=values)

    generator = torch.Generator().manual_seed(0)
    variables = [mm.Variable(f"v{i}", 2) for i in range(60)]  # all joined to each other
    graph = mm.FactorGraph(variables, itertools.starmap(join, itertools.combinations(variables, 2)))
    given = {v.name: mm.index(0) for v in variables[2:]}
    post = mm.query(graph, given, ["v0"])
    assert post.exact
    for again in (post, copy.deepcopy(post), pickle.loads(pickle.dumps(post))):
        torch.testing.assert_close(again.log_partition, post.log_partition)
        assert not again.is_normalised
        with pytest.raises(TreewidthError):
            _ = again.log_evidence
