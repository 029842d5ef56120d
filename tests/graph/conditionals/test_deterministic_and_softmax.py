"""Deterministic and logistic tables, and what all parametric tables promise."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

import mmgraph as mm
from mmgraph.graph.conditionals.parametric_table import ParametricTable
from mmgraph.graph.errors import GraphError, LearningError

RAIN = mm.Variable("rain", ("no", "yes"))
SEASON = mm.Variable("season", ("dry", "mild", "wet"))
WET = mm.Variable("wet", ("dry", "damp", "soaked"))
FIRE = mm.Variable("fire", 2)
ALARM = mm.Variable("alarm", ("on", "off"))

SOFTMAX = mm.Softmax(
    WET,
    (RAIN, SEASON),
    [[[0.0, 0, 0], [-1, 0.5, 2]], [[0.3, 0, 0], [0, 0, 0], [-1, 0, 1.5]]],
    [0.5, 0, -0.5],
)
EXAMPLES: list[ParametricTable] = [
    mm.Deterministic(WET, (RAIN, SEASON), [[0, 0, 1], [1, 2, 2]]),
    SOFTMAX,
    mm.Softmax(WET, (), [], [0.1, 0.2, 0.3]),
    mm.NoisyOr(ALARM, (RAIN, FIRE), [0.8, 0.3], 0.1, {"alarm": "off"}),
    mm.NoisyMax(
        WET,
        (RAIN, SEASON),
        [[[1, 0, 0], [0.2, 0.5, 0.3]], [[0.6, 0.3, 0.1], [1, 0, 0], [0.1, 0.2, 0.7]]],
        [0.9, 0.1, 0],
        {"season": "mild"},
    ),
]
KINDS = [type(e).__name__ for e in EXAMPLES]


def random_counts(table: ParametricTable, seed: int = 0) -> Tensor:
    shape = tuple(v.cardinality for v in table.scope)
    counts = torch.from_numpy(np.random.default_rng(seed).gamma(0.7, 20, size=shape))
    return counts * (table.values > 0)


def expected_log_likelihood(table: ParametricTable, counts: Tensor) -> float:
    return float(torch.special.xlogy(counts, table.values).sum())


@pytest.mark.parametrize("example", EXAMPLES, ids=KINDS)
def test_rows_are_distributions_with_the_child_last(example: ParametricTable) -> None:
    assert example.scope[-1] is example.child
    sums = example.values.sum(-1)
    assert torch.allclose(sums, torch.ones_like(sums), atol=1e-12)
    network = mm.BayesianNetwork(
        example.scope,
        [example, *(mm.Softmax(v, (), [], [0.0] * v.cardinality) for v in example.parents)],
    )
    assert network.distribution(example.child.name) is example
    moved = network.to(dtype=torch.float32).distribution(example.child.name)
    assert type(moved) is type(example)


@pytest.mark.parametrize("example", EXAMPLES, ids=KINDS)
def test_restore_and_move(example: ParametricTable) -> None:
    options = json.loads(json.dumps(example.settings()))
    again = example.restore(example.scope, example.child, example.parameters(), options)
    assert torch.equal(again.values, example.values)
    assert again.settings() == example.settings()
    moved = example.to(dtype=torch.float32)
    assert type(moved) is type(example)
    assert moved.values.dtype == torch.float32
    assert torch.allclose(moved.values.double(), example.values, atol=1e-6)
    with pytest.raises(GraphError, match="has no parameter"):
        example.restore(example.scope, example.child, {}, options)


@pytest.mark.parametrize("example", EXAMPLES, ids=KINDS)
def test_updating_never_lowers_the_expected_log_likelihood(example: ParametricTable) -> None:
    for seed in range(5):
        counts = random_counts(example, seed)
        better = example.updated(counts)
        assert type(better) is type(example)
        gain = expected_log_likelihood(better, counts) - expected_log_likelihood(example, counts)
        assert gain >= -1e-9
        assert gain > 0.1 or isinstance(example, mm.Deterministic)
        more = expected_log_likelihood(better.updated(counts), counts)
        assert abs(more - expected_log_likelihood(better, counts)) < 1e-4 * float(counts.sum())


@pytest.mark.parametrize("example", EXAMPLES, ids=KINDS)
def test_no_counts_change_nothing(example: ParametricTable) -> None:
    found = example.updated(torch.zeros_like(random_counts(example)))
    assert torch.allclose(found.values, example.values)


@pytest.mark.parametrize("example", EXAMPLES, ids=KINDS)
def test_bad_counts(example: ParametricTable) -> None:
    counts = random_counts(example)
    with pytest.raises(LearningError, match="shape"):
        example.updated(counts.unsqueeze(0))
    for bad in (-1.0, math.nan, math.inf):
        wrong = counts.clone()
        wrong[(-1,) * counts.ndim] = bad
        with pytest.raises(
            LearningError, match=rf"{example.child.name}={example.child.labels[-1]}"
        ):
            example.updated(wrong)


@pytest.mark.parametrize("example", EXAMPLES[1:], ids=KINDS[1:])
def test_gradients_reach_the_parameters(example: ParametricTable) -> None:
    parameters = {n: t.clone().requires_grad_() for n, t in example.parameters().items()}
    again = example.restore(example.scope, example.child, parameters, example.settings())
    (again.values * random_counts(example)).sum().backward()
    for name, parameter in parameters.items():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.isfinite().all())
        assert bool((parameter.grad != 0).any())


def test_deterministic_from_a_function() -> None:
    def worst(rain: str, season: str) -> str:
        return WET.labels[min(2, (rain == "yes") + SEASON.code(season))]  # type: ignore[return-value]

    found = mm.Deterministic(WET, (RAIN, SEASON), worst)
    for r, s in itertools.product(RAIN.labels, SEASON.labels):
        row = found.values[RAIN.code(r), SEASON.code(s)]
        assert row.tolist() == [float(label == worst(r, s)) for label in WET.labels]
    assert torch.equal(found.index, torch.tensor([[0, 1, 2], [1, 2, 2]]))
    assert found.updated(torch.ones(2, 3, 3)) is found
    assert mm.Deterministic(WET, (), lambda: "damp").values.tolist() == [0, 1, 0]


def test_bad_functions() -> None:
    with pytest.raises(GraphError, match=r"at \(rain=no\).*did you mean 'damp'"):
        mm.Deterministic(WET, (RAIN,), lambda rain: "dmp")
    with pytest.raises(GraphError, match=r"3 at \(rain=yes\) is not one of 3 states"):
        mm.Deterministic(WET, (RAIN,), [0, 3])
    with pytest.raises(GraphError, match=r"0\.5 at \(rain=no\)"):
        mm.Deterministic(WET, (RAIN,), [0.5, 1])
    with pytest.raises(GraphError, match=r"shape \(3,\), not \(2,\)"):
        mm.Deterministic(WET, (RAIN,), [0, 1, 2])
    with pytest.raises(GraphError, match="not an array of numbers"):
        mm.Deterministic(WET, (RAIN,), ["dry", "damp"])
    sound = mm.Variable("sound", shape=(2,), family="gaussian")
    with pytest.raises(GraphError, match="'sound' is continuous, and a parent of the discrete"):
        mm.Deterministic(WET, (sound,), [0, 1])


def test_softmax_adds_the_effects() -> None:
    for r, s in itertools.product(range(2), range(3)):
        logits = SOFTMAX.bias + SOFTMAX.weights[0][r] + SOFTMAX.weights[1][s]
        assert torch.allclose(SOFTMAX.values[r, s], logits.softmax(-1))


def test_far_logits_stay_distributions() -> None:
    extreme = mm.Softmax(WET, (RAIN,), [[[900.0, -900, 0], [0, 900, 0]]])
    assert bool(extreme.log_values.isfinite().all())
    assert torch.allclose(extreme.values.sum(-1), torch.ones(2, dtype=torch.float64))


@pytest.mark.parametrize("l2", [0.0, 0.7])
def test_softmax_agrees_with_scikit_learn(l2: float) -> None:
    counts = random_counts(SOFTMAX, 3) + 1
    found = SOFTMAX.updated(counts, l2=l2, max_iterations=1000)
    cells = np.array(list(np.ndindex(2, 3, 3)))
    one_hot = np.concatenate((np.eye(2)[cells[:, 0]], np.eye(3)[cells[:, 1]]), 1)
    peer = LogisticRegression(C=1 / l2 if l2 else np.inf, tol=1e-10, max_iter=10_000)
    peer.fit(one_hot, cells[:, 2], sample_weight=counts.reshape(-1).numpy())
    expected = peer.predict_proba(one_hot[::3]).reshape(2, 3, 3)
    assert np.allclose(found.values, expected, atol=1e-5)


def test_separable_counts_do_not_break_softmax() -> None:
    counts = torch.zeros(2, 3, 3)
    counts[0, :, 0] = 5
    counts[1, :, 2] = 5
    found = SOFTMAX.updated(counts)
    assert bool(found.log_values.isfinite().all())
    assert float(found.values[0, 0, 0]) > 0.999


def test_bad_softmax() -> None:
    with pytest.raises(GraphError, match=r"weights of 'rain': shape \(2, 2\), not \(2, 3\)"):
        mm.Softmax(WET, (RAIN,), [torch.zeros(2, 2)])
    with pytest.raises(GraphError, match="0 arrays of weights, 1 parents"):
        mm.Softmax(WET, (RAIN,), [])
    with pytest.raises(GraphError, match="bias: a number is not finite"):
        mm.Softmax(WET, (RAIN,), [torch.zeros(2, 3)], [0, math.nan, 0])
    with pytest.raises(LearningError, match="l2"):
        SOFTMAX.updated(random_counts(SOFTMAX), l2=-1.0)


def test_tables_beyond_the_budget_are_refused_with_their_size() -> None:
    parents = [mm.Variable(f"cause{i}", 2) for i in range(30)]
    child = mm.Variable("effect", 2)
    for build in (
        lambda: mm.NoisyOr(child, parents, torch.full((30,), 0.1)),
        lambda: mm.NoisyMax(child, parents, [torch.eye(2)] * 30),
        lambda: mm.Softmax(child, parents, [torch.zeros(2, 2)] * 30),
        lambda: mm.Deterministic(child, parents, lambda *labels: labels[0]),
    ):
        with pytest.raises(
            GraphError, match=r"'effect': 30 parents .* 2,147,483,648 cells, 16 GiB"
        ):
            build()
