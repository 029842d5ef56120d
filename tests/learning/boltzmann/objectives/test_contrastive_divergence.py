"""Gradients of tiny machines are those of their exact log-likelihood."""

from __future__ import annotations

import pytest
import torch

from mmgraph.graph.errors import LearningError
from mmgraph.inference.field.clamping import Clamped
from mmgraph.learning.boltzmann.objectives.contrastive_divergence import ContrastiveDivergence
from mmgraph.learning.boltzmann.parameters import BoltzmannParameters, Phase
from mmgraph.learning.boltzmann.settings import TrainingSettings
from mmgraph.learning.training.random_blocks import RandomBlocks
from tests.learning.boltzmann_machines import (
    all_values,
    data_of,
    hidden_states,
    log_likelihood,
    log_weight,
    machine,
)


def blocks() -> RandomBlocks:
    return RandomBlocks(2, 0, torch.device("cpu"))


FAMILIES = ["bernoulli", "categorical", "gaussian", "replicated_softmax"]


def exact_negative(graph, parameters):
    """The model's expectations, as a phase of weighted rows."""
    natural = [tuple(t.detach() for t in row) for row in parameters.natural()]
    hidden = hidden_states(graph)
    visible = graph.variables["v"]
    count = len(next(iter(hidden.values())))
    if visible.family != "gaussian":
        values = all_values(visible)
        statistics = {n: h.repeat(len(values), 1) for n, h in hidden.items()}
        statistics["v"] = values.repeat_interleave(count, 0)
        chances = log_weight(graph, natural, statistics).softmax(0)
        return statistics, {}, chances
    # Hidden states, with the mean and the second moment of the Gaussian units given each.
    (bias, precision), (matrix,) = natural[0], natural[-1]
    field = bias + hidden["h1"] @ matrix.T
    weight = hidden["h1"] @ natural[1][0] + (field.square() / precision).sum(1) / 2
    mean = field / precision
    return {**hidden, "v": mean}, {"v": mean.square() + 1 / precision}, weight.softmax(0)


def resampled(statistics, squares, chances):
    """Rows whose plain mean is the expectation: each scaled products' worth is kept exactly."""
    # A product of two layers is linear in one of them, so that mean rows do not do; instead each
    # state is repeated in proportion to its probability, to one part in many.
    copies = (chances * 4_000_000).round().long()
    index = torch.repeat_interleave(torch.arange(len(chances)), copies)
    return Phase({n: s[index] for n, s in statistics.items()},
                 {n: s[index] for n, s in squares.items()})  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_with_exact_expectations_are_those_of_the_log_likelihood(family):
    graph = machine(family, (2,))
    centre = {"h1": torch.tensor([0.3, 0.6], dtype=torch.float64)}
    parameters = BoltzmannParameters(graph, centre)
    parameters.recentre({"v": torch.full_like(parameters.centres["v"], 0.4)})
    values = data_of(graph, 6)
    log_likelihood(graph, parameters.natural(), values).backward()
    objective = ContrastiveDivergence(parameters, TrainingSettings(chains=2))
    _, positive = objective.positive_phase({"v": Clamped(values)})
    # The positive phase alone, less the same gradient taken from expectations.
    negative = resampled(*exact_negative(graph, parameters))
    found = parameters.gradients(positive, negative)
    for name, tensor in parameters.tensors.items():
        torch.testing.assert_close(found[name], tensor.grad, atol=2e-5, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_many_chains_estimate_the_gradient(family):
    graph = machine(family, (2,), scale=0.4)
    parameters = BoltzmannParameters(graph)
    values = data_of(graph, 6)
    log_likelihood(graph, parameters.natural(), values).backward()
    lengths = {"v": torch.full((6,), 4.0)}
    objective = ContrastiveDivergence(
        parameters, TrainingSettings(chains=40_000, gibbs_steps=12), blocks(), lengths
    )
    found, _ = objective.gradients({"v": Clamped(values)})
    for name, tensor in parameters.tensors.items():
        torch.testing.assert_close(found[name], tensor.grad, atol=0.035, rtol=0)


def test_the_gradient_of_a_deep_machine_is_that_of_its_variational_bound():
    graph = machine("bernoulli", (2, 2))
    parameters = BoltzmannParameters(graph)
    values = data_of(graph, 4)
    objective = ContrastiveDivergence(parameters, TrainingSettings(chains=2, mean_field_steps=200))
    view, positive = objective.positive_phase({"v": Clamped(values)})
    # With the means held, which are stationary, the bound's gradient is that of the mean weight.
    means = {n: m.detach() for n, m in positive.statistics.items()}
    log_weight(graph, parameters.natural(), means).mean().backward()
    nothing = Phase({n: torch.zeros_like(m) for n, m in means.items()}, {})
    found = parameters.gradients(positive, nothing)
    for name, tensor in parameters.tensors.items():
        torch.testing.assert_close(found[name], tensor.grad)
    # And they are stationary: each is the mean given the others.
    for name in ("h1", "h2"):
        torch.testing.assert_close(view.mean(name, means), means[name])


@pytest.mark.parametrize("options", [
    {"temperatures": (1.0, 1.5, 2.5), "gibbs_steps": 2},
    {"persistent": False, "gibbs_steps": 30},
])  # fmt: skip
def test_tempered_chains_and_chains_from_the_data_estimate_the_gradient(options):
    graph = machine("bernoulli", (2, 2), scale=1.0)
    parameters = BoltzmannParameters(graph)
    values = data_of(graph, 20_000)
    batch = {"v": Clamped(values)}
    objective = ContrastiveDivergence(
        parameters, TrainingSettings(chains=20_000, mean_field_steps=30, **options), blocks()
    )
    for _ in range(10 if "temperatures" in options else 1):
        found, _ = objective.gradients(batch)
    _, positive = objective.positive_phase(batch)
    negative = resampled(*exact_negative(graph, parameters))
    for name, gradient in parameters.gradients(positive, negative).items():
        torch.testing.assert_close(found[name], gradient, atol=0.03, rtol=0)


def test_units_that_are_missing_are_inferred():
    graph = machine("gaussian", (2,))
    parameters = BoltzmannParameters(graph)
    values = data_of(graph, 5)
    known = torch.ones(5, 3, dtype=torch.bool)
    known[0, 1] = known[3, 2] = False
    objective = ContrastiveDivergence(parameters, TrainingSettings(chains=2, mean_field_steps=100))
    view, positive = objective.positive_phase({"v": Clamped(values * known, known)})
    torch.testing.assert_close(positive.statistics["v"][known], values[known])
    inferred = view.mean("v", positive.statistics)
    torch.testing.assert_close(positive.statistics["v"][~known], inferred[~known])
    # What is inferred has a variance beside its mean.
    missing = positive.squares["v"][~known] - positive.statistics["v"][~known].square()
    torch.testing.assert_close(missing, 1 / graph.factors[0].precision[torch.tensor([1, 2])])


def test_chains_go_on_from_a_state():
    graph = machine("bernoulli", (3, 2))
    batch = {"v": Clamped(data_of(graph, 4))}

    def made():
        settings = TrainingSettings(chains=6, temperatures=(1.0, 2.0))
        return ContrastiveDivergence(BoltzmannParameters(graph), settings, blocks())

    one, other = made(), made()
    for _ in range(3):
        one.gradients(batch)
    other.load(one.state())
    for _ in range(9):
        first, second = one.gradients(batch)[0], other.gradients(batch)[0]
        assert all(torch.equal(first[k], second[k]) for k in first)
    told = one.report()
    assert told == other.report()
    assert told["r_hat"] > 0
    assert 0 <= told["saturated"] <= 1


@pytest.mark.parametrize("family", FAMILIES)
def test_chains_see_the_present_parameters(family):
    graph = machine(family, (3, 2))
    batch = {"v": Clamped(data_of(graph, 4))}
    parameters = BoltzmannParameters(graph)
    objective = ContrastiveDivergence(parameters, TrainingSettings(chains=6))
    for _ in range(2):
        objective.gradients(batch)
        with torch.no_grad():
            for tensor in parameters.tensors.values():
                tensor += 0.3
        parameters.changed()
    other = ContrastiveDivergence(
        BoltzmannParameters(parameters.graph()), TrainingSettings(chains=6)
    )
    other.load(objective.state())
    (first, _), (second, _) = objective.gradients(batch), other.gradients(batch)
    for name in ("bias:h1", "bias:h2"):
        torch.testing.assert_close(first[name], second[name])


def test_documents_of_chains_are_as_long_as_those_of_the_data():
    graph = machine("replicated_softmax", (2,))
    lengths = torch.tensor([2.0, 2.0, 5.0, 9.0], dtype=torch.float64)
    objective = ContrastiveDivergence(
        BoltzmannParameters(graph), TrainingSettings(chains=8), blocks(), {"v": lengths}
    )
    objective.gradients({"v": Clamped(data_of(graph, 4))})
    state = objective.state()
    drawn = torch.cat([state[f"block:{b}:chain:v"].sum(1) for b in (0, 1)])
    assert sorted(drawn.tolist()) == [2, 2, 2, 2, 5, 5, 9, 9]


@pytest.mark.parametrize(("options", "message"), [
    ({"chains": 0}, "chains must be a whole number from 1"),
    ({"gibbs_steps": 0}, "gibbs_steps must be a whole number from 1"),
    ({"chains": 3}, "3 chains cannot be cut"),
    ({"temperatures": (1.0, 1.0)}, "must increase from 1"),
    ({"temperatures": (1.0, 2.0), "persistent": False}, "need persistent chains"),
])  # fmt: skip
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(LearningError, match=message):
        ContrastiveDivergence(BoltzmannParameters(machine()), TrainingSettings(**options), blocks())
