"""Networks as classifiers: against scikit-learn's naive Bayes, enumeration and formulas."""

from __future__ import annotations

import itertools
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.stats import norm
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict
from sklearn.naive_bayes import CategoricalNB, GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

import mmgraph as mm
from mmgraph.data.splits import folds_of
from mmgraph.graph.errors import LearningError, UnknownVariableError, ZeroProbabilityError
from mmgraph.predictors.bayesian_network_classifier import BayesianNetworkClassifier
from mmgraph.predictors.predictor import Predictor

MODALITIES = {"clinical": ["age", "stage"], "genes": ["g1", "g2", "g3"]}
GENES = MODALITIES["genes"]
PLAIN = {"temper": False, "shrinkage": 0.0, "equivalent_sample_size": 0.0}


def patients(rows: int = 150, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    random = np.random.default_rng(seed)
    ill = (random.random(rows) < 0.4).astype(int)
    frame = pd.DataFrame({g: (1 + ill) * random.standard_normal(rows) + ill for g in GENES})
    frame["age"] = 50 + 10 * random.standard_normal(rows) + 8 * ill
    frame["stage"] = np.where(random.random(rows) < 0.3 + 0.4 * ill, "late", "early")
    return frame, np.where(ill, "ill", "well")


def loss(table: np.ndarray, labels: np.ndarray) -> float:
    return float(-np.log(table[np.arange(len(labels)), (labels == "well").astype(int)]).mean())


def test_continuous_columns_as_gaussian_naive_bayes():
    frame, labels = patients()
    test, _ = patients(seed=1)
    clf = BayesianNetworkClassifier({"a": ["g1"], "b": ["g2", "g3"]}, **PLAIN)
    clf.fit(frame[GENES], labels)
    referee = GaussianNB(var_smoothing=0)
    for given, columns in ((None, GENES), (["a"], ["g1"]), (["b"], ["g2", "g3"])):
        expected = referee.fit(frame[columns], labels).predict_proba(test[columns])
        np.testing.assert_allclose(clf.predict_proba(test[GENES], given), expected, atol=1e-10)
        np.testing.assert_allclose(clf.predict_proba(test[columns]), expected, atol=1e-10)
    assert isinstance(clf, Predictor)


def test_discrete_columns_as_categorical_naive_bayes():
    random = np.random.default_rng(0)
    codes = random.integers(0, 3, (100, 4))
    labels = (codes[:, 0] + random.integers(0, 2, 100) > 1).astype(int)
    frame = pd.DataFrame(codes, columns=list("abcd")).map(lambda code: "xyz"[code])
    clf = BayesianNetworkClassifier(temper=False, equivalent_sample_size=6.0).fit(frame, labels)
    prior = (np.bincount(labels) + 3) / 106
    referee = CategoricalNB(alpha=1.0, class_prior=prior, min_categories=3).fit(codes, labels)
    np.testing.assert_allclose(clf.predict_proba(frame), referee.predict_proba(codes), atol=1e-12)
    np.testing.assert_allclose(clf.predict_proba(frame, given=[])[0], prior)


def test_missing_cells_by_hand():
    """Each density from the cells of its column that are there; missing cells say nothing."""
    frame, labels = patients()
    sparse = frame.mask(np.random.default_rng(3).random(frame.shape) < 0.3)
    clf = BayesianNetworkClassifier(MODALITIES, **(PLAIN | {"equivalent_sample_size": 4.0}))
    clf.fit(sparse, labels)
    test = frame.mask(np.random.default_rng(4).random(frame.shape) < 0.4)
    scores = np.zeros((len(test), 2))
    for place, name in enumerate(["ill", "well"]):
        part = sparse[labels == name]
        scores[:, place] = np.log((len(part) + 2) / (len(sparse) + 4))
        for column in [*GENES, "age"]:
            density = norm(part[column].mean(), part[column].std(ddof=0))
            scores[:, place] += np.nan_to_num(density.logpdf(test[column]))
        for stage in ("early", "late"):
            count = (part["stage"] == stage).sum() + 1
            share = np.log(count / (part["stage"].notna().sum() + 2))
            scores[:, place] += np.where(test["stage"] == stage, share, 0.0)
    np.testing.assert_allclose(np.log(clf.predict_proba(test)), log_softmax(scores, 1), atol=1e-8)


def alarm() -> mm.BayesianNetwork:
    return mm.BayesianNetwork.from_tables(
        [("quake", "alarm"), ("thief", "alarm"), ("alarm", "call"), ("quake", "radio")],
        {
            "quake": [0.9, 0.1],
            "thief": [0.8, 0.2],
            "alarm": [[[0.99, 0.01], [0.2, 0.8]], [[0.6, 0.4], [0.05, 0.95]]],
            "call": [[0.9, 0.1], [0.3, 0.7]],
            "radio": [[0.99, 0.01], [0.25, 0.75]],
        },
        states={n: ["yes", "no"][::-1] for n in ("quake", "thief", "alarm", "call", "radio")},
        modalities={"call": "phone", "alarm": "phone", "radio": "news", "quake": "news"},
    )


def enumerated(net: mm.BayesianNetwork, row: dict[str, str | None]) -> np.ndarray:
    """The posterior of the thief, by summing over all states of all variables."""
    totals = dict.fromkeys(("no", "yes"), 0.0)
    names = list(net.variables)
    for states in itertools.product(("no", "yes"), repeat=len(names)):
        world = dict(zip(names, states, strict=True))
        if any(row.get(n) not in (None, world[n]) for n in names):
            continue
        chance = 1.0
        for name in names:
            places = [int(world[n] == "yes") for n in (*net.parents(name), name)]
            chance *= float(net.distribution(name).values[tuple(places)])
        totals[world["thief"]] += chance
    return np.array(list(totals.values())) / sum(totals.values())


def test_a_given_network_answers_as_enumeration():
    net = alarm()
    frame = net_rows(net, 60).drop(columns="thief")
    labels = net_rows(net, 60)["thief"].to_numpy()
    frame = frame.mask(np.random.default_rng(1).random(frame.shape) < 0.3)
    clf = BayesianNetworkClassifier(network=net, target="thief", temper=False).fit(frame, labels)
    assert clf.classes_.tolist() == ["no", "yes"]
    rows = [{n: c if isinstance(c, str) else None for n, c in r.items()} for r in records(frame)]
    expected = [enumerated(net, row) for row in rows]
    np.testing.assert_allclose(clf.predict_proba(frame), expected, atol=1e-12)
    phone = [{n: c for n, c in row.items() if n in ("call", "alarm")} for row in rows]
    expected = [enumerated(net, row) for row in phone]
    np.testing.assert_allclose(clf.predict_proba(frame, given=["phone"]), expected, atol=1e-12)
    np.testing.assert_allclose(clf.predict_proba(frame, given=[])[0], [0.8, 0.2])
    assert clf.independent_ == (("phone", "news"),) or clf.independent_ == (("news", "phone"),)
    with pytest.raises(LearningError, match="the label 'perhaps' is no state of 'thief'"):
        clf.fit(frame, np.where(np.arange(60) < 2, "perhaps", labels))


def net_rows(net: mm.BayesianNetwork, rows: int) -> pd.DataFrame:
    random = np.random.default_rng(0)
    drawn: dict[str, np.ndarray] = {}
    for name in net.topological_order():
        parents = tuple(drawn[p] for p in net.parents(name))
        table = net.distribution(name).values.numpy()
        drawn[name] = (random.random(rows) < table[(*parents, 1)]).astype(int)
    return pd.DataFrame({n: np.where(codes, "yes", "no") for n, codes in drawn.items()})


def records(frame: pd.DataFrame) -> list[dict]:
    return frame.to_dict("records")


def test_a_given_network_is_tempered_by_rows():
    """A network that is right needs no power; of one that contradicts the rows it is near zero."""
    net = alarm()
    rows = net_rows(net, 3000)
    frame, labels = rows.drop(columns="thief"), rows["thief"].to_numpy()
    right = BayesianNetworkClassifier(network=net, target="thief").fit(frame, labels)
    plain = clone(right).set_params(temper=False).fit(frame, labels)
    assert np.abs(right.predict_proba(frame) - plain.predict_proba(frame)).max() < 0.05
    shuffled = np.random.default_rng(2).permutation(labels)
    wrong = clone(right).fit(frame, shuffled)
    np.testing.assert_allclose(
        wrong.predict_proba(frame), np.tile([0.8, 0.2], (len(frame), 1)), atol=0.03
    )


def test_powers_are_those_that_tell_held_out_rows_best():
    frame, labels = patients(400)
    copies = pd.concat([frame[["g1"]].rename(columns={"g1": f"c{i}"}) for i in range(4)], axis=1)
    clf = BayesianNetworkClassifier(**(PLAIN | {"temper": True}), random_state=5)
    clf.fit(copies, labels)
    codes = (labels == "well").astype(int)
    data = mm.MultimodalData.of({"x": copies}, labels)
    said, truth = [], []
    for training, test in folds_of(data, 5, 5):
        referee = GaussianNB(var_smoothing=0).fit(copies.iloc[training], codes[training])
        log_posterior = referee.predict_log_proba(copies.iloc[test])
        said.append(log_posterior - np.log(referee.class_prior_))
        truth.append(codes[test])
    told, right = np.concatenate(said), np.concatenate(truth)
    log_prior = np.log(np.bincount(codes) / len(codes))

    def held_out_loss(power: float) -> float:
        return -log_softmax(log_prior + power * told, 1)[np.arange(400), right].mean()

    best = minimize_scalar(held_out_loss, bounds=(0.01, 2), method="bounded").x
    assert 0.1 < best < 0.5  # four copies count as one
    final = GaussianNB(var_smoothing=0).fit(copies, codes)
    told = final.predict_log_proba(copies) - log_prior
    np.testing.assert_allclose(
        np.log(clf.predict_proba(copies)), log_softmax(log_prior + best * told, 1), atol=1e-3
    )


def test_noise_costs_no_more_than_the_prior():
    random = np.random.default_rng(0)
    columns = [f"c{i}" for i in range(80)]
    modalities = {"clinical": columns[:4], "genes": columns[4:]}
    factor = random.standard_normal((1600, 80)) + 2 * random.standard_normal((1600, 1))
    frame = pd.DataFrame(factor, columns=columns)
    labels = np.where(random.random(1600) < 0.25, "ill", "well")
    clf = BayesianNetworkClassifier(modalities).fit(frame[:200], labels[:200])
    prior = loss(clf.predict_proba(frame[200:], given=[]), labels[200:])
    for given in (None, ["clinical"], ["genes"]):
        assert loss(clf.predict_proba(frame[200:], given), labels[200:]) < prior + 0.01
    # What is worse than nothing on held-out rows is left out altogether.
    swapped = np.where(frame["c0"] > 0, "ill", "well")
    half = np.r_[0:100, 300:400]
    lie = np.where(half < 200, swapped[half], np.where(swapped[half] == "ill", "well", "ill"))
    groups = np.where(half < 200, "told", "denied")
    one = BayesianNetworkClassifier(modalities).fit(frame.iloc[half], lie, groups=groups)
    answers = one.predict_proba(frame[400:])
    np.testing.assert_allclose(answers, np.tile(one.prior_, (len(answers), 1)), atol=1e-12)
    plain = clone(clf).set_params(temper=False).fit(frame[:200], labels[:200])
    assert loss(plain.predict_proba(frame[200:]), labels[200:]) > prior + 0.2


def test_modalities_that_depend_on_each_other_share_a_power():
    frame, labels = patients()
    naive = BayesianNetworkClassifier(MODALITIES).fit(frame, labels)
    assert sorted(naive.independent_) == [("clinical",), ("genes",)]
    edges = [("y", c) for c in frame] + [("stage", "g1")]
    tied = BayesianNetworkClassifier(MODALITIES, edges=edges, target="y").fit(frame, labels)
    assert tied.independent_ == (("clinical", "genes"),)
    assert tied.network_.parents("g1") == ("y", "stage")
    test, truth = patients(1000, seed=1)
    for clf in (naive, tied):
        both = loss(clf.predict_proba(test), truth)
        assert both < loss(clf.predict_proba(test, ["genes"]), truth)
        assert loss(clf.predict_proba(test, ["clinical"]), truth) < 0.69


def test_a_parent_with_missing_cells_is_learned_by_expectation_maximisation():
    """The tables are a fixed point of EM, whose step is done here by hand."""
    random = np.random.default_rng(0)
    y = random.integers(0, 2, 200)
    a = np.where(random.random(200) < 0.8, y, 1 - y)
    b = np.where(random.random(200) < 0.9, a, 1 - a)
    frame = pd.DataFrame({"a": a, "b": b}).map(lambda code: "xy"[code])
    frame.loc[random.random(200) < 0.3 + 0.4 * b, "a"] = None
    clf = BayesianNetworkClassifier(
        edges=[("y", "a"), ("a", "b")], target="y", temper=False, equivalent_sample_size=4.0
    ).fit(frame, y)
    of_a, of_b = (clf.network_.distribution(n).values.numpy() for n in "ab")
    share = of_a[y] * of_b[:, b].T  # of the state of a, where it is missing
    share /= share.sum(1, keepdims=True)
    known = frame["a"].notna().to_numpy()
    share[known] = np.eye(2)[a[known]]
    for table, counts in (
        (of_a, np.stack([share[y == state].sum(0) for state in (0, 1)])),
        (of_b, np.stack([share[b == state].sum(0) for state in (0, 1)], axis=1)),
    ):
        counts = counts + 1
        np.testing.assert_allclose(table, counts / counts.sum(1, keepdims=True), atol=2e-3)


def test_scikit_learn_clones_searches_and_predicts_by_groups():
    frame, labels = patients(120)
    groups = np.repeat(np.arange(12), 10)
    clf = BayesianNetworkClassifier(MODALITIES, folds=3)
    assert clone(clf).get_params() == clf.get_params()
    table = cross_val_predict(
        clf, frame, labels, groups=groups, cv=GroupKFold(3), method="predict_proba"
    )
    assert np.isfinite(table).all()
    assert loss(table, labels) < 0.6
    search = GridSearchCV(clf, {"shrinkage": [0.0, 0.5]}, cv=3, scoring="neg_log_loss")
    assert search.fit(frame, labels).best_score_ > -0.6
    piped = make_pipeline(FunctionTransformer(lambda f: f.assign(g1=f["g1"] * 2)), clf)
    assert piped.fit(frame, labels).score(frame, labels) > 0.75
    again = pickle.loads(pickle.dumps(clf.fit(frame, labels, groups=groups)))
    np.testing.assert_array_equal(
        again.predict_proba(frame, ["genes"]), clf.predict_proba(frame, ["genes"])
    )


def test_rows_of_several_modalities():
    frame, labels = patients()
    parts = {name: frame[columns] for name, columns in MODALITIES.items()}
    data = mm.MultimodalData.of(parts, labels)
    clf = BayesianNetworkClassifier(MODALITIES)
    np.testing.assert_allclose(
        clone(clf).fit(data).predict_proba(data), clf.fit(frame, labels).predict_proba(frame)
    )
    other = mm.MultimodalData.of(parts | {"clinical": frame[["age"]].assign(stage="final")})
    with pytest.raises(LearningError, match=r"'stage' is .* in the network, and"):
        clone(clf).fit(data).predict_proba(other)
    images = mm.MultimodalData.of({"image": np.zeros((150, 2, 2))}, labels)
    with pytest.raises(LearningError, match="'image' is of arrays; a network is learned from col"):
        clf.fit(images)


def staged() -> mm.BayesianNetwork:
    tables = {"y": [0.4, 0.6], "stage": [[0.3, 0.7], [0.7, 0.3]]}
    states = {"y": ["ill", "well"], "stage": ["early", "late"]}
    return mm.BayesianNetwork.from_tables([("y", "stage")], tables, states)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"edges": [("y", "agee")]}, UnknownVariableError, "'agee'; did you mean 'age'"),
        ({"edges": [("age", "y")]}, LearningError, "'age' is continuous, and can have no children"),
        ({"edges": [("y", "stage"), ("stage", "y")]}, LearningError, "the edges make a cycle"),
        ({"edges": [("y", "g1")], "network": staged()}, LearningError, "a network is given, and"),
        ({"target": "age"}, LearningError, "two variables are called 'age': name the target"),
        ({"network": alarm(), "target": "quake"}, LearningError, "no column of the table is a v"),
        ({"equivalent_sample_size": -1.0}, LearningError, "equivalent sample size"),
        ({"shrinkage": 2.0}, LearningError, "shrinkage lies between 0 and 1"),
    ],
)
def test_what_cannot_be_learned(options, error, message):
    frame, labels = patients()
    with pytest.raises(error, match=message):
        BayesianNetworkClassifier(**({"target": "y"} | options)).fit(frame, labels)


def test_a_row_that_the_network_rules_out_is_an_error():
    frame = pd.DataFrame({"a": list("xyxy") * 5, "b": list("uuvv") * 5})
    labels = (frame["a"] == "x").to_numpy()
    sure = BayesianNetworkClassifier(temper=False, equivalent_sample_size=0.0)
    frame["b"] = np.where(labels, "u", "v")
    sure.fit(frame, labels)
    with pytest.raises(ZeroProbabilityError, match="row 1"):
        sure.predict_proba(pd.DataFrame({"a": ["x", "y"], "b": ["u", "u"]}))
    answers = clone(sure).set_params(equivalent_sample_size=1.0).fit(frame, labels)
    odd = answers.predict_proba(pd.DataFrame({"a": ["y"], "b": ["u"]}))
    np.testing.assert_allclose(odd, [[0.5, 0.5]])


def test_columns_that_do_not_vary_say_nothing():
    frame, labels = patients()
    clf = BayesianNetworkClassifier(MODALITIES).fit(frame, labels)
    odd = frame.assign(g3=2.5, stage=None)
    without = BayesianNetworkClassifier(MODALITIES).fit(odd, labels)
    assert set(without.network_.variables) == {"target", "age", "g1", "g2"}
    assert np.isfinite(without.predict_proba(frame)).all()
    with pytest.raises(LearningError, match="no column of the network varies"):
        clf.fit(frame.assign(**dict.fromkeys(frame.columns, 1.0)), labels)


@parametrize_with_checks(
    [BayesianNetworkClassifier(folds=2)],
    expected_failed_checks=lambda _: {
        f"check_sample_weight_equivalence_on_{kind}_data": "folds are of rows, whatever they count"
        for kind in ("dense", "sparse")
    },
)
def test_scikit_learns_own_checks(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


def test_edges_call_the_target_as_its_series():
    random = np.random.default_rng(0)
    ill = np.arange(60) % 2
    frame = pd.DataFrame(random.standard_normal((60, 2)) + ill[:, None], columns=["a", "b"])
    y = pd.Series(ill, name="ill")
    edges = [("ill", "a"), ("ill", "b")]
    classifier = mm.BayesianNetworkClassifier(edges=edges, temper=False).fit(frame, y)
    assert set(classifier.network_.variables) == {"ill", "a", "b"}
    other = mm.BayesianNetworkClassifier(edges=edges, target="ill", temper=False)
    expected = other.fit(frame, y.rename("c")).predict_proba(frame)
    np.testing.assert_array_equal(classifier.predict_proba(frame), expected)
    usual = mm.BayesianNetworkClassifier(edges=[("target", "a"), ("target", "b")], temper=False)
    np.testing.assert_array_equal(usual.fit(frame, y).predict_proba(frame), expected)
    with pytest.raises(UnknownVariableError, match=r"'ill' \(the target is called .* target= says"):
        classifier.fit(frame, ill)
