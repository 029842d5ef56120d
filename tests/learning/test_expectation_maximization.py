"""Expectation maximisation: never downhill, right where the answer is known, and resumable."""

from __future__ import annotations

import itertools
import json
import math
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.graph.errors import FormatError, LearningError, ZeroProbabilityError
from mmgraph.graph.evidence import Evidence, soft
from mmgraph.graph.factor import Factor, LogTable, TableFactor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.gaussian import GaussianLeaf
from mmgraph.graph.gaussian_mixture import GaussianMixtureLeaf
from mmgraph.graph.variable import Variable
from mmgraph.learning.encoding import coded_chunks
from mmgraph.learning.expectation import Rows, expectation
from mmgraph.learning.expectation_maximization import expectation_maximization
from mmgraph.learning.parameters import LeafOptions, Prior, learn_parameters
from mmgraph.networks.bayesian_network import BayesianNetwork
from mmgraph.networks.conditionals import NoisyOr, Softmax


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_network(seed: int, size: int = 5) -> BayesianNetwork:
    """Up to two parents a variable, two or three states."""
    generator = np.random.default_rng(seed)
    variables = [Variable(f"v{i}", int(generator.integers(2, 4))) for i in range(size)]
    factors = []
    for i, child in enumerate(variables):
        count = int(generator.integers(0, min(i, 2) + 1))
        parents = [variables[j] for j in generator.choice(i, count, replace=False)] if i else []
        table = generator.dirichlet(np.ones(child.cardinality), [v.cardinality for v in parents])
        factors.append(TableFactor((*parents, child), table, child=child))
    return BayesianNetwork(variables, factors)


def with_holes(net: BayesianNetwork, rows: int, share: float, seed: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {
        name: np.where(generator.random(rows) < share, -1, codes.numpy())
        for name, codes in mm.sample(net, rows, generator=seeded(seed)).items()
    }


def check_monotone(objectives) -> None:
    steps = np.diff(objectives)
    assert (steps >= -1e-9 * np.abs(objectives[:-1])).all(), steps.min()


def same_factors(first: FactorGraph, second: FactorGraph) -> bool:
    def numbers(factor) -> list[torch.Tensor]:
        if type(factor) is TableFactor:
            return [factor.values]
        return list(factor.parameters().values())

    return all(
        torch.equal(a, b)
        for f, g in zip(first.factors, second.factors, strict=True)
        for a, b in zip(numbers(f), numbers(g), strict=True)
    )


# --- tables --------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    share=st.sampled_from([0.1, 0.5]),
    latent=st.booleans(),
    amount=st.sampled_from([0.0, 2.0]),
)
def test_the_objective_never_falls(seed, share, latent, amount):
    net = random_network(seed)
    data = with_holes(net, 40, share, seed)
    if latent:
        del data["v1"]
    learned, report = expectation_maximization(
        net, data, prior=Prior(amount), generator=seeded(seed), max_iterations=12
    )
    check_monotone(report.objectives)
    likelihood = float(mm.log_partition(learned, data).sum())
    assert report.log_likelihood == pytest.approx(likelihood, rel=1e-9)
    if not amount:
        assert report.objectives == report.log_likelihoods


@pytest.mark.parametrize("prior", [Prior(), Prior(5.0), Prior(0.0, 0.5)])
def test_complete_data_give_the_closed_form_at_once(prior):
    net = random_network(3)
    data = mm.sample(net, 300, generator=seeded())
    learned, report = expectation_maximization(net, data, prior=prior)
    assert report.converged
    assert report.iterations == 1
    for a, b in zip(learned.factors, learn_parameters(net, data, prior), strict=True):
        torch.testing.assert_close(a.values, b.values)
    assert isinstance(learned, BayesianNetwork)


def test_a_hidden_cause_by_hand():
    """One step from known parameters, with the posterior written out."""
    h, x = Variable("h", 2), Variable("x", 2)
    prior, likelihood = np.array([0.4, 0.6]), np.array([[0.9, 0.1], [0.3, 0.7]])
    graph = FactorGraph(
        (h, x), (TableFactor((h,), prior, child=h), TableFactor((h, x), likelihood, child=x))
    )
    data = {"x": [0, 0, 1, 0, -1]}
    learned, report = expectation_maximization(
        graph, data, start="current", max_iterations=1, tolerance=0
    )
    joint = prior[:, None] * likelihood
    posterior = joint / joint.sum(0)
    counts = posterior * np.array([3, 1]) + joint  # the row without x counts with its joint
    np.testing.assert_allclose(learned.factors[0].values, counts.sum(1) / 5)
    np.testing.assert_allclose(learned.factors[1].values, counts / counts.sum(1, keepdims=True))
    expected = 3 * math.log(joint.sum(0)[0]) + math.log(joint.sum(0)[1])
    assert report.log_likelihoods[0] == pytest.approx(expected)


def test_a_missing_pattern_that_is_ignorable_is_filled_in():
    """b is missing wherever a is 1 and c is 0: available cases would be wrong, EM is right."""
    a, b, c = (Variable(n, 2) for n in "abc")
    graph = BayesianNetwork(
        (a, b, c),
        (
            TableFactor((a,), [0.5, 0.5], child=a),
            TableFactor((a, b), [[0.8, 0.2], [0.4, 0.6]], child=b),
            TableFactor((b, c), [[0.9, 0.1], [0.2, 0.8]], child=c),
        ),
    )
    data = {n: t.numpy() for n, t in mm.sample(graph, 40_000, generator=seeded(4)).items()}
    data["b"] = np.where((data["a"] == 1) & (data["c"] == 0), -1, data["b"])
    learned, report = expectation_maximization(graph, data, tolerance=1e-9, max_iterations=500)
    assert report.converged
    for found, true in zip(learned.factors, graph.factors, strict=True):
        torch.testing.assert_close(found.values, true.values, atol=0.02, rtol=0)


def test_a_latent_class_is_recovered():
    h = Variable("h", 2)
    items = [Variable(f"x{i}", 2) for i in range(5)]
    right = np.linspace(0.75, 0.95, 5)
    graph = BayesianNetwork(
        (h, *items),
        (
            TableFactor((h,), [0.3, 0.7], child=h),
            *(
                TableFactor((h, x), [[p, 1 - p], [1 - p, p]], child=x)
                for x, p in zip(items, right, strict=True)
            ),
        ),
    )
    data = mm.sample(graph, 20_000, generator=seeded(5))
    del data["h"]
    learned, report = expectation_maximization(
        graph, data, restarts=2, generator=seeded(6), tolerance=1e-8, max_iterations=500
    )
    first = learned.factors[0].values
    order = first.argsort()  # which state is called which cannot be learned
    torch.testing.assert_close(first[order], torch.tensor([0.3, 0.7]).double(), atol=0.03, rtol=0)
    for p, factor in zip(right, learned.factors[1:], strict=True):
        assert float(factor.values[order][0, 0]) == pytest.approx(p, abs=0.03)
    assert report.log_likelihood == max(report.restarts)


def test_equal_rows_are_put_together_and_weights_are_repetitions():
    net = random_network(8, 4)
    data = with_holes(net, 60, 0.3, 1)
    times = np.random.default_rng(0).integers(0, 4, 60)
    (group,) = Rows(coded_chunks(data, net.variables, None, times))
    assert group.evidence.batch < 60
    assert group.weights.sum() == times.sum()
    weighted, one = expectation_maximization(net, data, weights=times, max_iterations=5)
    repeated, two = expectation_maximization(
        net, {n: np.repeat(c, times) for n, c in data.items()}, max_iterations=5
    )
    assert one.rows == two.rows == times.sum()
    np.testing.assert_allclose(one.objectives, two.objectives)
    for a, b in zip(weighted.factors, repeated.factors, strict=True):
        torch.testing.assert_close(a.values, b.values)


def test_the_best_restart_is_returned_wherever_it_comes():
    net = mixture_of_three()
    data = {"x": mm.sample(net, 60, generator=seeded(3))["x"]}
    best = set()
    for seed in range(6):
        learned, report = expectation_maximization(
            net, data, restarts=3, max_iterations=5, tolerance=0, generator=seeded(seed)
        )
        best.add(report.restart)
        assert report.objectives[-1] == report.restarts[report.restart] == max(report.restarts)
        assert float(mm.log_partition(learned, data).sum()) == pytest.approx(report.log_likelihood)
    assert {0, 2} <= best  # neither always the first nor always the last


def test_restarts_differ_where_cells_are_missing():
    net = random_network(5)
    data = with_holes(net, 50, 0.5, 3)
    _, report = expectation_maximization(net, data, restarts=3, max_iterations=1, tolerance=0)
    assert len(set(report.restarts)) == 3


@pytest.mark.parametrize("observed", [False, True])
def test_weighted_rows_of_leaves_are_repeated_rows(observed):
    net = mixture_of_three()
    data = mm.sample(net, 80, generator=seeded(3))
    times = torch.from_numpy(np.random.default_rng(0).integers(0, 4, 80))
    if not observed:
        del data["h"]
    options = {"start": "current", "max_iterations": 4, "tolerance": 0.0}
    weighted, one = expectation_maximization(net, data, weights=times, **options)
    repeated, two = expectation_maximization(
        net, {n: t.repeat_interleave(times, 0) for n, t in data.items()}, **options
    )
    np.testing.assert_allclose(one.objectives, two.objectives)
    torch.testing.assert_close(weighted.factors[1].means, repeated.factors[1].means)


def test_expected_counts_are_sums_over_completions():
    net = random_network(11, 4)
    data = with_holes(net, 15, 0.4, 2)
    found = expectation(net, Rows(coded_chunks(data, net.variables)))
    names = list(net.variables)
    counts = [np.zeros([v.cardinality for v in f.scope]) for f in net.factors]
    log_likelihood = 0.0
    for row in range(15):
        options = [
            range(v.cardinality) if data[n][row] < 0 else [data[n][row]]
            for n, v in net.variables.items()
        ]
        full = [dict(zip(names, states, strict=True)) for states in itertools.product(*options)]
        mass = np.array(
            [
                float(torch.exp(-net.energy({n: torch.tensor(s) for n, s in f.items()})))
                for f in full
            ]
        )
        log_likelihood += math.log(mass.sum())
        for share, states in zip(mass / mass.sum(), full, strict=True):
            for factor, table in zip(net.factors, counts, strict=True):
                table[tuple(states[v.name] for v in factor.scope)] += share
    for ours, table in zip(found.counts, counts, strict=True):
        np.testing.assert_allclose(ours, table, atol=1e-12)
    assert found.log_likelihood == pytest.approx(log_likelihood)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_file_read_in_chunks_gives_the_same_as_memory(tmp_path, ending):
    net = random_network(5)
    frame = pd.DataFrame(with_holes(net, 90, 0.3, 3)).drop(columns="v2")
    frame = frame.replace(-1, None).astype("Int64")
    path = tmp_path / f"rows{ending}"
    frame.to_csv(path, index=False) if ending == ".csv" else frame.to_parquet(path)
    runs = [
        expectation_maximization(
            net, data, chunk_rows=20, max_iterations=6, generator=seeded(), tolerance=0
        )
        for data in (frame, path)
    ]
    assert runs[0][1].objectives == runs[1][1].objectives
    assert same_factors(runs[0][0], runs[1][0])
    whole = expectation_maximization(net, frame, start="current", max_iterations=6, tolerance=0)
    parts = expectation_maximization(
        net, path, start="current", max_iterations=6, tolerance=0, chunk_rows=7
    )
    np.testing.assert_allclose(whole[1].objectives, parts[1].objectives)


def test_soft_evidence_counts_as_it_weighs():
    h, x = Variable("h", 2), Variable("x", 2)
    graph = BayesianNetwork(
        (h, x),
        (TableFactor((h,), [0.5, 0.5], child=h), TableFactor((h, x), np.eye(2), child=x)),
    )
    likelihood = np.log([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    evidence = Evidence.of({"x": soft(likelihood)}, graph.variables)
    learned, report = expectation_maximization(
        graph, evidence, start="current", max_iterations=300, tolerance=1e-12
    )
    check_monotone(report.objectives)
    p = float(learned.factors[0].values[0])
    gradient = sum((a - b) / (p * a + (1 - p) * b) for a, b in np.exp(likelihood))
    assert gradient == pytest.approx(0, abs=1e-3)


def test_parametric_tables_keep_their_kind_and_go_uphill():
    a, b, c, d = (Variable(n, 2) for n in "abcd")
    graph = BayesianNetwork(
        (a, b, c, d),
        (
            TableFactor((a,), [0.4, 0.6], child=a),
            TableFactor((b,), [0.7, 0.3], child=b),
            NoisyOr(c, (a, b), [0.8, 0.5], 0.1),
            Softmax(d, (a, c), [[[0.0, 0], [0, 1]], [[0.0, 0], [0, -2]]]),
        ),
    )
    data = with_holes(graph, 150, 0.3, 9)
    learned, report = expectation_maximization(graph, data, max_iterations=8)
    check_monotone(report.objectives)
    assert [type(f).__name__ for f in learned.factors[2:]] == ["NoisyOr", "Softmax"]


# --- continuous leaves ---------------------------------------------------------------------------


def mixture_of_three() -> BayesianNetwork:
    h, x = Variable("h", 3), Variable("x", shape=(2,), family="gaussian")
    means = np.array([[0.0, 0], [5, 0], [0, 6]])
    spread = np.array([[[1, 0.5], [0.5, 1]], [[0.5, 0], [0, 2]], [[1, 0], [0, 1]]])
    return BayesianNetwork(
        (h, x), (TableFactor((h,), [0.2, 0.3, 0.5], child=h), GaussianLeaf(x, (h,), means, spread))
    )


@pytest.mark.parametrize("holes", [0.0, 0.2])
def test_a_mixture_of_normals_is_recovered(holes):
    net = mixture_of_three()
    x = mm.sample(net, 4000, generator=seeded(1))["x"].numpy().copy()
    x[np.random.default_rng(0).random(x.shape) < holes] = np.nan
    learned, report = expectation_maximization(
        net, {"x": x}, restarts=3, generator=seeded(2), tolerance=1e-8
    )
    check_monotone(report.objectives)
    weights, leaf = learned.factors[0].values, learned.factors[1]
    order = [int((leaf.means - m).norm(dim=1).argmin()) for m in net.factors[1].means]
    assert sorted(order) == [0, 1, 2]
    torch.testing.assert_close(weights[order], net.factors[0].values, atol=0.04, rtol=0)
    torch.testing.assert_close(leaf.means[order], net.factors[1].means, atol=0.2, rtol=0)
    spread = leaf.covariances[order]
    torch.testing.assert_close(spread, net.factors[1].covariances, atol=0.3, rtol=0)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000), covariance=st.sampled_from(["full", "diagonal", "shared"]))
def test_leaves_of_both_kinds_go_uphill(seed, covariance):
    generator = np.random.default_rng(seed)
    h, a = Variable("h", 2), Variable("a", 2)
    x = Variable("x", shape=(2,), family="gaussian")
    y = Variable("y", family="gaussian")
    shape = {"full": (2, 2, 2), "diagonal": (2, 2), "shared": (2, 2)}[covariance]
    spread = np.ones(shape) if covariance == "diagonal" else np.broadcast_to(np.eye(2), shape)
    net = BayesianNetwork(
        (h, a, x, y),
        (
            TableFactor((h,), [0.5, 0.5], child=h),
            TableFactor((h, a), [[0.8, 0.2], [0.3, 0.7]], child=a),
            GaussianLeaf(x, (h,), np.zeros((2, 2)), spread, covariance),
            GaussianMixtureLeaf(
                y, (a,), np.full((2, 2), 0.5), [[-2.0, 0], [0, 2]], np.ones((2, 2)), "diagonal"
            ),
        ),
    )
    data = {
        "a": np.where(generator.random(80) < 0.3, -1, generator.integers(0, 2, 80)),
        "x": generator.normal(size=(80, 2)) + 2 * generator.integers(0, 2, (80, 1)),
        "y": generator.normal(size=80) + 3 * generator.integers(0, 2, 80),
    }
    data["x"][generator.random((80, 2)) < 0.2] = np.nan
    data["y"][generator.random(80) < 0.2] = np.nan
    learned, report = expectation_maximization(
        net,
        data,
        generator=seeded(seed),
        max_iterations=10,
        options=LeafOptions(floor=1e-3),
    )
    check_monotone(report.objectives)
    assert report.log_likelihood == pytest.approx(float(mm.log_partition(learned, data).sum()))


def test_a_leaf_that_is_never_observed_stays_as_it_is():
    net = mixture_of_three()
    h = mm.sample(net, 50, generator=seeded())["h"]
    learned, _ = expectation_maximization(net, {"h": h}, start="current")
    assert learned.factors[1] is net.factors[1]
    with pytest.raises(LearningError, match="'x' has no observed value"):
        expectation_maximization(net, {"h": h})


class Encoder(Factor):
    """A continuous factor that does not learn: what a trained classifier says of h."""

    def __init__(self, child: Variable, parent: Variable) -> None:
        self.scope, self.child = (parent, child), child

    is_tabular = False

    def energy(self, assignment):
        raise NotImplementedError

    def to(self, device=None, dtype=None):
        return self

    def likelihood(self, evidence):
        values = evidence.values.get(self.child.name)
        return None if values is None else LogTable(self.scope[:1], values)


def test_a_continuous_factor_that_does_not_learn_speaks_and_stays():
    h, a = Variable("h", 2), Variable("a", 2)
    scores = Variable("scores", shape=(2,), family="gaussian")
    encoder = Encoder(scores, h)
    net = BayesianNetwork(
        (h, a, scores),
        (
            TableFactor((h,), [0.5, 0.5], child=h),
            encoder,
            TableFactor((h, a), [[0.8, 0.2], [0.3, 0.7]], child=a),
        ),
    )
    sure = 50.0 * np.array([[0, -1], [0, -1], [-1, 0], [0, -1]])
    data = {"scores": sure, "a": [0, 0, 1, 1]}
    learned, report = expectation_maximization(net, data, max_iterations=50)
    check_monotone(report.objectives)
    assert learned.factors[1] is encoder
    np.testing.assert_allclose(learned.factors[0].values, [0.75, 0.25], atol=1e-4)
    np.testing.assert_allclose(learned.factors[2].values, [[2 / 3, 1 / 3], [0, 1]], atol=1e-4)
    known = learn_parameters(net, {"h": [0, 0, 1, 0], "a": data["a"], "scores": sure})
    assert known[1] is encoder
    np.testing.assert_allclose(known[2].values, [[2 / 3, 1 / 3], [0, 1]])


# --- checkpoints ---------------------------------------------------------------------------------


class Interruption:
    """Behaves like someone who presses Ctrl-C in the n-th report."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self, iteration: int, log_likelihood: float) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def interrupted_example() -> tuple[BayesianNetwork, dict, dict]:
    net = mixture_of_three()
    x = mm.sample(net, 200, generator=seeded(1))["x"]
    options = {"restarts": 3, "max_iterations": 6, "tolerance": 0.0, "prior": Prior(1.0)}
    return net, {"x": x}, options


@pytest.mark.parametrize("after", [1, 4, 7, 8, 12, 20])
def test_an_interrupted_run_ends_as_if_it_had_not_been(tmp_path, after):
    net, data, options = interrupted_example()
    whole, report = expectation_maximization(net, data, generator=seeded(7), **options)
    with pytest.raises(KeyboardInterrupt):
        expectation_maximization(
            net,
            data,
            generator=seeded(7),
            checkpoint=tmp_path / "em",
            progress=Interruption(after),
            **options,
        )
    seen = []
    resumed, again = expectation_maximization(  # with another seed: the saved one counts
        net,
        data,
        generator=seeded(99),
        checkpoint=tmp_path / "em",
        progress=lambda *x: seen.append(x),
        **options,
    )
    assert same_factors(whole, resumed)
    assert (again.objectives, again.restarts, again.restart) == (
        report.objectives,
        report.restarts,
        report.restart,
    )
    assert len(seen) == 21 - after  # 3 restarts of a start and 6 iterations
    assert sorted(p.name.split("-")[0] for p in (tmp_path / "em").iterdir()) == [
        "parameters",
        "state.json",
    ]


def test_the_last_complete_iteration_is_kept_when_a_step_is_interrupted(tmp_path, monkeypatch):
    net, data, options = interrupted_example()
    from mmgraph.learning import expectation_maximization as module

    real, calls = module.expectation, itertools.count()

    def broken(*arguments):
        if next(calls) == 4:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(module, "expectation", broken)
    with pytest.raises(KeyboardInterrupt):
        expectation_maximization(net, data, checkpoint=tmp_path / "em", **options)
    state = json.loads((tmp_path / "em" / "state.json").read_text())
    assert len(state["current"]["objectives"]) == 4  # the start and three iterations


@pytest.mark.slow
def test_a_killed_process_is_taken_up_where_it_stood(tmp_path):
    """SIGKILL leaves no time to tidy up."""
    program = """
import os, signal, sys
import mmgraph as mm, torch
from mmgraph.learning.expectation_maximization import expectation_maximization

net = mm.read("asia")
data = mm.sample(net, 300, generator=torch.Generator().manual_seed(0))
del data["either"], data["lung"]
calls = []

def progress(iteration, log_likelihood):
    calls.append(iteration)
    if len(calls) == 9 and sys.argv[2] == "die":
        os.kill(os.getpid(), signal.SIGKILL)

_, report = expectation_maximization(
    net, data, restarts=2, max_iterations=6, tolerance=0, checkpoint=sys.argv[1],
    generator=torch.Generator().manual_seed(1), progress=progress,
)
print(report.objectives, report.restarts)
"""

    def run(directory: str, fate: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program, str(tmp_path / directory), fate]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    whole = run("whole", "live")
    assert whole.returncode == 0, whole.stderr
    assert run("killed", "die").returncode == -signal.SIGKILL
    assert run("killed", "live").stdout == whole.stdout


def test_a_failed_write_leaves_the_state_before(tmp_path, monkeypatch):
    net, data, options = interrupted_example()
    from mmgraph.learning import checkpoint as module

    real, calls = module._write, itertools.count()

    def full_disk(path, content):
        if next(calls) == 5:  # the JSON of the third state
            raise OSError("no space left")
        real(path, content)

    monkeypatch.setattr(module, "_write", full_disk)
    directory = tmp_path / "em"
    with pytest.raises(FormatError, match="cannot be written"):
        expectation_maximization(net, data, checkpoint=directory, generator=seeded(7), **options)
    monkeypatch.setattr(module, "_write", real)
    resumed, _ = expectation_maximization(net, data, checkpoint=directory, **options)
    whole, _ = expectation_maximization(net, data, generator=seeded(7), **options)
    assert same_factors(whole, resumed)


def test_a_finished_run_is_read_back_without_a_step(tmp_path):
    net, data, options = interrupted_example()
    first, one = expectation_maximization(net, data, checkpoint=tmp_path / "em", **options)
    second, two = expectation_maximization(
        net, data, checkpoint=tmp_path / "em", progress=Interruption(1), **options
    )
    assert same_factors(first, second)
    assert one.objectives == two.objectives
    assert one.rows == two.rows == 200
    with pytest.raises(FormatError, match="the data differ"):
        expectation_maximization(net, {"x": data["x"] + 1}, checkpoint=tmp_path / "em", **options)


def test_another_call_may_not_go_on_from_a_checkpoint(tmp_path):
    net, data, options = interrupted_example()
    directory = tmp_path / "em"
    with pytest.raises(KeyboardInterrupt):
        expectation_maximization(
            net, data, checkpoint=directory, progress=Interruption(3), **options
        )
    with pytest.raises(FormatError, match="the options differ"):
        expectation_maximization(net, data, checkpoint=directory, **{**options, "restarts": 2})
    with pytest.raises(FormatError, match="the data differ"):
        expectation_maximization(net, {"x": data["x"] + 1}, checkpoint=directory, **options)
    other = random_network(0)
    with pytest.raises(FormatError, match="the graph's distributions differ"):
        expectation_maximization(
            other, with_holes(other, 9, 0.1, 0), checkpoint=directory, **options
        )


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: (d / "state.json").write_text("{"),
        lambda d: (d / "state.json").write_text("[]"),
        lambda d: (d / "state.json").write_bytes(b"\xff"),
        lambda d: next(d.glob("parameters-*")).unlink(),
        lambda d: next(d.glob("parameters-*")).write_bytes(b"noise"),
        lambda d: (d / "state.json").write_text(
            (d / "state.json").read_text().replace('"version": 1', '"version": 2')
        ),
        lambda d: (d / "state.json").write_text(
            (d / "state.json").read_text().replace('"seeds"', '"deeds"')
        ),
    ],
)
def test_a_damaged_checkpoint_is_refused(tmp_path, damage):
    net, data, options = interrupted_example()
    directory = tmp_path / "em"
    with pytest.raises(KeyboardInterrupt):
        expectation_maximization(
            net, data, checkpoint=directory, progress=Interruption(3), **options
        )
    damage(directory)
    with pytest.raises(FormatError, match="em"):
        expectation_maximization(net, data, checkpoint=directory, **options)


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": "dat"}, "did you mean 'data'"),
        ({"restarts": 0}, "restarts must be at least 1"),
        ({"max_iterations": 0}, "max_iterations must be at least 1"),
        ({"tolerance": -1e-3}, "tolerance"),
        ({"tolerance": float("nan")}, "tolerance"),
        ({"prior": Prior(0, {"v9": 1.0})}, "'v9'"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    net = random_network(1)
    with pytest.raises(LearningError, match=message):
        expectation_maximization(net, with_holes(net, 9, 0.1, 0), **options)


def test_factors_that_are_no_distributions_are_refused():
    a = Variable("a", 2)
    with pytest.raises(LearningError, match=r"TableFactor\(a\) is no conditional"):
        expectation_maximization(FactorGraph((a,), (TableFactor((a,), [1.0, 2]),)), {"a": [0]})


def test_impossible_rows_are_numbered_through_all_chunks():
    a, b = Variable("a", 2), Variable("b", 2)
    graph = FactorGraph(
        (a, b),
        (TableFactor((a,), [0.5, 0.5], child=a), TableFactor((a, b), np.eye(2), child=b)),
    )
    data = {"a": [0, 1, 1, 0, 0, 1], "b": [0, 1, 1, -1, 0, 0]}
    with pytest.raises(ZeroProbabilityError, match="row 5 of the table") as caught:
        expectation_maximization(graph, data, start="current", chunk_rows=2)
    assert caught.value.rows == (5,)
    learned, _ = expectation_maximization(graph, data)  # from the data it is possible
    assert float(learned.factors[1].values[1, 0]) > 0


def test_an_empty_table_is_refused():
    net = random_network(1)
    with pytest.raises(LearningError, match="no rows"):
        expectation_maximization(net, {"v0": []})
