"""The mediation formula, beside sums written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.graph.errors import CausalError, GraphError


@given(st.integers(0, 10**9))
def test_effects_are_sums_over_confounder_and_mediator(seed):
    rng = np.random.default_rng(seed)
    confounders, treatments, states = rng.integers(1, 4), rng.integers(2, 4), rng.integers(1, 4)
    mean = rng.normal(size=(confounders, treatments, states))
    mediator = rng.dirichlet(np.ones(states), (confounders, treatments))
    weights = rng.dirichlet(np.ones(confounders))
    a, b = rng.permutation(treatments)[:2]
    effects = mm.mediation(mean, mediator, weights, treatment=(a, b))

    def nested(x, z):
        return sum(
            weights[w] * mean[w, x, m] * mediator[w, z, m]
            for w in range(confounders)
            for m in range(states)
        )

    assert effects.total_effect == pytest.approx(nested(b, b) - nested(a, a))
    assert effects.natural_direct == pytest.approx(nested(b, a) - nested(a, a))
    assert effects.natural_indirect == pytest.approx(nested(a, b) - nested(a, a))
    direct = [sum(weights[w] * (mean[w, b, m] - mean[w, a, m]) for w in range(confounders))
              for m in range(states)]  # fmt: skip
    np.testing.assert_allclose(effects.controlled_direct, direct, atol=1e-12)


def test_pearls_example_of_a_drug_and_an_enzyme():
    """Pearl (2012), "The causal mediation formula", tables 1 and 2: DE 0.32, IE 0.035, TE 0.46."""
    effects = mm.mediation([[0.20, 0.30], [0.40, 0.80]], [0.40, 0.75])
    assert effects.natural_direct == pytest.approx(0.32)
    assert effects.natural_indirect == pytest.approx(0.035)
    assert effects.total_effect == pytest.approx(0.46)
    assert effects.proportion_mediated == pytest.approx(0.304, abs=5e-4)


@pytest.mark.parametrize("mediator", [[[0.25, 0.5]], [[[0.75, 0.25], [0.5, 0.5]]]])
def test_a_binary_mediator_is_told_by_one_probability(mediator):
    effects = mm.mediation([[[0.0, 1.0], [0.0, 1.0]]], mediator)
    assert effects.natural_indirect == pytest.approx(0.25)
    assert effects.natural_direct == 0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([0.5, 0.5], [0.5]), GraphError, "axes"),
        (([[0.5, np.nan]] * 2, [0.5, 0.5]), GraphError, "finite"),
        (([[1, 2, 3]] * 2, [0.5, 0.5]), GraphError, "shape"),
        (([[1, 2]] * 2, [0.5, 1.5]), GraphError, "no probability"),
        (([[1, 2]] * 2, [[0.5, 0.4]] * 2), GraphError, "sum to one"),
        (([[[1, 2]] * 2] * 3, [[0.5, 0.4]] * 3), CausalError, "3 states of the confounder"),
        (([[[1, 2]] * 2] * 3, [[0.5, 0.4]] * 3, [0.5, 0.5]), GraphError, "confounder has shape"),
        (([[1, 2]] * 2, [0.5, 0.4], None, (0, 2)), CausalError, "no state 2"),
        (([[1, 2]] * 2, [0.5, 0.4], None, (1, 1)), CausalError, "one state to another"),
        (([[1, 2]] * 2, [0.5, 0.4], None, ("a", "b")), CausalError, "treatment"),
    ],
)
def test_tables_that_are_none(arguments, error, message):
    with pytest.raises(error, match=message):
        mm.mediation(*arguments)


def test_no_effect_has_no_shares():
    effects = mm.mediation([[1, 1], [1, 1]], [0.5, 0.5])
    with pytest.raises(CausalError, match="zero"):
        _ = effects.proportion_mediated
