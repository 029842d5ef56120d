"""Every method by its record: beside enumeration, with seeds, options, masks and what cannot be.

A new record in ``METHODS`` is tested by these without a line more.
"""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import MmgraphError, NotTabularError, ZeroProbabilityError
from mmgraph.inference.methods import METHODS, QUESTIONS, Method, is_seeded, methods_for
from tests.inference.spatial_models import ising_grid
from tests.learning.boltzmann_machines import machine

pytestmark = pytest.mark.filterwarnings("ignore::mmgraph.graph.errors.ConvergenceWarning")

FEW_DRAWS = {"draws": 400, "burn_in": 100}
OPTIONS = {
    "gibbs": FEW_DRAWS,
    "parallel_tempering": FEW_DRAWS,
    "annealed_importance_sampling": {"steps": 100, "chains": 400},
}
"""So little work as the tolerances below allow; other methods are asked without options."""

OBSERVED = {"spins": mm.index([[[0, -1, -1], [-1, 1, -1]], [[-1, -1, -1], [1, -1, 0]]])}
"""Two rows of a grid of 2 x 3 pixels, of which some are observed."""


def cases(question: str, **wanted: object) -> list:
    """The methods of a question, all in all variants, whose records have these attributes."""
    return [
        pytest.param(method, id=method.name)
        for method in METHODS.values()
        if question in method.functions
        and all(getattr(method, name) == value for name, value in wanted.items())
    ]


ASKED = [
    pytest.param(question, method, id=f"{question}-{method.name}")
    for question in QUESTIONS
    for method in methods_for(question)
]
"""Each question with each method that can be asked it by name."""


def is_for_layers(method: Method, question: str = "query") -> bool:
    """Whether a method answers a question for layers of units alone."""
    return method.view == "layers" or (method.name, question) == ("parallel_tempering", "sample")


def model_of(method: Method, question: str = "query") -> tuple[mm.FactorGraph, object]:
    """A model that a method is for, and evidence: a grid that attracts, or layers of units."""
    if is_for_layers(method, question):
        return machine(), {"h1": np.array([[0.0, np.nan], [np.nan, np.nan]])}
    return ising_grid((2, 3), 0.4, field=0.7), OBSERVED


def options_of(question: str, method: Method, seed: int = 0) -> dict:
    options = {**method.options, **OPTIONS.get(method.name, {})}
    options.pop("method", None)
    if question == "sample":
        options.pop("draws", None)
    if method.seeded:
        options["generator"] = torch.Generator().manual_seed(seed)
    return options


def ask(question: str, method: Method, *subject: object, seed: int = 0, **more: object):
    if method.name == "branch_and_bound":
        pytest.importorskip("pytoulbar2")
    graph, evidence = model_of(method, question)
    options = {**options_of(question, method, seed), **more}
    name = method.variant_of or method.name
    if question == "joint":
        return mm.joint(graph, *subject, evidence, method=name, **options)
    if question == "sample":
        return mm.sample(graph, *subject, evidence, method=name, **options)
    return getattr(mm, question)(graph, evidence, *subject, method=name, **options)


def close(found: torch.Tensor, wanted: torch.Tensor, tolerance: float) -> None:
    torch.testing.assert_close(found.double(), wanted.double(), rtol=0, atol=tolerance)


@pytest.mark.parametrize("method", cases("query"))
def test_marginals_beside_enumeration(method):
    graph, evidence = model_of(method)
    found, truth = ask("query", method), mm.query(graph, evidence, method="enumeration")
    assert (found.method, found.exact) == (method.name, method.exact)
    assert found.batch == 2
    for name in graph.variables:
        close(found.marginal(name), truth.marginal(name), 1e-9 if method.exact else 0.12)
        close(found.marginal(name).sum(-1), torch.ones(2, *graph.variables[name].shape), 1e-6)
    if method.view != "layers":  # what is observed has the point mass that it was given
        known = torch.as_tensor(OBSERVED["spins"].codes)
        assert ((found.marginal("spins").argmax(-1) == known) | (known < 0)).all()


@pytest.mark.parametrize("method", cases("query"))
def test_marginals_of_some_variables_alone(method):
    graph, _ = model_of(method)
    name = next(iter(graph.variables))
    found = ask("query", method, name)
    assert found.variables == (name,)
    assert set(found.marginals) == {name}
    with pytest.raises(MmgraphError, match="holds no marginal of 'nobody'"):
        found.marginal("nobody")


@pytest.mark.parametrize("method", cases("log_partition"))
def test_log_partition_functions_beside_enumeration(method):
    graph, evidence = model_of(method)
    truth = mm.log_partition(graph, evidence, method="enumeration")
    found, post = ask("log_partition", method), ask("query", method)
    close(found, post.log_partition, 1e-9)
    if method.exact:
        close(found, truth, 1e-9)
    close(found, truth, 0.3)
    if post.log_partition_kind == "lower bound":
        assert (found <= truth + 1e-9).all()
    if post.log_partition_kind == "upper bound":
        assert (found >= truth - 1e-6).all()
    assert (post.log_partition_kind == "exact") == method.exact == post.has_log_evidence


@pytest.mark.parametrize("method", cases("map_query"))
def test_best_assignments_beside_enumeration(method):
    graph, evidence = model_of(method)
    found, truth = ask("map_query", method), mm.map_query(graph, evidence, method="enumeration")
    assert found.method == method.name
    assert (found.energy >= truth.energy - 1e-9).all()
    if found.exact:
        close(found.energy, truth.energy, 1e-9)
    assert found.exact or not method.exact
    if found.bound is not None:
        assert (found.bound >= truth.log_weight - 1e-9).all()
    assigned = {n: mm.index(found[n]) for n in graph.variables}
    close(-found.energy, mm.log_partition(graph, assigned, method="enumeration"), 1e-8)
    if method.view != "layers":
        known = torch.as_tensor(OBSERVED["spins"].codes)
        assert ((found["spins"] == known) | (known < 0)).all()


@pytest.mark.parametrize("method", cases("joint"))
def test_joints_beside_enumeration(method):
    graph, _ = model_of(method)
    found = ask("joint", method, ["spins[0,1]", "spins[1,2]"])
    truth = mm.query(graph, OBSERVED, method="enumeration").marginal("spins")
    close(found.sum(2), truth[:, 0, 1], 1e-9)
    for state in range(2):  # of the first, which is observed in neither row
        known = np.array(OBSERVED["spins"].codes)
        known[:, 0, 1] = state
        given = mm.query(graph, {"spins": mm.index(known)}, method="enumeration").marginal("spins")
        close(found[:, state], truth[:, 0, 1, state, None] * given[:, 1, 2], 1e-9)


@pytest.mark.parametrize("method", cases("sample"))
def test_samples_are_spread_as_marginals_and_seeded(method):
    graph, evidence = model_of(method, "sample")
    first, second, third = (
        ask("sample", method, 400, generator=torch.Generator().manual_seed(seed)).codes
        for seed in (3, 3, 4)
    )
    truth = mm.query(graph, evidence, method="enumeration")
    for name, variable in graph.variables.items():
        assert first[name].shape == (2, 400, *variable.shape)
        assert torch.equal(first[name], second[name])
        shares = torch.nn.functional.one_hot(first[name], variable.cardinality).double().mean(1)
        close(shares, truth.marginal(name), 0.15)
    assert any(not torch.equal(first[name], third[name]) for name in first)


@pytest.mark.parametrize(
    "method", [case for case in cases("query", seeded=True) if case.id not in ("nuts", "svi")]
)  # of which only real variables take random numbers
def test_the_same_seed_gives_the_same_marginals(method):
    def marginals(seed: int) -> torch.Tensor:
        return ask("query", method, seed=seed).marginal("spins")

    assert torch.equal(marginals(1), marginals(1))
    assert not torch.equal(marginals(1), marginals(2))


@pytest.mark.parametrize(
    ("question", "method"),
    [
        case
        for case in ASKED
        if case.values[0] in ("query", "map_query", "sample")
        and not is_for_layers(case.values[1], case.values[0])
    ],
)
def test_impossible_evidence_is_an_error_that_names_the_row(question, method):
    if method.name == "branch_and_bound":
        pytest.importorskip("pytoulbar2")
    rain, wet = mm.Variable("rain", 2), mm.Variable("wet", 2)
    table = mm.TableFactor([rain, wet], log_values=[[0.0, -torch.inf], [0.0, 0.0]])
    graph = mm.FactorGraph([rain, wet], [table])
    evidence = {"rain": mm.index([1, 0]), "wet": mm.index([1, 1])}
    options = {n: o for n, o in options_of(question, method).items() if n != "generator"}
    if question == "sample":
        options["draws"] = 2
    with pytest.raises(ZeroProbabilityError, match=r"\b1\b"):
        getattr(mm, question)(graph, evidence=evidence, method=method.name, **options)


@pytest.mark.parametrize("method", cases("log_partition", exact=True, view="tables"))
def test_impossible_evidence_leaves_no_weight(method):
    a, b = mm.Variable("a", 2), mm.Variable("b", 2)
    graph = mm.FactorGraph([a, b], [mm.TableFactor([a, b], log_values=[[0.0, -torch.inf]] * 2)])
    assert float(mm.log_partition(graph, {"b": 1}, method=method.name)) == -np.inf


@pytest.mark.parametrize(("question", "method"), ASKED)
def test_options_that_a_method_lacks_are_refused_by_name(question, method):
    subject = {"joint": [["spins[0,0]"]], "sample": [2]}.get(question, [])
    with pytest.raises(MmgraphError, match=f"'{method.name}' has no option 'colour'"):
        ask(question, method, *subject, colour="red")


@pytest.mark.parametrize("question", QUESTIONS)
def test_methods_of_other_questions_are_refused_with_the_nearest(question):
    known = [m.name for m in methods_for(question)]
    graph, _ = model_of(METHODS[known[0]])
    subject = {"joint": [["spins[0,0]"]], "sample": [2]}.get(question, [])
    for method in METHODS.values():
        if method.name not in known:
            with pytest.raises(MmgraphError, match=f"{question} knows no method '{method.name}'"):
                getattr(mm, question)(graph, *subject, method=method.name)


@pytest.mark.parametrize("method", METHODS.values(), ids=list(METHODS))
def test_a_record_says_what_its_functions_are_like(method):
    assert set(method.functions) <= set(QUESTIONS)
    for question in method.functions:
        function = method.function(question)
        parameters = list(inspect.signature(function).parameters)
        assert parameters[:2] == ["graph", "evidence"]
        assert set(method.options) <= set(parameters)
        assert inspect.getdoc(function)
        if question == "query":
            assert ("generator" in parameters) >= method.seeded
            assert ("device" in parameters) or method.cpu_alone
    assert is_seeded(method.name) == method.seeded


@pytest.mark.parametrize(
    ("question", "method"), [case for case in ASKED if case.values[0] in ("query", "map_query")]
)
def test_what_a_method_takes_of_layers_is_what_its_record_says(question, method):
    if method.name == "branch_and_bound":
        pytest.importorskip("pytoulbar2")
    options = options_of(question, method)
    layers = machine("gaussian")
    if method.view == "tables":
        with pytest.raises(NotTabularError):
            getattr(mm, question)(layers, method=method.name, **options)
        return
    answer = getattr(mm, question)(layers, method=method.name, **options)
    assert answer.method == method.name
    if method.view == "layers":
        with pytest.raises(MmgraphError, match="for layers of units"):
            getattr(mm, question)(ising_grid((2, 2), 0.1), method=method.name)
