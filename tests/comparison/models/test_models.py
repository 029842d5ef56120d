"""What is compared by name: settings, missing modalities, weights, groups in inner splits."""

from __future__ import annotations

import sys
import types
import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression

import mmgraph as mm
from mmgraph.comparison.models.learned_network import LearnedNetworkClassifier
from mmgraph.comparison.models.masked_copies import MaskedCopiesClassifier
from mmgraph.comparison.models.mini_rocket import MiniRocketClassifier
from mmgraph.comparison.models.named import ALWAYS, MODELS, model_kinds
from mmgraph.comparison.models.prior import PriorClassifier
from mmgraph.comparison.models.standardised_logistic import StandardisedLogistic
from mmgraph.comparison.models.svm_stacking import SvmStackingClassifier
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import LearningError, MissingExtraError
from mmgraph.networks.boltzmann.answers import PriorWarning


def data(rows: int = 120, weights: object = None, groups: object = None) -> MultimodalData:
    random = np.random.default_rng(0)
    codes = np.arange(rows) % 3
    return MultimodalData.of(
        {
            "sound": random.normal(size=(rows, 3)) + codes[:, None],
            "movement": random.normal(size=(rows, 2)) - codes[:, None],
        },
        np.array(list("abc"))[codes],
        weights=weights,
        groups=groups,
    )


def test_each_name_has_settings_of_which_each_makes_another_predictor():
    for kind in MODELS.values():
        if kind.name == "prior":
            continue
        assert 4 <= len(kind.settings) <= 8
        assert kind.settings[0] == {}
        made = [repr(kind.predictor(setting, 7)) for setting in kind.settings]
        assert len({*made}) == len(made)
        assert kind.family in ("graphical", "deep", "hybrid", "reference")
    assert {*ALWAYS} <= {*MODELS}


@pytest.mark.parametrize("name", [*ALWAYS, "naive_bayes", "latent_network", "network"])
def test_models_answer_with_any_modalities_and_by_weight(name: str):
    whole = data()
    weighed = whole.rows([*range(120), *range(0, 120, 3)])  # the first class twice
    weights = np.where(np.arange(120) % 3, 1.0, 2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kind = MODELS[name]
        fitted = kind.predictor({}, 0).fit(data(weights=weights))
        for given in (None, ["sound"], ["movement"], []):
            said = fitted.predict_proba(whole, given=given)
            assert said.shape == (120, 3)
            np.testing.assert_allclose(said.sum(1), 1)
            right = (said.argmax(1) == whole.codes).mean()
            assert right == pytest.approx(1 / 3) if name == "prior" or given == [] else right > 0.5
        prior = fitted.predict_proba(whole, given=[])[0]
    np.testing.assert_allclose(prior, np.bincount(weighed.codes) / len(weighed), atol=0.02)
    hidden = whole.only("sound")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_allclose(
            fitted.predict_proba(hidden), fitted.predict_proba(whole, given=["sound"]), rtol=1e-9
        )


@pytest.mark.parametrize("name", ["logistic", "extra_trees"])
def test_opponents_given_everything_have_learned_from_whole_rows_alone(name: str):
    rows = data()
    fitted = MODELS[name].predictor({}, 0).fit(rows)
    whole = clone(fitted.estimator).fit(np.hstack([*map(rows.numbers, rows.blocks)]), rows.codes)
    table = np.hstack([*map(rows.numbers, rows.blocks)])
    np.testing.assert_allclose(fitted.predict_proba(rows), whole.predict_proba(table), atol=1e-9)


class Recording(ClassifierMixin, BaseEstimator):
    """Keeps what it learns from."""

    def fit(self, X: np.ndarray, y: np.ndarray, sample_weight: Any = None) -> Recording:
        self.X, self.y, self.weights = X, y, sample_weight
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


def test_copies_hide_each_set_of_modalities_once():
    rows = data(12, weights=np.arange(12) + 1.0)
    sound, movement = rows.numbers("sound").copy(), rows.numbers("movement").copy()
    sound[4] = np.nan
    rows = MultimodalData.of({"s": sound, "m": movement}, rows.codes, weights=rows.weights)
    learned = MaskedCopiesClassifier(Recording()).fit(rows).estimator_
    shown = ~np.isnan(learned.X)
    patterns = [(s.all(), m.all()) for s, m in zip(shown[:, :3], shown[:, 3:], strict=True)]
    # A row without sound is there once: hiding sound changes nothing, and the rest leaves nothing.
    assert patterns.count((True, True)) == 11
    assert patterns.count((True, False)) == 11
    assert patterns.count((False, True)) == 12
    assert learned.weights.sum() == 3 * 78 - 2 * 5
    assert not (shown[:, :1] != shown[:, :3]).any()


def test_copies_of_many_modalities_are_drawn():
    random = np.random.default_rng(0)
    rows = MultimodalData.of({f"m{i}": random.normal(size=(50, 1)) for i in range(9)}, [0, 1] * 25)
    learned = MaskedCopiesClassifier(Recording(), copies=4).fit(rows).estimator_
    assert learned.X.shape == (250, 9)
    sizes = (~np.isnan(learned.X)).sum(1)
    assert (sizes[:50] == 9).all()
    assert {*sizes[50:].tolist()} == {*range(1, 9)}


def test_logistic_regression_on_features_is_the_estimators_own():
    rows = data()
    features, codes = rows.numbers("sound"), rows.codes
    scaled = (features - features.mean(0)) / features.std(0)
    ours = StandardisedLogistic(C=0.3, max_iter=2000).fit(features, codes)
    theirs = LogisticRegression(C=0.3, max_iter=2000).fit(scaled, codes)
    np.testing.assert_allclose(
        ours.predict_proba(features), theirs.predict_proba(scaled), atol=1e-4
    )


def test_stacked_scores_are_of_machines_that_have_not_seen_the_group(
    monkeypatch: pytest.MonkeyPatch,
):
    from mmgraph.comparison.models import svm_stacking

    rows = data(groups=np.repeat(np.arange(6), 20))
    seen: list[tuple[set[int], set[int]]] = []

    def folds(data: MultimodalData, count: int, seed: int) -> Any:
        parts = inner(data, count, seed)
        seen.extend(({*data.groups.codes[a]}, {*data.groups.codes[b]}) for a, b in parts)
        return parts

    inner = svm_stacking.inner_folds
    monkeypatch.setattr(svm_stacking, "inner_folds", folds)
    fitted = SvmStackingClassifier().fit(rows)
    assert len(seen) == 5
    assert not any(a & b for a, b in seen)
    # Each set has its own regression, on the scores of the modalities that are there.
    fitted.predict_proba(rows.only("sound"))
    fitted.predict_proba(rows)
    assert [r.n_features_in_ for r in fitted._stacked.values()] == [3, 6]
    with pytest.raises(LearningError, match="no modality of the data has rows of two classes"):
        SvmStackingClassifier().fit(MultimodalData.of({"x": np.ones((4, 1))}, [0, 1, 0, 1]))


def test_a_learned_network_has_the_edges_that_the_rows_ask_for():
    random = np.random.default_rng(0)
    codes = np.arange(160) % 2
    shared = random.normal(size=160)
    x = np.stack([shared + codes, shared + 0.2 * random.normal(size=160)], 1)
    rows = MultimodalData.of({"pair": x, "alone": random.normal(size=(160, 1))}, codes)
    fitted = LearnedNetworkClassifier().fit(rows)
    edges = {tuple(edge) for edge in fitted.network_.edges}
    pair, target = ("pair[0]", "pair[1]"), rows.target.name
    assert {(target, n) for n in (*pair, "alone[0]")} <= edges
    assert edges & {pair, pair[::-1]}
    right = (fitted.predict_proba(rows).argmax(1) == codes).mean()
    naive = mm.BayesianNetworkClassifier().fit(rows)
    assert right > 0.95 > (naive.predict_proba(rows).argmax(1) == codes).mean()
    # Densities of classes are the network's own answers.
    some = rows.rows(slice(0, 6)).join(rows.rows(slice(6, 9)).without("alone"))
    for given in (("pair", "alone"), ("pair",)):
        by_query = mm.BayesianNetworkClassifier._answers(fitted, fitted.network_, some, given)
        ours = fitted._answers(fitted.network_, some, given)
        np.testing.assert_allclose(ours, by_query, rtol=1e-5)
    texts = MultimodalData.of({"note": ["a", "b"] * 4}, [0, 1] * 4)
    with pytest.raises(LearningError, match="'note' is of texts; a network"):
        LearnedNetworkClassifier().fit(texts)


def sequences(lengths: list[int]) -> MultimodalData:
    random = np.random.default_rng(0)
    codes = np.arange(len(lengths)) % 2
    values = [random.normal(size=(n, 2)) + 3 * c for n, c in zip(lengths, codes, strict=True)]
    values[3] = None
    return MultimodalData.of({"wrist": values, "age": random.normal(size=(len(codes), 1))}, codes)


def test_mini_rocket_needs_its_extra_and_sequences(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "aeon", None)
    with pytest.raises(MissingExtraError, match=r"MiniRocket needs .*mmgraph\[rocket\]"):
        MiniRocketClassifier().fit(sequences([12] * 8))


def test_mini_rocket_brings_sequences_to_one_length(monkeypatch: pytest.MonkeyPatch):
    class Means:
        """Stands for the transform, which cannot be installed beside our pins."""

        def __init__(self, n_kernels: int, random_state: int) -> None:
            self.shapes: list[tuple[int, ...]] = []

        def transform(self, X: np.ndarray) -> np.ndarray:
            self.shapes.append(X.shape)
            return X.mean(2)

        fit_transform = transform

    module = types.ModuleType("aeon.transformations.collection.convolution_based")
    module.MiniRocket = Means  # type: ignore[attr-defined]
    for name in ("aeon", "aeon.transformations", "aeon.transformations.collection"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    rows = sequences([20, 30, 40, 20, 30, 40, 20, 30, 30, 30])
    fitted = MiniRocketClassifier(cost=1.0).fit(rows)
    with pytest.warns(PriorWarning, match="row 3 has none"):
        said = fitted.predict_proba(rows, given=["wrist"])
    assert {*fitted.transforms_["wrist"].transform.shapes} == {(9, 2, 30)}
    present = np.delete(np.arange(10), 3)
    assert (said[present].argmax(1) == rows.codes[present]).all()
    np.testing.assert_allclose(said[3], 0.5)
    with pytest.raises(LearningError, match="no modality of the data is of sequences"):
        MiniRocketClassifier().fit(data())


def test_objects_are_copied_wrapped_and_called_by_their_class():
    trees = ExtraTreesClassifier(5, random_state=0)
    prior, wrapped, machine, named = model_kinds(
        {"p": PriorClassifier(), "t": trees, "m": mm.MachineClassifier(), "n": "late_fusion"}
    )
    assert (prior.family, wrapped.family, machine.family) == ("reference", "reference", "graphical")
    assert (named.name, named.family) == ("n", "deep")
    assert [k.name for k in model_kinds([trees, "prior"])] == ["ExtraTreesClassifier", "prior"]
    assert [k.name for k in model_kinds("prior")] == ["prior"]
    rows = data()
    fitted = wrapped.predictor({}, 0).fit(rows)
    assert isinstance(fitted, mm.MissingModalityClassifier)
    assert not hasattr(trees, "estimators_")
    assert fitted.predict_proba(rows, given=["sound"]).shape == (120, 3)
    made = prior.predictor({}, 0)
    assert isinstance(made, PriorClassifier)
