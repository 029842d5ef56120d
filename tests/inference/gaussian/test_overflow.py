"""Numbers at the ends of the range of doubles: answers that hold, or an error by name."""

from __future__ import annotations

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.graph.errors import MmgraphError, UnderflowError
from tests.inference.gaussian.gaussian_networks import chain, two_classes

WHAT = ("slope", "variance", "intercept", "value")
"""What is extreme."""


@pytest.mark.parametrize("variance", [1e-300, 1e-160, 1e-20, 1e20, 1e160, 1e300])
def test_variances_near_the_ends_of_doubles_keep_their_digits(variance):
    """The product of two normal densities by hand: of a vague one and one of variance 1."""
    net = chain(1.0, [variance, 1.0])
    prior = mm.query(net, {}, ["x0", "x1"])
    assert prior.variance("x0").item() == pytest.approx(variance, rel=1e-14)
    assert prior.variance("x1").item() == pytest.approx(1.0 + variance, rel=1e-14)
    posterior = mm.query(net, {"x1": 1.0}, ["x0"])
    share = variance / (1.0 + variance)
    assert posterior.mean("x0").item() == pytest.approx(share, rel=1e-13)
    assert posterior.variance("x0").item() == pytest.approx(share, rel=1e-13)
    density = -0.5 * np.log(2 * np.pi) - 0.5 * np.log1p(variance) - 0.5 / (1.0 + variance)
    assert posterior.log_evidence.item() == pytest.approx(density, rel=1e-13)


def test_a_variance_that_no_double_holds_with_all_digits_is_none():
    posterior = mm.query(chain(1.0, [1.0, 1e-320]), {"x1": 1.0}, ["x0"])
    assert (posterior.mean("x0").item(), posterior.variance("x0").item()) == (1.0, 0.0)


@pytest.mark.parametrize("slope", [1e-200, 1e-15, 1e15, 1e150])
def test_small_and_large_coefficients(slope):
    posterior = mm.query(chain(slope, [1.0, 1.0]), {"x1": 1.0}, ["x0"])
    mean = slope if slope < 1 else 1 / slope
    assert posterior.mean("x0").item() == pytest.approx(mean, rel=1e-13)
    assert posterior.variance("x0").item() == pytest.approx(
        mean**2 if slope > 1 else 1.0, rel=1e-12
    )


@pytest.mark.parametrize("slope", [1e160, 1e200, 1e300])
@pytest.mark.parametrize(
    "ask",
    [
        lambda net: mm.query(net, {}, ["x2"]),
        lambda net: mm.query(net, {}, ["x2"], method="junction_tree"),
        lambda net: mm.joint_moments(net, ["x0", "x2"]),
        lambda net: mm.sample(net, 3),
    ],
)
def test_what_doubles_do_not_hold_is_refused_by_name(slope, ask):
    with pytest.raises(UnderflowError, match=r"'x\d' given the evidence has numbers beyond"):
        ask(chain(slope, [1.0, 1.0, 1.0]))


def test_the_density_of_what_overflows_may_be_known():
    """Its logarithm is a moderate number where the variance itself is none."""
    total = mm.log_partition(chain(1e200, [1.0, 1.0, 1.0]), {"x2": 1.0}).item()
    assert total == pytest.approx(-0.5 * np.log(2 * np.pi) - 400 * np.log(10), rel=1e-14)


def test_overflow_in_one_configuration_is_refused_by_name():
    net = two_classes(means=(0.0, 1e300), slope=1e300)
    with pytest.raises(UnderflowError, match=r"'[xy]'"):
        mm.query(net, {}, ["y"])


@pytest.mark.parametrize("size", [1e-300, 1e-150, 1e150, 1e300])
@pytest.mark.parametrize("what", WHAT)
def test_nothing_is_not_a_number(what, size):
    """Whatever is extreme, the answer is finite, or an error that says of what."""
    slope, variance, intercept, value = (size if what == w else 1.0 for w in WHAT)
    net = chain(slope, [variance] * 4, intercept)
    for evidence in ({}, {"x3": value}, {"x0": value, "x2": -value}):
        numbers, message = numbers_or_message(net, evidence)
        assert np.isfinite(numbers).all()
        assert numbers or "'x" in message or ": x" in message


def numbers_or_message(net, evidence):
    """All means, variances and the log-density, or the message of an error."""
    try:
        posterior = mm.query(net, evidence, list(net.variables))
    except MmgraphError as error:
        return [], str(error)
    moments = [f(n).item() for n in net.variables for f in (posterior.mean, posterior.variance)]
    return [*moments, posterior.log_evidence.item()], ""
