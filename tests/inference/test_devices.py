"""Every method of every question on a device beside the CPU's; the table of them is complete."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import MmgraphError
from mmgraph.inference import methods
from mmgraph.inference.devices import ON_ANY_DEVICE, ON_CPU_ALONE
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
STRUCTURED = "structured_mean_field"
pytestmark = pytest.mark.filterwarnings("ignore::mmgraph.graph.errors.ConvergenceWarning")


@pytest.mark.parametrize("question", list(methods.QUESTIONS))
def test_every_method_is_classified(question):
    able = set(ON_ANY_DEVICE[question])
    known = set(methods.QUESTIONS[question])
    assert able <= known
    assert known - able <= set(ON_CPU_ALONE)
    assert not able & set(ON_CPU_ALONE)
    assert {case.values[0] for case in cases(question)} == able


def test_nothing_else_is_classified():
    known = {m for each in methods.QUESTIONS.values() for m in each} | {STRUCTURED}
    assert set(ON_ANY_DEVICE) == set(methods.QUESTIONS)
    assert set(ON_CPU_ALONE) <= known


def test_the_readme_has_the_same_table():
    text = README.read_text()
    start = text.index("| question | on any device |")
    rows = text[start:].split("\n\n")[0].splitlines()[2:]
    told = {}
    for row in rows:
        question, able, alone = (re.findall(r"`(\w+)`", cell) for cell in row.split("|")[1:4])
        told[question[0]] = (set(able), set(alone))
    assert told == {
        question: (
            set(ON_ANY_DEVICE[question]),
            set(known) - set(ON_ANY_DEVICE[question])
            | ({STRUCTURED} if "mean_field" in known else set()),
        )
        for question, known in methods.QUESTIONS.items()
    }


def ask(question: str, method: str, graph: mm.FactorGraph, device: str) -> object:
    if question == "sample":
        return mm.sample(graph, 2, method=method, device=device)
    if question == "joint":
        return mm.joint(graph, ["rain"], method=method, device=device)
    if method == STRUCTURED:
        return getattr(mm, question)(graph, method="mean_field", structure="chains", device=device)
    return getattr(mm, question)(graph, method=method, device=device)


@pytest.mark.parametrize(
    ("question", "method"),
    [
        (question, method)
        for question, known in methods.QUESTIONS.items()
        for method in (*known, *([STRUCTURED] if "mean_field" in known else []))
        if method not in ON_ANY_DEVICE[question]
    ],
)
def test_what_runs_on_the_cpu_alone_says_so(cuda, question, method):
    with pytest.raises(MmgraphError) as told:
        ask(question, method, sprinkler(), cuda)
    for part in (f"'{method}'", "'cuda'", "on the CPU alone", ON_ANY_DEVICE[question][0]):
        assert part in str(told.value)


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
