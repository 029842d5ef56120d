"""The regressor as users of scikit-learn meet it: numbers, quantiles, missing modalities."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.utils.estimator_checks import parametrize_with_checks

import mmgraph as mm
from mmgraph.data.leak_alarm import LeakWarning
from mmgraph.graph.errors import LearningError, SchemaError, UnknownVariableError
from mmgraph.networks.boltzmann.answers import PriorWarning
from mmgraph.predictors.leaves.mixture import MixtureLeaf
from mmgraph.predictors.pooling.placement import SilentModalityWarning

MODALITIES = {"lab": ["a", "b", "c", "kind"], "scan": ["d", "e", "f"]}
NORMAL = (MixtureLeaf(components=1),)
METHODS = {
    "gaussian": mm.MultimodalRegressor(MODALITIES, method="gaussian"),
    "bins": mm.MultimodalRegressor(MODALITIES, leaves=NORMAL, joint=NORMAL, folds=3),
}
each_method = pytest.mark.parametrize("method", METHODS)


def rows(count: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.standard_normal((count, 6)), columns=list("abcdef"))
    high = random.random(count) < 0.5
    weights = np.array([1.0, 0.5, -0.5, 1.0, -1.0, 0.3])
    target = frame.to_numpy() @ weights + high + random.standard_normal(count)
    return frame.assign(kind=np.where(high, "high", "low")), 10 + 5 * target


def numbers(frame: pd.DataFrame) -> np.ndarray:
    return frame.assign(kind=frame["kind"] == "high").to_numpy(float)


@pytest.fixture(scope="module")
def fitted() -> dict[str, mm.MultimodalRegressor]:
    return {name: clone(regressor).fit(*rows(400)) for name, regressor in METHODS.items()}


@each_method
def test_it_is_nearly_as_good_as_a_regression_on_a_linear_number(fitted, method):
    frame, target = rows(400)
    test, truth = rows(1000, seed=1)
    slack = {"gaussian": 0.01, "bins": 0.06}[method]
    both = RidgeCV().fit(numbers(frame), target).score(numbers(test), truth)
    assert fitted[method].score(test, truth) > both - slack
    for modality, columns in MODALITIES.items():
        part, tested = numbers(frame), numbers(test)
        places = [frame.columns.get_loc(c) for c in columns]
        alone = RidgeCV().fit(part[:, places], target).score(tested[:, places], truth)
        found = r2_score(truth, fitted[method].predict(test, modality))
        assert found > alone - slack
        others = test.drop(columns=[c for c in test if c not in columns])
        np.testing.assert_allclose(
            fitted[method].predict(others), fitted[method].predict(test, [modality])
        )


@each_method
@pytest.mark.parametrize("given", [None, ["lab"], []])
def test_quantiles_cover_as_often_as_they_say(fitted, method, given):
    test, truth = rows(1000, seed=1)
    levels = [0.1, 0.25, 0.5, 0.75, 0.9]
    quantiles = fitted[method].predict_quantiles(test, levels, given)
    assert (np.diff(quantiles) > 0).all()
    np.testing.assert_allclose((truth[:, None] <= quantiles).mean(0), levels, atol=0.05)
    densities = {g: fitted[method].log_density(test, truth, g).mean() for g in ("lab", "scan")}
    both = fitted[method].log_density(test, truth).mean()
    prior = fitted[method].log_density(test, truth, []).mean()
    assert both > max(densities.values())
    assert min(densities.values()) > prior


@each_method
def test_missing_cells_cost_little(fitted, method):
    test, truth = rows(1000, seed=1)
    holes = np.random.default_rng(2).random(test.shape) < 0.1
    sparse = fitted[method].predict(test.mask(holes))
    assert np.isfinite(sparse).all()
    whole = fitted[method].score(test, truth)
    assert whole > r2_score(truth, sparse) > whole - 0.15
    frame, target = rows(400)
    again = clone(METHODS[method]).fit(
        frame.mask(np.random.default_rng(3).random(frame.shape) < 0.1), target
    )
    assert again.score(test, truth) > whole - 0.05


@each_method
def test_rows_without_anything_are_answered_as_any_row(fitted, method):
    test, _ = rows(3)
    test.loc[1] = None
    with pytest.warns(PriorWarning, match="row 1 has none of the modalities looked at") as caught:
        found = fitted[method].predict(test)
    assert caught[0].filename == __file__
    target = rows(400)[1]
    assert found[1] == pytest.approx(target.mean(), abs=0.1 * target.std())


def test_sequences_and_texts():
    random = np.random.default_rng(0)
    slopes = random.standard_normal(120)
    data = mm.MultimodalData.of(
        {
            "wave": [s * np.arange(n) for s, n in zip(slopes, random.integers(5, 20, 120))],  # noqa: B905
            "note": [None if s < -1 else "rising" if s > 0 else "falling" for s in slopes],
        },
        slopes + 0.1 * random.standard_normal(120),
    )
    truth = data.outcome.labels
    with pytest.warns(SilentModalityWarning, match="'note' of the data is of texts"):
        gaussian = mm.MultimodalRegressor(method="gaussian").fit(data)
    assert gaussian.score(data, truth) > 0.95
    binned = mm.MultimodalRegressor(leaves=("logistic",), folds=2).fit(data)
    assert r2_score(truth, binned.predict(data, ["note"])) > 0.2
    with (
        pytest.warns(SilentModalityWarning),
        pytest.raises(LearningError, match="the data have texts alone"),
    ):
        mm.MultimodalRegressor(method="gaussian").fit(
            mm.MultimodalData({"note": data.blocks["note"]}, data.outcome)
        )


@each_method
def test_groups_weights_seeds_and_cross_validation(method):
    frame, target = rows(90)
    groups = np.repeat(np.arange(9), 10)
    regressor = clone(METHODS[method]).set_params(random_state=None, folds=2)
    found = cross_val_predict(regressor, frame, target, groups=groups, cv=GroupKFold(3))
    assert r2_score(target, found) > 0.2
    weighted = clone(METHODS[method]).fit(
        frame, target, groups=groups, sample_weight=np.where(groups < 5, 1.0, 0.0)
    )
    assert np.isfinite(weighted.predict(frame)).all()
    first, second = (
        clone(METHODS[method]).set_params(folds=2).fit(frame, target).predict(frame)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("options", "target", "message"),
    [
        ({}, np.ones(60), "the target is 1 in every row of the data frame: nothing to tell"),
        ({}, [np.nan, *range(59)], "the target of row 0 of the data frame is no number"),
        ({}, ["a", "b"] * 30, "the target is no number in every row"),
        ({}, [0.0] * 59 + [1.0], "the same number in nearly every row"),
        ({"method": "bin"}, range(60), "method='bin'; did you mean 'bins'"),
        ({"bins": 1}, range(60), "60 rows are cut into two bins or more.*not 1"),
        ({"bins": 31}, range(60), "not 31"),
        ({"folds": 1}, range(60), "two folds or more, not 1"),
    ],
)
def test_what_cannot_be_learned_from(options, target, message):
    frame, _ = rows(60)
    with pytest.raises(LearningError, match=message):
        mm.MultimodalRegressor(MODALITIES, **options).fit(frame, np.array(target))


def test_what_cannot_be_asked(fitted):
    regressor = fitted["gaussian"]
    test, truth = rows(5)
    with pytest.raises(UnknownVariableError, match="no modality 'scam'; did you mean 'scan'"):
        regressor.predict(test, ["scam"])
    for levels in (0.0, [0.5, 1.0], [[0.5]], np.nan):
        with pytest.raises(LearningError, match="levels of quantiles lie between 0 and 1"):
            regressor.predict_quantiles(test, levels)
    assert regressor.predict_quantiles(test, 0.5).shape == (5, 1)
    for values in (truth[:4], [*truth[:4], np.nan]):
        with pytest.raises(LearningError, match="a finite number for each of 5 rows is expected"):
            regressor.log_density(test, values)
    data = mm.MultimodalData.of({"scan": test[["d", "e"]]})
    with pytest.raises(SchemaError, match="is not what was learned from"):
        regressor.predict(data)
    labelled = mm.MultimodalData.of({"scan": test[["d"]]}, ["a", "b", "a", "b", "a"])
    with pytest.raises(LearningError, match="'target' of the data has states"):
        mm.MultimodalRegressor().fit(labelled)


@each_method
def test_a_modality_that_tells_nothing_is_left_out(method):
    frame, target = rows(60)
    regressor = clone(METHODS[method])
    with pytest.warns(SilentModalityWarning, match="'scan' of the data frame is missing") as caught:
        regressor.fit(frame.assign(d=np.nan, e=np.nan, f=np.nan), target)
    assert {one.filename for one in caught} == {__file__}
    expected = regressor.predict(frame, ["lab"])
    np.testing.assert_array_equal(regressor.predict(frame, ["lab", "scan"]), expected)
    with pytest.warns(PriorWarning, match="none of the modalities looked at"):
        prior = regressor.predict(frame, ["scan"])
    np.testing.assert_allclose(prior, target.mean(), atol=0.1 * target.std())


@parametrize_with_checks(
    [
        mm.MultimodalRegressor(method="gaussian", folds=2),
        mm.MultimodalRegressor(leaves=("logistic",), folds=2),
    ],
    expected_failed_checks=lambda _: {
        f"check_sample_weight_equivalence_on_{kind}_data": "folds are of rows, whatever they count"
        for kind in ("dense", "sparse")
    },
)
def test_scikit_learns_own_checks(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


@each_method
def test_the_number_among_the_columns_and_its_name(method):
    frame, target = rows(60)
    regressor = clone(METHODS[method])
    with pytest.warns(LeakWarning, match="column 'd' of the modality 'scan' is the target"):
        regressor.fit(frame.assign(d=target), pd.Series(target, name="months"))
    assert regressor.schema_.target == "months"
    with pytest.raises(LearningError):
        regressor.fit(frame, np.where(np.arange(60) == 3, np.nan, target))
    with pytest.raises(NotFittedError):
        regressor.predict(frame)
