"""Factorial models answer as all joint paths do, or bound that from below."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from mmgraph.formats.native.native import read_native
from mmgraph.formats.native.sequence_models import write_model
from mmgraph.graph.errors import (
    ConvergenceWarning,
    EvidenceError,
    LearningError,
    NotFittedError,
    ZeroProbabilityError,
)
from mmgraph.inference.query import map_query, query
from mmgraph.networks.dynamic.factorial_hidden_markov_model import FactorialHiddenMarkovModel
from tests.inference.exact.chain.enumerated_paths import drawn_chains, enumerated, joint


def drawn_model(seed, sizes=(2, 3), features=2, **settings):
    generator = np.random.default_rng(seed)
    model = FactorialHiddenMarkovModel(sizes, **settings)
    starts, transitions = drawn_chains(generator, sizes)
    noise = generator.normal(size=(features, 3))
    return model.set_parameters(
        dict(zip(model.chains, starts, strict=True)),
        dict(zip(model.chains, transitions, strict=True)),
        contributions={
            n: 2 * generator.normal(size=(k, features)) for n, k in model.chains.items()
        },
        covariance_matrix=noise @ noise.T / 3 + 0.2 * np.eye(features),
    )


def drawn_rows(model, seed, length=4, missing=0.3):
    rows, _ = model.sample(length, seed)
    rows[np.random.default_rng(seed).random(rows.shape) < missing] = np.nan
    return rows


def truth_of(model, rows):
    parameters = model.parameters
    means = np.array([[0.0] * rows.shape[1]])
    for table in parameters.emission.contributions:
        means = (means[:, None] + table).reshape(-1, rows.shape[1])
    matrix = parameters.emission.covariance_matrix
    densities = np.zeros((len(rows), len(means)))
    for t, row in enumerate(rows):
        cells = ~np.isnan(row)
        if cells.any():
            part = matrix[np.ix_(cells, cells)]
            for s, mean in enumerate(means):
                densities[t, s] = multivariate_normal.logpdf(row[cells], mean[cells], part)
    return enumerated(joint(parameters.starts), joint(parameters.transitions), densities)


@settings(max_examples=12)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(2, 3), (2, 2, 2)]))
def test_answers_equal_those_of_all_paths(seed, sizes):
    model = drawn_model(seed, sizes)
    rows = drawn_rows(model, seed)
    truth, answer = truth_of(model, rows), model.posterior(rows)
    assert (answer.method, answer.exact) == ("chain by chain", True)
    assert model.log_likelihood(rows) == pytest.approx(truth.log_likelihood, rel=1e-10)
    table = truth.probabilities.reshape(-1, *sizes)
    for m, name in enumerate(model.chains):
        others = tuple(1 + n for n in range(len(sizes)) if n != m)
        np.testing.assert_allclose(answer[name], table.sum(others), atol=1e-9)
    best = map_query(model, {"rows": rows})
    path = np.ravel_multi_index(tuple(model.predict(rows).values()), sizes)
    assert truth.scores[(truth.paths == path).all(1)][0] == pytest.approx(truth.scores.max())
    assert float(best.log_weight) == pytest.approx(truth.scores.max(), rel=1e-10)
    filtered = model.filter()
    last = [filtered.step(row) for row in rows][-1]
    assert filtered.log_likelihood == pytest.approx(truth.log_likelihood, rel=1e-10)
    for name in model.chains:
        np.testing.assert_allclose(last[name], answer[name][-1], atol=1e-9)


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_mean_field_bounds_the_likelihood(seed):
    model = drawn_model(seed, inference="mean field")
    rows = drawn_rows(model, seed)
    answer = model.posterior(rows)
    assert (answer.method, answer.exact) == ("structured mean field", False)
    assert answer.log_likelihood <= truth_of(model, rows).log_likelihood + 1e-9
    for marginals in answer.values():
        np.testing.assert_allclose(marginals.sum(1), 1)
    path = np.ravel_multi_index(tuple(model.predict(rows).values()), model.sizes)
    score = truth_of(model, rows).scores[(truth_of(model, rows).paths == path).all(1)][0]
    assert float(map_query(model, {"rows": rows}).log_weight) == pytest.approx(score, rel=1e-10)
    asked = query(model, {"rows": rows}, ["chain1"])
    assert not asked.exact
    np.testing.assert_array_equal(asked.marginal("chain1")[0], answer["chain1"])


def test_mean_field_of_one_chain_is_exact():
    model = drawn_model(3, (4,), inference="mean field")
    rows = drawn_rows(model, 3)
    assert model.log_likelihood(rows) == pytest.approx(truth_of(model, rows).log_likelihood)
    filtered = model.filter()
    for row in rows:
        filtered.step(row)
    assert filtered.log_likelihood == pytest.approx(model.log_likelihood(rows))


@pytest.mark.parametrize("inference", ["exact", "mean field"])
@pytest.mark.parametrize("covariance", ["full", "diagonal"])
@pytest.mark.filterwarnings("ignore:expectation", "error:the objective fell")
def test_learning_never_falls(inference, covariance):
    truth = drawn_model(1, (2, 3), 3)
    rows = [drawn_rows(truth, seed, length, 0.2) for seed, length in enumerate([1, 30, 60])]
    model = FactorialHiddenMarkovModel((2, 3), covariance=covariance, inference=inference)
    model.fit(rows, iterations=25, tolerance=0)
    report = model.fit_report
    assert report.iterations >= 20
    assert report.objectives[-1] > report.objectives[0] + 1
    if inference == "exact":  # mean field started anew may end in another optimum
        assert model.log_likelihood(rows).sum() == pytest.approx(report.log_likelihood)
    for table in (*model.parameters.starts, *model.parameters.transitions):
        np.testing.assert_allclose(table.sum(-1), 1)


def test_learning_finds_what_drew_the_rows():
    model = FactorialHiddenMarkovModel({"slow": 2, "fast": 2})
    model.set_parameters(
        transition={"slow": [[0.95, 0.05], [0.05, 0.95]], "fast": [[0.4, 0.6], [0.7, 0.3]]},
        contributions={"slow": [[0.0, 0], [6, 0]], "fast": [[0.0, 0], [0, 5]]},
        covariance_matrix=0.1 * np.eye(2),
    )
    rows, path = model.sample(400)
    fitted = FactorialHiddenMarkovModel({"slow": 2, "fast": 2}).fit(rows, restarts=4)
    found = fitted.predict(rows)
    agreement = [
        max(np.mean(found[one] == path["slow"]), np.mean(found[one] != path["slow"]))
        for one in found
    ]
    assert max(agreement) > 0.99
    assert fitted.log_likelihood(rows) > model.log_likelihood(rows)


@pytest.mark.filterwarnings("ignore:expectation", "ignore:no step")
def test_many_chains_are_answered_by_mean_field():
    model = drawn_model(0, (4,) * 12, 3)
    rows, path = model.sample(5)
    assert not model.exact
    with pytest.warns(ConvergenceWarning, match="the rows is at its floor"):
        model.fit([rows], start="current", iterations=2)
    assert model.posterior(rows)["chain11"].shape == (5, 4)
    assert model.filter().step(rows[0]).keys() == path.keys()


@pytest.mark.parametrize("inference", ["exact", "mean field"])
def test_paths_are_drawn_as_marginals_say(inference):
    model = drawn_model(2, inference=inference)
    rows = drawn_rows(model, 2)
    drawn = model.sample_paths(rows, 4000)
    for name, marginals in model.posterior(rows).items():
        found = (drawn[name][..., None] == np.arange(marginals.shape[1])).mean(0)
        np.testing.assert_allclose(found, marginals, atol=0.04)


def test_a_filter_goes_on_from_its_file(tmp_path):
    for inference in ("exact", "mean field"):
        model = drawn_model(5, inference=inference)
        rows = drawn_rows(model, 5, 6)
        whole, begun = model.filter(), model.filter()
        for row in rows:
            answer = whole.step(row)
        for row in rows[:3]:
            begun.step(row)
        begun.save(tmp_path / "state")
        later = model.filter(state=tmp_path / "state")
        for row in rows[3:]:
            again = later.step(row)
        assert later.steps == 6
        for name in answer:
            np.testing.assert_array_equal(again[name], answer[name])


def test_a_model_comes_back_from_its_file(tmp_path):
    model = drawn_model(4)
    rows = drawn_rows(model, 4)
    write_model(model, tmp_path / "model")
    again = read_native(tmp_path / "model")
    assert again.chains == model.chains
    assert again.log_likelihood(rows) == model.log_likelihood(rows)


def test_bad_input_is_named():
    with pytest.raises(LearningError, match="did you mean 'mean field'"):
        FactorialHiddenMarkovModel((2, 2), inference="meanfield")
    model = FactorialHiddenMarkovModel((2, 2))
    with pytest.raises(NotFittedError):
        model.predict(np.zeros((3, 1)))
    with pytest.raises(LearningError, match="'chain1' has no contributions"):
        model.set_parameters(contributions={"chain0": np.eye(2)}, covariance_matrix=np.eye(2))
    whole = {name: np.eye(2) for name in model.chains}
    with pytest.raises(LearningError, match="not positive definite"):
        model.set_parameters(contributions=whole, covariance_matrix=np.zeros((2, 2)))
    with pytest.raises(LearningError, match="did you mean 'chain1'"):
        model.set_parameters({"chian1": [1, 0]}, contributions=whole, covariance_matrix=np.eye(2))
    model.set_parameters(contributions=whole, covariance_matrix=np.eye(2))
    with pytest.raises(EvidenceError, match="2 finite cells"):
        model.filter().step([1.0])


@pytest.mark.filterwarnings("ignore")
def test_a_model_is_fitted_anew_to_rows_of_other_features():
    rows = np.random.default_rng(0).normal(size=(30, 2))
    model = FactorialHiddenMarkovModel(np.array([2, 2])).fit(rows, iterations=2)
    again = FactorialHiddenMarkovModel([2, 2]).fit(rows[:, :1], iterations=2)
    model.fit(rows[:, :1], iterations=2)
    assert model.log_likelihood(rows[:, :1]) == again.log_likelihood(rows[:, :1])
    with pytest.raises(EvidenceError, match="2 features, and 1 are expected"):
        model.fit(rows, start="current")
    with pytest.raises(LearningError, match="restarts are at least 1"):
        model.fit(rows, restarts=0)


@pytest.mark.filterwarnings("ignore::mmgraph.graph.errors.ConvergenceWarning")
def test_labels_of_chains_are_taken():
    model = drawn_model(4, (2, 2))
    pairs = [model.sample(30, seed) for seed in range(3)]
    sequences = [rows for rows, _ in pairs]
    labels = {name: [paths[name] for _, paths in pairs] for name in model.chains}
    learned = FactorialHiddenMarkovModel([2, 2]).fit(sequences, labels, iterations=5)
    design = np.concatenate(
        [np.eye(2)[np.concatenate(labels[name])] for name in model.chains], axis=1
    )
    rows = np.concatenate(sequences)
    fitted = design @ np.linalg.lstsq(design, rows, rcond=None)[0]
    means = design @ np.concatenate(learned.parameters.emission.contributions)
    np.testing.assert_allclose(means, fitted, atol=1e-8)
    FactorialHiddenMarkovModel([2, 2]).fit(sequences, {"chain1": labels["chain1"]}, iterations=2)
    with pytest.raises(LearningError, match="structured mean field takes no labels"):
        FactorialHiddenMarkovModel([2, 2], inference="mean field").fit(sequences, labels)


@pytest.mark.parametrize("inference", ["exact", "mean field"])
def test_forecasts_are_what_missing_rows_are_answered(inference):
    model = drawn_model(5, (2, 2), inference=inference)
    rows = drawn_rows(model, 5)
    longer = np.concatenate([rows, np.full((2, 2), np.nan)])
    ahead = model.forecast(rows, 2)
    assert ahead.exact == (inference == "exact")
    for name, marginals in model.posterior(longer).items():
        np.testing.assert_allclose(ahead[name], marginals[-2:], atol=1e-9)
        moved = marginals[-2] @ model.parameters.transitions[list(model.chains).index(name)]
        np.testing.assert_allclose(ahead[name][-1], moved, atol=1e-6)


def test_impossible_sequences_are_infinitely_unlikely(monkeypatch):
    model = drawn_model(6, (2, 2))
    rows = drawn_rows(model, 6)
    emission, densities = type(model.parameters.emission), model.parameters.emission.log_densities
    monkeypatch.setattr(
        emission, "log_densities", lambda self, given: densities(given) - 1 / (given[:, :1] != 99)
    )
    with np.errstate(divide="ignore"):
        totals = model.log_likelihood([rows, np.full((2, 2), 99.0)])
        assert np.isfinite(totals[0])
        assert totals[1] == -np.inf
        with pytest.raises(ZeroProbabilityError, match="sequence 1"):
            model.posterior([rows, np.full((2, 2), 99.0)])
