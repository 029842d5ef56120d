"""Families of units beside sums over their values, numerical integrals and gradients."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import chisquare, kstest, norm, truncnorm
from torch import Tensor

import mmgraph as mm
from mmgraph.graph.errors import GraphError
from mmgraph.graph.exponential_family import (
    Bernoulli,
    Categorical,
    ExponentialFamily,
    Gaussian,
    ReplicatedSoftmax,
    log_orders,
    statistics_of,
    statistics_shape,
)
from mmgraph.graph.leaves.rectified_gaussian import RectifiedGaussian
from tests.inference.unit_models import by_quadrature

PRECISIONS = torch.tensor([0.5, 1.0, 4.0], dtype=torch.float64)
LENGTHS = torch.tensor([1.0, 4.0], dtype=torch.float64)
FAMILIES: list[ExponentialFamily] = [
    Bernoulli(),
    Categorical(),
    Gaussian(PRECISIONS),
    RectifiedGaussian(PRECISIONS),
    ReplicatedSoftmax(LENGTHS),
]
each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda f: type(f).__name__)


def fields(seed: int = 0, scale: float = 1.5) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(2, 3, generator=generator, dtype=torch.float64)


def values_of(family: ExponentialFamily, row: int) -> list[Tensor]:
    """All statistics of one unit of a discrete family."""
    if isinstance(family, Bernoulli):
        return list(torch.tensor([0.0, 1.0], dtype=torch.float64))
    length = int(family.lengths[row]) if isinstance(family, ReplicatedSoftmax) else 1
    every = itertools.product(range(length + 1), repeat=3)
    return [torch.tensor(c, dtype=torch.float64) for c in every if sum(c) == length]


def by_sums(family: ExponentialFamily, natural: Tensor, row: int) -> tuple[Tensor, Tensor, Tensor]:
    """The log-partition function, mean and mean square of one unit."""
    values = torch.stack(values_of(family, row))
    base = torch.zeros(len(values), dtype=torch.float64)
    if isinstance(family, ReplicatedSoftmax):
        base = log_orders(values)
    weights = (values * natural).reshape(len(values), -1).sum(1) + base
    total = weights.logsumexp(0)
    shares = (weights - total).exp()
    return total, torch.tensordot(shares, values, 1), torch.tensordot(shares, values.square(), 1)


@pytest.mark.parametrize("family", [FAMILIES[0], FAMILIES[1], FAMILIES[4]])
def test_discrete_families_agree_with_sums(family):
    natural = fields()
    for row in range(2):
        units = natural[row] if isinstance(family, Bernoulli) else [natural[row]]
        for place, unit in enumerate(units):
            total, mean, square = by_sums(family, unit, row)
            at = (row, place) if isinstance(family, Bernoulli) else (row,)
            torch.testing.assert_close(family.log_partition(natural)[at], total)
            torch.testing.assert_close(family.mean(natural)[at], mean)
            if isinstance(family, ReplicatedSoftmax):
                found = family.second_moment(natural, family.mean(natural))
                torch.testing.assert_close(found[at], square)


@pytest.mark.parametrize("kind", [Gaussian, RectifiedGaussian])
def test_real_families_agree_with_integrals(kind):
    family, natural = kind(PRECISIONS), fields()
    total, mean = family.log_partition(natural), family.mean(natural)
    square = family.second_moment(natural, mean)
    for row, unit in itertools.product(range(2), range(3)):
        field, precision = float(natural[row, unit]), float(PRECISIONS[unit])
        low = -np.inf if kind is Gaussian else 0.0

        def moment(power, f=field, p=precision, low=low):
            return quad(lambda x: x**power * np.exp(f * x - p * x * x / 2), low, np.inf)[0]

        weight = moment(0)
        assert float(total[row, unit]) == pytest.approx(np.log(weight), abs=1e-8)
        assert float(mean[row, unit]) == pytest.approx(moment(1) / weight, abs=1e-8)
        assert float(square[row, unit]) == pytest.approx(moment(2) / weight, abs=1e-8)


@each_family
def test_means_are_gradients_of_the_log_partition_function(family):
    natural = fields(1).requires_grad_()
    (gradient,) = torch.autograd.grad(family.log_partition(natural).sum(), natural)
    torch.testing.assert_close(gradient, family.mean(natural))


@each_family
def test_natural_parameters_are_found_from_means(family):
    natural = fields(2)
    means = family.mean(natural)
    torch.testing.assert_close(family.mean(family.natural(means)), means)
    if not family.inner:  # a constant may be added to those of states
        torch.testing.assert_close(family.natural(means), natural)


@each_family
def test_entropies_are_what_log_partition_functions_exceed_means_by(family):
    natural = fields(3)
    mean = family.mean(natural)
    product = natural * mean
    expected = family.log_partition(natural) - (product.sum(-1) if family.inner else product)
    torch.testing.assert_close(family.entropy(mean), expected)


@each_family
def test_samples_have_the_means_and_repeat_with_their_seed(family):
    count = 20_000
    natural = fields(4)[1:].expand(count, 3)
    if isinstance(family, ReplicatedSoftmax):
        family = ReplicatedSoftmax(torch.full((count,), 5.0, dtype=torch.float64))
    drawn = family.sample(natural, torch.Generator().manual_seed(0))
    error = 4.5 * drawn.std(0) / count**0.5
    assert ((drawn.mean(0) - family.mean(natural)[0]).abs() < error).all()
    assert torch.equal(drawn, family.sample(natural, torch.Generator().manual_seed(0)))
    assert not torch.equal(drawn, family.sample(natural, torch.Generator().manual_seed(1)))
    assert not torch.equal(drawn[0], drawn[1]) or not torch.equal(drawn[1], drawn[2])


def test_samples_of_real_units_have_their_distributions():
    generator = torch.Generator().manual_seed(5)
    for field in (-40.0, -3.0, 0.0, 6.0):
        natural = torch.full((4000, 1), field, dtype=torch.float64)
        precision = torch.tensor([2.0], dtype=torch.float64)
        mean, width = field / 2.0, 0.5**0.5
        drawn = Gaussian(precision).sample(natural, generator)[:, 0]
        assert kstest(drawn, norm(mean, width).cdf).pvalue > 1e-4
        drawn = RectifiedGaussian(precision).sample(natural, generator)[:, 0]
        assert kstest(drawn, truncnorm(-mean / width, np.inf, mean, width).cdf).pvalue > 1e-4


def test_documents_are_drawn_by_their_lengths():
    lengths = torch.tensor([1.0, 2, 7]).repeat(3000)
    natural = torch.tensor([0.0, 1.0, -1.0]).expand(9000, 3)
    drawn = ReplicatedSoftmax(lengths).sample(natural, torch.Generator().manual_seed(0))
    assert torch.equal(drawn.sum(1), lengths)
    expected = natural[0].softmax(0) * drawn.sum()
    assert chisquare(drawn.sum(0), expected).pvalue > 1e-4


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rectified_units_are_right_in_the_far_tails(dtype):
    family = RectifiedGaussian(torch.tensor(1.0, dtype=dtype))
    given = [-1e3, -200.0, -30.0, -5.01, -5.0, -4.0, -0.5, 0.0, 3.0, 30.0, 1e3]
    natural = torch.tensor(given, dtype=dtype)
    truth = torch.tensor([by_quadrature(float(f), 1.0) for f in natural], dtype=torch.float64)
    mean = family.mean(natural)
    found = torch.stack([family.log_partition(natural), mean,
                         family.second_moment(natural, mean)], 1).double()  # fmt: skip
    tolerance = 3e-5 if dtype == torch.float32 else 1e-9
    torch.testing.assert_close(found, truth, rtol=tolerance, atol=tolerance * 1e-3)
    spread = found[:, 2] - found[:, 1].square()
    if dtype == torch.float64:
        expected = truth[:, 2] - truth[:, 1].square()
        torch.testing.assert_close(spread[:-1], expected[:-1], rtol=1e-6, atol=0)
    assert (spread[:3] > 0).all()
    back = family.natural(mean)
    torch.testing.assert_close(family.mean(back), mean, rtol=tolerance, atol=0)
    assert torch.isfinite(family.entropy(mean)).all()
    drawn = family.sample(natural, torch.Generator().manual_seed(0))
    assert torch.isfinite(drawn).all()
    assert (drawn >= 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_of_rectified_units_are_finite(dtype):
    natural = torch.tensor([-1e3, -40.0, -5.0, 0.0, 5.0, 40.0, 1e3], dtype=dtype)
    precision = torch.full_like(natural, 0.7, requires_grad=True)
    natural.requires_grad_()
    family = RectifiedGaussian(precision)
    mean = family.mean(natural)
    total = family.log_partition(natural) + mean + family.second_moment(natural, mean)
    for gradient in torch.autograd.grad(total.sum(), [natural, precision]):
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_log_odds_stay_finite(dtype):
    natural = torch.tensor([[-1e4, -100.0, 0.0, 100.0, 1e4]], dtype=dtype)
    for family in (Bernoulli(), Categorical(), ReplicatedSoftmax(torch.tensor([3.0]).to(dtype))):
        mean = family.mean(natural)
        for found in (mean, family.log_partition(natural), family.entropy(mean),
                      family.natural(mean), family.sample(natural, None)):  # fmt: skip
            assert torch.isfinite(found).all()


def test_modes_of_counts_are_the_most_probable_counts():
    generator = torch.Generator().manual_seed(0)
    for length in (1, 2, 5, 8):
        family = ReplicatedSoftmax(torch.full((50,), float(length), dtype=torch.float64))
        natural = 2 * torch.randn(50, 3, generator=generator, dtype=torch.float64)
        every = torch.cartesian_prod(*[torch.arange(length + 1.0)] * 3).double()
        every = every[every.sum(1) == length]
        best = (natural @ every.T + log_orders(every)).amax(1)
        mode = family.mode(natural)
        assert (mode.sum(1) == length).all()
        torch.testing.assert_close((natural * mode).sum(1) + log_orders(mode), best)


def test_modes_of_other_families():
    natural = torch.tensor([[-1.0, 0.5, 2.0]])
    assert Bernoulli().mode(natural).tolist() == [[0, 1, 1]]
    assert Categorical().mode(natural).tolist() == [[0, 0, 1]]
    assert Gaussian(torch.tensor(2.0)).mode(natural).tolist() == [[-0.5, 0.25, 1.0]]
    assert RectifiedGaussian(torch.tensor(2.0)).mode(natural).tolist() == [[0, 0.25, 1.0]]


def test_base_measures():
    values = torch.tensor([[1.0, 2.0, 1.0]], dtype=torch.float64)
    assert Bernoulli().log_base(values).tolist() == [[0, 0, 0]]
    assert Categorical().log_base(values).tolist() == [0]
    expected = -PRECISIONS * values.square() / 2
    for kind in (Gaussian, RectifiedGaussian):
        torch.testing.assert_close(kind(PRECISIONS).log_base(values), expected)
    found = ReplicatedSoftmax(torch.tensor([4.0])).log_base(values)
    assert float(found) == pytest.approx(np.log(12))


def test_families_without_a_precision_say_so():
    with pytest.raises(GraphError, match="Bernoulli has no precision"):
        Bernoulli().second_moment(fields(), fields())


def test_statistics_of_variables():
    layer = mm.Variable("v", 3, (2,))
    assert statistics_shape(layer) == (2, 3)
    assert statistics_shape(mm.Variable("b", shape=(2, 2), family="bernoulli")) == (2, 2)
    found = statistics_of(layer, torch.tensor([[2, 0]]), torch.float32)
    assert found.tolist() == [[[0, 0, 1], [1, 0, 0]]]


@pytest.mark.parametrize("words", [1, 2, 5, 6, 33])
def test_long_documents_are_multinomial(words):
    natural = torch.linspace(-1, 1, words)
    lengths = torch.full((4000,), 500.0)
    generator = torch.Generator().manual_seed(0)
    drawn = ReplicatedSoftmax(lengths).sample(natural.expand(4000, words), generator)
    assert drawn.shape == (4000, words)
    assert bool((drawn.sum(1) == 500).all())
    assert bool((drawn == drawn.floor()).all())
    assert bool((drawn >= 0).all())
    p = natural.softmax(0)
    torch.testing.assert_close(drawn.mean(0), 500 * p, rtol=0.02, atol=0.3)
    covariance = 500 * (p.diag() - torch.outer(p, p))
    assert float((torch.cov(drawn.T).reshape(words, words) - covariance).abs().max()) < 12


def test_words_without_a_chance_are_never_drawn():
    natural = torch.tensor([[-torch.inf, 0, -torch.inf, 1.0, -torch.inf]]).expand(50, 5)
    drawn = ReplicatedSoftmax(torch.full((50,), 1000.0)).sample(natural, None)
    assert bool((drawn[:, [0, 2, 4]] == 0).all())


def test_a_million_words_cost_no_more_than_a_thousand():
    natural = torch.randn(20, 1000, generator=torch.Generator().manual_seed(0))

    def seconds(length):
        family = ReplicatedSoftmax(torch.full((20,), length))
        began = time.perf_counter()
        for _ in range(3):
            family.sample(natural, None)
        return time.perf_counter() - began

    seconds(1e4)
    assert seconds(1e6) < 10 * seconds(2e3) + 0.5
