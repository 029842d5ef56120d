"""Coupled models answer as all joint paths do, modalities missing or not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from mmgraph.formats.native.native import read_native
from mmgraph.formats.native.sequence_models import write_model
from mmgraph.graph.errors import EvidenceError, FormatError, LearningError
from mmgraph.inference.query import map_query, query
from mmgraph.learning.dynamic.emissions.gaussian import GaussianEmission
from mmgraph.networks.dynamic.coupled_hidden_markov_model import CoupledHiddenMarkovModel
from tests.inference.exact.chain.enumerated_paths import enumerated

SIZES = {"sound": 2, "sight": 3}


def drawn_model(seed):
    generator = np.random.default_rng(seed)
    table = {n: generator.dirichlet(np.ones(k) / 2, (2, 3)) for n, k in SIZES.items()}
    return CoupledHiddenMarkovModel(SIZES).set_parameters(
        {n: generator.dirichlet(np.ones(k)) for n, k in SIZES.items()},
        table,
        means={"sound": 2 * generator.normal(size=(2, 1)), "sight": generator.normal(size=(3, 2))},
        covariances={"sound": np.ones((2, 1)), "sight": np.full((3, 2), 0.25)},
    )


def truth_of(model, rows, length):
    starts, transitions, emission = model.parameters
    densities, whole = np.zeros((length, 2, 3)), np.zeros((6, 6))
    for axis, (name, part) in enumerate(emission.parts.items()):
        if rows.get(name) is None:
            continue
        scale = np.sqrt(part.part.covariances)
        each = norm.logpdf(rows[name][:, None], part.part.means, scale)
        each = np.nansum(each, axis=2)
        densities += each[:, :, None] if axis == 0 else each[:, None]
    for s in range(6):
        for after in range(6):
            whole[s, after] = transitions[0][s, after // 3] * transitions[1][s, after % 3]
    start = np.outer(*starts).ravel()
    return enumerated(start, whole, densities.reshape(length, 6))


def drawn_rows(model, seed, length=4):
    rows, _ = model.sample(length, seed)
    generator = np.random.default_rng(seed)
    for part in rows.values():
        part[generator.random(part.shape) < 0.3] = np.nan
    return {**rows, "sound": None} if seed % 3 == 0 else rows


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_answers_equal_those_of_all_paths(seed):
    model = drawn_model(seed)
    rows = drawn_rows(model, seed)
    truth, answer = truth_of(model, rows, 4), model.posterior(rows)
    assert (answer.method, answer.exact) == ("joint chain", True)
    assert model.log_likelihood(rows) == pytest.approx(truth.log_likelihood, rel=1e-10)
    table = truth.probabilities.reshape(4, 2, 3)
    np.testing.assert_allclose(answer["sound"], table.sum(2), atol=1e-9)
    np.testing.assert_allclose(answer["sight"], table.sum(1), atol=1e-9)
    asked = query(model, rows, ["sight"]).marginal("sight")[0]
    np.testing.assert_allclose(asked, table.sum(1), atol=1e-9)
    path = model.predict(rows)
    best = (truth.paths == 3 * path["sound"] + path["sight"]).all(1)
    assert truth.scores[best][0] == pytest.approx(truth.scores.max(), rel=1e-12)
    assert float(map_query(model, rows).log_weight) == pytest.approx(truth.scores.max())
    assert model.sample_paths(rows, 7)["sight"].shape == (7, 4)
    filtered = model.filter()
    for t in range(4):
        last = filtered.step({n: part[t] for n, part in rows.items() if part is not None})
    np.testing.assert_allclose(last["sight"], answer["sight"][-1], atol=1e-9)


def test_one_step_of_learning_counts_what_all_paths_do():
    model = drawn_model(1)
    rows = [drawn_rows(model, seed) for seed in (3, 4, 5)]
    lists = {name: [row[name] for row in rows] for name in SIZES}
    pairs = sum(truth_of(model, row, 4).pairs for row in rows).reshape(6, 2, 3)
    model.fit(lists, start="current", iterations=1, tolerance=10)
    for counts, table in zip(
        (pairs.sum(2), pairs.sum(1)), model.parameters.transitions, strict=True
    ):
        visited = counts.sum(1) > 1e-9
        expected = counts[visited] / counts[visited].sum(1, keepdims=True)
        np.testing.assert_allclose(table[visited], expected, atol=1e-9)


@pytest.mark.filterwarnings(
    "ignore:expectation", "ignore:the spread of", "error:the objective fell"
)
@pytest.mark.parametrize("emission", ["gaussian", {"sound": "autoregressive", "sight": "mixture"}])
def test_learning_never_falls(emission):
    truth = drawn_model(2)
    rows = [drawn_rows(truth, seed, length) for seed, length in ((1, 40), (2, 1), (3, 25))]
    lists = {name: [row[name] for row in rows] for name in SIZES}
    model = CoupledHiddenMarkovModel(SIZES, emission).fit(lists, iterations=20, tolerance=0)
    objectives = model.fit_report.objectives
    assert objectives[-1] > objectives[0] + 1
    assert model.log_likelihood(lists).sum() == pytest.approx(objectives[-1])


def test_learning_finds_that_one_chain_follows_the_other():
    model = CoupledHiddenMarkovModel({"lead": 2, "follower": 2})
    follows = np.array([[0.95, 0.05], [0.95, 0.05], [0.05, 0.95], [0.05, 0.95]])
    model.set_parameters(
        transition={"lead": np.tile([0.5, 0.5], (4, 1)), "follower": follows},
        means=dict.fromkeys(model.chains, np.array([[0.0], [4.0]])),
        covariances=dict.fromkeys(model.chains, np.ones((2, 1))),
    )
    rows, path = model.sample(600)
    fitted = CoupledHiddenMarkovModel({"lead": 2, "follower": 2}).fit(rows)
    assert fitted.log_likelihood(rows) > model.log_likelihood(rows)
    hidden = fitted.predict({**rows, "follower": None})["follower"]
    agreement = np.mean(hidden[1:] == path["lead"][:-1])
    assert max(agreement, 1 - agreement) > 0.9


def test_a_model_comes_back_from_its_file(tmp_path):
    model = drawn_model(4)
    rows = drawn_rows(model, 4)
    write_model(model, tmp_path / "model")
    again = read_native(tmp_path / "model")
    assert again.chains == model.chains
    assert again.log_likelihood(rows) == model.log_likelihood(rows)


def test_bad_input_is_named():
    with pytest.raises(LearningError, match="not both; did you mean 'sight'"):
        CoupledHiddenMarkovModel(SIZES, {"sound": "gaussian", "sigth": "gaussian"})
    model = drawn_model(0)
    with pytest.raises(EvidenceError, match="are a mapping"):
        model.predict(np.zeros((3, 3)))
    with pytest.raises(EvidenceError, match="did you mean 'sight'"):
        model.filter().step({"sigth": [0, 0]})
    with pytest.raises(EvidenceError, match="'sight': a row has 2 finite cells, not 1"):
        model.filter().step({"sight": [0]})
    with pytest.raises(LearningError, match="transition of chain 'sight'"):
        model.set_parameters(transition={"sight": np.eye(3)})


@pytest.mark.filterwarnings("ignore")
def test_a_checkpoint_belongs_to_its_first_values(tmp_path):
    rows = drawn_model(0).sample(40, 1)[0]

    def model(mean):
        given = GaussianEmission([[mean], [1.0]], np.ones((2, 1)))
        return CoupledHiddenMarkovModel(SIZES, {"sound": given, "sight": "gaussian"})

    settings = {"iterations": 3, "tolerance": 0.0, "checkpoint": tmp_path}
    whole = model(-1.0).fit(rows, **settings).fit_report.objectives
    assert model(-1.0).fit(rows, **settings).fit_report.objectives == whole
    with pytest.raises(FormatError, match="the first values differ"):
        model(-2.0).fit(rows, **settings)


def test_forecasts_follow_the_joint_states():
    model = drawn_model(1)
    rows = drawn_rows(model, 1)
    joint = query(model, rows, ["sound"]).marginal("sound")[0, -1]
    ahead = model.forecast(rows, 2)
    np.testing.assert_allclose(model.posterior(rows)["sound"][-1], joint)
    longer = {n: np.concatenate([r, np.full((2, r.shape[1]), np.nan)]) for n, r in rows.items()}
    np.testing.assert_allclose(ahead["sight"], model.posterior(longer)["sight"][-2:], atol=1e-12)
    before = model.filter()
    for t in range(4):
        before.step({n: r[t] for n, r in rows.items()})
    np.testing.assert_allclose(ahead["sight"][1], before.predict(2)["sight"], atol=1e-12)


@pytest.mark.filterwarnings("ignore::mmgraph.graph.errors.ConvergenceWarning")
def test_labels_of_a_chain_are_counted_and_others_are_found():
    model = drawn_model(2)
    pairs = [model.sample(40, seed) for seed in range(4)]
    rows = {n: [given[n] for given, _ in pairs] for n in SIZES}
    sound = [paths["sound"] for _, paths in pairs]
    half = [[None if t % 2 else int(k) for t, k in enumerate(path)] for path in sound]
    learned = CoupledHiddenMarkovModel(SIZES).fit(rows, {"sound": sound}, iterations=30)
    means = [np.concatenate(rows["sound"])[np.concatenate(sound) == k].mean() for k in (0, 1)]
    np.testing.assert_allclose(learned.parameters.emission.parts["sound"].part.means[:, 0], means)
    start = np.bincount([path[0] for path in sound], minlength=2) / 4
    np.testing.assert_allclose(learned.parameters.starts[0], start, atol=1e-12)
    partly = CoupledHiddenMarkovModel(SIZES).fit(rows, {"sound": half}, iterations=3)
    assert np.isfinite(partly.score(rows))
    with pytest.raises(LearningError, match=r"mapping of the chains \(sound, sight\)"):
        learned.fit(rows, sound)
    with pytest.raises(LearningError, match="'sond'; did you mean 'sound'"):
        learned.fit(rows, {"sond": sound})
