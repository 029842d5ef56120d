"""Training that has run away is found out by the likelihood of biases alone."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from scipy import stats

import mmgraph as mm
from mmgraph.graph.errors import LearningError, UnlikelyRowsWarning
from mmgraph.inference.field.clamping import Clamped
from mmgraph.learning.boltzmann.training.divergence import (
    divergence,
    independent_log_likelihood,
    log_likelihood_ceiling,
)
from mmgraph.learning.boltzmann.training_rows import TrainingRows
from tests.learning.boltzmann_machines import data_of, log_likelihood, machine


def documents(length: int, rows: int = 150, words: int = 20, seed: int = 0) -> np.ndarray:
    """Word counts of mixtures of three topics."""
    generator = np.random.default_rng(7)
    topics = generator.dirichlet(np.full(words, 0.3), 3)
    generator = np.random.default_rng(seed)
    shares = generator.dirichlet(np.full(3, 0.2), rows)
    return np.stack([generator.multinomial(length, s @ topics) for s in shares])


def multinomial(counts: np.ndarray, length: int) -> float:
    """The mean log-likelihood of rows by the frequencies of the words alone."""
    chances = counts.sum(0) / counts.sum()
    return float(stats.multinomial(length, chances).logpmf(counts).mean())


def test_units_alone_have_the_likelihoods_of_their_families():
    counts = documents(50)
    generator = np.random.default_rng(0)
    x, bits = generator.normal(3, 2, (150, 2)), generator.integers(0, 2, (150, 3))
    known = generator.random((150, 3)) < 0.7
    graph = mm.FactorGraph([
        mm.Variable("words", shape=(20,), family="replicated_softmax"),
        mm.Variable("x", shape=(2,), family="gaussian"),
        mm.Variable("bits", shape=(3,), family="bernoulli"),
    ])  # fmt: skip
    rows = {
        "words": Clamped(torch.tensor(counts, dtype=torch.float64)),
        "x": Clamped(torch.tensor(x)),
        "bits": Clamped(torch.tensor(bits * known, dtype=torch.float64), torch.tensor(known)),
    }
    expected = {
        "words": multinomial(counts, 50),
        "x": float(stats.norm(x.mean(0), x.std(0)).logpdf(x).sum(1).mean()),
    }
    chances = [bits[known[:, i], i].mean() for i in range(3)]
    expected["bits"] = sum(
        float(stats.bernoulli(p).logpmf(bits[known[:, i], i]).sum()) / 150
        for i, p in enumerate(chances)
    )
    for name, value in expected.items():
        found = independent_log_likelihood(graph, TrainingRows(150, {name: rows[name]}))
        assert found == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("family", ["bernoulli", "categorical", "gaussian", "replicated_softmax"])
@pytest.mark.parametrize("scale", [0.1, 1.0, 3.0])
def test_the_ceiling_is_above_the_exact_likelihood(family, scale):
    graph = machine(family, (3,), scale=scale)
    values = data_of(graph, 40, seed=1)
    exact = float(log_likelihood(graph, [f.tensors() for f in graph.factors], values))
    ceiling = log_likelihood_ceiling(graph, TrainingRows(40, {"v": Clamped(values)}))
    assert ceiling >= exact - 1e-9
    if scale < 1:
        assert ceiling == pytest.approx(exact, abs=0.1)


def fitted(counts: np.ndarray, **options) -> mm.RestrictedBoltzmannMachine:
    words = mm.Variable("words", shape=(counts.shape[1],), family="replicated_softmax")
    generator = torch.Generator().manual_seed(0)
    return mm.RestrictedBoltzmannMachine(words, 6, generator=generator).fit(counts, **options)


@pytest.mark.parametrize("options", [
    {"optimiser": "sgd", "learning_rate": 30.0},
    {"optimiser": "sgd", "learning_rate": 1e3},
    {"optimiser": "adam", "learning_rate": 5.0},
])  # fmt: skip
def test_a_rate_that_is_too_high_is_an_error(options):
    with pytest.raises(LearningError, match="training diverged"):
        fitted(documents(50), epochs=20, **options)


def test_a_machine_that_has_diverged_goes_back_to_its_start():
    counts = documents(50)
    with pytest.raises(LearningError, match="by biases alone, without any hidden unit"):
        fitted(counts, optimiser="sgd", learning_rate=30.0, epochs=5)
    words = mm.Variable("words", shape=(20,), family="replicated_softmax")
    machine = mm.RestrictedBoltzmannMachine(words, 6)
    with pytest.raises(LearningError, match="that training began with"):
        machine.fit(counts, optimiser="sgd", learning_rate=30.0, epochs=5)
    assert float(machine.log_likelihood(counts).value.mean()) == pytest.approx(
        multinomial(counts, 50), rel=0.05
    )


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_checkpoint_does_not_make_divergence_a_success(tmp_path, epochs):
    counts, numbers = documents(50), []
    for seed in (0, 0, 1 if epochs > 1 else 0):  # where it goes on, it has the first one's start
        generator = torch.Generator().manual_seed(seed)
        words = mm.Variable("words", shape=(20,), family="replicated_softmax")
        machine = mm.RestrictedBoltzmannMachine(words, 6)
        with pytest.raises(LearningError, match=r"by biases alone, .* that training began with"):
            machine.fit(
                counts, optimiser="sgd", learning_rate=100.0, epochs=epochs, checkpoint=tmp_path,
                generator=generator,
            )  # fmt: skip
        numbers.append(machine.parameters())
    for name, tensor in numbers[0].items():
        assert all(torch.equal(tensor, other[name]) for other in numbers[1:])
    value = float(machine.log_likelihood(counts).value.mean())
    assert value == pytest.approx(multinomial(counts, 50), rel=0.05)


@pytest.mark.parametrize("options", [{}, {"optimiser": "sgd"}])
def test_long_documents_are_learned_with_the_defaults(options):
    train, test = documents(1000), documents(1000, seed=1)
    machine = fitted(train, **options)
    value = machine.log_likelihood(test)
    assert value.kind == "exact"
    assert float(value.value.mean()) > multinomial(test, 1000)


def test_steps_are_those_of_a_word():
    """With ten times the words, biases of independent words take the same way."""
    counts = documents(50)
    short, long = (
        fitted(c, optimiser="sgd", learning_rate=0.5, epochs=3, weight_scale=1e-9, warm_start=True)
        for c in (counts, 10 * counts)
    )
    ways = [m.parameters()["bias:words"] for m in (short, long)]
    assert float(ways[0].std()) > 0.1
    torch.testing.assert_close(ways[0], ways[1], rtol=0, atol=0.1)


@pytest.mark.parametrize(("chance", "expected"), [(0.6, "sound"), (0.9, "low"), (0.9999, "far")])
def test_how_far_below_biases_alone_a_machine_has_run_away(chance, expected):
    """Four units that are on in half of the rows, by biases that say otherwise."""
    visible = mm.Variable("v", 2, shape=(4,), family="bernoulli")
    machine = mm.RestrictedBoltzmannMachine(visible, 2)
    for name, numbers in machine.parameters().items():
        numbers.fill_(float(np.log(chance / (1 - chance))) if name == "bias:v" else 0.0)
    bits = np.array([[0.0, 0, 1, 1], [1, 1, 0, 0]])
    rows = TrainingRows.of(machine, mm.Evidence.of({"v": bits}, machine.variables))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UnlikelyRowsWarning)
        ill = divergence(machine, rows, began=0.0)
    assert bool(ill) == (expected == "far")
    assert [w.category for w in caught] == [UnlikelyRowsWarning] * (expected == "low")
    if expected == "low":
        most = 2 * np.log(chance) + 2 * np.log(1 - chance)
        assert f"at most {most:.6g}, and {-4 * np.log(2):.6g}" in str(caught[0].message)
