"""The objectives of conditional random fields, and the learning that uses them."""

from __future__ import annotations

import math

import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import LearningError
from mmgraph.learning.random_fields.conditional_random_field import (
    Options,
    fit_parameters,
    piecewise_log_likelihood,
)
from mmgraph.learning.random_fields.labelled_field import LabelledField, random_folds
from tests.inference.mixed_models import all_assignments

POSITIVE = torch.tensor([False, True])


def build(parameters, fold=None, shape=(3, 3)) -> mm.MarkovRandomField:
    """One score, right in all places but one, and one weight."""
    score = torch.zeros(*shape, 2, dtype=torch.float64)
    score[..., 1] = torch.linspace(-1.0, 1.0, math.prod(shape)).reshape(shape)
    return mm.MarkovRandomField.grid(parameters[0] * score, weights=parameters[1])


def draws(parameters, rows: int, hidden: float = 0.0) -> list[LabelledField]:
    field = build(parameters)
    states = all_assignments(field)["label"]
    generator = torch.Generator().manual_seed(0)
    chances = (-field.energy({"label": states})).softmax(0)
    picked = states[torch.multinomial(chances, rows, replacement=True, generator=generator)]
    mask = torch.rand(picked.shape, generator=generator) < hidden
    return [
        LabelledField(build, "label", labels, random_folds(labels, 2, generator))
        for labels in picked.masked_fill(mask, -1)
    ]


@pytest.mark.parametrize("interaction", [mm.Potts(), mm.TruncatedLinear(), [[0.0, math.inf, 2.0],
                                         [1.0, 0.5, 0.0], [0.0, 0.0, 3.0]]])  # fmt: skip
def test_piecewise_normalises_every_piece_by_itself(interaction):
    generator = torch.Generator().manual_seed(0)
    unary = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    weights = torch.tensor([0.5, 2.0, 0.0], dtype=torch.float64, requires_grad=True)
    edges = [[0, 2], [2, 3], [0, 1]]
    graph = mm.MarkovRandomField.from_edges(edges, unary, interaction, weights)
    labels = torch.tensor([0, -1, 2, 1])
    table = graph.factors[1].interaction.energies(3, 3).double()
    expected = sum(unary[i].log_softmax(0)[labels[i]] for i in (0, 2, 3))
    for (a, b), w in zip(edges[:2], (0.5, 2.0), strict=True):
        expected = expected - w * table[labels[a], labels[b]] - (-w * table).flatten().logsumexp(0)
    found = piecewise_log_likelihood(graph, "label", labels)
    torch.testing.assert_close(found, expected, check_dtype=False)
    (gradient,) = torch.autograd.grad(found, weights)
    assert torch.isfinite(gradient).all()


def test_piecewise_with_a_table_for_each_edge():
    tables = torch.rand(2, 3, 3, dtype=torch.float64)
    unary = torch.zeros(3, 3, dtype=torch.float64)
    graph = mm.MarkovRandomField.from_edges([[0, 1], [1, 2]], unary, tables, [1.0, 2.0])
    labels = torch.tensor([0, 2, 1])
    expected = -3 * math.log(3)
    for e, (x, y, w) in enumerate([(0, 2, 1.0), (2, 1, 2.0)]):
        expected -= float(w * tables[e, x, y] + (-w * tables[e]).flatten().logsumexp(0))
    assert float(piecewise_log_likelihood(graph, "label", labels)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("method", "inference", "rows"),
    [
        ("pseudo_likelihood", "mean_field", 60),
        ("maximum_likelihood", "belief_propagation", 25),
        ("marginal_likelihood", "mean_field", 25),
    ],
)
def test_learning_finds_what_made_the_labels(method, inference, rows):
    truth = torch.tensor([1.5, 0.4], dtype=torch.float64)
    options = Options(strength=0.0, iterations=8, updates=6, inference=inference)
    found = fit_parameters(draws(truth, rows), torch.ones(2), POSITIVE, method, options)
    torch.testing.assert_close(found.parameters, truth, atol=0.45, rtol=0)
    assert found.losses[-1] <= found.losses[0]
    assert found.method == method


def test_maximum_likelihood_sums_unlabelled_elements_out():
    truth = torch.tensor([1.5, 0.4], dtype=torch.float64)
    options = Options(strength=0.0, iterations=10, inference="belief_propagation")
    fields = draws(truth, 30, hidden=0.3)
    found = fit_parameters(fields, torch.ones(2), POSITIVE, "maximum_likelihood", options)
    torch.testing.assert_close(found.parameters, truth, atol=0.6, rtol=0)


def test_mean_field_likelihood_is_never_above_one():
    truth = torch.tensor([1.5, 1.0], dtype=torch.float64)
    options = Options(strength=0.0, iterations=5)
    fields = draws(truth, 5, hidden=0.3)
    found = fit_parameters(fields, truth, POSITIVE, "maximum_likelihood", options)
    assert min(found.losses) >= -1e-9


def test_positive_parameters_stay_positive():
    apart = torch.arange(9).reshape(3, 3) % 2
    fields = [LabelledField(build, "label", apart)]
    found = fit_parameters(fields, torch.ones(2), POSITIVE, "pseudo_likelihood")
    assert 0 <= float(found.parameters[1]) < 0.1
    start = torch.tensor([1.0, 1e-9], dtype=torch.float64)
    again = fit_parameters(fields, start, POSITIVE, "piecewise", Options(iterations=1))
    assert torch.isfinite(again.parameters).all()


def test_a_strong_prior_pulls_to_zero():
    truth = torch.tensor([1.5, 0.4], dtype=torch.float64)
    weak, strong = (
        fit_parameters(draws(truth, 20), torch.ones(2), POSITIVE, options=Options(strength=s))
        for s in (0.0, 10.0)
    )
    assert (strong.parameters.abs() < weak.parameters.abs()).all()


def test_folds_part_the_labelled_elements_evenly():
    labels = torch.tensor([[0, -1, 1, 1], [-1, 0, 0, 1]])
    folds = random_folds(labels, 3, torch.Generator().manual_seed(0))
    assert ((folds == -1) == (labels == -1)).all()
    assert folds[folds >= 0].bincount().tolist() == [2, 2, 2]
    for count in (1, 7):
        with pytest.raises(LearningError, match=f"{count} folds of 6"):
            random_folds(labels, count)


def test_bad_input():
    fields = [LabelledField(build, "label", torch.zeros(3, 3, dtype=torch.int64))]
    with pytest.raises(LearningError, match="needs folds"):
        fit_parameters(fields, torch.ones(2), POSITIVE, "marginal_likelihood")
    with pytest.raises(LearningError, match="not finite, or not positive"):
        fit_parameters(fields, torch.tensor([1.0, 0.0]), POSITIVE)
    with pytest.raises(LearningError, match="did you mean 'mean_field'"):
        fit_parameters(fields, torch.ones(2), POSITIVE, options=Options(inference="mean_feild"))
    with pytest.raises(LearningError, match="no element is labelled"):
        fit_parameters([], torch.ones(2), POSITIVE)


def test_a_labelled_element_without_a_fold_is_named():
    labels = torch.full((3, 3), -1)
    labels[0, 1], labels[2, 2] = 0, 1
    folds = torch.where(labels == -1, -1, 0)
    folds[2, 2] = 1
    options = Options(iterations=1, updates=2)
    good = LabelledField(build, "label", labels, folds)
    fit_parameters([good], torch.ones(2), POSITIVE, "marginal_likelihood", options)
    folds = folds.clone()
    folds[2, 2] = -1
    for bad, message in (
        (folds, r"\(2, 2\) of 'label' .* fold is -1"),
        (folds[:2], "folds of shape"),
    ):
        with pytest.raises(LearningError, match=message):
            fit_parameters(
                [good, good._replace(folds=bad)], torch.ones(2), POSITIVE, "marginal_likelihood"
            )
