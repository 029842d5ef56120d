"""Every method of every question on a device beside the CPU's; the table of them is complete."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import MmgraphError, ZeroProbabilityError
from mmgraph.inference import methods
from mmgraph.inference.devices import ON_ANY_DEVICE, ON_CPU_ALONE
from tests.inference.spatial_models import listed, mixed_graph
from tests.learning.boltzmann_machines import machine

README = Path(__file__).parents[2] / "README.md"
STRUCTURED = "structured_mean_field"
MESSAGES = {"schedule": "parallel", "damping": 0.3, "iterations": 4, "tolerance": 0.0}
"""So few passes that they are cheap: those on a device are, pass by pass, those of the CPU."""
SETTLED = {"tolerance": 1e-9, "iterations": 500}
pytestmark = pytest.mark.filterwarnings("ignore::mmgraph.graph.errors.ConvergenceWarning")


def sprinkler(gradients: bool = False) -> mm.BayesianNetwork:
    """A table over three variables with hard zeros, and an observed leaf with two parents."""
    rain, sprinkler, wet = (mm.Variable(n, 2) for n in ("rain", "sprinkler", "wet"))
    grass = mm.Variable("grass", shape=(2,), family="gaussian")
    table = torch.tensor([[[1.0, 0.0], [0.1, 0.9]], [[0.2, 0.8], [0.01, 0.99]]]).double()
    prior = torch.tensor([0.8, 0.2], dtype=torch.float64, requires_grad=gradients)
    means = [[[0.0, 0.0], [1.0, 0.5]], [[1.5, 1.0], [2.0, 2.0]]]
    leaf = mm.GaussianLeaf(
        grass, [sprinkler, wet], means=means, covariances=np.ones((2, 2, 2)), covariance="diagonal"
    )
    return mm.BayesianNetwork(
        [rain, sprinkler, wet, grass],
        [
            mm.TableFactor([rain], prior, child=rain),
            mm.TableFactor([rain, sprinkler], [[0.6, 0.4], [0.99, 0.01]], child=sprinkler),
            mm.TableFactor([rain, sprinkler, wet], table, child=wet),
            leaf,
        ],
    )


GRASS = {"grass": [[0.9, float("nan")], [float("nan"), 1.7]], "rain": [None, 1]}
"""Two rows, which observe different things."""

MODELS = {
    "network": (sprinkler, GRASS),
    "field": (lambda: mixed_graph(0), {"a": [0, 1], "b": [None, 2]}),
    "hard zeros": (lambda: mixed_graph(1, zeros=True), {"a": [0, 1], "b": [None, 2]}),
    "machine": (machine, {"h1": [[0, None], [None, None]]}),
}
FEW = {"draws": 20, "burn_in": 4, "chains": 60}
OPTIONS = {
    "belief_propagation": MESSAGES,
    "tree_reweighted": MESSAGES,
    "mean_field": {"tolerance": 0.0, "iterations": 8},
    "trws": {"iterations": 2},
    "max_product": {"iterations": 3},
    "gibbs": FEW,
    "parallel_tempering": {**FEW, "temperatures": [1.0, 3.0]},
    "annealed_importance_sampling": {"steps": 12, "chains": 300},
}
SAMPLERS = ("gibbs", "parallel_tempering", "annealed_importance_sampling")


def models_of(question: str, method: str) -> list[str]:
    """The models that a method answers for: layers by summation, others not."""
    if method == "layer_summation" or (question, method) == ("sample", "parallel_tempering"):
        return ["machine"]
    if question == "joint":
        return ["network", "field", "hard zeros"]
    return list(MODELS)


def cases(question: str) -> list:
    """Each method of a question on each kind of model; the slow ones are marked so."""
    found = []
    for method in ON_ANY_DEVICE[question]:
        for kind in models_of(question, method):
            slow = method == "parallel_tempering" or (method in OPTIONS and kind != "network")
            marks = [pytest.mark.slow] if slow else []
            found.append(pytest.param(method, kind, marks=marks))
    return found


def given(kind: str) -> tuple:
    make, evidence = MODELS[kind]
    if kind == "machine":
        evidence = {"h1": np.array([[0.0, np.nan], [np.nan, np.nan]])}
    return make(), evidence


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def options_of(method: str) -> dict:
    return dict(OPTIONS.get(method, {})) | ({"generator": seeded()} if method in SAMPLERS else {})


def assert_close(found: torch.Tensor, wanted: torch.Tensor, tolerance: float) -> None:
    torch.testing.assert_close(found.cpu().double(), wanted.double(), rtol=0, atol=tolerance)


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
    exact = method in SAMPLERS
    here = mm.query(graph, evidence, **({} if exact else {"method": method, **options_of(method)}))
    names = [n for n, v in graph.variables.items() if v.is_discrete]
    for name in names:
        assert post.marginal(name).is_cuda or method in ("gibbs", "parallel_tempering")
        assert_close(post.marginal(name), here.marginal(name), 0.1 if exact else 1e-6)
    if method == "annealed_importance_sampling":
        error = post.diagnostics["standard_error"]["log_partition"].cpu()
        assert ((post.log_partition.cpu() - here.log_partition).abs() < 4 * error + 0.02).all()
    elif not exact:
        assert_close(post.log_partition, here.log_partition, 1e-6)
    if post.has_log_evidence and not exact:
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


@pytest.mark.parametrize("schedule_free", ["belief_propagation", "tree_reweighted", "torch"])
def test_gradients_are_those_of_the_cpu(cuda, schedule_free):
    def derived(device: str) -> torch.Tensor:
        net = sprinkler(gradients=True)
        prior = net.distribution("rain").values
        soft = torch.zeros(2, 2, dtype=torch.float64, requires_grad=True)
        options = MESSAGES if schedule_free != "torch" else {}
        asked = {**GRASS, "sprinkler": mm.soft(soft)}
        post = mm.query(net, asked, method=schedule_free, device=device, **options)
        total = post.marginal("wet")[:, 1].sum() + post.log_evidence.sum()
        first, second = torch.autograd.grad(total, (prior, soft))
        return torch.cat([first.cpu().reshape(-1), second.cpu().reshape(-1)])

    assert_close(derived(cuda), derived("cpu"), 1e-6)


def test_gradients_of_joints_and_of_log_partition(cuda):
    def derived(device: str) -> torch.Tensor:
        net = sprinkler(gradients=True)
        prior = net.distribution("rain").values
        joint = mm.joint(net, ["rain", "wet"], GRASS, method="torch", device=device)
        total = joint[0, 1, 1] + mm.log_partition(net, GRASS, method="torch", device=device).sum()
        (found,) = torch.autograd.grad(total, prior)
        return found.cpu()

    found = derived(cuda)
    assert_close(found, derived("cpu"), 1e-9)
    with torch.no_grad():
        prior = torch.tensor([0.8, 0.2], dtype=torch.float64)
    for i in range(2):  # against differences
        step = torch.zeros(2, dtype=torch.float64)
        step[i] = 1e-5

        def value(values: torch.Tensor) -> float:
            net = sprinkler()
            factors = [mm.TableFactor([net.variables["rain"]], values), *net.factors[1:]]
            graph = mm.FactorGraph(net.variables.values(), factors)
            joint = mm.joint(graph, ["rain", "wet"], GRASS)
            return float(joint[0, 1, 1] + mm.log_partition(graph, GRASS).sum())

        slope = (value(prior + step) - value(prior - step)) / 2e-5
        assert slope == pytest.approx(float(found[i]), rel=1e-5)


@pytest.mark.slow
def test_the_gradient_of_the_bound_is_the_marginal(cuda):
    unary = torch.randn(3, 3, 2, generator=seeded(), dtype=torch.float64).requires_grad_()
    x = mm.Variable("x", 2, (3, 3))
    field = mm.FactorGraph([x], [mm.UnaryFactor(x, unary), mm.GridFactor(x, mm.Potts(), 0.7)])
    post = mm.query(field, method="tree_reweighted", device=cuda, **SETTLED)
    (found,) = torch.autograd.grad(post.bound.sum(), unary)
    assert_close(found, post.marginal("x")[0].detach().cpu(), 1e-4)


def test_messages_of_any_quality_prove_the_bound(cuda):
    for kind in ("network", "field"):
        graph, evidence = given(kind)
        exact = mm.log_partition(graph, evidence)
        for iterations in (1, 3):
            post = mm.query(
                graph, evidence, method="tree_reweighted", iterations=iterations, device=cuda
            )
            assert not post.converged
            assert (post.bound.cpu() >= exact - 1e-9).all()


@pytest.mark.slow
def test_chains_cross_hard_zeros(cuda):
    pair = mm.Variable("pair", 2, (2,))
    apart = mm.PairwiseFactor(pair, [(0, 1)], [[0.0, np.inf], [np.inf, 0.0]])
    lean = mm.UnaryFactor(pair, torch.tensor([[0.0, 1.0], [0.0, 0.5]], dtype=torch.float64))
    graph = mm.FactorGraph([pair], [apart, lean])
    wanted, log_z = listed(graph, mm.Evidence.of(None, graph.variables))
    post = mm.query(
        graph,
        method="parallel_tempering",
        device=cuda,
        draws=40,
        chains=90,
        temperatures=[1.0, 2.0, 6.0],
        generator=seeded(),
    )
    assert_close(post.marginal("pair")[0], wanted["pair"], 0.08)
    found = mm.query(
        graph, method="annealed_importance_sampling", device=cuda, steps=12, chains=600,
        generator=seeded(),
    )  # fmt: skip
    assert float(found.log_partition) == pytest.approx(log_z, abs=0.25)
    clash = {"pair": np.array([0, 1])}
    for method, options in (("annealed_importance_sampling", {"steps": 3, "chains": 4}),
                            ("parallel_tempering", {"draws": 4}), ("gibbs", {"draws": 4}),
                            ("belief_propagation", {}), ("torch", {})):  # fmt: skip
        with pytest.raises(ZeroProbabilityError):
            mm.query(graph, clash, method=method, device=cuda, **options)
    for method in ("icm", "max_product", "trws", "torch"):
        with pytest.raises(ZeroProbabilityError):
            mm.map_query(graph, clash, method=method, device=cuda)


def test_evidence_may_be_on_the_host_or_on_the_device(cuda):
    net = sprinkler()
    host = {
        "rain": torch.tensor([0, 1]),
        "wet": mm.soft(torch.tensor([[0.1, 0.3], [0.0, -1.0]], dtype=torch.float64)),
        "grass": torch.tensor([[0.9, 0.1], [1.0, 1.7]], dtype=torch.float64),
    }
    there = {
        "rain": host["rain"].to(cuda),
        "wet": mm.soft(torch.tensor([[0.1, 0.3], [0.0, -1.0]], dtype=torch.float64).to(cuda)),
        "grass": host["grass"].to(cuda),
    }
    wanted = mm.query(net, host).marginal("sprinkler")
    arrays = {"rain": host["rain"].numpy(), "wet": host["wet"], "grass": host["grass"].numpy()}
    for evidence in (host, there, arrays):
        for device in (cuda, "cpu"):
            found = mm.query(net, evidence, device=device).marginal("sprinkler")
            assert found.device.type == device
            assert_close(found, wanted, 1e-12)
    graph, _ = given("field")
    labels = torch.full((2, 2), -1)
    labels[0, 1] = 2
    soft = torch.zeros(2, 2, dtype=torch.float64)
    wanted = mm.query(graph, {"labels": labels}).marginal("line")
    assert soft.shape == (2, 2)
    for method in ("torch", "belief_propagation"):
        found = mm.query(graph, {"labels": labels.to(cuda)}, method=method, device=cuda)
        assert_close(found.marginal("line"), wanted, 0.05 if method != "torch" else 1e-9)


def test_a_model_on_the_device_answers_there(cuda):
    net = sprinkler()
    moved = net.to(cuda)
    for method in ("auto", "belief_propagation", "mean_field"):
        options = OPTIONS.get(method, {})
        post = mm.query(moved, GRASS, method=method, **options)
        assert post.marginal("wet").is_cuda
        assert_close(
            post.marginal("wet"), mm.query(net, GRASS, method=method, **options).marginal("wet"),
            1e-6,
        )  # fmt: skip
    assert mm.joint(moved, ["rain", "wet"], GRASS).is_cuda
    assert torch.equal(mm.map_query(moved, GRASS)["wet"], mm.map_query(net, GRASS)["wet"])
    assert np.asarray(mm.sample(moved, 3, GRASS, seeded())["grass"]).shape == (2, 3, 2)


def test_a_wrong_device_is_named(cuda):
    net = sprinkler()
    for device in ("gpu", "cuda:7", "mps", "cuda:x"):
        for action in (
            lambda d=device: mm.query(net, device=d),
            lambda d=device: mm.joint(net, ["rain"], device=d),
            lambda d=device: mm.map_query(net, device=d),
            lambda d=device: mm.sample(net, 1, device=d),
            lambda d=device: mm.log_partition(net, device=d),
            lambda d=device: mm.expected_family_counts(net, device=d),
        ):
            with pytest.raises(MmgraphError, match=re.escape(repr(device))):
                action()


def test_alarm_and_asia(cuda):
    for name, evidence in (("asia", {"xray": "yes"}), ("alarm", {"HRBP": "HIGH", "CVP": "LOW"})):
        net = mm.read(name)
        post, here = mm.query(net, evidence, device=cuda), mm.query(net, evidence)
        assert post.method == "torch"
        for variable in net.variables:
            assert_close(post.marginal(variable), here.marginal(variable), 1e-9)
        best = mm.map_query(net, evidence, device=cuda)
        assert_close(best.energy, mm.map_query(net, evidence).energy, 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["asia", "alarm"])
@pytest.mark.parametrize("method", ["belief_propagation", "tree_reweighted", "mean_field"])
def test_networks_by_approximate_methods(cuda, name, method):
    net = mm.read(name)
    options = OPTIONS[method]
    post = mm.query(net, method=method, device=cuda, **options)
    here = mm.query(net, method=method, **options)
    for variable in net.variables:
        assert_close(post.marginal(variable), here.marginal(variable), 1e-6)
    assert_close(post.log_evidence, here.log_evidence, 1e-6)


def test_expected_family_counts(cuda):
    net = sprinkler()
    weights = [0.5, 2.0]
    found = mm.expected_family_counts(net, GRASS, weights, device=cuda)
    for name, table in mm.expected_family_counts(net, GRASS, weights).items():
        assert_close(found[name], table, 1e-12)
