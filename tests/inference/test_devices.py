"""Every method of every question on a device beside the CPU's; the table of them is complete."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import MmgraphError
from mmgraph.inference.methods import METHODS, QUESTIONS, Method, methods_for
from tests.inference.device_cases import (
    OPTIONS,
    SAMPLERS,
    assert_close,
    cases,
    given,
    options_of,
    seeded,
    sprinkler,
)

README = Path(__file__).parents[2] / "README.md"
pytestmark = pytest.mark.filterwarnings("ignore::mmgraph.graph.errors.ConvergenceWarning")


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_method_that_runs_on_any_device_is_asked_there(question):
    able = {m.name for m in methods_for(question) if not m.cpu_alone}
    assert {case.values[0] for case in cases(question)} == able


def test_the_readme_has_the_same_table():
    text = README.read_text()
    start = text.index("| question | on any device |")
    rows = text[start:].split("\n\n")[0].splitlines()[2:]
    table = {}
    for row in rows:
        question, able, alone = (re.findall(r"`(\w+)`", cell) for cell in row.split("|")[1:4])
        table[question[0]] = (set(able), set(alone))
    assert table == {
        question: tuple(
            {
                m.name
                for m in METHODS.values()
                if question in m.functions and bool(m.cpu_alone) == alone
            }
            for alone in (False, True)
        )
        for question in QUESTIONS
    }


def ask(question: str, method: Method, graph: mm.FactorGraph, device: str) -> object:
    if question == "sample":
        return mm.sample(graph, 2, method=method.name, device=device)
    if question == "joint":
        return mm.joint(graph, ["rain"], method=method.name, device=device)
    if method.variant_of:
        name, options = method.variant_of, method.options
        return getattr(mm, question)(graph, method=name, device=device, **options)
    return getattr(mm, question)(graph, method=method.name, device=device)


@pytest.mark.parametrize(
    ("question", "method"),
    [
        pytest.param(question, method, id=f"{question}-{method.name}")
        for method in METHODS.values()
        for question in method.functions
        if method.cpu_alone
    ],
)
def test_what_runs_on_the_cpu_alone_says_so(cuda, question, method):
    with pytest.raises(MmgraphError) as error:
        ask(question, method, sprinkler(), cuda)
    able = next(m.name for m in methods_for(question) if not m.cpu_alone)
    for part in (f"'{method.name}'", "'cuda'", "on the CPU alone", able):
        assert part in str(error.value)


@pytest.mark.parametrize(("method", "kind"), cases("query"))
def test_marginals(cuda, method, kind):
    graph, evidence = given(kind)
    post = mm.query(graph, evidence, method=method, device=cuda, **options_of(method))
    drawn = method in SAMPLERS  # which are judged by the exact answer
    here = mm.query(graph, evidence, **({} if drawn else {"method": method, **options_of(method)}))
    names = [n for n, v in graph.variables.items() if v.is_discrete]
    for name in names:
        assert post.marginal(name).is_cuda or method in ("gibbs", "parallel_tempering")
        assert_close(post.marginal(name), here.marginal(name), 0.1 if drawn else 1e-6)
    if method == "annealed_importance_sampling":
        error = post.diagnostics["standard_error"]["log_partition"].cpu()
        assert ((post.log_partition.cpu() - here.log_partition).abs() < 4 * error + 0.02).all()
    elif not drawn:
        assert_close(post.log_partition, here.log_partition, 1e-6)
    if post.has_log_evidence and not drawn:
        assert_close(post.log_evidence, here.log_evidence, 1e-6)


@pytest.mark.parametrize(("method", "kind"), cases("log_partition"))
def test_log_partition(cuda, method, kind):
    graph, evidence = given(kind)
    found = mm.log_partition(graph, evidence, method=method, device=cuda, **options_of(method))
    if method == "annealed_importance_sampling":
        assert_close(found, mm.log_partition(graph, evidence), 0.3)
    else:
        here = mm.log_partition(graph, evidence, method=method, **options_of(method))
        assert_close(found, here, 1e-6)


@pytest.mark.parametrize(("method", "kind"), cases("joint"))
def test_joints(cuda, method, kind):
    graph, evidence = given(kind)
    names = {"network": ["wet", "rain", "sprinkler"]}.get(kind, ["b", "labels[0,1]"])
    found = mm.joint(graph, names, evidence, method=method, device=cuda)
    assert found.is_cuda
    assert_close(found, mm.joint(graph, names, evidence), 1e-9)


@pytest.mark.parametrize(("method", "kind"), cases("map_query"))
def test_best_assignments(cuda, method, kind):
    graph, evidence = given(kind)
    found = mm.map_query(graph, evidence, method=method, device=cuda, **OPTIONS.get(method, {}))
    here = mm.map_query(graph, evidence)
    assert not found.log_weight.is_cuda
    if method in ("torch", "layer_summation"):
        assert_close(found.energy, here.energy, 1e-6)
        assert found.exact
    else:
        assert (found.energy >= here.energy - 1e-6).all()
        assert torch.isfinite(found.energy).all()
    if found.bound is not None:
        assert (found.bound >= here.log_weight - 1e-6).all()
    if kind == "machine":
        return
    again = {n: mm.index(found[n]) for n in graph.variables if n in found.states}
    held = mm.log_partition(graph, {**evidence, **again})
    assert_close(-found.energy, held, 1e-6)


def test_some_are_maximised_and_the_others_summed_out(cuda):
    for kind, names in (("network", ["rain", "wet"]), ("field", ["a", "line"])):
        graph, evidence = given(kind)
        found = mm.map_query(graph, evidence, names, device=cuda)
        here = mm.map_query(graph, evidence, names)
        assert found.method == "torch"
        assert_close(found.energy, here.energy, 1e-9)
        assert all(torch.equal(found[n], here[n]) for n in names)


@pytest.mark.parametrize(("method", "kind"), cases("sample"))
def test_samples(cuda, method, kind):
    graph, evidence = given(kind)
    options = {} if method in ("torch", "layer_summation") else {"burn_in": 10, "thinning": 1}
    if method in SAMPLERS:
        options["chains"] = 300
    drawn, again = (
        mm.sample(graph, 600, evidence, seeded(), method=method, device=cuda, **options)
        for _ in range(2)
    )
    exact = mm.query(graph, evidence)
    for name, variable in graph.variables.items():
        codes = drawn.codes[name] if variable.is_discrete else drawn[name]
        codes = torch.as_tensor(codes)
        assert not codes.is_cuda
        np.testing.assert_array_equal(drawn[name], again[name])
        if variable.is_discrete:
            ones = torch.nn.functional.one_hot(codes.long(), variable.cardinality)
            assert_close(ones.double().mean(1), exact.marginal(name), 0.12)
