"""What every emission promises: densities, additive statistics, updates that never fall."""

import numpy as np
import pytest

from mmgraph.learning.dynamic.emissions.named import emission_class
from tests.learning.dynamic.emissions.drawn_emissions import KINDS, drawn, drawn_rows

STEPS = 60


def expected(emission, rows, weights):
    """The expected log-density, of which every update is an iteration of EM."""
    return float((weights * emission.log_densities(rows)).sum() + emission.log_prior())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_updates_never_lower_the_expected_density(kind, missing):
    for seed in range(3):
        generator = np.random.default_rng(seed)
        emission = drawn(generator, kind)
        rows = drawn_rows(generator, emission, STEPS, missing)
        weights = generator.dirichlet(np.full(3, 0.3), STEPS)
        weights[:, 2] *= 0.0 if seed == 2 else 1.0  # a state that is never visited
        before = expected(emission, rows, weights)
        for _ in range(4):
            emission = emission.updated(emission.statistics(rows, weights))
            after = expected(emission, rows, weights)
            assert np.isfinite(after)
            assert after >= before - 1e-9 * abs(before)
            before = after


@pytest.mark.parametrize("kind", KINDS)
def test_statistics_of_parts_add_up_and_rows_without_cells_say_nothing(kind):
    generator = np.random.default_rng(0)
    emission = drawn(generator, kind)
    rows = drawn_rows(generator, emission, STEPS)
    weights = generator.dirichlet(np.ones(3), STEPS)
    whole = emission.statistics(rows, weights)
    parts = [emission.statistics(rows[p], weights[p]) for p in (slice(17), slice(17, STEPS))]
    for name, array in whole.items():
        np.testing.assert_allclose(parts[0][name] + parts[1][name], array, rtol=1e-9, atol=1e-9)
    nothing = np.full((4, rows.shape[1]), np.nan)
    np.testing.assert_allclose(emission.log_densities(nothing), 0, atol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_without_weight_keeps_its_parameters(kind):
    generator = np.random.default_rng(1)
    emission = drawn(generator, kind)
    rows = drawn_rows(generator, emission, STEPS)
    weights = generator.dirichlet(np.ones(3), STEPS)
    weights[:, 1] = 0.0
    updated = emission.updated(emission.statistics(rows, weights))
    for name, array in updated.parameters().items():
        if len(array) % 3 == 0 and not name.endswith("floor") and "tied" not in kind:
            own = array.reshape(3, -1)[1]
            np.testing.assert_array_equal(own, emission.parameters()[name].reshape(3, -1)[1], name)


@pytest.mark.parametrize("kind", [*KINDS, "scores"])
def test_parameters_and_settings_restore_an_emission(kind):
    generator = np.random.default_rng(2)
    emission = drawn(generator, kind)
    again = emission_class(emission.kind).restored(emission.parameters(), emission.settings())
    rows = generator.integers(2, size=(9, emission.features)).astype(float)
    rows = np.ascontiguousarray(emission.prepared(rows))
    np.testing.assert_array_equal(again.log_densities(rows), emission.log_densities(rows))
    assert (again.states, again.features, again.memory) == (3, emission.features, emission.memory)


@pytest.mark.parametrize(
    "kind", ["diagonal", "full", "tied", "spherical", "mixture", "categorical"]
)
def test_drawn_rows_have_the_density(kind):
    generator = np.random.default_rng(3)
    emission, other = drawn(generator, kind), drawn(generator, kind)
    rows = emission.sample(np.repeat([0, 1, 2], 20_000), generator)
    ratios = np.exp(other.log_densities(rows) - emission.log_densities(rows))
    for state, part in enumerate(np.split(ratios[:, :], 3)):
        known = np.minimum(part[:, state], 50)  # of heavy tails a part is enough
        swapped = other.sample(np.full(20_000, state), generator)
        back = np.exp(emission.log_densities(swapped) - other.log_densities(swapped))[:, state]
        there = np.minimum(1.0, 50 * back)  # E_p[min(q / p, c)] = E_q[min(1, c p / q)]
        error = 5 * np.sqrt((known.var() + there.var()) / 20_000)
        assert abs(known.mean() - there.mean()) < error + 1e-12
