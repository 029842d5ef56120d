"""Models, evidence, answers and errors are pickled, copied and sent to other processes."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import joblib
import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph import errors
from mmgraph.graph.leaves.score_leaf import ScoreLeaf
from mmgraph.graph.storage.copying import ReadOnlyDict
from tests.processes import context


def pickled(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing))


COPIES = pytest.mark.parametrize("copied", [pickled, copy.deepcopy], ids=["pickle", "deepcopy"])


def hybrid() -> mm.BayesianNetwork:
    """A network with a distribution of every kind."""
    a, b = mm.Variable("a", ("x", "y", "z")), mm.Variable("b", (True, False), modality="camera")
    c, d, e = mm.Variable("c", 2), mm.Variable("d", 2), mm.Variable("e", 3)
    wrist = mm.Variable("wrist", shape=(2,), family="gaussian", modality="movement")
    voice = mm.Variable("voice", shape=(2,), family="gaussian", modality="sound")
    features = mm.Variable("features", shape=(3,), family="gaussian")
    means = [[0.0, 0.0], [3.0, 1.0], [1.0, 1.0]]
    return mm.BayesianNetwork(
        [a, b, c, d, e, wrist, voice, features],
        [
            mm.TableFactor([a], [0.5, 0.3, 0.2], child=a),
            mm.TableFactor([a, b], [[0.2, 0.8], [0.5, 0.5], [0.9, 0.1]], child=b),
            mm.Deterministic(c, [a], lambda label: int(label == "x")),
            mm.NoisyOr(d, [b, c], [0.8, 0.7], leak=0.1),
            mm.Softmax(e, [a], weights=[[[0.5, 0, 1], [0, 0, 2], [1, 0, 0]]], bias=[0, 1, 0]),
            mm.GaussianLeaf(wrist, [a], means, [[[1.0, 0.2], [0.2, 1.0]]] * 3),
            mm.GaussianMixtureLeaf(
                voice,
                [b],
                weights=[[0.5, 0.5], [0.1, 0.9]],
                means=[[[0.0, 0.0], [2.0, 2.0]], [[1.0, 1.0], [3.0, 3.0]]],
                covariances=[[[1.0, 1.0]] * 2] * 2,
                covariance="diagonal",
            ),
            ScoreLeaf(features, e, np.log([0.4, 0.3, 0.3])),
        ],
    )


def field() -> mm.MarkovRandomField:
    labels = mm.Variable("label", ("soil", "crop"), shape=(3, 3))
    other = mm.Variable("other", 2)
    return mm.MarkovRandomField(
        [labels, other],
        [
            mm.UnaryFactor(
                labels, torch.randn(3, 3, 2, generator=torch.Generator().manual_seed(0))
            ),
            mm.GridFactor(labels, mm.Tabulated([[0.0, 1.0], [2.0, 0.0]]), 0.5),
            mm.PairwiseFactor(labels, [[0, 8], [2, 6]], mm.TruncatedLinear(2), [0.5, 1.0]),
            mm.TableFactor([other], log_values=[0.0, 1.0]),
        ],
    )


def machine() -> mm.MultimodalDeepBoltzmannMachine:
    drawn = torch.Generator().manual_seed(0)
    sound = mm.Variable("sound", shape=(3,), family="gaussian", modality="sound")
    words = mm.Variable("words", shape=(4,), family="bernoulli", modality="text")
    label = mm.Variable("label", ("rest", "sweep"))
    return mm.MultimodalDeepBoltzmannMachine(
        [mm.Pathway(sound, 3), mm.Pathway(words, 2)], 2, labels=label, generator=drawn
    )


MODELS: dict[str, Callable[[], mm.FactorGraph]] = {
    "network": lambda: mm.read("asia"),
    "hybrid": hybrid,
    "graph": lambda: mm.FactorGraph(field().variables.values(), ()),
    "field": field,
    "machine": machine,
    "restricted": lambda: mm.RestrictedBoltzmannMachine(
        mm.Variable("v", shape=(3,), family="bernoulli"), 2
    ),
    "deep": lambda: mm.DeepBoltzmannMachine(
        mm.Variable("v", shape=(3,), family="bernoulli"), (2, 2)
    ),
}


def tensors_of(answer: mm.Posterior) -> dict[str, torch.Tensor]:
    means = {n: answer.mean(n) for n in answer.variables if n not in answer.marginals}
    return answer.marginals | means


@COPIES
@pytest.mark.parametrize("name", MODELS)
def test_models_come_back_the_same(name: str, copied: Callable[[Any], Any]):
    model = MODELS[name]()
    before = mm.query(model)
    assert model.derived
    again = copied(model)
    assert type(again) is type(model)
    assert again.derived == {}  # computed anew, not carried
    assert list(again.variables) == list(model.variables)
    for factor in again.factors:
        assert all(again.variables[v.name] is v for v in factor.scope)
        assert factor.child is None or factor.child is again.variables[factor.child.name]
    assert not {*map(id, again.variables.values())} & {*map(id, model.variables.values())}
    after = mm.query(again)
    for variable, tensor in tensors_of(before).items():
        torch.testing.assert_close(tensors_of(after)[variable], tensor, rtol=0, atol=0)


def test_a_copy_shares_variables_and_factors_but_no_cache():
    net = mm.read("asia")
    mm.query(net)
    other = copy.copy(net)
    assert other.factors == net.factors
    assert other.derived == {}
    assert net.derived
    other.fit(mm.sample(net, 50, generator=torch.Generator().manual_seed(0)))
    assert other.distribution("asia") is not net.distribution("asia")


@COPIES
def test_a_fitted_network_keeps_its_report(copied: Callable[[Any], Any]):
    net = mm.read("asia")
    drawn = mm.sample(net, 30, generator=torch.Generator().manual_seed(0))
    rows = {name: codes for name, codes in drawn.items() if name != "lung"}
    net.fit(rows, "em", max_iterations=3, pseudo_counts=1.0)
    again = copied(net)
    assert again.fit_report == net.fit_report
    assert again.distribution("tub") is again.factors[list(again.variables).index("tub")]
    again.fit(rows, "em", max_iterations=1, pseudo_counts=1.0)
    assert again.directed().edges == net.directed().edges


@COPIES
def test_a_fitted_machine_keeps_its_sweeps_and_report(copied: Callable[[Any], Any]):
    fitted = machine()
    rows = {"sound": torch.randn(12, 3), "words": torch.ones(12, 4).tril()}
    codes = mm.index([0, 1] * 6)
    fitted.fit(rows, codes, objective="multi_prediction", prediction={"sweeps": 2}, epochs=1)
    again = copied(fitted)
    assert again.sweeps == 2
    assert again.fit_report.history == fitted.fit_report.history
    np.testing.assert_array_equal(again.predict_proba(rows), fitted.predict_proba(rows))
    assert again.visible[0] is again.variables["sound"]
    again.fit(rows, codes, epochs=1)


@COPIES
def test_conditional_random_fields(copied: Callable[[Any], Any]):
    crf = mm.ConditionalRandomField(("soil", "crop"), ["optical"], mm.Tabulated([[0, 1], [1, 0]]))
    image = mm.LabelledImage({"optical": np.random.default_rng(0).normal(size=(5, 5, 2))}, None)
    again = copied(crf)
    scores = copied(image).scores
    np.testing.assert_array_equal(again.predict_proba(scores), crf.predict_proba(image.scores))


@COPIES
@pytest.mark.parametrize("method", ["auto", "enumeration", "torch", "belief_propagation", "gibbs"])
def test_posteriors_and_assignments(method: str, copied: Callable[[Any], Any]):
    net = mm.read("asia")
    for evidence in ({"xray": "yes"}, {"xray": ["yes", None]}):
        post = mm.query(net, evidence, method=method)
        again = copied(post)
        assert (again.method, again.exact, again.seconds) == (post.method, post.exact, post.seconds)
        for name in net.variables:
            torch.testing.assert_close(again.marginal(name), post.marginal(name))
        if post.has_log_evidence:
            torch.testing.assert_close(again.log_evidence, post.log_evidence)
        if method in ("auto", "enumeration"):
            torch.testing.assert_close(again.entropy(), post.entropy(), rtol=0, atol=0)
        assert again.to_frame().equals(post.to_frame())
    best = mm.map_query(net, {"xray": "yes"})
    assert copied(best).labels() == best.labels()
    assert copied(best).variables["xray"].name == "xray"
    unrolled = mm.query(field())
    torch.testing.assert_close(copied(unrolled).entropy(), unrolled.entropy())


@COPIES
def test_evidence_fits_the_model_that_it_was_made_for(copied: Callable[[Any], Any]):
    net = hybrid()
    rows = {"a": ["x", None], "c": mm.soft([0.0, -1.0]), "wrist": [[1.0, float("nan")], [2.0, 0.5]]}
    evidence = mm.Evidence.of(rows, net.variables)
    expected = mm.query(net, evidence)
    for given in (copied(evidence), copied(rows)):
        found = mm.query(net, given)
        for name in expected.marginals:
            torch.testing.assert_close(found.marginal(name), expected.marginal(name))
    assert copied(evidence).without("movement").observed() == ("a", "c")


def test_joblib_asks_in_other_processes():
    asked = [(mm.read("asia"), {"xray": "yes"}), (field(), {"other": 0})]
    expected = [mm.query(*question) for question in asked]
    found = joblib.Parallel(n_jobs=2, backend=context)(joblib.delayed(mm.query)(*q) for q in asked)
    for post, (model, _), right in zip(found, asked, expected, strict=True):
        for variable in model.variables:
            torch.testing.assert_close(post.marginal(variable), right.marginal(variable))
        torch.testing.assert_close(post.entropy(), right.entropy())


def test_the_numbers_of_a_deep_copy_are_its_own():
    original = machine()
    clone = copy.deepcopy(original)
    with torch.no_grad():
        clone.parameters()["bias:sound"].fill_(7.0)
    assert not (original.parameters()["bias:sound"] == 7.0).any()


@COPIES
def test_every_error_survives_the_way_back_from_a_process(copied: Callable[[Any], Any]):
    clique = ((("a", "b"), 64),)
    for error in (
        errors.ZeroProbabilityError("impossible", (1, 2), ("a",)),
        errors.MemoryBudgetError("too large", 10, 5),
        errors.TreewidthError("too large", 10, 5, clique),
        errors.MissingExtraError("data", "pandas", "a frame"),
        errors.FormatError("line 3"),
        errors.UnknownVariableError("no 'x'"),
    ):
        again = copied(error)
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert vars(again) == vars(error)


def impossible(net: mm.BayesianNetwork) -> None:
    mm.query(net, {"either": "no", "lung": "yes"})


def test_an_error_in_a_process_names_rows_and_variables():
    with pytest.raises(errors.ZeroProbabilityError) as raised:
        joblib.Parallel(n_jobs=2, backend=context)([joblib.delayed(impossible)(mm.read("asia"))])
    assert raised.value.rows == (0,)
    assert set(raised.value.variables) == {"either", "lung"}


def test_gradients_of_a_deep_copy_flow_to_its_own_parameters():
    a, b = mm.Variable("a", 2), mm.Variable("b", 2)
    weights = torch.zeros(2, 2, dtype=torch.float64, requires_grad=True)
    net = mm.BayesianNetwork(
        [a, b],
        [mm.TableFactor([a], [0.3, 0.7], child=a), mm.Softmax(b, [a], [weights], [0.0, 0.0])],
    )
    for copied in (copy.deepcopy, pickled):
        again = copied(net)
        mm.query(again, {"b": 1}).marginal("a")[0, 0].backward()
        assert again.distribution("b").weights[0].grad.abs().sum() > 0
        assert weights.grad is None


def test_a_deep_copy_of_what_was_computed_keeps_its_gradients():
    a = mm.Variable("a", 2)
    logits = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    graph = mm.FactorGraph([a], [mm.TableFactor([a], log_values=2 * logits)])
    again = copy.deepcopy(graph)
    mm.query(again).marginal("a")[0, 0].backward()
    torch.testing.assert_close(logits.grad, torch.tensor([0.5, -0.5], dtype=torch.float64))
    post = mm.query(graph)
    torch.testing.assert_close(copy.deepcopy(post).marginal("a"), post.marginal("a"))
    assert copy.deepcopy(post).marginal("a").requires_grad
    assert pickled(post).marginal("a").tolist() == post.marginal("a").tolist()


def test_variables_of_a_model_cannot_be_changed():
    variables: Any = mm.read("asia").variables
    assert isinstance(variables, ReadOnlyDict)
    for change in (
        lambda: variables.__setitem__("x", 1),
        lambda: variables.__delitem__("asia"),
        lambda: variables.update(x=1),
        lambda: variables.pop("asia"),
        variables.popitem,
        variables.clear,
        lambda: variables.setdefault("x", 1),
        lambda: variables.__ior__({"x": 1}),
    ):
        with pytest.raises(TypeError, match="cannot be changed"):
            change()
    assert len(variables) == 8
