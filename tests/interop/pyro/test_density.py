"""The density that is sampled: discrete variables summed out, values with bounds, shared ones."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Beta, Gamma, Poisson

import mmgraph as mm
from mmgraph.graph.errors import GraphError
from mmgraph.interop.pyro import summation
from mmgraph.interop.pyro.density import RealDensity
from mmgraph.interop.pyro.supports import Interval
from tests.interop.pyro.mixed_networks import chain, counts, real, seeded

ROWS = {"z": [2.0, None, 1.0, -0.3], "c": [0, 1, None, 1], "k": [None, None, 1, 0]}


def density_of(net: mm.BayesianNetwork, rows: dict, *shared: str) -> RealDensity:
    evidence = mm.Evidence.of(rows, net.variables)
    discrete = [n for n, v in net.variables.items() if v.is_discrete]
    return RealDensity(net, evidence, discrete, shared, seeded())


@pytest.mark.parametrize("most", [summation.MOST_CONFIGURATIONS, 1])
def test_rows_have_the_log_evidence_of_their_completions(most, monkeypatch):
    monkeypatch.setattr(summation, "MOST_CONFIGURATIONS", most)
    density = density_of(chain(), ROWS)
    assert density.size == 5  # x in all rows, z in one
    for _ in range(3):
        point = density.start().requires_grad_()
        weight, common = density.log_density(point)
        values, _ = density.values(point.detach())
        complete = {**ROWS, "x": values["x"], "z": values["z"]}
        expected = mm.log_partition(chain(), complete, method="junction_tree")
        torch.testing.assert_close(weight.detach(), expected)
        assert common.item() == 0
        slope = torch.autograd.grad(weight.sum(), point)[0]
        step = 1e-5 * torch.eye(5).double()
        for i in range(5):
            above, below = (
                density.log_density(point.detach() + sign * step[i])[0].sum() for sign in (1, -1)
            )
            assert slope[i].item() == pytest.approx(((above - below) / 2e-5).item(), abs=1e-5)


def test_lists_of_configurations_that_do_not_fit_are_left_to_the_join_tree(monkeypatch):
    listed = density_of(chain(), ROWS)
    monkeypatch.setattr(summation, "default_memory_budget", lambda: 100)
    summed = density_of(chain(), ROWS)
    assert listed.sum.is_listed
    assert not summed.sum.is_listed
    point = listed.start()
    torch.testing.assert_close(summed.log_density(point), listed.log_density(point))


def test_rows_that_no_observation_touches_are_left_out():
    density = density_of(counts(), {"n": [3.0, None], "x": [None, None]})
    assert [(s.name, s.row.tolist()) for s in density.segments] == [("x", [0])]
    assert density.moves_states
    observed = density_of(counts(), {"n": [3.0, None], "x": [0.2, None]})
    assert (observed.size, observed.moves_states) == (0, False)
    weight, _ = observed.log_density(torch.zeros(0).double())
    expected = mm.query(counts(), {"n": [3.0, None], "x": [0.2, None]}).log_evidence
    torch.testing.assert_close(weight, expected)


def test_shared_variables_count_once():
    rate, n = real("rate"), real("n")
    net = mm.BayesianNetwork(
        [rate, n],
        [
            mm.PyroNode(rate, [], lambda: Gamma(2.0, 1.0)),
            mm.PyroNode(n, [rate], lambda rate: Poisson(rate)),
        ],
    )
    density = density_of(net, {"n": [3.0, 5.0, 4.0]}, "rate")
    point = torch.tensor([0.4]).double()
    weight, common = density.log_density(point)
    value = point.exp()
    expected = Poisson(value).log_prob(torch.tensor([3.0, 5.0, 4.0]))
    torch.testing.assert_close(weight, expected.double())
    prior = Gamma(2.0, 1.0).log_prob(value) + point
    assert common.item() == pytest.approx(prior.item())


ENDS = st.one_of(
    st.just((-float("inf"), float("inf"))),
    st.floats(-5, 5).map(lambda low: (low, float("inf"))),
    st.floats(-5, 5).map(lambda high: (-float("inf"), high)),
    st.tuples(st.floats(-5, 0), st.floats(0.5, 5)),
)


@given(ENDS, st.floats(-6, 6))
@settings(deadline=None)
def test_the_line_maps_into_intervals_and_back(ends, at):
    interval = Interval(*ends)
    point = torch.tensor(at, dtype=torch.float64, requires_grad=True)
    value, slope = interval.from_line(point)
    assert interval.low < value.item() < interval.high
    assert interval.to_line(value).item() == pytest.approx(at, abs=1e-6)
    derivative = torch.autograd.grad(value, point)[0].abs().log()
    assert slope.item() == pytest.approx(derivative.item(), abs=1e-8)


def test_bounds_are_those_of_the_support():
    u, n = real("u", 3), real("n", 3)
    net = mm.BayesianNetwork(
        [u, n],
        [
            mm.PyroNode(u, [], lambda: Beta(torch.full((3,), 2.0).double(), 1.0)),
            mm.PyroNode(n, [u], lambda u: Poisson(5 * u)),
        ],
    )
    density = density_of(net, {"n": [1.0, 2.0, 3.0], "u": [0.5, float("nan"), float("nan")]})
    (segment,) = density.segments
    assert segment.interval == Interval(0.0, 1.0)
    assert segment.mask.tolist() == [[False, True, True]]


def test_models_without_directions_are_refused():
    k, x = mm.Variable("k", 2), real("x")
    prior = mm.TableFactor([k], [0.4, 0.6], child=k)
    graph = mm.FactorGraph([k, x], [prior])
    with pytest.raises(GraphError, match="'x' has no distribution"):
        mm.query(graph, None, method="nuts", draws=4)
